package keys

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
)

func TestTrust_EncodeParse(t *testing.T) {
	tr := goodTrust(t)
	b, err := tr.Encode()
	if err != nil {
		t.Fatal(err)
	}
	got, err := ParseTrust(b)
	if err != nil {
		t.Fatal(err)
	}
	if d := cmp.Diff(tr, got); d != "" {
		t.Error(d)
	}
	again, err := got.Encode()
	if err != nil || !bytes.Equal(again, b) {
		t.Errorf("another text: %v", err)
	}
	if !bytes.HasPrefix(b, []byte("{\n  \"schema\": ")) || !bytes.HasSuffix(b, []byte("}\n")) {
		t.Errorf("indent or final line feed:\n%s", b)
	}
}

func TestParseTrust_Refused(t *testing.T) {
	b, err := goodTrust(t).Encode()
	if err != nil {
		t.Fatal(err)
	}
	s := string(b)
	for name, bad := range map[string]string{
		"duplicate member":  strings.Replace(s, `"version": 1,`, `"version": 1, "version": 2,`, 1),
		"case-folded":       strings.Replace(s, `"min_serial"`, `"Min_serial"`, 1),
		"long s":            strings.Replace(s, `"schema"`, "\"\u017fchema\"", 1),
		"trailing document": s + "{}",
		"version 1.0":       strings.Replace(s, `"version": 1,`, `"version": 1.0,`, 1),
		"other major":       strings.Replace(s, "trust/v1", "trust/v2", 1),
		"oversize":          s + strings.Repeat(" ", MaxTrust),
		"empty":             "",
	} {
		if bad == s {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := ParseTrust([]byte(bad)); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestTrust_Check(t *testing.T) {
	if err := goodTrust(t).Check(); err != nil {
		t.Fatal(err)
	}
	later := func(d time.Duration) strictjson.Time { return strictjson.At(day0.Add(d)) }
	cases := []struct {
		name, want string
		spoil      func(*Trust)
	}{
		{"schema", "schema", func(x *Trust) { x.Schema = "tidemark/trust/v2" }},
		{"network", "network", func(x *Trust) { x.Network = "../x" }},
		{"version", "version is 0", func(x *Trust) { x.Version = 0 }},
		{"min_serial below", "min_serial", func(x *Trust) { x.MinSerial = -1 }},
		{"min_serial beyond", "min_serial", func(x *Trust) { x.MinSerial = 1 << 53 }},
		{"expires", "not after issued", func(x *Trust) { x.Expires = later(0) }},
		{"no times", "not after issued", func(x *Trust) { x.Issued, x.Expires = strictjson.Time{}, later(1) }},
		{"root threshold 0", "root: threshold is 0", func(x *Trust) { x.Root.Threshold = 0 }},
		{"root threshold 4", "only 3 distinct", func(x *Trust) { x.Root.Threshold = 4 }},
		{"one root holder thrice", "only 1 distinct", func(x *Trust) {
			for i := range x.Root.Keys {
				x.Root.Keys[i].Holder = "alice"
			}
		}},
		{"manifest threshold", "manifest: threshold is 2, but there are only 1", func(x *Trust) { x.Manifest.Threshold = 2 }},
		{"revoked holder", "but there are only 0", func(x *Trust) { x.Manifest.Keys[0].Revoked, x.Manifest.Keys[1].Revoked = true, true }},
		{"required kind revoked", `"minisign" is required`, func(x *Trust) { x.Manifest.Keys[1].Revoked = true }},
		{"nothing required", "names no kind", func(x *Trust) { x.Manifest.Required = nil }},
		{"unknown required", "is unknown", func(x *Trust) { x.Manifest.Required = []Kind{"x509"} }},
		{"required twice", "twice", func(x *Trust) { x.Manifest.Required = []Kind{OpenPGP, OpenPGP} }},
		{"unknown kind", "is unknown", func(x *Trust) { x.Manifest.Keys[1].Kind = "x509" }},
		{"holder", "holder", func(x *Trust) { x.Manifest.Keys[0].Holder = "Alice B" }},
		{"root id", "the public key's id is", func(x *Trust) { x.Root.Keys[0].Key = "0000000000000000" }},
		{"lower-case id", "the public key's id is", func(x *Trust) { x.Root.Keys[0].Key = "x" + strings.ToLower(x.Root.Keys[0].Key[1:]) }},
		{"root public", "minisign public key", func(x *Trust) { x.Root.Keys[0].Public = "RWQ" }},
		{"same root key twice", "the same key", func(x *Trust) { x.Root.Keys[1] = x.Root.Keys[0]; x.Root.Keys[1].Holder = "bob" }},
		{"one key under two ids", "the same key", func(x *Trust) {
			b, _ := base64.StdEncoding.DecodeString(x.Root.Keys[0].Public)
			b[2] ^= 1
			k, _ := ParseMinisign(base64.StdEncoding.EncodeToString(b))
			x.Root.Keys[1] = RootKey{Holder: "bob", Key: k.ID, Public: k.String()}
		}},
		{"root key online", "the same key", func(x *Trust) {
			x.Manifest.Keys[1].Key, x.Manifest.Keys[1].Public = x.Root.Keys[0].Key, x.Root.Keys[0].Public
		}},
		{"fingerprint", "primary fingerprint is", func(x *Trust) { x.Manifest.Keys[0].Key = strings.Repeat("0", 40) }},
		{"no signing", "signing names no fingerprint", func(x *Trust) { x.Manifest.Keys[0].Signing = nil }},
		{"foreign signing", "can sign only with", func(x *Trust) { x.Manifest.Keys[0].Signing = []string{strings.Repeat("0", 40)} }},
		{"primary that cannot sign", "can sign only with", func(x *Trust) { x.Manifest.Keys[0].Signing = []string{x.Manifest.Keys[0].Key} }},
		{"signing twice", "twice", func(x *Trust) {
			k := &x.Manifest.Keys[0]
			k.Signing = []string{k.Signing[0], k.Signing[0]}
		}},
		{"same certificate twice", "the same key", func(x *Trust) {
			x.Manifest.Keys = append(x.Manifest.Keys, x.Manifest.Keys[0])
			x.Manifest.Keys[2].Holder = "other"
		}},
		{"not armored", "not an armored", func(x *Trust) { x.Manifest.Keys[0].Public = "x" }},
		{"damaged certificate", "certificate", func(x *Trust) {
			x.Manifest.Keys[0].Public = strings.Replace(x.Manifest.Keys[0].Public, "\n\n", "\n\nA", 1)
		}},
		{"signing of a minisign key", "openpgp keys only", func(x *Trust) { x.Manifest.Keys[1].Signing = []string{"x"} }},
		{"not_after zero", "not_after", func(x *Trust) { x.Manifest.Keys[1].NotAfter = &strictjson.Time{} }},
	}
	for _, c := range cases {
		x := goodTrust(t)
		c.spoil(x)
		if err := x.Check(); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", c.name, err, c.want)
		}
		if _, err := x.Encode(); err == nil {
			t.Errorf("%s was encoded", c.name)
		}
	}
}

func TestTrust_Check_AllAtOnce(t *testing.T) {
	x := goodTrust(t)
	x.Version, x.Network = 0, ""
	if err := x.Check(); err == nil || !strings.Contains(err.Error(), "version") || !strings.Contains(err.Error(), "network") {
		t.Errorf("%v, expected both problems", err)
	}
}

func TestTrust_Ends(t *testing.T) {
	x := goodTrust(t)
	var got []string
	for _, e := range x.Ends() {
		got = append(got, e.When.Format("2006-01-02 ")+strings.Fields(e.What)[1])
	}
	want := []string{"2027-03-02 minisign", "2027-11-22 1", "2027-11-22 certificate", "2027-11-22 signing"}
	if d := cmp.Diff(want, got); d != "" {
		t.Error(d, x.Ends())
	}
	x.Manifest.Keys[1].Revoked = true
	if n := len(x.Ends()); n != 3 {
		t.Errorf("%d ends, a revoked key has none", n)
	}
	if e := x.Manifest.Keys[0].End(); e == nil || !e.Equal(day0.Add(year)) {
		t.Errorf("end of the openpgp key: %v", e)
	}
}

func TestExport(t *testing.T) {
	x := goodTrust(t)
	second := minisignKey(t)
	ed, err := ReadCertificate(ed25519Entity(t))
	if err != nil {
		t.Fatal(err)
	}
	armored, err := ed.Armored()
	if err != nil {
		t.Fatal(err)
	}
	revoked := minisignKey(t)
	x.Manifest.Keys = append(x.Manifest.Keys,
		ManifestKey{Holder: "other", Kind: Minisign, Key: second.ID, Public: second.String()},
		ManifestKey{Holder: "other", Kind: OpenPGP, Key: ed.Primary.Fingerprint, Public: string(armored), Signing: ed.SigningFingerprints()},
		ManifestKey{Holder: "gone", Kind: Minisign, Key: revoked.ID, Public: revoked.String(), Revoked: true})
	files, err := Export(x, day0)
	if err != nil {
		t.Fatal(err)
	}
	want := []string{"centos." + second.ID + ".pem", "centos." + second.ID + ".pub", "centos.asc", "centos.gpg", "centos.pem", "centos.pub", "centos.txt"}
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(files))); d != "" {
		t.Error(d)
	}
	body, err := Dearmor(files["centos.asc"], ArmorPublic)
	if err != nil || !bytes.Equal(body, files["centos.gpg"]) {
		t.Errorf(".asc and .gpg differ: %v", err)
	}
	block, _ := pem.Decode(files["centos.pem"])
	public, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseMinisignFile(files["centos.pub"])
	if err != nil || !k.Public.Equal(public.(ed25519.PublicKey)) {
		t.Errorf(".pub and .pem hold different keys: %v", err)
	}
}

