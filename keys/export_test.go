package keys

import (
	"bytes"
	"encoding/base64"
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
)

var update = flag.Bool("update", false, "write the golden files anew")

// numbered is a minisign public key that is the same in every run; nobody has its secret half.
func numbered(n byte) MinisignKey {
	b := append([]byte("Ed"), bytes.Repeat([]byte{n}, 40)...)
	k, err := ParseMinisign(base64.StdEncoding.EncodeToString(b))
	if err != nil {
		panic(err)
	}
	return k
}

// history is three versions of a trust document: a key is replaced in the second, revoked in the third.
func history(t *testing.T) []*Trust {
	t.Helper()
	armored, err := os.ReadFile("testdata/test-only-certificate.asc")
	if err != nil {
		t.Fatal(err)
	}
	one := &Trust{Schema: TrustSchema, Network: "centos", Version: 1, Issued: strictjson.At(day0), Expires: strictjson.At(day0.Add(year))}
	one.Root.Threshold = 2
	one.Manifest = ManifestRole{Threshold: 1, Required: []Kind{OpenPGP, Minisign}}
	for i, holder := range []string{"alice", "bob", "carol"} {
		if _, err := one.PutRoot(holder, numbered(byte(i+1)).File()); err != nil {
			t.Fatal(err)
		}
	}
	put := func(x *Trust, public []byte) {
		t.Helper()
		if _, err := x.PutKey("publisher", public); err != nil {
			t.Fatal(err)
		}
	}
	put(one, armored)
	put(one, numbered(0x11).File())
	two := one.Successor(day0.Add(day), year)
	put(two, numbered(0x22).File())
	three := two.Successor(day0.Add(2*day), year)
	if err := three.RevokeKey(numbered(0x11).ID); err != nil {
		t.Fatal(err)
	}
	if err := three.EndKey(numbered(0x22).ID, day0.Add(100*day)); err != nil {
		t.Fatal(err)
	}
	return []*Trust{one, two, three}
}

