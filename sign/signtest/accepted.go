package signtest

import (
	"bytes"
	"context"
	"encoding/binary"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"time"

	"tidemark/keys"
	"tidemark/sign"
)

// document is what is signed: large enough that no remote could sign it as it is.
var document = []byte("{\n  \"serial\": 7,\n  \"text\": \"" + strings.Repeat("x", 5000) + "\"\n}\n")

const life = 24*time.Hour + 7*time.Second

// Request asks for a signature over a document of 5 kB, issued now, which is the real time: other programs have no other clock.
func Request(now time.Time) sign.Request {
	now = now.UTC().Truncate(time.Second)
	return sign.Request{Payload: document, Comment: "tidemark test serial=7", Issued: now, Expires: now.Add(life)}
}

// Accepted signs what Request asks for, detached and, where the signer can, inline and raw, and has the result read by every program that an admin
// may use: gpg 2.2, gpgv, sqv, and with an RSA key the old gpgv1 and gpg1 (no gpg before 2.1 knows Ed25519); minisign. Each
// refuses it once a byte of the document is another.
func Accepted(t *testing.T, s sign.Signer, r sign.Request) {
	t.Helper()
	sig, err := s.Sign(t.Context(), r)
	if err != nil {
		t.Fatal(err)
	}
	k := s.Key()
	k.Holder = "one"
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{k.Kind}, Keys: []keys.ManifestKey{k}}
	if _, err := sign.Verify(r.Payload, []sign.Signature{sig}, role, r.Issued); err != nil {
		t.Fatal(err)
	}
	p := &papers{t: t, dir: t.TempDir(), r: r, sig: sig, key: k}
	if k.Kind == keys.OpenPGP {
		p.openpgp()
		p.inline(s, role)
		return
	}
	p.minisign()
	p.raw(s, role)
}

// papers are one signature with what belongs to it.
type papers struct {
	t   *testing.T
	dir string
	r   sign.Request
	sig sign.Signature
	key keys.ManifestKey
}

// reads runs a program over files of which the one called doc is the document, as signed and then with a changed byte.
func (p *papers) reads(apt, doc string, args ...string) {
	p.t.Helper()
	p.t.Run(args[0], func(t *testing.T) {
		path := Tool(t, args[0], apt)
		Run(t, path, args[1:]...)
		good, err := os.ReadFile(doc)
		if err != nil {
			t.Fatal(err)
		}
		defer os.WriteFile(doc, good, 0o600)
		if err := os.WriteFile(doc, bytes.Replace(good, []byte(": 7,"), []byte(": 8,"), 1), 0o600); err != nil {
			t.Fatal(err)
		}
		if _, err := try(path, args[1:]...); err == nil {
			t.Errorf("%s accepts it with a changed byte", args[0])
		}
	})
}

func (p *papers) openpgp() {
	t := p.t
	t.Helper()
	body, err := keys.Dearmor([]byte(p.sig.Value), keys.ArmorSignature) // insists on the CRC24 line
	if err != nil {
		t.Fatal(err)
	}
	if _, err := keys.SplitPackets(body, 1); err != nil {
		t.Errorf("%v, expected one signature a file", err)
	}
	cert, err := keys.ReadCertificate([]byte(p.key.Public))
	if err != nil {
		t.Fatal(err)
	}
	doc, asc := write(t, p.dir, "m", p.r.Payload), write(t, p.dir, "m.asc", []byte(p.sig.Value))
	ring, armored := write(t, p.dir, "k.gpg", cert.Binary()), write(t, p.dir, "k.asc", []byte(p.key.Public))
	p.reads("gpgv", doc, "gpgv", "--keyring", ring, asc, doc)
	p.reads("sqv", doc, "sqv", "--keyring", armored, asc, doc)
	p.reads("gnupg", doc, "gpg", "--homedir", Home(t), "--batch", "--no-default-keyring", "--keyring", ring, "--verify", asc, doc)
	if isRSA(body) {
		p.reads("gpgv1", doc, "gpgv1", "--keyring", ring, asc, doc)
	}
	p.listed(asc)
}

// isRSA looks at the algorithm in a signature packet.
func isRSA(body []byte) bool {
	list, err := keys.SplitPackets(body, 1)
	return err == nil && len(list) == 1 && list[0].Body[2] == 1
}

var listedLife = regexp.MustCompile(`created (\d+), md5len 0, sigclass 0x00[\s\S]*digest algo 10,[\s\S]*subpkt 3 len 4 \(sig expires after (\S+)\)`)

