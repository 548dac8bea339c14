package main

import (
	"bytes"
	"context"
	"encoding/pem"
	"flag"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

var updateShown = flag.Bool("update-trust", false, "write testdata/trust_show*.golden anew")

// trustDay is when the tests of trust commands happen.
var trustDay = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

// trustDesk is a directory with trust.json of version 1, signed by alice and bob, and what a person at it would type.
type trustDesk struct {
	t       *testing.T
	dir     string
	trust   *keys.Trust
	person  keyboard
	signers map[string]sign.Signer
	clock   time.Time
}

func newTrustDesk(t *testing.T) *trustDesk {
	t.Helper()
	d := &trustDesk{t: t, dir: t.TempDir(), signers: map[string]sign.Signer{}, clock: trustDay.Add(time.Hour)}
	d.trust = &keys.Trust{Schema: keys.TrustSchema, Network: "centos", Version: 1, Issued: strictjson.At(trustDay), Expires: strictjson.At(trustDay.AddDate(1, 0, 0)), Root: keys.RootRole{Threshold: 2},
		Manifest: keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP}}}
	for n, holder := range []string{"alice", "bob", "carol", "dave"} {
		b := d.read(fmt.Sprintf("../../sign/testdata/test-only-minisign-%d.key", n+1))
		d.write(holder+".key", b)
		s, err := sign.MinisignFile(b, nil)
		if err != nil {
			t.Fatal(err)
		}
		d.signers[holder] = s
		k, err := keys.ParseMinisign(s.Key().Public)
		if err != nil {
			t.Fatal(err)
		}
		d.write(holder+".pub", k.File())
		if holder != "dave" {
			d.trust.Root.Keys = append(d.trust.Root.Keys, keys.RootKey{Holder: holder, Key: k.ID, Public: k.String()})
		}
	}
	if _, err := d.trust.PutKey("publisher", d.read("../../keys/testdata/test-only-certificate.asc")); err != nil {
		t.Fatal(err)
	}
	d.seal("trust.json", d.trust, "alice", "bob")
	return d
}

func (d *trustDesk) read(file string) []byte {
	d.t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		d.t.Fatal(err)
	}
	return b
}

func (d *trustDesk) path(name string) string { return filepath.Join(d.dir, name) }

func (d *trustDesk) write(name string, b []byte) {
	d.t.Helper()
	if err := os.WriteFile(d.path(name), b, 0o600); err != nil {
		d.t.Fatal(err)
	}
}

func (d *trustDesk) draft(name string, t *keys.Trust) []byte {
	d.t.Helper()
	b, err := t.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(name, b)
	return b
}

func (d *trustDesk) seal(name string, t *keys.Trust, holders ...string) {
	d.t.Helper()
	e := sign.Envelope{Payload: d.draft(name, t)}
	for _, h := range holders {
		s, err := d.signers[h].Sign(context.Background(), sign.Request{Payload: e.Payload, Comment: "x"})
		if err != nil {
			d.t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, s)
	}
	b, err := e.Encode()
	if err != nil {
		d.t.Fatal(err)
	}
	d.write(name, b)
}

// run types a trust command; words with a name of a file in it get the directory before it. What was printed has DIR for it.
func (d *trustDesk) run(args ...string) (code int, out, errs string) {
	var o, e bytes.Buffer
	typed := []string{"tidemark", "trust"}
	for _, a := range args {
		if strings.Contains(a, ".") && !strings.HasPrefix(a, "-") && !filepath.IsAbs(a) {
			a = d.path(a)
		}
		typed = append(typed, a)
	}
	typed = append(typed, "--config", "")
	code = runBy(typed, console.Env{Stdout: &o, Stderr: &e, Getenv: func(string) string { return "" }, Now: func() time.Time { return d.clock }}, d.person)
	cut := func(b bytes.Buffer) string { return strings.ReplaceAll(b.String(), d.dir, "DIR") }
	return code, cut(o), cut(e)
}

