package lab

import (
	"crypto/sha256"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// TimeFile is the name of every lab tree's time file.
const TimeFile = "TIME"

// Anchors are the patterns that find the lab trees' anchors.
func Anchors() []string { return []string{"**/repodata/repomd.xml"} }

// TreeNames are the trees that [NewTree] knows.
func TreeNames() []string { return []string{"centos", "altarch", "vault"} }

// Tree is a master's tree in a directory.
type Tree struct {
	Name      string
	Dir       string
	Timestamp int64 // what TIME holds

	seed  uint64
	repos []*repo
	moves int
}

// layout lists a tree's repositories (where its packages are, and whether it gets updates) and ISO directories.
type layout struct {
	repos []string
	isos  []string
	arch  string
}

func layoutOf(name string) (layout, error) {
	switch name {
	case "centos":
		return layout{
			repos: []string{"7/updates/x86_64", "7/os/x86_64", "7/extras/x86_64", "6/os/x86_64"},
			isos:  []string{"7/isos/x86_64"}, arch: "x86_64",
		}, nil
	case "altarch":
		return layout{
			repos: []string{"7/updates/aarch64", "7/os/aarch64", "7/extras/aarch64", "7/kernel/aarch64"},
			isos:  []string{"7/isos/aarch64"}, arch: "aarch64",
		}, nil
	case "vault":
		return layout{
			repos: []string{"6.9/updates/x86_64", "6.9/os/x86_64", "5.11/updates/x86_64", "5.11/os/x86_64"},
			isos:  []string{"6.9/isos/x86_64"}, arch: "x86_64",
		}, nil
	}
	return layout{}, fmt.Errorf("tree %q: the lab makes %s", name, strings.Join(TreeNames(), ", "))
}

// packagesAtFirst is how many packages each repository begins with.
const packagesAtFirst = 5

// NewTree makes the named tree in dir, as it was at the timestamp ts. The same seed gives the same bytes.
func NewTree(dir, name string, seed uint64, ts int64) (*Tree, error) {
	l, err := layoutOf(name)
	if err != nil {
		return nil, err
	}
	t := &Tree{Name: name, Dir: dir, seed: seed}
	for _, path := range l.repos {
		r := &repo{path: path, arch: l.arch}
		t.repos = append(t.repos, r)
		for range packagesAtFirst {
			if err := t.addPackage(r, ts); err != nil {
				return nil, err
			}
		}
		if err := t.index(r, ts); err != nil {
			return nil, err
		}
	}
	for _, path := range l.isos {
		if err := t.addISOs(path, l.arch, ts); err != nil {
			return nil, err
		}
	}
	if err := t.put("RPM-GPG-KEY-"+name, []byte("-----BEGIN PGP PUBLIC KEY BLOCK-----\n\nnot a key\n-----END PGP PUBLIC KEY BLOCK-----\n"), ts); err != nil {
		return nil, err
	}
	return t, t.SetTime(ts)
}

// Move brings the tree to the timestamp ts as a distribution does: a new package, then the metadata of its repository,
// and the time file last.
func (t *Tree) Move(ts int64) error {
	r := t.repos[t.moves%len(t.repos)]
	t.moves++
	if err := t.addPackage(r, ts); err != nil {
		return err
	}
	if err := t.index(r, ts); err != nil {
		return err
	}
	return t.SetTime(ts)
}

// SetTime writes the time file alone: a timestamp without new content.
func (t *Tree) SetTime(ts int64) error {
	if err := WriteTime(t.Dir, ts); err != nil {
		return err
	}
	t.Timestamp = ts
	return nil
}

// WriteTime writes ts as the time file of the tree in dir.
func WriteTime(dir string, ts int64) error {
	return replace(filepath.Join(dir, TimeFile), []byte(strconv.FormatInt(ts, 10)+"\n"), ts)
}

func (t *Tree) addISOs(path, arch string, ts int64) error {
	var sums strings.Builder
	for _, kind := range []string{"Minimal", "DVD"} {
		name := fmt.Sprintf("CentOS-%s-%s.iso", arch, kind)
		data := t.noise(path+"/"+name, 24<<10)
		if err := t.put(path+"/"+name, data, ts); err != nil {
			return err
		}
		fmt.Fprintf(&sums, "%x  %s\n", sha256.Sum256(data), name)
	}
	return t.put(path+"/sha256sum.txt", []byte(sums.String()), ts)
}

// noise gives n bytes that depend on the tree's seed and the name alone.
func (t *Tree) noise(name string, n int) []byte {
	key := sha256.Sum256(fmt.Appendf(nil, "%d %s %s", t.seed, t.Name, name))
	data := make([]byte, n)
	rand.NewChaCha8(key).Read(data)
	return data
}

// put writes a file of the tree.
func (t *Tree) put(path string, data []byte, ts int64) error {
	return replace(filepath.Join(t.Dir, filepath.FromSlash(path)), data, ts)
}

// replace writes a file under another name and renames it, so that its hard links keep what they had. Its mtime is ts.
func replace(file string, data []byte, ts int64) error {
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		return fmt.Errorf("making a lab tree: %w", err)
	}
	temp := file + ".new"
	if err := os.WriteFile(temp, data, 0o644); err != nil {
		return fmt.Errorf("making a lab tree: %w", err)
	}
	at := time.Unix(ts, 0)
	if err := os.Chtimes(temp, at, at); err != nil {
		return fmt.Errorf("making a lab tree: %w", err)
	}
	if err := os.Rename(temp, file); err != nil {
		return fmt.Errorf("making a lab tree: %w", err)
	}
	return nil
}

// remove deletes a file that may be gone already.
func remove(file string) error {
	if err := os.Remove(file); err != nil && !os.IsNotExist(err) {
		return fmt.Errorf("changing a lab tree: %w", err)
	}
	return nil
}

// regular calls visit with the slash path of every regular file below dir, sorted.
func regular(dir string, visit func(path string, d fs.DirEntry) error) error {
	return fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || !d.Type().IsRegular() {
			return err
		}
		return visit(path, d)
	})
}
