package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/keys"
	"tidemark/sign"
)

// ceremony drafts, signs and installs a version by the commands alone.
func (w *trustWorld) ceremony(n int64, change func(*keys.Trust)) (draft string) {
	w.Helper()
	e := must2(sign.ParseEnvelope(w.version(n, fmt.Sprint("version ", n), w.pub.Roots, change), sign.MaxTrustFile))
	name := fmt.Sprintf("trust-%d.json", n)
	w.write(name, string(e.Payload))
	for _, s := range e.Signatures {
		w.write(name+"."+s.Key+".minisig", s.Value)
	}
	draft = filepath.Join(w.dir, name)
	w.says(0, []string{"trust", "check", draft, "-o", w.pub.TrustFile}, "signed")
	return draft
}

// Two ceremonies between two runs: the run finds the version between, wherever it could be kept.
func TestSealed_TwoCeremonies(t *testing.T) {
	for name, place := range map[string]string{"in the state": "state/trust/sealed/2.json", "beside": "net/trust/2.json"} {
		t.Run(name, func(t *testing.T) {
			w := newTrustWorld(t)
			w.good(100)
			if name == "beside" { // as where the state is another's
				w.write("state/trust/sealed", "in the way\n")
			}
			w.ceremony(2, nil)
			w.ceremony(3, nil)
			if !w.has(place) {
				t.Errorf("version 2 is not at %s", place)
			}
			w.says(0, []string{"trust", "check"}, "follows version 1")
			if m := w.good(101); m.TrustVersion != 3 || !w.has("net/site/trust/2.json") || !w.has("net/site/trust/3.json") {
				t.Errorf("published %+v", m)
			}
		})
	}
}

// Where it is lost, the run and trust check refuse alike, and say which it is and how it comes back.
func TestSealed_Lost(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	two := w.ceremony(2, nil)
	w.ceremony(3, nil)
	if err := os.RemoveAll(filepath.Join(w.dir, "state", sealedDir)); err != nil {
		t.Fatal(err)
	}
	w.says(4, []string{"trust", "check"}, "version 2 is missing", "trust check trust-2.json")
	if _, code, errs := w.release(101); code != 4 || !strings.Contains(errs, "seal it again") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	if err := os.Mkdir(filepath.Join(w.dir, "net/trust"), 0o755); err != nil { // as the hint says
		t.Fatal(err)
	}
	w.says(0, []string{"trust", "check", two, "--trust", filepath.Join(w.dir, "state/trust/1.json"), "-o", filepath.Join(w.dir, "net/trust/2.json")})
	if m := w.good(101); m.TrustVersion != 3 {
		t.Errorf("published %+v", m)
	}
}

// What was sealed is material for steps alone: one of another chain, laid there, is not taken.
func TestSealed_Foreign(t *testing.T) {
	w := newTrustWorld(t)
	w.good(100)
	w.ceremony(2, nil)
	w.write("state/trust/sealed/2.json", string(w.foreign(2)))
	w.write("net/trust.json", string(w.version(3, "", w.pub.Roots, nil)))
	if _, code, errs := w.release(101); code != 4 || !strings.Contains(errs, "version 2 is missing") {
		t.Errorf("exit code %d: %s", code, errs)
	}
	w.put("net/site", map[int64][]byte{2: w.version(2, "", w.pub.Roots, nil)})
	w.good(101)
}

// A reset without a serial given begins above what was released from here, since caches keep those for a year.
func TestTrustNew_ResetAboveReleased(t *testing.T) {
	w := newTrustWorld(t)
	for n := range int64(3) {
		w.good(100 + n)
	}
	draft := filepath.Join(w.dir, "d.json")
	w.says(0, []string{"trust", "new", "--reset-serial", "-o", draft}, "min_serial: 4")
	if next := must2(readTrustFile(draft)).trust; next.MinSerial != 4 || !next.ResetSerial {
		t.Errorf("min_serial %d", next.MinSerial)
	}
	w.now = w.now.Add(time.Second)
	w.says(0, []string{"trust", "new", "--reset-serial", "--min-serial", "77", "-o", draft + "77"})
	if next := must2(readTrustFile(draft + "77")).trust; next.MinSerial != 77 {
		t.Errorf("min_serial %d", next.MinSerial)
	}
}
