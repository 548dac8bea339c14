package publish

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/manifest"
	"tidemark/sign"
)

// Names of a publication's own files.
const (
	BundleName   = "manifest.bundle.json"
	ManifestName = "manifest.json"
	InlineName   = "manifest.json.gpg"
)

// Release is one publication.
type Release struct {
	Serial  int64
	SHA256  string // of manifest.json, hex
	Bundle  []byte
	Files   map[string][]byte // "manifest.json", "manifest.json.asc", "manifest.json.minisig", "manifest.json.gpg", more signers' files
	Ground  []Object          // trust and keys: put first, when new (trust/<N>.json with Absent)
	Status  []Object          // put last
	Expires time.Time

	Genuine func(version int64, data []byte) error // of GroundFiles
}

// Verify checks a bundle as a client would.
type Verify func(bundle []byte) error

// ErrIncomplete: not all immutable copies of a serial are there.
var ErrIncomplete = errors.New("not all of its copies are there")

// Unpack gives the files that a bundle holds, by the names that they have at the site. It verifies nothing.
func Unpack(bundle []byte) (map[string][]byte, error) { return sign.Unpack(bundle, ManifestName) }

// check refuses a release whose parts are not of one piece: the single objects and the pair must say the same.
func (r *Release) check() error {
	if r.Serial < 1 || r.Serial > manifest.MaxSerial {
		return fmt.Errorf("serial %d is outside 1 to 2^53-1", r.Serial)
	}
	want, err := Unpack(r.Bundle)
	if err != nil {
		return err
	}
	if sum := sumOf(want[ManifestName]); sum != r.SHA256 {
		return fmt.Errorf("the bundle's manifest has SHA-256 %s, the release says %s", sum, r.SHA256)
	}
	for name, data := range r.Files {
		if b, ok := want[name]; name != InlineName && (!ok || !bytes.Equal(b, data)) {
			return fmt.Errorf("%s is not in the bundle, or differs there", name)
		}
	}
	for name := range want {
		if _, ok := r.Files[name]; !ok {
			return fmt.Errorf("%s is in the bundle, but not in the release", name)
		}
	}
	return r.checkOthers()
}

func (r *Release) checkOthers() error {
	for _, o := range slices.Concat(r.Ground, r.Status) {
		if err := checkGround(o.Name); err != nil {
			return err
		}
	}
	return nil
}

// checkGround accepts the names of ground and status files.
func checkGround(name string) error {
	if err := CheckName(name); err != nil {
		return err
	}
	if strings.HasPrefix(name, "m/") || strings.HasPrefix(name, "latest.") || strings.HasPrefix(name, "manifest.") || name == NoteName || name == LeaseName {
		return fmt.Errorf("%s belongs to the publication: it cannot be a ground or status file", name)
	}
	return nil
}

func (r *Release) content(name string) []byte {
	if name == BundleName {
		return r.Bundle
	}
	return r.Files[name]
}

// singles are the self-consistent objects in the order of DESIGN 4.5, step 4.
func (r *Release) singles() []string {
	if _, ok := r.Files[InlineName]; ok {
		return []string{BundleName, InlineName}
	}
	return []string{BundleName}
}

// pair is the signatures, further signers after the first two, and last the manifest: step 5.
func (r *Release) pair() []string {
	var more []string
	for _, name := range slices.Sorted(maps.Keys(r.Files)) {
		switch name {
		case ManifestName, InlineName, ManifestName + ".asc", ManifestName + ".minisig":
		default:
			more = append(more, name)
		}
	}
	var names []string
	for _, name := range []string{ManifestName + ".asc", ManifestName + ".minisig"} {
		if _, ok := r.Files[name]; ok {
			names = append(names, name)
		}
	}
	return append(append(names, more...), ManifestName)
}

// fixed are all names that change with every publication, pointer and mark aside.
func (r *Release) fixed() []string { return append(r.singles(), r.pair()...) }

// copies are the names below m/<serial>/ in the order they are put: the bundle, which reserves the serial, first; the
// only one that cannot be had from the bundle last, so that it being there means that all are.
func (r *Release) copies() []string {
	return append(append([]string{BundleName}, r.pair()...), r.singles()[1:]...)
}

func (r *Release) pointer() manifest.Pointer {
	return manifest.PointTo(r.Serial, r.SHA256)
}

// load makes a release again of m/<serial>/, verified.
func load(ctx context.Context, s Store, serial int64, verify Verify) (*Release, error) {
	name := manifest.SerialPath(serial) + BundleName
	o, err := s.Get(ctx, name, limitOf(BundleName))
	if err != nil {
		return nil, err
	}
	if err := verify(o.Data); err != nil {
		return nil, fmt.Errorf("verify %s: %w", name, err)
	}
	r := &Release{Serial: serial, Bundle: o.Data}
	if r.Files, err = Unpack(o.Data); err != nil {
		return nil, err
	}
	r.SHA256 = sumOf(r.Files[ManifestName])
	o, err = s.Get(ctx, manifest.SerialPath(serial)+InlineName, limitOf(InlineName))
	if err == nil {
		r.Files[InlineName] = o.Data
	} else if !errors.Is(err, ErrNotFound) {
		return nil, err
	}
	return r, nil
}

func sumOf(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}

// limitOf is the most that is read of an object, in bytes.
func limitOf(name string) int64 {
	switch {
	case strings.HasSuffix(name, BundleName), strings.HasSuffix(name, InlineName):
		return sign.MaxBundle
	case strings.HasSuffix(name, ".asc"), strings.HasSuffix(name, ".minisig"):
		return sign.MaxSignature
	}
	return 8 << 20
}
