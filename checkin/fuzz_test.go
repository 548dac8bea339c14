package checkin

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tidemark/inventory"
	"tidemark/sign"
)

// FuzzOpen: whatever comes, Open answers with a message that its sender signed, or with a *Refused.
func FuzzOpen(f *testing.F) {
	a := newMirror(f, "a")
	s := senders(f, a.server(f, "centos"), inventory.Server{ID: "keyless"})
	genuine := a.message(noon)
	good := a.seal(f, genuine)
	e, err := sign.ParseEnvelope(good, MaxBody)
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Add(good[:len(good)/2])
	f.Add([]byte(`{"payload": "e30K", "signatures": []}`))
	f.Add([]byte(`{"payload": "", "signatures": [{"kind": "minisign", "key": "0000000000000000", "value": "x"}]}`))
	f.Add(envelope(f, `{"schema": "tidemark/checkin/v1"}`, e.Signatures...))
	f.Add(e.Payload)
	f.Fuzz(func(t *testing.T, body []byte) {
		m, err := s.Open(body, noon)
		var refused *Refused
		switch {
		case err == nil: // the mutator has no key: only the envelope can differ, in what nobody signs
			if m.Mirror != "a" || m.Nonce != genuine.Nonce || m.Trees["centos"] != genuine.Trees["centos"] || len(body) > MaxBody {
				t.Errorf("accepted %+v of %q", m, body)
			}
		case m != nil || !errors.As(err, &refused) || refused.Reason == "" || refused.Detail == "":
			t.Errorf("%v, %v, expected a *Refused", m, err)
		}
		// what is behind the signature: the same bytes, signed
		if len(body) == 0 || len(body) > MaxBody/2 {
			return
		}
		m, err = s.Open(a.sealed(t, string(body)), noon)
		if err == nil {
			if again, err := Seal(t.Context(), *m, a.signer); err != nil {
				t.Errorf("accepted what cannot be sealed: %v", err)
			} else if _, err := s.Open(again, noon); err != nil {
				t.Errorf("sealed again: %v", err)
			}
		}
	})
}

// FuzzSpool: whatever lies in new under whatever name, Take gives proper entries alone, and nothing stays after Done.
func FuzzSpool(f *testing.F) {
	f.Add("a.json", []byte("{}"))
	f.Add("a", []byte(""))
	f.Add("..json", []byte("x"))
	f.Add("A.json", []byte("x"))
	f.Add("a.json.json", make([]byte, MaxBody))
	f.Add("-x.json", make([]byte, MaxBody+1))
	f.Fuzz(func(t *testing.T, name string, body []byte) {
		if name == "." || name == ".." || filepath.Base(name) != name || len(body) > 2*MaxBody {
			return
		}
		s, dir := spool(t)
		if os.WriteFile(filepath.Join(dir, newDir, name), body, 0o644) != nil {
			return // no name of a file
		}
		entries, err := s.Take(anybody)
		if err != nil || len(entries) > 1 {
			t.Fatalf("%d entries, %v", len(entries), err)
		}
		for _, e := range entries {
			if e.Mirror+suffix != name || string(e.Body) != string(body) || len(e.Body) > MaxBody {
				t.Errorf("%q of %q", e, name)
			}
		}
		if err := s.Done(); err != nil {
			t.Error(err)
		}
		if got := lying(t, dir); len(got) > 0 {
			t.Errorf("left: %q", got)
		}
	})
}
