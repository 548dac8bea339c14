package keys

import (
	"bytes"
	"maps"
	"os/exec"
	"path"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/google/go-cmp/cmp"
)

// The draft's own example.
const joe, joeHash = "Joe Doe <Joe.Doe@Example.ORG>", "iy9q119eutrkn8s1mk4r39qejnbu3n5q"

func TestReadAddress(t *testing.T) {
	long := strings.Repeat("a", 64)
	for id, want := range map[string]address{
		joe:                           {"joe.doe", "example.org"},
		"x@a.b":                       {"x", "a.b"},
		"Test Only <t+x@xn--a.b-c.d>": {"t+x", "xn--a.b-c.d"},
		"A <" + long + "@a.b>":        {long, "a.b"},
	} {
		if got, ok := readAddress(id); !ok || got != want {
			t.Errorf("%q: %v, %v", id, got, ok)
		}
	}
	for _, id := range []string{
		"", "Test Only", "Test Only <>", "<@>", "<@a.b>", "<x@>", "<x@a>", "<x@hu>", "<x@policy>", "<x@a.b> ", "<x@a.b", "<y@c.d> <x@a.b>",
		"<x@../../../etc.d>", "<x@a..b>", "<x@.a.b>", "<x@a.b.>", "<x@a/b.c>", "<x@-a.b>", "<x@a-.b>", "<x@a.b\x00c.d>", "<x@a.b\n>", "<x@1.2.3.4>", "<x@[1.2.3.4]>",
		"<x y@a.b>", "<\"x\"@a.b>", "<.x@a.b>", "<x.@a.b>", "<x..y@a.b>", "<x@y@a.b>", "<é@a.b>", "<x@é.b>", "<\u212aate@a.b>", "<x@\u212aa.b>",
		"<a" + long + "@a.b>", "<x@" + long + ".b>", "<x@" + strings.Repeat("a.", 126) + "bc>", "<x@a.b\xff>", "<\xff@a.b>",
	} {
		if got, ok := readAddress(id); ok {
			t.Errorf("%q was read as %v", id, got)
		}
	}
}

// wksClient is GnuPG's own Web Key Directory program, which lies beside the helpers on some systems.
func wksClient(t *testing.T) string {
	t.Helper()
	for _, p := range []string{"gpg-wks-client", "/usr/lib/gnupg/gpg-wks-client", "/usr/libexec/gpg-wks-client"} {
		if found, err := exec.LookPath(p); err == nil {
			return found
		}
	}
	return tool(t, "gpg-wks-client", "gpg-wks-client")
}

func TestAddress_Hash(t *testing.T) {
	a, ok := readAddress(joe)
	if !ok || a.hash() != joeHash {
		t.Errorf("%s, expected %s", a.hash(), joeHash)
	}
	client := wksClient(t)
	for _, mail := range []string{"joe.doe@example.org", "publisher@example.org", "a+b_c@example.org"} {
		a, ok := readAddress(mail)
		if out := strings.Fields(string(run(t, client, "--print-wkd-hash", mail))); !ok || len(out) == 0 || out[0] != a.hash() {
			t.Errorf("%s: %s, gpg-wks-client says %q", mail, a.hash(), out)
		}
	}
}

