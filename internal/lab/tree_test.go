package lab_test

import (
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/xml"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
)

// content is every regular file below dir with its mtime and SHA-256.
func content(t testing.TB, dir string) map[string]string {
	t.Helper()
	files := map[string]string{}
	err := fs.WalkDir(os.DirFS(dir), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(filepath.Join(dir, path))
		if err != nil {
			return err
		}
		info, err := d.Info()
		files[path] = fmt.Sprintf("%x %d", sha256.Sum256(data), info.ModTime().Unix())
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func newTree(t testing.TB, name string, seed uint64) *lab.Tree {
	t.Helper()
	tree, err := lab.NewTree(filepath.Join(t.TempDir(), name), name, seed, start)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestTree_SameSeedSameBytes(t *testing.T) {
	for _, name := range lab.TreeNames() {
		a, b, other := newTree(t, name, 1), newTree(t, name, 1), newTree(t, name, 2)
		for _, tree := range []*lab.Tree{a, b, other} {
			if err := tree.Move(start + 60); err != nil {
				t.Fatal(err)
			}
		}
		files := content(t, a.Dir)
		if diff := cmp.Diff(files, content(t, b.Dir)); diff != "" {
			t.Errorf("%s, the same seed:\n%s", name, diff)
		}
		if cmp.Equal(files, content(t, other.Dir)) {
			t.Errorf("%s: another seed gave the same tree", name)
		}
		if len(files) < 35 || len(files) > 50 {
			t.Errorf("%s has %d files, expected about 40", name, len(files))
		}
	}
	if _, err := lab.NewTree(t.TempDir(), "debian", 1, start); err == nil {
		t.Error("a tree that the lab does not know was made")
	}
}

func TestTree_MoveAddsAPackageAndItsMetadata(t *testing.T) {
	tree := newTree(t, "centos", 1)
	before := content(t, tree.Dir)
	if err := tree.Move(start + 60); err != nil {
		t.Fatal(err)
	}
	after := content(t, tree.Dir)
	var added, gone, changed []string
	for path, sum := range after {
		if was, ok := before[path]; !ok {
			added = append(added, path)
		} else if was != sum {
			changed = append(changed, path)
		}
	}
	for path := range before {
		if _, ok := after[path]; !ok {
			gone = append(gone, path)
		}
	}
	if len(added) != 4 || len(gone) != 3 || len(changed) != 2 {
		t.Errorf("added %q, gone %q, changed %q: expected a package and 3 metadata files, 3 old ones, repomd.xml and TIME", added, gone, changed)
	}
	if data, err := os.ReadFile(filepath.Join(tree.Dir, "TIME")); err != nil || string(data) != "1488372841\n" || tree.Timestamp != start+60 {
		t.Errorf("time file %q, %v", data, err)
	}
}

// TestTree_MetadataIsTrue follows repomd.xml to the files it names, and primary.xml to the packages.
func TestTree_MetadataIsTrue(t *testing.T) {
	tree := newTree(t, "centos", 1)
	if err := tree.Move(start + 60); err != nil {
		t.Fatal(err)
	}
	repos, err := filepath.Glob(filepath.Join(tree.Dir, "*/*/*/repodata/repomd.xml"))
	if err != nil || len(repos) != 4 {
		t.Fatalf("repositories %q, %v", repos, err)
	}
	for _, file := range repos {
		top := filepath.Dir(filepath.Dir(file))
		var md struct {
			Data []struct {
				Type     string `xml:"type,attr"`
				Checksum string `xml:"checksum"`
				Open     string `xml:"open-checksum"`
				Size     int    `xml:"size"`
				Location struct {
					Href string `xml:"href,attr"`
				} `xml:"location"`
			} `xml:"data"`
		}
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if err := xml.Unmarshal(data, &md); err != nil {
			t.Fatal(err)
		}
		for _, d := range md.Data {
			packed := check(t, filepath.Join(top, d.Location.Href), d.Checksum)
			z, err := gzip.NewReader(bytes.NewReader(packed))
			if err != nil {
				t.Fatal(err)
			}
			open, err := io.ReadAll(z)
			if err != nil {
				t.Fatal(err)
			}
			if got := fmt.Sprintf("%x", sha256.Sum256(open)); got != d.Open || len(packed) != d.Size {
				t.Errorf("%s: open checksum %s of %d bytes, repomd.xml says %s of %d", d.Location.Href, got, len(packed), d.Open, d.Size)
			}
			if d.Type == "primary" {
				checkPackages(t, top, open)
			}
		}
	}
}

func check(t testing.TB, file, sum string) []byte {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprintf("%x", sha256.Sum256(data)); got != sum {
		t.Errorf("%s: SHA-256 %s, the metadata say %s", file, got, sum)
	}
	return data
}

func checkPackages(t testing.TB, top string, primary []byte) {
	t.Helper()
	var doc struct {
		Package []struct {
			Checksum string `xml:"checksum"`
			Location struct {
				Href string `xml:"href,attr"`
			} `xml:"location"`
		} `xml:"package"`
	}
	if err := xml.Unmarshal(primary, &doc); err != nil {
		t.Fatal(err)
	}
	if len(doc.Package) < 5 {
		t.Errorf("%s lists %d packages", top, len(doc.Package))
	}
	for _, p := range doc.Package {
		check(t, filepath.Join(top, p.Location.Href), p.Checksum)
	}
}

func TestTree_CopiesKeepTheirContentWhenTheMasterMoves(t *testing.T) {
	tree := newTree(t, "centos", 1)
	dir := t.TempDir()
	if err := tree.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	old := content(t, tree.Dir)
	if err := tree.Move(start + 60); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(old, content(t, dir)); diff != "" {
		t.Errorf("the copy changed with the master:\n%s", diff)
	}
	master := content(t, tree.Dir)
	if err := lab.Lie(dir, start+60); err != nil {
		t.Fatal(err)
	}
	if err := lab.DropRepo(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(master, content(t, tree.Dir)); diff != "" {
		t.Errorf("a copy's changes reached the master:\n%s", diff)
	}
	if err := tree.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(master, content(t, dir)); diff != "" {
		t.Errorf("a synced copy differs:\n%s", diff)
	}
}

func TestDaemon_ErrorsShowWhatItSaid(t *testing.T) {
	needRsync(t)
	blocker, err := lab.NewDead("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer blocker.Close()
	_, err = lab.StartDaemon(t.Context(), lab.Daemon{Dir: t.TempDir(), Address: "127.0.0.1", Port: int(blocker.Addr.Port()), Modules: map[string]string{"centos": "/"}})
	if err == nil || !strings.Contains(err.Error(), "in use") {
		t.Errorf("a taken port gave %v", err)
	}
	_, err = lab.StartDaemon(t.Context(), lab.Daemon{Dir: t.TempDir(), Address: "127.0.0.1", Modules: map[string]string{"centos": "/"}, Program: "/no/such/rsync"})
	if err == nil || !strings.Contains(err.Error(), "apt-get install -y rsync") {
		t.Errorf("a missing program gave %v", err)
	}
}

// TestTree_TimeFileComesLast breaks a move and a copy half-way: neither may show the new time.
func TestTree_TimeFileComesLast(t *testing.T) {
	tree, dir := newTree(t, "centos", 1), t.TempDir()
	if err := tree.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	if err := tree.Move(start + 60); err != nil {
		t.Fatal(err)
	}
	// In the order of names, these come before and after the time file.
	if err := os.MkdirAll(filepath.Join(tree.Dir, "zsh"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(tree.Dir, "zsh/README"), nil, 0o644); err != nil {
		t.Fatal(err)
	}
	block(t, filepath.Join(dir, "zsh"))
	if err := tree.CopyTo(dir); err == nil {
		t.Error("a copy over a file in the way succeeded")
	}
	// The next move is in the second repository.
	block(t, filepath.Join(tree.Dir, "7/os/x86_64/repodata"))
	if err := tree.Move(start + 120); err == nil {
		t.Error("a move over a file in the way succeeded")
	}
	for at, want := range map[string]string{dir: "1488372781\n", tree.Dir: "1488372841\n"} {
		if got, err := os.ReadFile(filepath.Join(at, "TIME")); err != nil || string(got) != want {
			t.Errorf("%s shows %q (%v), expected %q", at, got, err, want)
		}
	}
}

// block puts a file where a directory was.
func block(t testing.TB, path string) {
	t.Helper()
	if err := os.RemoveAll(path); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
}

func TestBulk(t *testing.T) {
	dirs := []string{t.TempDir(), t.TempDir()}
	for _, dir := range dirs {
		if err := lab.Bulk(dir, 1234, 5000, 7, start); err != nil {
			t.Fatal(err)
		}
	}
	diffs, err := lab.DiffTrees(dirs[0], dirs[1], lab.DiffOptions{})
	if err != nil || len(diffs) > 0 {
		t.Errorf("the same seed gave other trees: %v %q", err, diffs)
	}
	files, err := filepath.Glob(dirs[0] + "/*/x86_64/Packages/*.rpm")
	if err != nil || len(files) != 1234 {
		t.Errorf("%d files (%v), expected 1234", len(files), err)
	}
}