func TestExport_GPGImportsAll(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	x := goodTrust(t)
	ed, err := ReadCertificate(ed25519Entity(t))
	if err != nil {
		t.Fatal(err)
	}
	armored, err := ed.Armored()
	if err != nil {
		t.Fatal(err)
	}
	x.Manifest.Keys = append(x.Manifest.Keys, ManifestKey{Holder: "other", Kind: OpenPGP, Key: ed.Primary.Fingerprint, Public: string(armored), Signing: ed.SigningFingerprints()})
	files, err := Export(x, day0)
	if err != nil {
		t.Fatal(err)
	}
	home := gpgHome(t)
	write(t, home+"/k.asc", files["centos.asc"])
	run(t, gpg, "--homedir", home, "--batch", "--import", home+"/k.asc")
	out := string(run(t, gpg, "--homedir", home, "--batch", "--with-colons", "--list-keys"))
	for _, k := range x.Manifest.Keys {
		if k.Kind == OpenPGP && !strings.Contains(out, k.Key) {
			t.Errorf("gpg did not import %s", k.Key)
		}
	}
	if strings.Contains(out, "\nsub:") && strings.Contains(out, ":e::") {
		t.Errorf("a subkey that encrypts was exported:\n%s", out)
	}
}

func FuzzParseTrust(f *testing.F) {
	b, err := goodTrust(f).Encode()
	if err != nil {
		f.Fatal(err)
	}
	f.Add(b)
	f.Fuzz(func(t *testing.T, b []byte) {
		x, err := ParseTrust(b)
		if err != nil {
			if x != nil {
				t.Fatal("a document beside an error")
			}
			return
		}
		text, err := x.Encode()
		if err != nil {
			t.Fatal(err)
		}
		again, err := ParseTrust(text)
		if err != nil {
			t.Fatal(err)
		}
		if d := cmp.Diff(x, again); d != "" {
			t.Fatal(d)
		}
	})
}
