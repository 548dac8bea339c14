package main

import (
	"context"
	"encoding/hex"
	"fmt"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// hostile is a draft that gives the root to one holder, in a crowd of changes that mean nothing.
func (d *trustDesk) hostile(crowd int) {
	d.t.Helper()
	next := d.trust.Successor(d.clock, 365*24*time.Hour)
	next.Root.Threshold, next.ResetSerial = 1, true
	for n := range crowd {
		public, _, err := ed25519.GenerateKey(nil)
		if err != nil {
			d.t.Fatal(err)
		}
		k := keys.MinisignKey{ID: fmt.Sprintf("%016X", n+1), Public: public}
		next.Manifest.Keys = append(next.Manifest.Keys, keys.ManifestKey{Holder: "publisher", Kind: keys.Minisign, Key: k.ID, Public: k.String(), Revoked: true})
	}
	d.draft("trust-2.json", next)
}

// TestTrustSign_Alarms: they are the last that is read before the question, however much else changes, and the answer has
// their number.
func TestTrustSign_Alarms(t *testing.T) {
	for answer, want := range map[string]int{"yes 2\n": 0, "YES 2\n": 0, "yes\n": 1, "yes 1\n": 1, "yes 22\n": 1, "2\n": 1} {
		d := newTrustDesk(t)
		d.hostile(60)
		d.person = keyboard{in: strings.NewReader(answer), on: true, sees: true}
		code, out, errs := d.run("sign", "trust-2.json", "--trust", "trust.json", "--key", "alice.key")
		if code != want || !strings.Contains(errs, "alarms and all? Type yes 2 to sign: ") {
			t.Errorf("answer %q: exit %d, expected %d\n%s", answer, code, want, errs)
		}
		lines := strings.Split(strings.TrimSpace(out), "\n")
		if want == 0 {
			lines = lines[:len(lines)-2] // signed, next
		}
		last := strings.Join(lines[len(lines)-3:], "\n")
		if !strings.HasPrefix(last, "ALARMS in it: 2\n") || !strings.Contains(last, "one holder alone") || !strings.Contains(last, "right only after a serial was pushed too high") {
			t.Errorf("the last that is read:\n%s", last)
		}
	}
}

// TestTrustShow_Folds: changes that are all alike are one line with their number, and --json has each.
func TestTrustShow_Folds(t *testing.T) {
	for crowd, want := range map[int]int{maxAlike: maxAlike, maxAlike + 1: 1, 60: 1} {
		d := newTrustDesk(t)
		d.hostile(crowd)
		code, out, errs := d.run("show", "trust-2.json", "--trust", "trust.json")
		_, changes, _ := strings.Cut(out, "What changes")
		if got := strings.Count(changes, "minisign key 00000000"); code != 0 || got != want {
			t.Errorf("%d keys: exit %d, %d lines of them, expected %d\n%s%s", crowd, code, got, want, changes, errs)
		}
		if more := fmt.Sprintf("(and %d more like this: ", crowd-1); strings.Contains(changes, more) != (want == 1) {
			t.Errorf("%d keys:\n%s", crowd, changes)
		}
	}
}

// TestTrustSign_FalseBefore: a thief's version 1, signed by holders of his own, shows no difference. What it is made by is said,
// to be compared, and no command asks for it to be sent along.
func TestTrustSign_FalseBefore(t *testing.T) {
	d := newTrustDesk(t)
	own, err := readSealed("", d.path("trust.json"))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := d.trust.PutRoot("dave", d.read(d.path("dave.pub"))); err != nil {
		t.Fatal(err)
	}
	d.seal("false.json", d.trust, "dave", "alice")
	code, out, errs := d.run("new", "--trust", "false.json", "-o", "trust-2.json")
	if code != 0 || strings.Contains(out, "send DIR/trust-2.json and DIR/false.json") || !strings.Contains(out, "each takes the own copy of version 1") ||
		!strings.Contains(out, "  tidemark trust sign trust-2.json --key YOUR.key --trust trust.json\n") {
		t.Errorf("new: exit %d, %s\n%s", code, errs, out)
	}
	for _, args := range [][]string{{"show"}, {"sign", "--key", "alice.key", "--yes"}} {
		args = append(args, "trust-2.json", "--trust", "false.json")
		code, out, errs := d.run(args...)
		_, compared, _ := strings.Cut(out, "Compared with version 1 (DIR/false.json): this must be your own copy")
		shown := grouped(hex.EncodeToString(own.sum()[:8]))
		if code != 0 || compared == "" || strings.Contains(compared, shown) {
			t.Errorf("%v: exit %d, %s\n%s", args, code, errs, out)
		}
	}
}

// TestTrustSign_SilentAgent: an agent that takes the question and says nothing is waited for, but not for ever.
func TestTrustSign_SilentAgent(t *testing.T) {
	public, _, err := ed25519.GenerateKey(nil)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "id.pub")
	if err := os.WriteFile(file, ssh.MarshalAuthorizedKey(line), 0o600); err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "a")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", filepath.Join(dir, "s"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	s := &signing{Call: &console.Call{Program: &console.Program{}, Context: trustFlags(t, "--ssh-agent", file, "--socket", filepath.Join(dir, "s"))}, patience: 50 * time.Millisecond}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if _, err := s.agent(ctx); err == nil || !strings.Contains(err.Error(), "no answer in time") || ctx.Err() != nil {
		t.Errorf("found %v, expected that no answer came in time", err)
	}
}

