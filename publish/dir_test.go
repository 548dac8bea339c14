package publish_test

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gofrs/flock"

	"tidemark/publish"
	"tidemark/publish/storetest"
)

func openDir(t *testing.T, path string) *publish.DirStore {
	t.Helper()
	d, err := publish.Dir(path)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

func TestDirStore(t *testing.T) {
	storetest.Run(t, func(t *testing.T) publish.Store { return openDir(t, filepath.Join(t.TempDir(), "site")) })
}

func put(t *testing.T, s publish.Store, name, data string) {
	t.Helper()
	if _, err := s.Put(t.Context(), publish.NewObject(name, []byte(data)), publish.Condition{}); err != nil {
		t.Fatal(err)
	}
}

// files lists all below dir, hidden ones too.
func files(t *testing.T, dir string) []string {
	t.Helper()
	var all []string
	err := filepath.WalkDir(dir, func(p string, e fs.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			rel, _ := filepath.Rel(dir, p)
			all = append(all, rel)
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return all
}

func TestDirStore_LookingMakesNothing(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "site")
	st, err := publish.Look(t.Context(), openDir(t, dir))
	if err != nil || st.Pointer != nil || st.Mark != "" || !st.Complete() {
		t.Errorf("a missing site: %+v, %v", st, err)
	}
	if _, err := os.Stat(filepath.Dir(dir)); err == nil {
		t.Error("Look made a directory")
	}
}

func TestDirStore_ModesWhateverTheUmask(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "a", "site")
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	put(t, openDir(t, dir), "m/1/manifest.json", "{}")
	for path, want := range map[string]fs.FileMode{
		"..": fs.ModeDir | 0o755, ".": fs.ModeDir | 0o755, "m": fs.ModeDir | 0o755, "m/1": fs.ModeDir | 0o755, "m/1/manifest.json": 0o644,
	} {
		fi, err := os.Stat(filepath.Join(dir, path))
		if err != nil {
			t.Fatal(err)
		}
		if fi.Mode() != want {
			t.Errorf("%s has mode %v, expected %v", path, fi.Mode(), want)
		}
	}
}

func TestDirStore_KeepsModeOfDirectoriesItDidNotMake(t *testing.T) {
	dir := t.TempDir()
	if err := os.Chmod(dir, 0o2775); err != nil {
		t.Fatal(err)
	}
	before, err := os.Stat(dir)
	if err != nil {
		t.Fatal(err)
	}
	put(t, openDir(t, dir), "latest.txt", "m/1/\n")
	after, err := os.Stat(dir)
	if err != nil || after.Mode() != before.Mode() {
		t.Errorf("mode %v became %v, %v", before.Mode(), after.Mode(), err)
	}
}

func TestDirStore_FinishesAHalfMadeDirectory(t *testing.T) {
	dir := t.TempDir()
	if err := os.Mkdir(filepath.Join(dir, "m"), 0o700); err != nil {
		t.Fatal(err)
	}
	put(t, openDir(t, dir), "m/1/manifest.json", "{}")
	if fi, err := os.Stat(filepath.Join(dir, "m")); err != nil || fi.Mode().Perm() != 0o755 {
		t.Errorf("m has mode %v, %v", fi.Mode(), err)
	}
}

func TestDirStore_SweepsLeftoversOfKilledRuns(t *testing.T) {
	dir := t.TempDir()
	leftovers := []string{".tidemark-AAAA.tmp", "m/1/.tidemark-BBBB.tmp"}
	others := []string{".htaccess", "m/1/notes", "x.tmp", "other/.tidemark-CCCC.tmp"}
	for _, name := range append(leftovers, others...) {
		path := filepath.Join(dir, name)
		if err := errors.Join(os.MkdirAll(filepath.Dir(path), 0o755), os.WriteFile(path, []byte("half"), 0o644)); err != nil {
			t.Fatal(err)
		}
	}
	d := openDir(t, dir)
	put(t, d, "latest.txt", "m/1/\n")
	if _, err := d.List(t.Context(), "m/"); err != nil {
		t.Fatal(err)
	}
	got := strings.Join(files(t, dir), " ")
	for _, name := range leftovers {
		if strings.Contains(got, filepath.Base(name)) {
			t.Errorf("%s is still there", name)
		}
	}
	for _, name := range others {
		if !strings.Contains(got, name) {
			t.Errorf("%s, which is none of ours, is gone", name)
		}
	}
}

func TestDirStore_NothingLeftAfterRefusal(t *testing.T) {
	dir := t.TempDir()
	d := openDir(t, dir)
	put(t, d, "a", "x")
	for _, c := range []publish.Condition{{Absent: true}, {Match: "stale"}, {Absent: true, Match: "both"}} {
		if _, err := d.Put(t.Context(), publish.NewObject("a", []byte("y")), c); err == nil {
			t.Errorf("%+v was accepted", c)
		}
	}
	if got := files(t, dir); len(got) != 1 || got[0] != "a" {
		t.Errorf("left: %v", got)
	}
}

// TestDirStore_SymlinkOutOfTheSite: whoever can write below the site must not make the publisher write elsewhere.
func TestDirStore_SymlinkOutOfTheSite(t *testing.T) {
	for _, target := range []string{"absolute", "relative"} {
		t.Run(target, func(t *testing.T) {
			outside := t.TempDir()
			dir := t.TempDir()
			to := outside
			if target == "relative" {
				to, _ = filepath.Rel(dir, outside)
			}
			if err := errors.Join(os.WriteFile(filepath.Join(outside, "secret"), []byte("s"), 0o600),
				os.Symlink(to, filepath.Join(dir, "m")), os.Symlink(filepath.Join(to, "secret"), filepath.Join(dir, "latest.json"))); err != nil {
				t.Fatal(err)
			}
			d := openDir(t, dir)
			_, err := d.Put(t.Context(), publish.NewObject("m/1/manifest.json", []byte("{}")), publish.Condition{Absent: true})
			if err == nil || !strings.Contains(err.Error(), filepath.Join(dir, "m")+" is a symbolic link") {
				t.Errorf("write below the link: %v", err)
			}
			if _, err := d.Get(t.Context(), "m/secret", 100); err == nil {
				t.Error("read through the link of a directory")
			}
			if _, err := d.Get(t.Context(), "latest.json", 100); err == nil || errors.Is(err, publish.ErrNotFound) {
				t.Errorf("read through the link of a file: %v", err)
			}
			if _, err := d.List(t.Context(), "m/"); err == nil {
				t.Error("listed through the link")
			}
			put(t, d, "latest.json", "{}") // takes the link's place
			if got := files(t, outside); len(got) != 1 {
				t.Errorf("outside the site: %v", got)
			}
			if b, _ := os.ReadFile(filepath.Join(outside, "secret")); string(b) != "s" {
				t.Errorf("the link's target holds %q now", b)
			}
		})
	}
}

func TestDirStore_OnlyRegularFiles(t *testing.T) {
	dir := t.TempDir()
	if err := errors.Join(syscall.Mkfifo(filepath.Join(dir, "latest.json"), 0o644), os.Mkdir(filepath.Join(dir, "latest.txt"), 0o755)); err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	for _, name := range []string{"latest.json", "latest.txt"} {
		if _, err := openDir(t, dir).Get(ctx, name, 100); err == nil || !strings.Contains(err.Error(), "not a regular file") {
			t.Errorf("%s: %v", name, err)
		}
	}
	if _, err := openDir(t, dir).Put(ctx, publish.NewObject("latest.txt", nil), publish.Condition{}); err == nil || !strings.Contains(err.Error(), "move it away") {
		t.Errorf("a directory in the place of a file: %v", err)
	}
}

func TestDir_NotADirectory(t *testing.T) {
	path := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(path, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for _, p := range []string{path, ""} {
		if _, err := publish.Dir(p); err == nil {
			t.Errorf("Dir(%q) was accepted", p)
		}
	}
}

// TestDirStore_WaitsForTheLock: flock(1) and other publishers exclude us, and the context ends the wait.
func TestDirStore_WaitsForTheLock(t *testing.T) {
	dir := t.TempDir()
	l := flock.New(dir, flock.SetFlag(os.O_RDONLY))
	if ok, err := l.TryLock(); !ok || err != nil {
		t.Fatal(ok, err)
	}
	d := openDir(t, dir)
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	if _, err := d.Put(ctx, publish.NewObject("a", nil), publish.Condition{}); !errors.Is(err, context.DeadlineExceeded) {
		t.Errorf("locked, the context over: %v", err)
	}
	short := publish.WithLockWait(d, 20*time.Millisecond)
	if _, err := short.Put(t.Context(), publish.NewObject("a", nil), publish.Condition{}); !errors.Is(err, publish.ErrLocked) {
		t.Errorf("locked, the longest wait over: %v", err)
	}
	if got := files(t, dir); len(got) != 0 {
		t.Errorf("written in spite of the lock: %v", got)
	}
	done := make(chan error)
	go func() {
		_, err := d.Put(t.Context(), publish.NewObject("a", nil), publish.Condition{})
		done <- err
	}()
	if err := l.Unlock(); err != nil {
		t.Fatal(err)
	}
	if err := <-done; err != nil {
		t.Errorf("unlocked: %v", err)
	}
}

// TestDirStore_ReplacedSite: a site directory moved away and made anew is found, not the old one written to.
func TestDirStore_ReplacedSite(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	d := openDir(t, dir)
	put(t, d, "a", "1")
	if err := os.Rename(dir, dir+".old"); err != nil {
		t.Fatal(err)
	}
	put(t, d, "b", "2")
	if got := files(t, dir); len(got) != 1 || got[0] != "b" {
		t.Errorf("the new site holds %v", got)
	}
}

// moving moves the site away when it is asked for the second time: before the new bytes get their name.
type moving struct {
	context.Context
	asked *int
	move  func()
}

func (m moving) Err() error {
	if *m.asked++; *m.asked > 1 {
		m.move()
	}
	return m.Context.Err()
}

func TestDirStore_SiteReplacedWhileWriting(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "site")
	d := openDir(t, dir)
	put(t, d, "a", "1")
	ctx := moving{t.Context(), new(int), func() {
		if os.Rename(dir, dir+".old") == nil {
			os.Mkdir(dir, 0o755)
		}
	}}
	// The lock asks, too: whenever the site is moved, nothing may be written where nobody looks.
	_, err := d.Put(ctx, publish.NewObject("b", []byte("2")), publish.Condition{})
	if _, lost := os.Stat(filepath.Join(dir+".old", "b")); lost == nil {
		t.Errorf("written to the old directory, error %v", err)
	}
	if _, there := os.Stat(filepath.Join(dir, "b")); (there == nil) != (err == nil) {
		t.Errorf("error %v, but in the new directory: %v", err, there)
	}
}

const inNamespace = "TIDEMARK_TEST_SITE" // set in the child: the site's directory

// TestDirStore_FailingFileSystems runs itself in a mount namespace of its own, on a full, a read-only and a foreign
// directory. Each failure must name the file and say what to do, and leave what was there.
func TestDirStore_FailingFileSystems(t *testing.T) {
	if os.Getenv(inNamespace) != "" {
		child(t)
		return
	}
	for _, c := range []struct{ name, setup, want string }{
		{"Full", `mount -t tmpfs -o size=64k none "$S"; echo old >"$S/latest.json"`, "make room"},
		{"ReadOnly", `mount -t tmpfs -o size=64k none "$S"; echo old >"$S/latest.json"; mount -o remount,ro "$S"`, "remount that file system read-write"},
		{"NotOurs", `echo old >"$S/latest.json"; chmod 555 "$S"; drop="setpriv --bounding-set=-all --inh-caps=-all --ambient-caps=-all --reuid=12345 --regid=12345 --clear-groups"`, "run as the owner"},
	} {
		t.Run(c.name, func(t *testing.T) {
			site, err := os.MkdirTemp("", "tidemark-site")
			if err != nil {
				t.Fatal(err)
			}
			defer os.RemoveAll(site)
			// The test binary's own directory may be closed to other users.
			bin := filepath.Join(site+"-bin", "publish.test")
			defer os.RemoveAll(site + "-bin")
			copyBinary(t, bin)
			if err := os.Chmod(site, 0o755); err != nil {
				t.Fatal(err)
			}
			script := `set -e; drop=; ` + c.setup + `; cd /; $drop "$B" -test.run='^TestDirStore_FailingFileSystems$' -test.count=1 -test.v; cat "$S/latest.json"; ls -A "$S"`
			args := []string{"-m", "sh", "-c", script}
			if os.Getuid() != 0 {
				if c.name == "NotOurs" {
					t.Skip("needs root to become somebody else")
				}
				args = append([]string{"-r"}, args...)
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			cmd := exec.CommandContext(ctx, "unshare", args...)
			cmd.Env = append(os.Environ(), "S="+site, "B="+bin, inNamespace+"="+site)
			out, err := cmd.CombinedOutput()
			if err != nil && strings.HasPrefix(string(out), "unshare:") {
				t.Skipf("no mount namespaces here: %s", out)
			}
			if err != nil || strings.Count(string(out), c.want) != 2 {
				t.Errorf("expected two errors with %q, got %v:\n%s", c.want, err, out)
			}
			if !strings.HasSuffix(string(out), "\nold\nlatest.json\n") {
				t.Errorf("what was there is changed, or something was left:\n%s", out)
			}
		})
	}
}

func copyBinary(t *testing.T, to string) {
	t.Helper()
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile(self)
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(os.MkdirAll(filepath.Dir(to), 0o755), os.Chmod(filepath.Dir(to), 0o755), os.WriteFile(to, b, 0o755)); err != nil {
		t.Fatal(err)
	}
}

func child(t *testing.T) {
	site := os.Getenv(inNamespace)
	d := openDir(t, site)
	big := publish.NewObject("latest.json", make([]byte, 1<<20))
	there, err := d.Get(t.Context(), "latest.json", 100)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []publish.Condition{{}, {Match: there.Tag}} {
		_, err := d.Put(t.Context(), big, c)
		if err == nil || !strings.Contains(err.Error(), filepath.Join(site, "latest.json")) {
			t.Errorf("expected an error that names the file, got %v", err)
		}
		t.Log(err)
	}
}
