package storetest

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// Release makes a publication whose "signatures" are hashes: publish verifies nothing itself, genuine does.
func Release(serial int64, content string) publish.Release {
	payload := fmt.Appendf(nil, "{\"serial\": %d, \"content\": %q}\n", serial, content)
	sum := sha256.Sum256(payload)
	hash := hex.EncodeToString(sum[:])
	e := sign.Envelope{Payload: payload, Signatures: []sign.Signature{
		{Kind: "openpgp", Key: strings.Repeat("A", 40), Value: "openpgp " + hash + "\n"},
		{Kind: "minisign", Key: strings.Repeat("B", 16), Value: "minisign " + hash + "\n"},
		{Kind: "minisign", Key: strings.Repeat("C", 16), Value: "third " + hash + "\n"},
	}}
	bundle, err := json.MarshalIndent(e, "", "  ")
	if err != nil {
		panic(err)
	}
	bundle = append(bundle, '\n')
	files, err := publish.Unpack(bundle)
	if err != nil {
		panic(err)
	}
	files["manifest.json.gpg"] = []byte("inline " + hash + "\n" + string(payload))
	return publish.Release{Serial: serial, SHA256: hash, Bundle: bundle, Files: files,
		Ground: []publish.Object{publish.NewObject("trust/1.json", []byte("trust 1")), publish.NewObject("trust.json", []byte("trust 1")),
			publish.NewObject("keys/centos.asc", []byte("key"))},
		Status: []publish.Object{publish.NewObject("status.json", fmt.Appendf(nil, "status %d", serial))}}
}

// Genuine is what a client's verification would be.
func Genuine(bundle []byte) error {
	files, err := publish.Unpack(bundle)
	if err != nil {
		return err
	}
	sum := sha256.Sum256(files["manifest.json"])
	if string(files["manifest.json.asc"]) != "openpgp "+hex.EncodeToString(sum[:])+"\n" {
		return errors.New("bad signature")
	}
	return nil
}

// Push looks and pushes.
func Push(ctx context.Context, s publish.Store, r publish.Release) error {
	st, err := publish.Look(ctx, s)
	if err != nil {
		return err
	}
	return publish.Push(ctx, s, st, r, Genuine)
}

// Next is a publisher's run: heal, finish or skip what is reserved, publish content under the next serial.
func Next(ctx context.Context, s publish.Store, content string) (publish.Release, error) {
	var r publish.Release
	st, err := publish.Look(ctx, s)
	if err != nil {
		return r, err
	}
	if !st.Complete() {
		if err := publish.Heal(ctx, s, st, Genuine); err != nil {
			return r, err
		}
	}
	reserved, err := publish.Reservations(ctx, s, st, 0)
	if err != nil {
		return r, err
	}
	for _, o := range reserved {
		if err := publish.Finish(ctx, s, st, o.Serial, Genuine); err != nil && !errors.Is(err, publish.ErrIncomplete) {
			return r, err
		}
	}
	serial, err := publish.NextSerial(st.Serial(), 0, 0, reserved...)
	if err != nil {
		return r, err
	}
	r = Release(serial, content)
	return r, publish.Push(ctx, s, st, r, Genuine)
}

// FixedNames are what a Release puts under fixed names, in the order of DESIGN 4.5.
func FixedNames() []string {
	return []string{"manifest.bundle.json", "manifest.json.gpg", "manifest.json.asc", "manifest.json.minisig",
		"manifest.json." + strings.Repeat("C", 16) + ".minisig", "manifest.json"}
}

func content(r publish.Release, name string) []byte {
	if name == "manifest.bundle.json" {
		return r.Bundle
	}
	return r.Files[name]
}

// World watches a site as readers see it.
type World struct {
	Read   func(name string) []byte // nil: not there
	Copies func() []string          // all names m/<serial>/manifest*

	seen map[string]string // m/<n>/manifest* ever seen
}

// Check is what must hold at every moment, whatever was killed where.
func (w *World) Check(releases ...publish.Release) error {
	var serial int64
	if b := w.Read("latest.json"); b != nil {
		p, err := manifest.ParsePointer(b)
		if err != nil {
			return fmt.Errorf("latest.json: %w", err)
		}
		if serial = p.Serial; !slices.ContainsFunc(releases, func(r publish.Release) bool { return r.Serial == serial && r.SHA256 == p.SHA256 }) {
			return fmt.Errorf("latest.json names serial %d with %s, which nobody published", serial, p.SHA256)
		}
	}
	for _, name := range FixedNames() {
		b := w.Read(name)
		i := slices.IndexFunc(releases, func(r publish.Release) bool { return bytes.Equal(b, content(r, name)) })
		if b != nil && i < 0 {
			return fmt.Errorf("%s is not whole: %q", name, b)
		}
		if b != nil && releases[i].Serial > serial {
			return fmt.Errorf("%s changed to serial %d before the pointer, which is at %d", name, releases[i].Serial, serial)
		}
	}
	return w.checkCopies(serial, releases)
}

func (w *World) checkCopies(pointed int64, releases []publish.Release) error {
	all := w.Copies()
	if w.seen == nil {
		w.seen = map[string]string{}
	}
	for _, name := range all {
		b := string(w.Read(name))
		if old, seen := w.seen[name]; seen && old != b {
			return fmt.Errorf("%s changed: a serial with two manifests", name)
		}
		w.seen[name] = b
		if !slices.ContainsFunc(releases, func(r publish.Release) bool {
			return name == fmt.Sprintf("m/%d/%s", r.Serial, path.Base(name)) && b == string(content(r, path.Base(name)))
		}) {
			return fmt.Errorf("%s is not whole", name)
		}
	}
	if pointed > 0 && len(all) < len(FixedNames()) {
		return fmt.Errorf("the pointer names serial %d, whose copies are not all there: %v", pointed, all)
	}
	return nil
}

// Is checks that the site is r, complete.
func (w *World) Is(r publish.Release) error {
	for _, name := range FixedNames() {
		for _, at := range []string{name, fmt.Sprintf("m/%d/%s", r.Serial, name)} {
			if !bytes.Equal(w.Read(at), content(r, name)) {
				return fmt.Errorf("%s is not serial %d's: %q", at, r.Serial, w.Read(at))
			}
		}
	}
	p, err := manifest.ParsePointer(w.Read("latest.json"))
	if err != nil {
		return err
	}
	if mark := string(w.Read("latest.txt")); p.Serial != r.Serial || mark != p.Path+"\n" {
		return fmt.Errorf("pointer at %d, mark %q, expected %d", p.Serial, mark, r.Serial)
	}
	return nil
}
