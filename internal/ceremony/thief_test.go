package ceremony

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/sign"
)

// thief has read all on the publisher's machine, and can write to the site.
type thief struct {
	signers []sign.Signer
	last    []byte // manifest.json as it was
}

func rob(t *testing.T, w *world) thief {
	t.Helper()
	dir := w.machine("operator")
	pgp, err := sign.OpenPGPFile([]byte(readFile(t, filepath.Join(dir, "keys/openpgp.asc"))), nil, nil, time.Now())
	if err != nil {
		t.Fatal(err)
	}
	ed, err := sign.MinisignFile([]byte(readFile(t, filepath.Join(dir, "keys/ed25519.key"))), nil)
	if err != nil {
		t.Fatal(err)
	}
	return thief{signers: []sign.Signer{pgp, ed}, last: []byte(readFile(t, filepath.Join(dir, "site/manifest.json")))}
}

// forge lays a manifest of any serial at the site, in all forms, as the newest one.
func (th thief) forge(t *testing.T, w *world, serial int64) {
	t.Helper()
	m, err := manifest.Parse(th.last)
	if err != nil {
		t.Fatal(err)
	}
	m.Serial, m.Issued = serial, strictjson.At(time.Now())
	m.Expires = strictjson.At(m.Issued.Add(24 * time.Hour))
	payload, err := manifest.Encode(m)
	if err != nil {
		t.Fatal(err)
	}
	env := sign.Envelope{Payload: payload}
	for _, s := range th.signers {
		sig, err := s.Sign(context.Background(), sign.Request{Payload: payload, Comment: m.Comment(payload), Issued: m.Issued.Time, Expires: m.Expires.Time})
		if err != nil {
			t.Fatal(err)
		}
		env.Signatures = append(env.Signatures, sig)
	}
	bundle, err := env.Encode()
	if err != nil {
		t.Fatal(err)
	}
	site := &lab.Publisher{Network: "centos", Site: filepath.Join(w.machine("operator"), "site")}
	site.At(time.Now())
	if err := site.LayBundle(serial, bundle); err != nil {
		t.Fatal(err)
	}
}

// refused shows a mirror, and admins with OpenPGP alone, what the thief signs, in a copy of the site, and wants it refused; the true
// site is put back.
func (th thief) refused(t *testing.T, w *world, mirror string) {
	t.Helper()
	site, kept := filepath.Join(w.machine("operator"), "site"), filepath.Join(w.machine("operator"), "site.kept")
	w.must(t, "operator", "cp -a site site.kept")
	serial := w.serial(t) + 10
	th.forge(t, w, serial)
	if out, code := w.run(t, mirror, "tidemark-mirror check"); code != 4 {
		t.Errorf("%s was shown serial %d by revoked keys: exit code %d, expected 4\n%s", mirror, serial, code, out)
	}
	const forged = "../operator/site/manifest.json"
	for _, line := range []string{
		"gpgv --keyring %s " + forged + ".asc " + forged,
		"gpgv --keyring %s " + forged + ".gpg", // what the shell script reads
		"sqv --keyring %s " + forged + ".asc " + forged,
	} {
		w.must(t, "admin", fmt.Sprintf(line, "./before.gpg"))
		if out, code := w.run(t, "admin", fmt.Sprintf(line, "../operator/site.kept/keys/centos.gpg")); code == 0 {
			t.Errorf("the stolen OpenPGP key is good: %s\n%s", line, out)
		}
	}
	if err := os.RemoveAll(site); err != nil {
		t.Fatal(err)
	}
	if err := os.Rename(kept, site); err != nil {
		t.Fatal(err)
	}
	w.reaches(t, mirror)
}
