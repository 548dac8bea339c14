package contrib_test

import (
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidemark/keys"
	"tidemark/sign"
)

// rotate has the newest document signed by another key, too, which comes first, as it does once a network goes over to its next
// key: the .asc beside the document is by that one alone, the bundle has both. It gives the next key's keyring.
func (w *world) rotate(t *testing.T) (keyring string) {
	t.Helper()
	keyring = filepath.Join(w.dir, "next.gpg")
	w.gpg(t, []string{"--passphrase", "", "--quick-gen-key", "next", "ed25519", "sign", "1y"},
		[]string{"--armor", "--detach-sign", "-o", w.site("manifest.json.asc"), w.site("manifest.json")},
		[]string{"-o", keyring, "--export"})
	w.bundle(t, func(sigs []sign.Signature) []sign.Signature {
		next := sign.Signature{Kind: keys.OpenPGP, Key: strings.Repeat("A", 40), Value: read(t, w.site("manifest.json.asc"))}
		return append([]sign.Signature{next}, sigs...)
	})
	return keyring
}

// bundle changes the signatures in the newest bundle.
func (w *world) bundle(t *testing.T, change func([]sign.Signature) []sign.Signature) {
	t.Helper()
	e, err := sign.ParseEnvelope([]byte(read(t, w.site("manifest.bundle.json"))), sign.MaxBundle)
	check(t, err)
	e.Signatures = change(e.Signatures)
	b, err := e.Encode()
	check(t, err)
	w.lay(t, "manifest.bundle.json", string(b))
}

// TestRotation: while a network signs with its old key and its next one, a keyring of either goes on; one of neither is told
// what may have happened, and where to get the next.
func TestRotation(t *testing.T) {
	w := newWorld(t)
	old := w.settings["KEYRING"]
	next := w.rotate(t)
	for name, tt := range map[string]struct {
		keyring string
		want    int
	}{"the old keyring": {old, 100}, "the next keyring": {next, 100}, "neither": {os.DevNull, 4}} {
		w.mirror(t, name)
		w.settings["KEYRING"] = tt.keyring
		for range 2 { // the second time by what is kept
			r := w.run(t, tt.want, nil, "check")
			if told := strings.Contains(r.stderr, "if the network has changed its key, get keys/centos.gpg from its site"); told != (tt.want == 4) {
				t.Errorf("%s: told is %v: %v", name, told, r)
			}
		}
		w.untouched(t)
	}
	// The kept one stays good for the keyring that it was accepted by, and the next publication is followed.
	w.mirror(t, "the old keyring")
	w.settings["KEYRING"] = old
	w.run(t, 0, nil, "run")
	w.holds(t)
	w.run(t, 0, nil, "check")
	// An admin who changes the keyring in between goes on with the next one.
	w.settings["KEYRING"] = next
	w.run(t, 0, nil, "check")
}

// TestRotation_Refused: what the bundle has beside the document counts only as a whole, good signature over that document.
func TestRotation_Refused(t *testing.T) {
	w := newWorld(t)
	w.rotate(t)
	before := read(t, w.site("manifest.bundle.json"))
	asc := read(t, w.site("manifest.json.asc"))
	for name, change := range map[string]func(t *testing.T){
		"no other signature": func(t *testing.T) {
			w.bundle(t, func(sigs []sign.Signature) []sign.Signature { return sigs[:1] })
		},
		"a minisign signature only": func(t *testing.T) {
			w.bundle(t, func(sigs []sign.Signature) []sign.Signature {
				return slices.DeleteFunc(sigs[1:], func(s sign.Signature) bool { return s.Kind == keys.OpenPGP })
			})
		},
		"over another document": func(t *testing.T) {
			w.publish(t, only("node.de"))
			e, err := sign.ParseEnvelope([]byte(before), sign.MaxBundle)
			check(t, err)
			w.bundle(t, func([]sign.Signature) []sign.Signature { return e.Signatures })
		},
		"no JSON": func(t *testing.T) { w.lay(t, "manifest.bundle.json", "<html>") },
		"shell in a text": func(t *testing.T) {
			w.lay(t, "manifest.bundle.json", `{"signatures": [{"kind": "openpgp", "value": "$(touch /tmp/x)"}]}`)
		},
		"not text": func(t *testing.T) {
			w.lay(t, "manifest.bundle.json", `{"signatures": [{"kind": "openpgp", "value": {"a": 1}}]}`)
		},
	} {
		t.Run(name, func(t *testing.T) {
			w.mirror(t, name)
			w.lay(t, "manifest.bundle.json", before)
			change(t)
			w.lay(t, "manifest.json.asc", asc)
			if r := w.run(t, 4, nil, "run"); !strings.Contains(r.stderr, "not signed") {
				t.Errorf("%v", r)
			}
			w.untouched(t)
		})
	}
}
