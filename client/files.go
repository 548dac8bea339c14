package client

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"slices"
	"strings"

	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// The names of a manifest and its signatures (DESIGN 4.2).
const (
	ManifestFile = "manifest.json"
	BundleFile   = "manifest.bundle.json"
	InlineFile   = "manifest.json.gpg"

	ascSuffix     = ".asc"
	minisigSuffix = ".minisig"
)

// Pack makes the bundle of payload and its signatures.
func Pack(payload []byte, sigs []sign.Signature) ([]byte, error) {
	if len(payload) > manifest.MaxSize {
		return nil, fmt.Errorf("bundle: the manifest has %d bytes, at most %d are read", len(payload), manifest.MaxSize)
	}
	b, err := (&sign.Envelope{Payload: payload, Signatures: sigs}).Encode()
	if err != nil {
		return nil, fmt.Errorf("bundle: %w", err)
	}
	if len(b) > sign.MaxBundle {
		return nil, fmt.Errorf("bundle: %d bytes, at most %d are read", len(b), sign.MaxBundle)
	}
	return b, nil
}

// Unpack gives the files of a bundle, by name: manifest.json, its first .asc and
// .minisig, and those of further signers as manifest.json.<KEY>.asc and .minisig. It verifies nothing: what was served by
// others is laid down with [Opened.Files].
func Unpack(bundle []byte) (map[string][]byte, error) {
	return sign.Unpack(bundle, ManifestFile)
}

// OpenFiles opens manifest.json with the .asc and .minisig files beside it, by the rules of Open: a signature file that
// cannot be read is refused, one that cannot count is tolerated.
func OpenFiles(dir fs.FS, o Options) (*Opened, Seen, error) {
	if o.Trust == nil {
		return nil, Seen{}, errors.New("open a manifest: no trust document")
	}
	payload, err := readCapped(dir, ManifestFile, manifest.MaxSize)
	if err != nil {
		return nil, Seen{}, err
	}
	sigs, err := readSignatures(dir, o.Trust.Manifest)
	if err != nil {
		return nil, Seen{}, err
	}
	if len(sigs) == 0 {
		return nil, Seen{}, refused(Signature, "no %s%s and no %s%s is there", ManifestFile, ascSuffix, ManifestFile, minisigSuffix)
	}
	opened, next, err := o.open(&sign.Envelope{Payload: payload, Signatures: sigs})
	if err != nil {
		return nil, Seen{}, err
	}
	var accepted []sign.Signature
	for _, v := range opened.Votes {
		accepted = append(accepted, v.Signature)
	}
	if opened.Bundle, err = Pack(payload, accepted); err != nil {
		return nil, Seen{}, &Refused{Reason: Malformed, Err: err}
	}
	return opened, next, nil
}

func readSignatures(dir fs.FS, role keys.ManifestRole) ([]sign.Signature, error) {
	names, err := fs.Glob(dir, ManifestFile+".*")
	if err != nil {
		return nil, fmt.Errorf("list the signatures: %w", err)
	}
	slices.SortStableFunc(names, func(a, b string) int { return strings.Count(a, ".") - strings.Count(b, ".") }) // the main names first
	var sigs []sign.Signature
	for _, name := range names {
		asc := strings.HasSuffix(name, ascSuffix)
		if !asc && !strings.HasSuffix(name, minisigSuffix) {
			continue
		}
		if len(sigs) == sign.MaxSigs {
			return nil, refused(TooLarge, "more than %d signature files", sign.MaxSigs)
		}
		text, err := readCapped(dir, name, sign.MaxSignature)
		if err != nil {
			return nil, err
		}
		s, err := sign.FromMinisig(text)
		if asc {
			s, err = sign.FromASC(text, role)
		}
		if err != nil {
			return nil, &Refused{Reason: Signature, Detail: name, Err: err}
		}
		sigs = append(sigs, s)
	}
	return sigs, nil
}

// readCapped refuses what is larger than max instead of cutting it, and what is no regular file before it opens it: a
// pipe without a writer would block for ever.
func readCapped(dir fs.FS, name string, max int) ([]byte, error) {
	info, err := fs.Stat(dir, name)
	if err != nil {
		return nil, fmt.Errorf("read the manifest's files: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, refused(Malformed, "%s is no regular file (%s)", name, info.Mode())
	}
	f, err := dir.Open(name)
	if err != nil {
		return nil, fmt.Errorf("read the manifest's files: %w", err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.LimitReader(f, int64(max)+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if len(b) > max {
		return nil, refused(TooLarge, "%s has more than %d bytes", name, max)
	}
	return b, nil
}
