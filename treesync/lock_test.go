package treesync_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/treesync"
)

func me() treesync.Holder {
	return treesync.Holder{PID: os.Getpid(), Since: now(), Doing: "sync of centos to 1488372781"}
}

func acquire(t *testing.T, holder string, paths ...string) *treesync.Lock {
	t.Helper()
	l, err := treesync.Acquire(paths, holder, me())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Release() })
	return l
}

func isLocked(t *testing.T, holder string, paths ...string) *treesync.Locked {
	t.Helper()
	l, err := treesync.Acquire(paths, holder, me())
	var locked *treesync.Locked
	if !errors.As(err, &locked) {
		if err == nil {
			l.Release()
		}
		t.Fatalf("%v; expected that another run holds the lock", err)
	}
	return locked
}

// Who looks whether the lock is held has it for a moment: no run may skip its turn because of that.
func TestAcquire_WhileSomebodyLooks(t *testing.T) {
	dir := t.TempDir()
	d, err := os.Open(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB); err != nil {
		t.Fatal(err)
	}
	go func() {
		time.Sleep(5 * time.Millisecond)
		d.Close()
	}()
	acquire(t, filepath.Join(t.TempDir(), "run.json"), dir)
}

func TestAcquire_Twice(t *testing.T) {
	dir := t.TempDir()
	holder, file := filepath.Join(dir, "run.json"), filepath.Join(dir, "lock")
	for _, path := range []string{dir, file} {
		l := acquire(t, holder, path)
		e := isLocked(t, holder, path)
		if e.Path != path || e.Holder == nil || e.Holder.PID != os.Getpid() || e.Dead || !strings.Contains(e.Error(), "sync of centos") {
			t.Errorf("%v, %+v", e, e.Holder)
		}
		if err := l.Release(); err != nil {
			t.Error(err)
		}
		if _, err := os.Stat(holder); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("the holder file is left: %v", err)
		}
		again := acquire(t, holder, path)
		again.Release()
	}
	info, err := os.Stat(file)
	if err != nil || info.Mode().Perm() != 0o600 {
		t.Errorf("%v, %v", info.Mode(), err)
	}
}

// All or none.
func TestAcquire_AllOrNone(t *testing.T) {
	a, b, c := t.TempDir(), t.TempDir(), filepath.Join(t.TempDir(), "lock")
	acquire(t, filepath.Join(b, "run.json"), b)
	if e := isLocked(t, filepath.Join(a, "run.json"), a, c, b); e.Path != b || e.Holder != nil || !strings.Contains(e.Error(), "fuser") {
		t.Errorf("%v", e)
	}
	l := acquire(t, filepath.Join(a, "run.json"), a, c)
	if n := len(l.Files()); n != 2 || len(l.Without()) > 0 {
		t.Errorf("%d files, %v", n, l.Without())
	}
}

// flock(1) and we exclude each other, on directories and on files.
func TestAcquire_FlockCommand(t *testing.T) {
	needTool(t, "flock", "util-linux")
	dir := t.TempDir()
	holder, file := filepath.Join(t.TempDir(), "run.json"), filepath.Join(dir, "lock")
	for _, path := range []string{dir, file} {
		l := acquire(t, holder, path)
		if out, err := exec.Command("flock", "-n", path, "true").CombinedOutput(); err == nil {
			t.Errorf("flock -n %s was let in: %s", path, out)
		}
		l.Release()
		if out, err := exec.Command("flock", "-n", path, "true").CombinedOutput(); err != nil {
			t.Errorf("flock -n %s: %v: %s", path, err, out)
		}

		cron := exec.Command("flock", "-n", path, "sh", "-c", "echo in; read x")
		in, _ := cron.StdinPipe()
		out, _ := cron.StdoutPipe()
		if err := cron.Start(); err != nil {
			t.Fatal(err)
		}
		out.Read(make([]byte, 1)) // it has the lock
		if e := isLocked(t, holder, path); e.Holder != nil {
			t.Errorf("%+v", e.Holder)
		}
		in.Close()
		cron.Wait()
		acquire(t, holder, path).Release()
	}
}