// TestTrustShow_Golden: what a holder reads of a draft in which a thief may have had a hand.
func TestTrustShow_Golden(t *testing.T) {
	d := newTrustDesk(t)
	next := d.trust.Successor(trustDay.Add(time.Hour), 30*24*time.Hour)
	if err := next.DropRoot("bob"); err != nil {
		t.Fatal(err)
	}
	if _, err := next.PutRoot("dave", d.read(d.path("dave.pub"))); err != nil {
		t.Fatal(err)
	}
	next.Root.Threshold, next.ResetSerial = 1, true
	d.draft("trust-2.json", next)
	for name, args := range map[string][]string{
		"trust_show.golden":       {"show", "trust-2.json", "--trust", "trust.json"},
		"trust_show_words.golden": {"show", "trust.json", "--words"},
	} {
		code, out, errs := d.run(args...)
		if code != 0 || errs != "" {
			t.Fatalf("%v: exit %d, %s", args, code, errs)
		}
		file := filepath.Join("testdata", name)
		if *updateShown {
			if err := os.WriteFile(file, []byte(out), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(string(d.read(file)), out); diff != "" {
			t.Errorf("%s: -want +got\n%s", name, diff)
		}
	}
}

// TestTrustShow_SameIDOtherKey: anybody can make a minisign key with the id of another; the document shows the key itself.
func TestTrustShow_SameIDOtherKey(t *testing.T) {
	d := newTrustDesk(t)
	next := d.trust.Successor(trustDay.Add(time.Hour), 365*24*time.Hour)
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	forged := keys.MinisignKey{ID: next.Root.Keys[0].Key, Public: public}
	next.Root.Keys[0].Public = forged.String()
	d.draft("trust-2.json", next)
	code, out, _ := d.run("show", "trust-2.json", "--trust", "trust.json")
	if code != 0 || !strings.Contains(out, "ALARM") || !strings.Contains(out, forged.String()) {
		t.Errorf("exit %d; expected an alarm and the key itself:\n%s", code, out)
	}
}

// TestTrustSign_Asks: only the whole word signs, and nothing is written otherwise.
func TestTrustSign_Asks(t *testing.T) {
	for answer, want := range map[string]int{"yes\n": 0, " YES \r\n": 0, "y\n": 1, "no\n": 1, "\n": 1, "": 1, "yes please\n": 1, "yes 0\n": 1, strings.Repeat("yes ", 1000): 1} {
		d := newTrustDesk(t)
		d.draft("trust-2.json", d.trust.Successor(trustDay, 365*24*time.Hour))
		d.person = keyboard{in: strings.NewReader(answer), on: true, sees: true}
		code, out, errs := d.run("sign", "trust-2.json", "--trust", "trust.json", "--key", "alice.key")
		if code != want || !strings.Contains(errs, "Type yes to sign") || !strings.Contains(out, "What changes from version 1") {
			t.Errorf("answer %.20q: exit %d, expected %d\n%s\n%s", answer, code, want, out, errs)
		}
		written, err := filepath.Glob(d.path("*.minisig"))
		if err != nil || (len(written) == 1) != (want == 0) {
			t.Errorf("answer %.20q: found %v", answer, written)
		}
	}
}

// TestTrustSign_Unseen: what nobody can have read is not asked about.
func TestTrustSign_Unseen(t *testing.T) {
	d := newTrustDesk(t)
	d.draft("trust-2.json", d.trust.Successor(trustDay, 365*24*time.Hour))
	for _, flag := range []string{"--json", "--quiet", "--log-format=text"} { // the last one: with the output in a file
		d.person = keyboard{in: strings.NewReader("yes\n"), on: true, sees: flag != "--log-format=text"}
		if code, _, errs := d.run("sign", "trust-2.json", "--trust", "trust.json", "--key", "alice.key", flag); code != console.Misuse || !strings.Contains(errs, "nobody sees") {
			t.Errorf("%s: exit %d, %s", flag, code, errs)
		}
	}
}

// TestTrustSign_Interrupted: Ctrl-C at the question ends it, although the terminal is still being read.
func TestTrustSign_Interrupted(t *testing.T) {
	ctx, stop := context.WithCancel(context.Background())
	stop()
	r, w := net.Pipe()
	defer r.Close()
	defer w.Close()
	if _, err := (keyboard{in: r, on: true}).line(ctx); err == nil {
		t.Error("found an answer, expected the interruption")
	}
}

// TestTrustSign_Passphrase is asked for where somebody can answer.
func TestTrustSign_Passphrase(t *testing.T) {
	var errs bytes.Buffer
	s := &signing{Call: &console.Call{Program: &console.Program{Env: console.Env{Stderr: &errs}}, Context: trustFlags(t)}}
	if _, err := s.passphrase("alice.key")(); err == nil || !strings.Contains(err.Error(), "--passphrase-file") {
		t.Errorf("without a terminal: %v", err)
	}
	s.person = keyboard{on: true, secret: func(context.Context) ([]byte, error) { return []byte("sesame"), nil }}
	if b, err := s.passphrase("a\x1b[2J.key")(); err != nil || string(b) != "sesame" || strings.Contains(errs.String(), "\x1b") || !strings.Contains(errs.String(), "Passphrase of a") {
		t.Errorf("found %q, %v, asked %q", b, err, errs.String())
	}
}

// TestTrustSign_Agent signs with an Ed25519 key of an ssh-agent, and finds its id in the trust document.
func TestTrustSign_Agent(t *testing.T) {
	d := newTrustDesk(t)
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	d.write("id.pub", ssh.MarshalAuthorizedKey(line))
	next := d.trust.Successor(trustDay, 365*24*time.Hour)
	d.draft("trust-2.json", next)
	args := []string{"sign", "trust-2.json", "--trust", "trust.json", "--ssh-agent", "id.pub", "--socket", serveAgent(t, secret), "--yes"}
	if code, _, errs := d.run(args...); code != console.Refused || !strings.Contains(errs, "is a root key neither of the draft") {
		t.Errorf("a key of the agent that is no root key: exit %d, %s", code, errs)
	}
	k := keys.MinisignKey{ID: "0123456789ABCDEF", Public: public}
	if _, err := next.PutRoot("erin", k.File()); err != nil {
		t.Fatal(err)
	}
	d.draft("trust-2.json", next)
	code, out, errs := d.run(args...)
	if code != 0 || !strings.Contains(out, "signed as erin with key 0123456789ABCDEF") {
		t.Fatalf("exit %d, %s%s", code, out, errs)
	}
	if code, out, _ := d.run("check", "trust-2.json", "--trust", "trust.json"); code != console.Refused || !strings.Contains(out, "by the root keys of version 2: 1 signed, 2 needed") {
		t.Errorf("check: exit %d, %s", code, out)
	}
}

// serveAgent is an ssh-agent that holds one key.
func serveAgent(t *testing.T, secret ed25519.PrivateKey) (socket string) {
	t.Helper()
	dir, err := os.MkdirTemp("", "a") // a socket's path has 108 bytes
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: &secret}); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				agent.ServeAgent(ring, c)
			}()
		}
	}()
	return filepath.Join(dir, "s")
}