// listed reads what gpg says of the packet: when it was made, by which hash, and that it lives exactly until the end asked for.
func (p *papers) listed(asc string) {
	t := p.t
	t.Helper()
	out := string(Run(t, Tool(t, "gpg", "gnupg"), "--homedir", Home(t), "--batch", "--list-packets", asc))
	body, err := keys.Dearmor([]byte(p.sig.Value), keys.ArmorSignature)
	if err != nil {
		t.Fatal(err)
	}
	made, lives := timesOf(body)
	if want := int64(life / time.Second); made.Add(time.Duration(lives)*time.Second) != p.r.Expires || lives > want {
		t.Errorf("made %s for %d s, asked for its end at %s", made, lives, p.r.Expires)
	}
	if m := listedLife.FindStringSubmatch(out); m == nil || m[1] != fmt.Sprint(made.Unix()) || m[2] != gpgSays(lives) {
		t.Errorf("gpg --list-packets says (expected created %d, SHA-512, expires after %s):\n%s", made.Unix(), gpgSays(lives), out)
	}
	if strings.Contains(out, "notation") || strings.Contains(out, "policy") {
		t.Errorf("there is more in it than was asked for:\n%s", out)
	}
}

// gpgSays writes a life as gpg does: years, days, hours, minutes.
func gpgSays(seconds int64) string {
	minutes := seconds / 60
	return fmt.Sprintf("%dd%dh%dm", minutes/60/24, minutes/60%24, minutes%60)
}

// timesOf reads the hashed subpackets 2 (made) and 3 (lives so many seconds).
func timesOf(body []byte) (made time.Time, lives int64) {
	list, err := keys.SplitPackets(body, 1)
	if err != nil || len(list) != 1 {
		return
	}
	b := list[0].Body
	for area := b[6 : 6+int(binary.BigEndian.Uint16(b[4:]))]; len(area) > 0; area = area[1+int(area[0]):] {
		switch n := area[2 : 1+int(area[0])]; area[1] &^ 0x80 {
		case 2:
			made = time.Unix(int64(binary.BigEndian.Uint32(n)), 0).UTC()
		case 3:
			lives = int64(binary.BigEndian.Uint32(n))
		}
	}
	return made, lives
}

func (p *papers) inline(s sign.Signer, role keys.ManifestRole) {
	t := p.t
	t.Helper()
	in, ok := s.(sign.InlineSigner)
	if !ok {
		t.Fatalf("a %T is no InlineSigner", s)
	}
	msg, err := in.SignInline(t.Context(), p.r)
	if err != nil {
		t.Fatal(err)
	}
	if payload, err := sign.OpenInline(msg, role, p.r.Issued); err != nil || !bytes.Equal(payload, p.r.Payload) {
		t.Errorf("%d bytes came out, %d were signed: %v", len(payload), len(p.r.Payload), err)
	}
	out := Run(t, Tool(t, "gpg", "gnupg"), "--homedir", Home(t), "--batch", "--no-default-keyring", "--keyring", p.dir+"/k.gpg", "-o", "-", "--decrypt", write(t, p.dir, "m.gpg", msg))
	if !bytes.Equal(out, p.r.Payload) {
		t.Errorf("gpg decrypts %d other bytes", len(out))
	}
}

func (p *papers) minisign() {
	t := p.t
	t.Helper()
	doc := write(t, p.dir, "m", p.r.Payload)
	write(t, p.dir, "m.minisig", []byte(p.sig.Value))
	public, err := keys.ParseMinisign(p.key.Public)
	if err != nil {
		t.Fatal(err)
	}
	pub := write(t, p.dir, "k.pub", public.File())
	p.reads("minisign", doc, "minisign", "-V", "-m", doc, "-p", pub)
	out := Run(t, Tool(t, "minisign", "minisign"), "-V", "-m", doc, "-p", pub)
	if !strings.Contains(string(out), "Trusted comment: "+p.r.Comment) {
		t.Errorf("minisign says:\n%s", out)
	}
}

// raw is a beacon's signature.
func (p *papers) raw(s sign.Signer, role keys.ManifestRole) {
	t := p.t
	t.Helper()
	in, ok := s.(sign.RawSigner)
	if !ok {
		t.Fatalf("a %T is no RawSigner", s)
	}
	message := []byte("v=tm1 n=centos s=4127 e=1795600000 t=centos:1488372781 k=" + p.key.Key)
	sig, err := in.SignRaw(t.Context(), message)
	if err != nil {
		t.Fatal(err)
	}
	if err := sign.VerifyRaw(message, sig, p.key.Key, role, p.r.Issued); err != nil {
		t.Error(err)
	}
}

// Fails insists that the signer gives an error with these words in it, and no signature, in every form that it has.
func Fails(ctx context.Context, t *testing.T, s sign.Signer, r sign.Request, words string) {
	t.Helper()
	says := func(what string, nothing bool, err error) {
		t.Helper()
		if err == nil || !nothing || !strings.Contains(err.Error(), words) {
			t.Errorf("%s: %v (nothing: %v), expected %q and nothing", what, err, nothing, words)
		}
	}
	sig, err := s.Sign(ctx, r)
	says("signature", sig == sign.Signature{}, err)
	if in, ok := s.(sign.InlineSigner); ok {
		msg, err := in.SignInline(ctx, r)
		says("inline", msg == nil, err)
	}
	if in, ok := s.(sign.RawSigner); ok {
		raw, err := in.SignRaw(ctx, []byte("v=tm1"))
		says("raw", raw == nil, err)
	}
}
