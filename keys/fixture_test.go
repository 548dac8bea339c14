package keys

import (
	"bytes"
	"crypto"
	"os"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"
	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/internal/strictjson"
)

var (
	day0 = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	year = 365 * 24 * time.Hour
)

// generated is one key for all tests: RSA-3072 takes a second.
var generated = sync.OnceValues(func() ([]byte, *Certificate) {
	private, cert, err := GenerateOpenPGP("Test Only <test@example.org>", nil, day0, year)
	if err != nil {
		panic(err)
	}
	return private, cert
})

// tool returns the path of a stock tool; apt names the Debian package.
func tool(t testing.TB, name, apt string) string {
	t.Helper()
	path, err := exec.LookPath(name)
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install -y %s", name, apt)
		}
		t.Skipf("%s is missing: apt-get install -y %s", name, apt)
	}
	return path
}

// gpgHome is a home for gpg with a short path: its sockets allow 108 bytes.
func gpgHome(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "k")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", dir, "--kill", "all").Run()
		os.RemoveAll(dir)
	})
	return dir
}

func run(t testing.TB, name string, args ...string) []byte {
	t.Helper()
	var out, errs bytes.Buffer
	cmd := exec.Command(name, args...)
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil {
		t.Fatalf("%s %q: %v\n%s", name, args, err, errs.String())
	}
	return out.Bytes()
}

// entity makes a certificate's bytes with the library, the wrong kinds too.
func entity(t testing.TB, c packet.Config) []byte {
	t.Helper()
	c.Time = func() time.Time { return day0 }
	if c.DefaultHash == 0 {
		c.DefaultHash = crypto.SHA512
	}
	e, err := openpgp.NewEntity("Test Only", "", "test@example.org", &c)
	if err != nil {
		t.Fatal(err)
	}
	var out bytes.Buffer
	if err := e.Serialize(&out); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

func ed25519Entity(t testing.TB) []byte {
	return entity(t, packet.Config{Algorithm: packet.PubKeyAlgoEdDSA, Curve: packet.Curve25519})
}

func minisignKey(t testing.TB) MinisignKey {
	t.Helper()
	_, public, err := GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseMinisignFile(public)
	if err != nil {
		t.Fatal(err)
	}
	return k
}

// goodTrust is a document that passes Check: a root of 2 of 3, both kinds.
func goodTrust(t testing.TB) *Trust {
	t.Helper()
	_, cert := generated()
	armored, err := cert.Armored()
	if err != nil {
		t.Fatal(err)
	}
	tr := &Trust{Schema: TrustSchema, Network: "centos", Version: 1, Issued: strictjson.At(day0), Expires: strictjson.At(day0.Add(year))}
	for _, h := range []string{"alice", "bob", "carol"} {
		k := minisignKey(t)
		tr.Root.Keys = append(tr.Root.Keys, RootKey{Holder: h, Key: k.ID, Public: k.String()})
	}
	tr.Root.Threshold = 2
	k := minisignKey(t)
	end := strictjson.At(day0.Add(100 * 24 * time.Hour))
	tr.Manifest = ManifestRole{Threshold: 1, Required: []Kind{OpenPGP, Minisign}, Keys: []ManifestKey{
		{Holder: "publisher", Kind: OpenPGP, Key: cert.Primary.Fingerprint, Public: string(armored), Signing: cert.SigningFingerprints()},
		{Holder: "publisher", Kind: Minisign, Key: k.ID, Public: k.String(), NotAfter: &end},
	}}
	return tr
}
