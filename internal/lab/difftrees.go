package lab

import (
	"crypto/sha256"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"time"
)

// DiffOptions say what DiffTrees compares.
type DiffOptions struct {
	Ignore    []string // path.Match patterns of whole paths, or of names anywhere; what lies below is ignored, too
	NoTimes   bool     // mtimes are not compared
	DirTimes  bool     // those of directories are
	NoModes   bool     // permissions are not compared
	NoContent bool     // sizes are compared, contents not
}

// DiffTrees compares two directories: names, types, permissions, sizes, mtimes in whole seconds, contents, targets of
// symbolic links, and which names are hard links of each other. It returns the differences, sorted, as sentences; none
// when the trees are the same.
func DiffTrees(a, b string, o DiffOptions) ([]string, error) {
	inA, err := describe(a, o)
	if err != nil {
		return nil, err
	}
	inB, err := describe(b, o)
	if err != nil {
		return nil, err
	}
	var diffs []string
	for _, name := range slices.Sorted(maps.Keys(inA)) {
		x, y := inA[name], inB[name]
		switch {
		case y == nil:
			diffs = append(diffs, fmt.Sprintf("%s: only in the first", name))
		default:
			diffs = append(diffs, x.differs(y, name, o)...)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(inB)) {
		if inA[name] == nil {
			diffs = append(diffs, fmt.Sprintf("%s: only in the second", name))
		}
	}
	slices.Sort(diffs)
	return diffs, nil
}

// entry is what is known of a name.
type entry struct {
	mode   fs.FileMode
	size   int64
	mtime  time.Time
	sum    string
	target string
	first  string // the first name, in order, of the same inode
}

func (x *entry) differs(y *entry, name string, o DiffOptions) (diffs []string) {
	say := func(what string, a, b any) {
		if a != b {
			diffs = append(diffs, fmt.Sprintf("%s: %s %v and %v", name, what, a, b))
		}
	}
	if say("type", x.mode.Type(), y.mode.Type()); len(diffs) > 0 {
		return diffs
	}
	if !o.NoModes && x.mode.Type() != fs.ModeSymlink {
		say("mode", x.mode.Perm(), y.mode.Perm())
	}
	if !o.NoTimes && (!x.mode.IsDir() || o.DirTimes) {
		say("mtime", x.mtime.Unix(), y.mtime.Unix())
	}
	if x.mode.IsRegular() {
		if say("size", x.size, y.size); x.size == y.size {
			say("SHA-256", x.sum, y.sum)
		}
	}
	say("target", x.target, y.target)
	say("hard link of", x.first, y.first)
	return diffs
}

func describe(dir string, o DiffOptions) (map[string]*entry, error) {
	all, inodes := map[string]*entry{}, map[uint64]string{}
	err := filepath.WalkDir(dir, func(file string, d fs.DirEntry, err error) error {
		if err != nil {
			return err
		}
		name, err := filepath.Rel(dir, file)
		if err != nil || name == "." {
			return err
		}
		if ignored(name, o.Ignore) {
			if d.IsDir() {
				return fs.SkipDir
			}
			return nil
		}
		all[name], err = describeFile(file, name, inodes, o)
		return err
	})
	if err != nil {
		return nil, fmt.Errorf("reading tree %s: %w", dir, err)
	}
	return all, nil
}

func describeFile(file, name string, inodes map[uint64]string, o DiffOptions) (*entry, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return nil, err
	}
	e := &entry{mode: info.Mode(), size: info.Size(), mtime: info.ModTime()}
	switch {
	case info.Mode().Type() == fs.ModeSymlink:
		e.target, err = os.Readlink(file)
	case info.Mode().IsRegular():
		if st, ok := info.Sys().(*syscall.Stat_t); ok && st.Nlink > 1 {
			if inodes[st.Ino] == "" {
				inodes[st.Ino] = name
			}
			if e.first = inodes[st.Ino]; e.first == name {
				e.first = "" // the first of a group looks like a single file
			}
		}
		if !o.NoContent {
			e.sum, err = sumFile(file)
		}
	}
	return e, err
}

func sumFile(file string) (string, error) {
	f, err := os.Open(file)
	if err != nil {
		return "", err
	}
	defer f.Close()
	h := sha256.New()
	if _, err := io.Copy(h, f); err != nil {
		return "", err
	}
	return fmt.Sprintf("%x", h.Sum(nil)), nil
}

func ignored(name string, patterns []string) bool {
	for _, p := range patterns {
		whole, _ := path.Match(p, name)
		last, _ := path.Match(p, path.Base(name))
		if whole || last || strings.HasPrefix(name, p+"/") {
			return true
		}
	}
	return false
}
