package treesync

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"

	"tidemark/internal/timefile"
	"tidemark/manifest"
)

// staging is the directory for lists and for what is fetched before the tree is touched. All that it makes has a name of
// its own, and nothing else in that directory is ever removed.
type staging struct{ dir string }

// The names in a staging directory.
const (
	fetchedDir    = "fetched" // anchors and time file of a source
	againDir      = "again"   // the same, when all else is here
	preflightFile = "preflight.rules"
	contentFile   = "content.list"
	metadataFile  = "metadata.list"
	anchorsFile   = "anchors.list"
	replacingFile = "replacing.list"
	comingFile    = "coming.list"
	inTheWayFile  = "in-the-way.list"
	contentRules  = "content.rules"
	metadataRules = "metadata.rules"
	keptRules     = "kept.rules"
)

func newStaging(dir string) (*staging, error) {
	if !filepath.IsAbs(dir) {
		return nil, fmt.Errorf("staging directory %q is not absolute", dir)
	}
	s := &staging{dir}
	if err := os.MkdirAll(dir, 0o700); err != nil {
		return nil, fmt.Errorf("make the staging directory: %w", err)
	}
	return s, s.empty()
}

func (s *staging) file(name string) string { return filepath.Join(s.dir, name) }

// empty removes what this package puts there.
func (s *staging) empty() error {
	var errs []error
	for _, name := range []string{fetchedDir, againDir} {
		errs = append(errs, removeAll(s.file(name)))
	}
	for _, name := range []string{preflightFile, contentFile, metadataFile, anchorsFile, replacingFile, comingFile, inTheWayFile, contentRules, metadataRules, keptRules} {
		if err := os.Remove(s.file(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("empty the staging directory: %w", err)
	}
	return nil
}

// fresh gives an empty directory to fetch into.
func (s *staging) fresh(name string) (string, error) {
	dir := s.file(name)
	if err := removeAll(dir); err != nil {
		return "", fmt.Errorf("empty %s: %w", dir, err)
	}
	if err := os.Mkdir(dir, 0o700); err != nil {
		return "", fmt.Errorf("make a directory to fetch into: %w", err)
	}
	return dir, nil
}

// removeAll removes a directory that may have the permissions of a source's, which need not let us.
func removeAll(dir string) error {
	if err := os.RemoveAll(dir); err == nil {
		return nil
	}
	filepath.WalkDir(dir, func(path string, d fs.DirEntry, err error) error {
		if d != nil && d.IsDir() {
			os.Chmod(path, 0o700)
		}
		return nil
	})
	return os.RemoveAll(dir)
}

// timeBytes is a time file as it was fetched.
type timeBytes struct {
	data      []byte
	timestamp int64
	info      fs.FileInfo
}

var errNoTime = errors.New("it has no time file")

// readTime reads the time file that was fetched into dir.
func readTime(root *os.Root, name string) (timeBytes, error) {
	f, info, err := openFile(root, name)
	if errors.Is(err, fs.ErrNotExist) {
		return timeBytes{}, errNoTime
	}
	if err != nil {
		return timeBytes{}, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, timefile.MaxSize+1))
	if err != nil {
		return timeBytes{}, err
	}
	t, err := timefile.Parse(data)
	return timeBytes{data, t, info}, err
}

// readAnchors gives those of the anchors that are regular files below root and may be read, with what they are. Sizes above
// most are not read: they are none of ours.
func readAnchors(root *os.Root, paths []string, most int64) (map[string]manifest.Anchor, error) {
	found := map[string]manifest.Anchor{}
	for _, path := range paths {
		a, err := readAnchor(root, path, most)
		var odd *notRegular
		if errors.Is(err, fs.ErrNotExist) || errors.Is(err, fs.ErrPermission) || errors.As(err, &odd) || isNotDir(err) {
			continue
		}
		if err != nil {
			return nil, fmt.Errorf("read anchor %s: %w", path, err)
		}
		found[path] = a
	}
	return found, nil
}

func readAnchor(root *os.Root, path string, most int64) (manifest.Anchor, error) {
	f, info, err := openFile(root, path)
	if err != nil {
		return manifest.Anchor{}, err
	}
	defer f.Close()
	if info.Size() > most {
		return manifest.Anchor{Path: path, Size: info.Size()}, nil
	}
	h := sha256.New()
	n, err := io.Copy(h, io.LimitReader(f, most+1))
	if err != nil {
		return manifest.Anchor{}, err
	}
	return manifest.Anchor{Path: path, Size: n, SHA256: hex.EncodeToString(h.Sum(nil))}, nil
}