// TestTrust_DatedAhead: a certificate of a machine whose clock is ahead is warned of in a draft, and is not sealed, until its time
// has come; by a version that had it published already, others can be made.
func TestTrust_DatedAhead(t *testing.T) {
	d := newTrustDesk(t)
	cert := d.read("../../keys/testdata/test-only-certificate.asc")
	made := trustDay.AddDate(0, 0, -30)
	d.clock = made.Add(time.Hour)
	d.trust.Issued, d.trust.Manifest = strictjson.At(made), keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}}
	if _, err := d.trust.PutKey("publisher", d.read(d.path("dave.pub"))); err != nil {
		t.Fatal(err)
	}
	d.seal("trust.json", d.trust, "alice", "bob")
	d.write("ahead.asc", cert)
	code, out, errs := d.run("new", "--trust", "trust.json", "-o", "trust-2.json", "--add-key=publisher="+d.path("ahead.asc"))
	if code != 0 || !strings.Contains(errs, "warning: the openpgp key 228E") || !strings.Contains(errs, "in the future") || !strings.Contains(out, "  ALARM  ") {
		t.Fatalf("new: exit %d\n%s%s", code, out, errs)
	}
	for _, holder := range []string{"alice", "bob"} {
		if code, _, errs := d.run("sign", "trust-2.json", "--trust", "trust.json", "--key", holder+".key", "--yes"); code != 0 {
			t.Fatalf("sign: exit %d, %s", code, errs)
		}
	}
	check := []string{"check", "trust-2.json", "--trust", "trust.json", "-o", "sealed.json"}
	code, _, errs = d.run(check...)
	if _, err := os.Stat(d.path("sealed.json")); code != console.Refused || err == nil || !strings.Contains(errs, "was the clock of the machine that made it right?") || !strings.Contains(errs, "hint: set that machine's clock right") {
		t.Errorf("check -o: exit %d, %v\n%s", code, err, errs)
	}
	if code, _, errs := d.run(check[:4]...); code != 0 || !strings.Contains(errs, "in the future") {
		t.Errorf("check: exit %d\n%s", code, errs)
	}
	ahead := d.clock
	d.clock = trustDay
	if code, _, errs := d.run(check...); code != 0 || errs != "" {
		t.Errorf("check -o when its time has come: exit %d\n%s", code, errs)
	}
	d.clock = ahead
	if code, _, errs := d.run("new", "--trust", "sealed.json", "-o", "trust-3.json"); code != 0 || strings.Contains(errs, "in the future") {
		t.Errorf("a version after it: exit %d\n%s", code, errs)
	}
}
