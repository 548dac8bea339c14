package lab_test

import (
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/internal/lab"
)

// behindRelay is a daemon that serves 200,000 bytes, with a relay before it.
func behindRelay(t *testing.T) (r *lab.Relay, served string) {
	t.Helper()
	needRsync(t)
	served = t.TempDir()
	for name, b := range map[string][]byte{"big": bytes.Repeat([]byte("tide"), 50_000), "dir/small": []byte("1\n")} {
		file := filepath.Join(served, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	d, err := lab.StartDaemon(t.Context(), lab.Daemon{Dir: t.TempDir(), Address: "127.0.0.1", Modules: map[string]string{"m": served}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Stop() })
	r, err = lab.StartRelay(t.Context(), d.Addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Close() })
	return r, served
}

func rsync(t *testing.T, args ...string) (string, error) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	out, err := exec.CommandContext(ctx, "rsync", args...).CombinedOutput()
	return string(out), err
}

func TestRelay_CountsAndSeesWhatIsAsked(t *testing.T) {
	r, _ := behindRelay(t)
	to := t.TempDir() + "/"
	list := filepath.Join(t.TempDir(), "list")
	if err := os.WriteFile(list, []byte("dir/small\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	for _, args := range [][]string{
		{"-rltpH", "--dry-run", r.URL("m"), to},
		{"-rltpH", "--files-from=" + list, r.URL("m"), to},
		{"-rltpH", "--exclude=.~tmp~/", "--include=/dir/", "--include=/dir/small", "--exclude=*", r.URL("m"), to},
		{"-t", r.URL("m") + "big", to},
		{"-rltpH", "--delete-delay", "--exclude=.~tmp~/", r.URL("m"), to},
	} {
		if out, err := rsync(t, args...); err != nil {
			t.Fatalf("%q: %v\n%s", args, err, out)
		}
	}
	conns := r.Conns()
	if len(conns) != 5 {
		t.Fatalf("%d connections, expected 5", len(conns))
	}
	for i, full := range []bool{true, false, false, false, true} {
		if a := conns[i].Asked(); a.FullList() != full || a.Module != "m" {
			t.Errorf("connection %d: %+v, full list: %v", i+1, a, a.FullList())
		}
	}
	if r.FullLists() != 2 {
		t.Errorf("%d full lists, expected 2", r.FullLists())
	}
	if _, down := r.Bytes(); down < 200_000 {
		t.Errorf("%d bytes of answer, expected more than the 200,000 of the file", down)
	}
	if conns[0].Down > 2000 {
		t.Errorf("%d bytes for a list of two files", conns[0].Down)
	}
}

func TestRelay_Cuts(t *testing.T) {
	r, _ := behindRelay(t)
	r.Arm(lab.RelayFault{Conn: 1, Down: 100_000, Cut: true})
	out, err := rsync(t, "-rt", "-W", r.URL("m"), t.TempDir())
	if err == nil || !strings.Contains(out, "rsync error") {
		t.Fatalf("a cut connection: %v\n%s", err, out)
	}
	if got := r.Conns()[0].Down; got != 100_000 {
		t.Errorf("%d bytes were passed on, expected 100000", got)
	}
	if out, err := rsync(t, "-rt", r.URL("m"), t.TempDir()); err != nil {
		t.Errorf("the next connection: %v\n%s", err, out)
	}
}

func TestRelay_Hangs(t *testing.T) {
	r, _ := behindRelay(t)
	r.Arm(lab.RelayFault{Down: 50_000, Hang: true})
	out, err := rsync(t, "-rt", "-W", "--timeout=1", r.URL("m"), t.TempDir())
	if err == nil || !strings.Contains(out, "timeout") {
		t.Fatalf("a connection that hangs: %v\n%s", err, out)
	}
}

func TestRelay_HookChangesTheSource(t *testing.T) {
	r, served := behindRelay(t)
	calls := 0
	r.Arm(lab.RelayFault{Down: 20, Once: true, Hook: func() {
		calls++
		if err := os.WriteFile(filepath.Join(served, "late"), []byte("x"), 0o644); err != nil {
			t.Error(err)
		}
	}})
	to := t.TempDir()
	for range 2 {
		if out, err := rsync(t, "-rt", r.URL("m"), to); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	if _, err := os.Stat(filepath.Join(to, "late")); err != nil || calls != 1 {
		t.Errorf("the hook ran %d times; %v", calls, err)
	}
}

func TestDiffTrees(t *testing.T) {
	make := func(change func(dir string)) string {
		dir := t.TempDir()
		at := time.Unix(1488372781, 0)
		for _, name := range []string{"a", "b", "d/c"} {
			file := filepath.Join(dir, name)
			os.MkdirAll(filepath.Dir(file), 0o755)
			os.WriteFile(file, []byte(name), 0o644)
			os.Chtimes(file, at, at)
		}
		os.Link(filepath.Join(dir, "a"), filepath.Join(dir, "d", "a2"))
		link(t, "a", filepath.Join(dir, "s"))
		if change != nil {
			change(dir)
		}
		return dir
	}
	first := make(nil)
	for name, tt := range map[string]struct {
		change func(dir string)
		want   string
	}{
		"same":     {nil, "[]"},
		"missing":  {func(d string) { os.Remove(filepath.Join(d, "b")) }, "[b: only in the first]"},
		"extra":    {func(d string) { os.WriteFile(filepath.Join(d, "x"), nil, 0o644) }, "[x: only in the second]"},
		"ignored":  {func(d string) { os.WriteFile(filepath.Join(d, "d", ".ignored"), nil, 0o644) }, "[]"},
		"mtime":    {func(d string) { os.Chtimes(filepath.Join(d, "b"), time.Unix(5, 0), time.Unix(5, 0)) }, "[b: mtime 1488372781 and 5]"},
		"mode":     {func(d string) { os.Chmod(filepath.Join(d, "b"), 0o600) }, "[b: mode -rw-r--r-- and -rw-------]"},
		"target":   {func(d string) { os.Remove(filepath.Join(d, "s")); link(t, "b", filepath.Join(d, "s")) }, "[s: target a and b]"},
		"type":     {func(d string) { os.Remove(filepath.Join(d, "b")); os.Mkdir(filepath.Join(d, "b"), 0o755) }, "[b: type ---------- and d---------]"},
		"not hard": {func(d string) { unlink(t, filepath.Join(d, "d", "a2")) }, "[d/a2: hard link of a and ]"},
		"content": {func(d string) {
			os.WriteFile(filepath.Join(d, "b"), []byte("B"), 0o644)
			os.Chtimes(filepath.Join(d, "b"), time.Unix(1488372781, 0), time.Unix(1488372781, 0))
		}, "[b: SHA-256 3e23e8160039594a33894f6564e1b1348bbd7a0088d42c4acb73eeaed59c009d and df7e70e5021544f4834bbee64a9e3789febc4be81470df629cad6ddb03320a5c]"},
	} {
		t.Run(name, func(t *testing.T) {
			got, err := lab.DiffTrees(first, make(tt.change), lab.DiffOptions{Ignore: []string{".ignored"}})
			if err != nil {
				t.Fatal(err)
			}
			if "["+strings.Join(got, "; ")+"]" != tt.want {
				t.Errorf("%q, expected %q", got, tt.want)
			}
		})
	}
}

// link makes a symbolic link of the same time as the files.
func link(t *testing.T, target, name string) {
	t.Helper()
	at := unix.NsecToTimespec(1488372781 * 1e9)
	err := os.Symlink(target, name)
	if err == nil {
		err = unix.UtimesNanoAt(unix.AT_FDCWD, name, []unix.Timespec{at, at}, unix.AT_SYMLINK_NOFOLLOW)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// unlink makes a hard link a file of its own, with the same content and mtime.
func unlink(t *testing.T, file string) {
	t.Helper()
	b, err := os.ReadFile(file)
	if err == nil {
		os.Remove(file)
		err = os.WriteFile(file, b, 0o644)
	}
	if err == nil {
		err = os.Chtimes(file, time.Unix(1488372781, 0), time.Unix(1488372781, 0))
	}
	if err != nil {
		t.Fatal(err)
	}
}
