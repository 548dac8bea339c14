package checkin

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// A receiver that was broken into lays names without number into the spool, links to a few files that are as large as
// they may be: they are removed unread, and what is given is what is known.
func TestSpool_FilledWithNames(t *testing.T) {
	const names = 6000
	s, dir := spool(t)
	for _, sub := range []string{newDir, takenDir} {
		big := filepath.Join(dir, tmpDir, "big"+sub)
		must(t, os.WriteFile(big, make([]byte, MaxBody), 0o640))
		for i := range names {
			must(t, os.Link(big, filepath.Join(dir, sub, fmt.Sprintf("x%d.json", i))))
		}
		must(t, os.Remove(big))
	}
	must(t, s.Put("a", []byte("1")))
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	entries, err := s.Take(func(mirror string) bool { return mirror == "a" })
	runtime.ReadMemStats(&after)
	must(t, err)
	if len(entries) != 1 || entries[0].Mirror != "a" {
		t.Errorf("%d entries, expected that of a alone", len(entries))
	}
	if each := (after.TotalAlloc - before.TotalAlloc) / (2 * names); each > MaxBody/2 {
		t.Errorf("%d bytes for each name: they were read", each)
	}
	if diff := cmp.Diff([]string{"taken/a.json=1"}, lying(t, dir)); diff != "" {
		t.Errorf("left or lost: %s", diff)
	}
	must(t, s.Done())
	wantWaiting(t, s, false)
}

func TestEach(t *testing.T) {
	_, dir := spool(t)
	for i := range 25 {
		must(t, os.WriteFile(filepath.Join(dir, newDir, fmt.Sprint(i)), nil, 0o600))
	}
	root, err := os.OpenRoot(dir)
	must(t, err)
	defer root.Close()
	for most, want := range map[int]error{10: errEndless, 26: nil, 1000: nil} {
		seen := map[string]bool{}
		err := each(root, newDir, most, func(e fs.DirEntry) { seen[e.Name()] = true })
		if !errors.Is(err, want) || len(seen) != min(most, 25) {
			t.Errorf("at most %d: %d seen, %v, expected %v", most, len(seen), err, want)
		}
	}
}

// Whatever lies in new starts a run, which takes it away.
func TestSpool_WaitingIsAnything(t *testing.T) {
	s, dir := spool(t)
	for _, sub := range []string{newDir, takenDir} {
		must(t, os.WriteFile(filepath.Join(dir, sub, "README"), nil, 0o600))
		wantWaiting(t, s, true)
		wantTaken(t, s)
		must(t, s.Done())
		wantWaiting(t, s, false)
	}
}

// asNobody lets do run with the rights of a user who owns nothing but the spool's directories. Whoever is not root already
// has no others.
func asNobody(t *testing.T, dir string, do func()) {
	t.Helper()
	if os.Geteuid() != 0 {
		do()
		return
	}
	const nobody = 65534
	for _, name := range []string{".", tmpDir, newDir, takenDir} {
		must(t, os.Chown(filepath.Join(dir, name), nobody, nobody))
	}
	for at := filepath.Dir(dir); at != "/" && at != os.TempDir(); at = filepath.Dir(at) {
		must(t, os.Chmod(at, 0o755))
	}
	done := make(chan bool)
	go func() {
		defer close(done)
		runtime.LockOSThread() // and never unlocked: the thread ends with its rights
		syscall.RawSyscall(syscall.SYS_SETFSGID, nobody, 0, 0)
		syscall.RawSyscall(syscall.SYS_SETFSUID, nobody, 0, 0)
		do()
	}()
	<-done
}

// A file that cannot be read and directories that cannot be removed hold up nobody else, and are told of.
func TestSpool_Stuck(t *testing.T) {
	s, dir := spool(t)
	at := func(name ...string) string { return filepath.Join(append([]string{dir}, name...)...) }
	must(t, os.WriteFile(at(takenDir, "a.json"), []byte("1"), 0)) // of the receiver, in its own group
	for _, name := range []string{at(takenDir, "b.json"), at(newDir, "x\x1b[2J; rm -rf \n")} {
		must(t, os.Mkdir(name, 0o755))
		must(t, os.WriteFile(filepath.Join(name, "in"), nil, 0o600))
		must(t, os.Chmod(name, 0o500))
		t.Cleanup(func() { os.Chmod(name, 0o700) })
	}
	asNobody(t, dir, func() {
		if err := errors.Join(s.Put("b", []byte("2")), s.Put("c", []byte("2")), s.Put("d", []byte("2"))); err != nil {
			t.Error(err)
		}
		entries, err := s.Take(anybody)
		if err != nil {
			t.Error(err)
		}
		var got []string
		for _, e := range entries {
			got = append(got, e.Mirror+"="+string(e.Body))
		}
		if diff := cmp.Diff([]string{"c=2", "d=2"}, got); diff != "" {
			t.Errorf("given: %s", diff)
		}
		if s.Stuck() == nil {
			t.Error("nothing is stuck")
		}
		err = s.Done()
		stuck := (*Stuck)(nil)
		if !errors.As(err, &stuck) || !slices.Equal(stuck.Dirs, []string{at(takenDir), at(newDir)}) {
			t.Errorf("%v, expected what is left in taken and new", err)
			return
		}
		text := err.Error()
		for _, want := range []string{at(takenDir, "b.json") + `" can be neither taken nor removed: `, `x\x1b[2J; rm -rf \n" can be`, "b.json\" cannot be moved", "and 1 more"} {
			if !strings.Contains(text, want) {
				t.Errorf("%s\nexpected %s", text, want)
			}
		}
		if strings.ContainsAny(text, "\x1b\n") {
			t.Errorf("%q is not for a terminal", text)
		}
		if s.Stuck() != nil {
			t.Errorf("stuck after Done: %v", s.Stuck())
		}
	})
	wantWaiting(t, s, true)
	var left []string
	for _, sub := range []string{newDir, takenDir} {
		list, err := os.ReadDir(at(sub))
		must(t, err)
		for _, e := range list {
			left = append(left, sub+"/"+e.Name())
		}
	}
	if diff := cmp.Diff([]string{"new/b.json", "new/x\x1b[2J; rm -rf \n", "taken/b.json"}, left); diff != "" {
		t.Errorf("left: %s", diff)
	}
}

// What cannot be read is removed, since it would be told of at every run, and told of once.
func TestSpool_Unreadable(t *testing.T) {
	s, dir := spool(t)
	must(t, os.WriteFile(filepath.Join(dir, newDir, "a.json"), []byte("1"), 0))
	asNobody(t, dir, func() {
		if err := s.Put("b", []byte("2")); err != nil {
			t.Error(err)
		}
		entries, err := s.Take(anybody)
		if err != nil || len(entries) != 1 || entries[0].Mirror != "b" {
			t.Errorf("%v, %v", entries, err)
		}
		stuck := (*Stuck)(nil)
		if err := s.Done(); !errors.As(err, &stuck) || len(stuck.Dirs) > 0 || !strings.Contains(err.Error(), `taken/a.json" cannot be read and is removed: permission denied`) {
			t.Errorf("%v", err)
		}
		if _, err := s.Take(anybody); err != nil || s.Done() != nil {
			t.Errorf("told of again: %v", err)
		}
	})
	if got := lying(t, dir); len(got) > 0 {
		t.Errorf("left: %q", got)
	}
}