// Who renames or deletes the lock file while it is held locks out nobody, but the tree's directory still does.
func TestAcquire_RenamedOrDeleted(t *testing.T) {
	for name, away := range map[string]func(string) error{
		"renamed": func(f string) error { return os.Rename(f, f+".old") },
		"deleted": os.Remove,
	} {
		t.Run(name, func(t *testing.T) {
			tree, state := t.TempDir(), t.TempDir()
			file := filepath.Join(state, "lock")
			acquire(t, filepath.Join(state, "run.json"), file, tree)
			if err := away(file); err != nil {
				t.Fatal(err)
			}
			if e := isLocked(t, filepath.Join(state, "run.json"), file, tree); e.Path != tree {
				t.Errorf("%v", e)
			}
		})
	}
}

func TestAcquire_OddLockFiles(t *testing.T) {
	dir := t.TempDir()
	target := filepath.Join(dir, "target")
	os.WriteFile(target, []byte("kept"), 0o600)
	link, dangling, pipe := filepath.Join(dir, "link"), filepath.Join(dir, "dangling"), filepath.Join(dir, "pipe")
	os.Symlink(target, link)
	os.Symlink(filepath.Join(dir, "none"), dangling)
	if err := unix.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	for path, want := range map[string]string{link: "symbolic link", dangling: "symbolic link", pipe: "no regular file", filepath.Join(dir, "no/lock"): "no such file"} {
		l, err := treesync.Acquire([]string{path}, filepath.Join(dir, "run.json"), me())
		if err == nil {
			l.Release()
		}
		if err == nil || !strings.Contains(err.Error(), want) || !strings.Contains(err.Error(), path) {
			t.Errorf("%s: %v, expected %q", path, err, want)
		}
	}
	if data, _ := os.ReadFile(target); string(data) != "kept" {
		t.Errorf("the link's target: %q", data)
	}
	if _, err := os.Stat(filepath.Join(dir, "none")); err == nil {
		t.Error("the dangling link's target was made")
	}
	// A tree's path may be a link to a directory: the directory is what is locked.
	tree := filepath.Join(dir, "tree")
	os.Mkdir(tree, 0o755)
	os.Symlink(tree, filepath.Join(dir, "path"))
	acquire(t, filepath.Join(dir, "run.json"), filepath.Join(dir, "path"))
	isLocked(t, filepath.Join(dir, "run.json"), tree)
}

// The holder file informs, flock decides: one of a dead run, or one that is damaged, stops nobody.
func TestAcquire_DeadHolder(t *testing.T) {
	dir := t.TempDir()
	holder := filepath.Join(dir, "run.json")
	dead := exec.Command("true")
	if err := dead.Run(); err != nil {
		t.Fatal(err)
	}
	left, _ := json.Marshal(treesync.Holder{PID: dead.Process.Pid, Since: now().Add(-time.Hour), Doing: "an older sync"})
	for _, text := range []string{string(left), "", "{", `{"pid":-1}`, strings.Repeat("x", 10000)} {
		os.WriteFile(holder, []byte(text), 0o600)
		l := acquire(t, holder, dir)
		if e := isLocked(t, holder, dir); e.Holder == nil || e.Holder.PID != os.Getpid() {
			t.Errorf("%+v", e.Holder)
		}
		// what somebody else wrote meanwhile is not removed
		os.WriteFile(holder, left, 0o600)
		l.Release()
		if now, _ := os.ReadFile(holder); string(now) != string(left) {
			t.Errorf("the holder file of another run: %q", now)
		}
	}
}

// An rsync that outlives its run has inherited the locks, and keeps them.
func TestAcquire_Orphan(t *testing.T) {
	dir := t.TempDir()
	holder := filepath.Join(dir, "run.json")
	dead := exec.Command("true")
	dead.Run()
	l, err := treesync.Acquire([]string{dir, filepath.Join(dir, "lock")}, holder, treesync.Holder{PID: dead.Process.Pid, Since: now(), Doing: "a killed sync"})
	if err != nil {
		t.Fatal(err)
	}
	orphan := exec.Command("cat")
	orphan.ExtraFiles = l.Files()
	in, _ := orphan.StdinPipe()
	if err := orphan.Start(); err != nil {
		t.Fatal(err)
	}
	text, _ := os.ReadFile(holder)
	l.Release()
	os.WriteFile(holder, text, 0o600) // a killed run does not remove it
	if e := isLocked(t, holder, dir); !e.Dead || !strings.Contains(e.Error(), "has ended") {
		t.Errorf("%v", e)
	}
	in.Close()
	orphan.Wait()
	acquire(t, holder, dir)
}