func wkd(t *testing.T, now time.Time, list ...ManifestKey) map[string][]byte {
	t.Helper()
	x := goodTrust(t)
	x.Manifest.Keys = append(x.Manifest.Keys[1:2], list...)
	files, err := WKD(x, now)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func entry(t *testing.T, c *Certificate) ManifestKey {
	return ManifestKey{Holder: "publisher", Kind: OpenPGP, Key: c.Primary.Fingerprint, Public: text(t, c), Signing: c.SigningFingerprints()}
}

func TestWKD(t *testing.T) {
	two := entry(t, edited(t, func(e *openpgp.Entity) { addUser(t, e, joe); addUser(t, e, "Nobody"); addSubkey(t, e, 0) }))
	two.Signing = two.Signing[:1]
	other, err := ReadCertificate(ed25519Entity(t)) // of test@example.org too, with a subkey that encrypts
	if err != nil {
		t.Fatal(err)
	}
	files := wkd(t, day0, two, entry(t, other))
	test := address{"test", "example.org"}.hash()
	root := ".well-known/openpgpkey/"
	want := []string{root + "example.org/hu/" + joeHash, root + "example.org/hu/" + test, root + "example.org/policy", root + "hu/" + joeHash, root + "hu/" + test, root + "policy"}
	slices.Sort(want)
	if d := cmp.Diff(want, slices.Sorted(maps.Keys(files))); d != "" {
		t.Fatal(d)
	}
	if !bytes.Equal(files[root+"example.org/hu/"+joeHash], files[root+"hu/"+joeHash]) || len(files[root+"policy"]) != 0 {
		t.Error("the two forms differ, or the policy says something")
	}
	gpg := tool(t, "gpg", "gnupg")
	home := gpgHome(t)
	for file, shows := range map[string][]string{
		joeHash: {"pub", "uid Joe Doe <Joe.Doe@Example.ORG>", "sub"},
		test:    {"pub", "uid Test Only <test@example.org>", "sub", "pub", "uid Test Only <test@example.org>"},
	} {
		write(t, home+"/"+file, files[root+"hu/"+file])
		var got []string
		for line := range strings.Lines(string(run(t, gpg, "--homedir", home, "--batch", "--with-colons", "--show-keys", home+"/"+file))) {
			switch f := strings.Split(line, ":"); f[0] {
			case "pub", "sub":
				got = append(got, f[0])
			case "uid":
				got = append(got, "uid "+f[9])
			}
		}
		if d := cmp.Diff(shows, got); d != "" {
			t.Errorf("%s: %s", file, d)
		}
	}
}

// What cannot sign, or is no address, is not there.
func TestWKD_Empty(t *testing.T) {
	_, cert := generated()
	good := entry(t, cert)
	revoked, ended := good, good
	ended.NotAfter = in(-time.Second)
	revoked.Revoked = true
	for name, files := range map[string]map[string][]byte{
		"ended":               wkdOf(t, day0, ended),
		"revoked":             wkdOf(t, day0, revoked),
		"certificate's end":   wkdOf(t, day0.Add(2*year), good),
		"no address":          wkdOf(t, day0, entry(t, onlyUser(t, "Nobody"))),
		"path in the address": wkdOf(t, day0, entry(t, onlyUser(t, "Mallory <x@../../../../etc/cron.d>"))),
	} {
		if len(files) != 0 {
			t.Errorf("%s: %q", name, slices.Sorted(maps.Keys(files)))
		}
	}
	if len(wkdOf(t, day0, good)) == 0 {
		t.Error("the good key is not there: the test shows nothing")
	}
}

func wkdOf(t *testing.T, now time.Time, k ManifestKey) map[string][]byte {
	t.Helper()
	x := goodTrust(t)
	x.Manifest.Required = []Kind{Minisign}
	x.Manifest.Keys[0] = k
	files, err := WKD(x, now)
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func onlyUser(t *testing.T, text string) *Certificate {
	return edited(t, func(e *openpgp.Entity) {
		keep := addUser(t, e, text)
		e.Identities = map[string]*openpgp.Identity{text: keep}
	})
}

// A user id that its owner took back is no address any more.
func TestWKD_RevokedUser(t *testing.T) {
	c := edited(t, func(e *openpgp.Entity) {
		id := addUser(t, e, joe)
		back := *id.SelfCertifications[0].Packet
		back.SigType, back.CreationTime = packet.SigTypeCertificationRevocation, day0
		if err := back.SignUserId(joe, e.PrimaryKey, e.PrivateKey, plainConfig(day0, packet.Config{})); err != nil {
			t.Fatal(err)
		}
		id.Revocations = append(id.Revocations, packet.NewVerifiableSig(&back))
	})
	if !bytes.Contains(c.Binary(), []byte("Joe.Doe")) {
		t.Fatal("the user id is not in the certificate")
	}
	for file := range wkd(t, day0, entry(t, c)) {
		if path.Base(file) == joeHash {
			t.Errorf("%s is there", file)
		}
	}
}

// Whatever a user id says, it forms no path but ours.
func FuzzWKD_Address(f *testing.F) {
	for _, s := range []string{joe, "x@a.b", "<x@../../../etc/passwd.d>", "A <a/b@c.d>", "<\u212a@x.y>"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		a, ok := readAddress(s)
		if !ok {
			return
		}
		file := wkdRoot + a.domain + "/hu/" + a.hash()
		if path.Clean(file) != file || strings.Count(file, "/") != 4 || len(a.hash()) != 32 || strings.ContainsFunc(file, func(r rune) bool { return r <= ' ' || r > '~' || r == '\\' }) {
			t.Errorf("%q forms %q", s, file)
		}
	})
}