// TestTrust_HostileNames: neither a file's name nor what it holds moves the cursor of who looks at it.
func TestTrust_HostileNames(t *testing.T) {
	d := newTrustDesk(t)
	d.draft("trust-2.json", d.trust.Successor(trustDay, 365*24*time.Hour))
	d.write("trust-2.json.\x1b[2K\u202egis.minisig", []byte("untrusted comment: \x1b]0;x\x07\n"+strings.Repeat("\u202e", 9)))
	code, out, errs := d.run("check", "trust-2.json", "--trust", "trust.json")
	if code != console.Refused || strings.ContainsAny(out+errs, "\x1b\x07\u202e") || !strings.Contains(out, `trust-2.json.\u001b[2K\u202egis.minisig`) {
		t.Errorf("exit %d\n%q\n%q", code, out, errs)
	}
}

// TestHarmless: what a file says is shown, and nothing that it could do on a terminal or to eyes.
func TestHarmless(t *testing.T) {
	for in, want := range map[string]string{
		"Jörg Müller <j@example.org>": "Jörg Müller <j@example.org>",
		"a\x1b[2Jb\nc\td\x7f":         `a\u001b[2Jb\u000ac\u0009d\u007f`,
		"evil\u202etxt.exe":           `evil\u202etxt.exe`,
		"аlice":                       `\u0430lice`, // Cyrillic
		"e\u0301":                     `e\u0301`,
		"\xff\xfe":                    `\ufffd`,
		"\U0001F511":                  `\U0001f511`,
		"a\u200bb\u00a0c":             `a\u200bb\u00a0c`,
	} {
		if got := harmless(in); got != want {
			t.Errorf("%q: found %q, expected %q", in, got, want)
		}
	}
	if got := harmless(strings.Repeat("x", 1e6)); len(got) > 2003 {
		t.Errorf("%d bytes of a long text", len(got))
	}
}

// TestAlarm is red where there are colours, and marked by a word everywhere.
func TestAlarm(t *testing.T) {
	for colour, want := range map[bool]string{false: "  ALARM  look\n", true: "\x1b[1;31m  ALARM  look\x1b[0m\n"} {
		var out bytes.Buffer
		describer{Call: &console.Call{Program: &console.Program{Env: console.Env{Stdout: &out}}}, colour: colour}.alarm("look")
		if out.String() != want {
			t.Errorf("colour %v: found %q, expected %q", colour, out.String(), want)
		}
	}
}

// TestNamedFile_Private: the private half of a key never gets into a document that everybody reads.
func TestNamedFile_Private(t *testing.T) {
	d := newTrustDesk(t)
	d.write("pgp.asc", []byte("-----BEGIN PGP PRIVATE KEY BLOCK-----\n"))
	d.write("ssh", pem.EncodeToMemory(&pem.Block{Type: "OPENSSH PRIVATE KEY", Bytes: []byte("x")}))
	for _, name := range []string{"alice.key", "pgp.asc", "ssh"} {
		if _, _, err := namedFile("--add-key", "x="+d.path(name)); err == nil || !strings.Contains(err.Error(), "is a private key") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if holder, b, err := namedFile("--add-key", "x="+d.path("alice.pub")); err != nil || holder != "x" || len(b) == 0 {
		t.Errorf("a public key: %v", err)
	}
}
