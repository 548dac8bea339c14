package checkin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

func spool(t testing.TB) (*Spool, string) {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "spool")
	s, err := OpenSpool(dir)
	if err != nil {
		t.Fatal(err)
	}
	return s, dir
}

// anybody is an inventory that knows every mirror.
func anybody(string) bool { return true }

func must(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// lying lists the files of the spool with their content: "new/a.json=body".
func lying(t testing.TB, dir string) (out []string) {
	t.Helper()
	must(t, fs.WalkDir(os.DirFS(dir), ".", func(name string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(filepath.Join(dir, name))
		out = append(out, name+"="+string(b))
		return err
	}))
	return out
}

func wantTaken(t testing.TB, s *Spool, want ...string) {
	t.Helper()
	entries, err := s.Take(anybody)
	must(t, err)
	got := []string{}
	for _, e := range entries {
		got = append(got, e.Mirror+"="+string(e.Body))
	}
	if diff := cmp.Diff(slices.Clip(append([]string{}, want...)), got); diff != "" {
		t.Error(diff)
	}
}

func wantWaiting(t testing.TB, s *Spool, want bool) {
	t.Helper()
	if got, err := s.Waiting(); err != nil || got != want {
		t.Errorf("waiting: %v, %v, expected %v", got, err, want)
	}
}

func TestSpool(t *testing.T) {
	s, dir := spool(t)
	wantWaiting(t, s, false)
	wantTaken(t, s)
	must(t, s.Put("b", []byte("1")))
	must(t, s.Put("a", []byte("1")))
	must(t, s.Put("a", []byte("2")))
	wantWaiting(t, s, true)
	if diff := cmp.Diff([]string{"new/a.json=2", "new/b.json=1"}, lying(t, dir)); diff != "" {
		t.Error(diff)
	}
	wantTaken(t, s, "a=2", "b=1")
	wantWaiting(t, s, true) // until it is done
	must(t, s.Put("a", []byte("3")))
	must(t, s.Done())
	if diff := cmp.Diff([]string{"new/a.json=3"}, lying(t, dir)); diff != "" {
		t.Errorf("what came during the run was lost: %s", diff)
	}
	wantTaken(t, s, "a=3")
	must(t, s.Done())
	must(t, s.Done())
	wantWaiting(t, s, false)
}

// A run that was killed between Take and Done leaves its work to the next one; what is newer wins.
func TestSpool_KilledRun(t *testing.T) {
	s, dir := spool(t)
	for _, m := range []string{"a", "b", "c"} {
		must(t, s.Put(m, []byte("1")))
	}
	wantTaken(t, s, "a=1", "b=1", "c=1")
	next, err := OpenSpool(dir)
	must(t, err)
	must(t, next.Put("b", []byte("2")))
	wantWaiting(t, next, true)
	wantTaken(t, next, "a=1", "b=2", "c=1")
	must(t, s.Done()) // it lives after all: b is another's now
	if diff := cmp.Diff([]string{"taken/b.json=2"}, lying(t, dir)); diff != "" {
		t.Error(diff)
	}
	must(t, next.Done())
	wantWaiting(t, next, false)
}

func TestSpool_PutRefuses(t *testing.T) {
	s, dir := spool(t)
	for _, id := range []string{"", "../a", "a/b", ".a", "A"} {
		if err := s.Put(id, []byte("1")); err == nil {
			t.Errorf("put as %q, expected an error", id)
		}
	}
	if err := s.Put("a", make([]byte, MaxBody+1)); err == nil {
		t.Error("put a long body, expected an error")
	}
	if got := lying(t, dir); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
	must(t, s.Put("a", make([]byte, MaxBody)))
}

// TestSpool_Improper lays into new and taken whatever a receiver that was broken into could.
func TestSpool_Improper(t *testing.T) {
	s, dir := spool(t)
	outside := filepath.Join(t.TempDir(), "outside")
	must(t, os.WriteFile(outside, []byte("secret"), 0o600))
	for _, sub := range []string{newDir, takenDir} {
		at := func(name string) string { return filepath.Join(dir, sub, name) }
		must(t, os.Symlink(outside, at("link.json")))
		must(t, os.Symlink("/dev/zero", at("zero.json")))
		must(t, syscall.Mkfifo(at("pipe.json"), 0o600))
		must(t, os.MkdirAll(at("dir.json/deep/deeper"), 0o755))
		must(t, os.WriteFile(at("long.json"), make([]byte, MaxBody+1), 0o644))
		must(t, os.WriteFile(at("Name.json"), []byte("x"), 0o644))
		must(t, os.WriteFile(at("name"), []byte("x"), 0o644))
		must(t, os.WriteFile(at(".json"), []byte("x"), 0o644))
		must(t, os.WriteFile(at("-.json"), []byte("x"), 0o644))
		fd, err := syscall.Socket(syscall.AF_UNIX, syscall.SOCK_STREAM, 0)
		must(t, err)
		t.Chdir(filepath.Join(dir, sub)) // a socket's path is short
		must(t, syscall.Bind(fd, &syscall.SockaddrUnix{Name: "socket.json"}))
		must(t, syscall.Close(fd))
	}
	must(t, s.Put("a", []byte("1")))
	must(t, os.Mkdir(filepath.Join(dir, takenDir, "a.json"), 0o755)) // in the way
	wantTaken(t, s, "a=1")
	if diff := cmp.Diff([]string{"taken/a.json=1"}, lying(t, dir)); diff != "" {
		t.Errorf("left or lost: %s", diff)
	}
	if b, err := os.ReadFile(outside); err != nil || string(b) != "secret" {
		t.Errorf("a file outside: %q, %v", b, err)
	}
}

// What becomes a link or a pipe behind the look at it is refused when it is opened, and not waited for.
func TestSpool_ImproperWhenRead(t *testing.T) {
	_, dir := spool(t)
	must(t, syscall.Mkfifo(filepath.Join(dir, "pipe"), 0o600))
	must(t, os.WriteFile(filepath.Join(dir, "file"), nil, 0o600))
	must(t, os.Symlink("file", filepath.Join(dir, "link")))
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	for _, name := range []string{"pipe", "link", newDir} {
		done := make(chan error, 1)
		go func() {
			_, _, err := readFile(root, name)
			done <- err
		}()
		select {
		case err := <-done:
			if !errors.Is(err, errImproper) {
				t.Errorf("%s: %v", name, err)
			}
		case <-time.After(10 * time.Second):
			t.Fatalf("%s is waited for", name)
		}
	}
}

// new may be replaced by whoever may write into the top: nothing behind it is touched.
func TestSpool_LinkInsteadOfADirectory(t *testing.T) {
	s, dir := spool(t)
	outside := t.TempDir()
	must(t, os.WriteFile(filepath.Join(outside, "precious"), []byte("x"), 0o644))
	must(t, os.Remove(filepath.Join(dir, newDir)))
	must(t, os.Symlink(outside, filepath.Join(dir, newDir)))
	if _, err := s.Take(anybody); err == nil {
		t.Error("taken through a link, expected an error")
	}
	if err := s.Put("a", []byte("1")); err == nil {
		t.Error("put through a link, expected an error")
	}
	if _, err := OpenSpool(dir); err == nil || !strings.Contains(err.Error(), "is no directory") {
		t.Errorf("opened with a link: %v", err)
	}
	list, err := os.ReadDir(outside)
	if err != nil || len(list) != 1 {
		t.Errorf("%v, %v, expected the one file that was there", list, err)
	}
}

func TestSpool_SweepsTmp(t *testing.T) {
	s, dir := spool(t)
	old, young := filepath.Join(dir, tmpDir, "a.json.OLD"), filepath.Join(dir, tmpDir, "a.json.YOUNG")
	for _, name := range []string{old, young} {
		must(t, os.WriteFile(name, []byte("half"), 0o640))
	}
	info, err := os.Stat(old)
	must(t, err)
	past := info.ModTime().Add(-leftover - time.Minute)
	must(t, os.Chtimes(old, past, past))
	wantTaken(t, s)
	if diff := cmp.Diff([]string{"tmp/a.json.YOUNG=half"}, lying(t, dir)); diff != "" {
		t.Error(diff)
	}
}

// The receiver may be another user of the group: whatever the umask, run can take what it put.
func TestSpool_Modes(t *testing.T) {
	old := syscall.Umask(0o077)
	defer syscall.Umask(old)
	s, dir := spool(t)
	must(t, s.Put("a", []byte("1")))
	for name, want := range map[string]fs.FileMode{
		"":                              fs.ModeDir | fs.ModeSetgid | 0o750,
		tmpDir:                          fs.ModeDir | fs.ModeSetgid | 0o770,
		newDir:                          fs.ModeDir | fs.ModeSetgid | 0o770,
		takenDir:                        fs.ModeDir | fs.ModeSetgid | 0o770,
		filepath.Join(newDir, "a.json"): 0o640,
	} {
		if info, err := os.Lstat(filepath.Join(dir, name)); err != nil || info.Mode() != want {
			t.Errorf("%q: %v, %v, expected %v", name, info.Mode(), err, want)
		}
	}
	must(t, os.Chmod(filepath.Join(dir, newDir), 0o700|fs.ModeSetgid)) // as its owner wants it
	if _, err := OpenSpool(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(filepath.Join(dir, newDir)); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v, expected the owner's mode", info.Mode(), err)
	}
}

func TestSpool_Writable(t *testing.T) {
	s, dir := spool(t)
	must(t, s.Writable())
	if got := lying(t, dir); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
	must(t, os.RemoveAll(filepath.Join(dir, newDir)))
	if s.Writable() == nil {
		t.Error("without a directory, expected an error")
	}
}

// Concurrent Put, Take and Done lose nothing: of each mirror, what was put last is given at last.
func TestSpool_Concurrent(t *testing.T) {
	s, dir := spool(t)
	const mirrors, rounds = 4, 30
	done := make(chan error, mirrors)
	for i := range mirrors {
		go func() {
			for n := range rounds {
				if err := s.Put(fmt.Sprint("m", i), []byte(fmt.Sprint(n))); err != nil {
					done <- err
					return
				}
			}
			done <- nil
		}()
	}
	last := map[string]string{}
	take := func() {
		entries, err := s.Take(anybody)
		must(t, err)
		for _, e := range entries {
			last[e.Mirror] = string(e.Body)
		}
		must(t, s.Done())
	}
	for left := mirrors; left > 0; {
		take()
		select {
		case err := <-done:
			must(t, err)
			left--
		default:
		}
	}
	take()
	for i := range mirrors {
		if got := last[fmt.Sprint("m", i)]; got != fmt.Sprint(rounds-1) {
			t.Errorf("m%d: last taken %s, expected %d", i, got, rounds-1)
		}
	}
	if got := lying(t, dir); len(got) > 0 {
		t.Errorf("left behind: %q", got)
	}
}