func TestSheet(t *testing.T) {
	h := history(t)
	got := Sheet(h[2], day0.Add(3*day), h[0], h[1])
	const golden = "testdata/sheet.txt"
	if *update {
		if err := os.WriteFile(golden, got, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(string(want), string(got)); d != "" {
		t.Error(d)
	}
	if again := Sheet(h[2], day0.Add(3*day), h[1], h[0]); !bytes.Equal(again, got) {
		t.Error("the order of the earlier versions shows")
	}
	if s := string(Sheet(h[2], day0.Add(101*day))); !strings.Contains(s, "since version 3 or before") || !strings.Contains(s, "Ended: the minisign key 2222") {
		t.Errorf("without the earlier versions, a day after an end:\n%s", s)
	}
	if s := string(Sheet(h[2], day0, h[0])); strings.Contains(s, "since version 1") {
		t.Errorf("a version that is not known was passed over:\n%s", s)
	}
}

// gpgv takes what an ended key signs: it is not exported. The other subkeys go on.
func TestExport_EndedSubkey(t *testing.T) {
	c := edited(t, func(e *openpgp.Entity) { addSubkey(t, e, 10*day) })
	x := goodTrust(t)
	x.Manifest.Keys[0] = entry(t, c)
	for at, want := range map[time.Duration]int{0: 2, 9 * day: 2, 11 * day: 1} {
		files, err := Export(x, day0.Add(at))
		if err != nil {
			t.Fatal(err)
		}
		got, err := ReadCertificate(files["centos.gpg"])
		if err != nil || len(got.Signing) != want {
			t.Errorf("after %v: %d signing keys, %v, expected %d", at, len(got.Signing), err, want)
		}
	}
	if files, err := Export(x, day0.Add(2*year)); err != nil || files["centos.gpg"] != nil {
		t.Errorf("a certificate that has ended was exported: %v", err)
	}
}

func revokedBy(t *testing.T, reason packet.ReasonForRevocation) *Certificate {
	t.Helper()
	private, _ := generated()
	list, err := openpgp.ReadArmoredKeyRing(bytes.NewReader(private))
	if err != nil {
		t.Fatal(err)
	}
	if err := list[0].Revoke(reason, "", plainConfig(day0, packet.Config{})); err != nil {
		t.Fatal(err)
	}
	b, err := serializePublic(list[0])
	if err != nil {
		t.Fatal(err)
	}
	c, err := readRevoked(b)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// A certificate that revokes itself is no key to sign with, whatever its reason; put over its entry it revokes that.
func TestTrust_PutKey_RevokesItself(t *testing.T) {
	for _, reason := range []packet.ReasonForRevocation{packet.KeyCompromised, packet.KeyRetired, packet.KeySuperseded} {
		gone := revokedBy(t, reason)
		if _, err := ReadCertificate(gone.Binary()); err == nil || !strings.Contains(err.Error(), "revoked") {
			t.Errorf("reason %d: read: %v", reason, err)
		}
		x := goodTrust(t)
		if _, err := x.PutKey("publisher", gone.Binary()); err != nil || !x.Manifest.Keys[0].Revoked || len(x.Manifest.Keys[0].Signing) != 1 {
			t.Errorf("reason %d: %v, %+v", reason, err, x.Manifest.Keys[0])
		}
		x.Manifest.Required = []Kind{Minisign}
		if err := x.Check(); err != nil {
			t.Errorf("reason %d: %v", reason, err)
		}
		x.Manifest.Keys = x.Manifest.Keys[1:]
		if _, err := x.PutKey("publisher", gone.Binary()); err == nil || !strings.Contains(err.Error(), "cannot be added") {
			t.Errorf("reason %d: added: %v", reason, err)
		}
	}
	_, good := generated()
	if _, err := readRevoked(good.Binary()); err == nil {
		t.Error("a good certificate was read as a revoked one")
	}
}

// An admin whose gpg holds a stolen key: its revocation, imported, ends it; the keyring for gpgv never has the key.
func TestExport_Revoked(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	_, cert := generated()
	x := goodTrust(t)
	other, err := ReadCertificate(ed25519Entity(t))
	if err != nil {
		t.Fatal(err)
	}
	x.Manifest.Keys = append(x.Manifest.Keys, entry(t, other))
	if err := x.RevokeKey(cert.Primary.Fingerprint); err != nil {
		t.Fatal(err)
	}
	files, err := Export(x, day0)
	if err != nil || files["centos.revoked.asc"] != nil {
		t.Fatalf("a revocation that nobody signed: %v", err)
	}
	if _, err := x.PutKey("publisher", revokedBy(t, packet.KeyCompromised).Binary()); err != nil {
		t.Fatal(err)
	}
	if files, err = Export(x, day0); err != nil {
		t.Fatal(err)
	}
	if ring, err := ReadCertificate(files["centos.gpg"]); err != nil || ring.Primary.Fingerprint != other.Primary.Fingerprint {
		t.Errorf("the keyring is not the other key alone: %v", err)
	}
	home := gpgHome(t)
	flags := func() string {
		out := string(run(t, gpg, "--homedir", home, "--batch", "--with-colons", "--list-keys", cert.Primary.Fingerprint))
		i := slices.IndexFunc(strings.Split(out, "\n"), func(l string) bool { return strings.HasPrefix(l, "pub:") })
		return strings.Split(strings.Split(out, "\n")[i], ":")[1]
	}
	write(t, home+"/old", cert.Binary())
	run(t, gpg, "--homedir", home, "--batch", "--import", home+"/old")
	before := flags()
	write(t, home+"/revoked", files["centos.revoked.asc"])
	run(t, gpg, "--homedir", home, "--batch", "--import", home+"/revoked")
	if after := flags(); before == "r" || after != "r" {
		t.Errorf("gpg's validity of the key was %q, and is %q", before, after)
	}
	x.Manifest.Keys[0].Key, x.Manifest.Keys[0].Signing = strings.Repeat("A", 40), nil
	if files, err = Export(x, day0); err != nil || files["centos.revoked.asc"] != nil {
		t.Errorf("another key's revocation was exported: %v", err)
	}
}

// A stolen subkey that the certificate has revoked: whoever imported the keyring learns of it, and no keyring of ours has it.
func TestExport_RevokedSubkey(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	stolen := ""
	var before []byte
	c := edited(t, func(e *openpgp.Entity) {
		addSubkey(t, e, 0)
		stolen = Fingerprint(e.Subkeys[0].PublicKey.Fingerprint)
		var err error
		if before, err = serializePublic(e); err != nil {
			t.Fatal(err)
		}
		if err := e.Subkeys[0].Revoke(packet.KeyCompromised, "", plainConfig(day0, packet.Config{})); err != nil {
			t.Fatal(err)
		}
	})
	x := goodTrust(t)
	x.Manifest.Keys[0] = entry(t, c)
	files, err := Export(x, day0)
	if err != nil {
		t.Fatal(err)
	}
	if s := string(files["centos.txt"]); !strings.Contains(s, "REVOKED: its subkey "+stolen) || !strings.Contains(s, "centos.revoked.asc") {
		t.Errorf("the sheet:\n%s", s)
	}
	if ring, err := ReadCertificate(files["centos.gpg"]); err != nil || len(ring.revoked) != 0 || len(ring.Signing) != 1 {
		t.Errorf("the keyring: %v", err)
	}
	home := gpgHome(t)
	flags := func() string {
		out := string(run(t, gpg, "--homedir", home, "--batch", "--with-colons", "--list-keys", c.Primary.Fingerprint))
		for _, l := range strings.Split(out, "\n") {
			if f := strings.Split(l, ":"); f[0] == "sub" && strings.HasSuffix(stolen, f[4]) {
				return f[1]
			}
		}
		return "absent"
	}
	for _, step := range []struct {
		file string
		data []byte
		want bool
	}{{"before", before, false}, {"ring", files["centos.asc"], false}, {"revoked", files["centos.revoked.asc"], true}} {
		write(t, home+"/"+step.file, step.data)
		run(t, gpg, "--homedir", home, "--batch", "--import", home+"/"+step.file)
		if got := flags(); (got == "r") != step.want {
			t.Errorf("after the import of %s the subkey's validity is %q", step.file, got)
		}
	}
	if files, err := Export(goodTrust(t), day0); err != nil || files["centos.revoked.asc"] != nil {
		t.Errorf("nothing is revoked: %v", err)
	}
}

// Every user id is told, each on a line that is short and hides nothing.
func TestSheet_UserIDs(t *testing.T) {
	hostile := "Mirrors\u202e" + strings.Repeat(" ", 60) + "alice: minisign key 1111111111111111" + strings.Repeat("\u00a0x", 4000)
	c := edited(t, func(e *openpgp.Entity) { addUser(t, e, "Second <second@example.org>"); addUser(t, e, hostile) })
	x := goodTrust(t)
	x.Manifest.Keys[0] = entry(t, c)
	s := string(Sheet(x, day0))
	for _, want := range []string{"User id: Test Only <test@example.org>\n", "User id: Second <second@example.org>\n", `User id: Mirrors\u202e alice: minisign key`} {
		if !strings.Contains(s, want) {
			t.Errorf("%q is not on the sheet:\n%s", want, s)
		}
	}
	for _, l := range strings.Split(s, "\n") {
		if len(l) > 250 {
			t.Errorf("a line of %d bytes", len(l))
		}
	}
	if len(c.UserIDs) != 3 || c.UserIDs[0] != c.UserID {
		t.Errorf("%q", c.UserIDs)
	}
}

// A subkey that another outlasts is told of before it ends, and need not be renewed.
func TestTrust_Ends_Subkeys(t *testing.T) {
	c := edited(t, func(e *openpgp.Entity) { addSubkey(t, e, 10*day); addSubkey(t, e, 0) })
	x := goodTrust(t)
	x.Manifest.Keys[0] = entry(t, c)
	got := map[string]bool{}
	for _, e := range x.Ends() {
		got[fmt.Sprintf("%s %s", e.When.Format("2006-01-02"), strings.Fields(e.What)[1])] = e.Outlasted
	}
	// The subkey without an end of its own ends with the certificate, as the first one does.
	want := map[string]bool{"2027-03-02 minisign": false, "2027-11-22 1": false, "2027-11-22 certificate": false, "2026-12-02 signing": true, "2027-11-22 signing": false}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d)
	}
}

// A self-signature that ends itself ends the key, as all verifiers see it.
func TestReadCertificate_SelfSignatureEnds(t *testing.T) {
	seconds := uint32(20 * day / time.Second)
	c := edited(t, func(e *openpgp.Entity) {
		for name, id := range e.Identities {
			self := id.SelfCertifications[0].Packet
			self.SigLifetimeSecs = &seconds
			if err := self.SignUserId(name, e.PrimaryKey, e.PrivateKey, plainConfig(day0, packet.Config{})); err != nil {
				t.Fatal(err)
			}
		}
	})
	if end := c.Primary.End; end == nil || !end.Equal(day0.Add(20*day)) {
		t.Errorf("ends %v", end)
	}
	if end := c.Signing[0].End; end == nil || !end.Equal(day0.Add(20*day)) {
		t.Errorf("the subkey ends %v", end)
	}
}
