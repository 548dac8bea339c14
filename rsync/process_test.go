package rsync

import (
	"context"
	"errors"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/rsyncurl"
)

// TestExecSilence: a server that says nothing is left after the timeouts.
func TestExecSilence(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		t.Parallel()
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		defer l.Close()
		d := &daemon{addr: loopback, port: l.Addr().(*net.TCPAddr).Port}
		j := Job{Source: d.url(t, "m/"), Dest: t.TempDir(), Timeout: time.Second, ConnectTimeout: time.Second}
		_, err = (&Exec{Program: bin}).Run(short(t), j, Watch{})
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != ExitConnectTimeout && e.Code != ExitTimeout || e.Cause() != CodeTimeout {
			t.Errorf("%v", err)
		}
	})
}

// fake is an Exec that runs a shell script in rsync's place.
func fake(t testing.TB, script string) *Exec {
	t.Helper()
	p := filepath.Join(t.TempDir(), "rsync")
	writeFile(t, p, "#!/bin/sh\n"+script)
	if err := os.Chmod(p, 0o755); err != nil {
		t.Fatal(err)
	}
	return &Exec{Program: p}
}

// TestExecEnvironment: rsync gets these variables and no others, no input, and a session of its own.
func TestExecEnvironment(t *testing.T) {
	for _, name := range []string{"RSYNC_RSH", "RSYNC_CONNECT_PROG", "RSYNC_PROXY", "RSYNC_PASSWORD", "RSYNC_PARTIAL_DIR", "HOME", "USER"} {
		t.Setenv(name, "/bin/false")
	}
	seen := filepath.Join(t.TempDir(), "seen")
	x := fake(t, "tr '\\0' '\\n' < /proc/$$/environ > "+seen+"; readlink /proc/$$/fd/0 >> "+seen+"; [ $(cut -d' ' -f6 /proc/$$/stat) = $$ ] && echo own session >> "+seen+"; exit 5")
	x.Path, x.Proxy = "/usr/bin:/bin", "proxy.example.org:3128"
	_, err := x.Run(short(t), job(t), Watch{})
	if _, ok := errors.AsType[*ExitError](err); !ok {
		t.Fatal(err)
	}
	b, err := os.ReadFile(seen)
	want := "PATH=/usr/bin:/bin\nLC_ALL=C\nTZ=UTC\nRSYNC_PASSWORD=\nRSYNC_PROXY=proxy.example.org:3128\n/dev/null\nown session\n"
	if diff := cmp.Diff(want, string(b)); diff != "" || err != nil {
		t.Errorf("%v\n%s", err, diff)
	}
}

func TestExecMissing(t *testing.T) {
	for _, x := range []*Exec{{Path: t.TempDir()}, {Path: ".:" + t.TempDir(), Program: "exec_test.go"}, {Program: "/nope/rsync"}, {Program: t.TempDir() + "/"}} {
		_, err := x.Run(short(t), job(t), Watch{})
		if err == nil || !strings.Contains(err.Error(), "apt-get install rsync") {
			t.Errorf("%+v: %v", x, err)
		}
	}
	if _, err := fake(t, "exit 0").Run(short(t), job(t), Watch{}); err == nil || !strings.Contains(err.Error(), "expected those of rsync 3.1") {
		t.Errorf("another program: %v", err)
	}
}

// TestExecTrace: the command is told before it runs, and says nothing that is secret to the run.
func TestExecTrace(t *testing.T) {
	var said []string
	x := fake(t, "exit 20")
	x.Trace = func(s string) { said = append(said, s) }
	j := job(t)
	j.Itemize = true
	_, err := x.Run(short(t), j, Watch{})
	if len(said) != 1 || said[0] != j.Command(x.Program) || !strings.Contains(said[0], "--out-format='%i %l %n%L'") {
		t.Errorf("%q", said)
	}
	if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != ExitSignal || e.Job != said[0] {
		t.Error(err)
	}
}

// TestExecEndlessOutput: a flood on both outputs is read to its end and not kept.
func TestExecEndlessOutput(t *testing.T) {
	x := fake(t, `
head -c 3000000 /dev/zero | tr '\0' 'a' & head -c 3000000 /dev/zero | tr '\0' 'b' >&2
wait
yes 'forged' | head -n 200000
yes "$(printf 'spam \033[31m')" | head -n 200000 >&2
echo last words >&2
echo 'rsync error: some files/attrs were not transferred (see previous errors) (code 23) at main.c(1) [sender]' >&2
exit 23`)
	res, err := x.Run(short(t), job(t), Watch{})
	e, ok := errors.AsType[*ExitError](err)
	if !ok || len(e.Text) > maxTail || !strings.HasSuffix(e.Text, "spam ?[31m; last words") || res.Messages < 400_000 {
		t.Errorf("%+v %v", res, err)
	}
}

// TestExecCancel: the whole group ends, with those who do not want to.
func TestExecCancel(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, plainModule)
		writeFile(t, d.dir+"/tree/large", strings.Repeat("0123456789abcdef", 1<<20))
		ctx, cancel := context.WithCancelCause(short(t))
		why := errors.New("enough")
		j := Job{Source: d.url(t, "tree/"), Dest: t.TempDir(), Bandwidth: 100 << 10, Progress: true}
		_, err := (&Exec{Program: bin}).Run(ctx, j, Watch{Progress: func(p Progress) { cancel(why) }})
		if !errors.Is(err, why) {
			t.Error(err)
		}
		if left := names(t, j.Dest); slices.Contains(left, "large") {
			t.Errorf("left over: %q", left)
		}
		if _, err := (&Exec{Program: bin}).Run(ctx, j, Watch{}); !errors.Is(err, context.Canceled) && !errors.Is(err, why) {
			t.Error(err)
		}
	})
}

// TestExecCancelStubborn: neither ignoring SIGTERM nor a child that outlives its parent helps.
func TestExecCancelStubborn(t *testing.T) {
	for name, script := range map[string]string{
		"deaf":     "trap '' TERM; echo ' 1 1% 1.00kB/s 0:00:00 '; sleep 600 & sleep 600; sleep 600",
		"escaped":  "setsid sh -c \"sleep 30\" & echo ' 1 1% 1.00kB/s 0:00:00 '; exec sleep 600",
		"orphaned": "(trap '' TERM; echo ' 1 1% 1.00kB/s 0:00:00 '; sleep 600) & exec sleep 600",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ctx, cancel := context.WithCancel(short(t))
			_, err := fake(t, script).Run(ctx, job(t), Watch{Progress: func(Progress) { cancel() }})
			if !errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
				t.Error(err)
			}
		})
	}
}

// TestNoShell: whatever is in the environment or the URL, a typed URL never starts another program than rsync.
func TestNoShell(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		trap := filepath.Join(t.TempDir(), "ssh")
		ran := trap + ".ran"
		writeFile(t, trap, "#!/bin/sh\ntouch "+ran+"\n")
		os.Chmod(trap, 0o755)
		t.Setenv("RSYNC_RSH", trap)
		t.Setenv("RSYNC_CONNECT_PROG", trap)
		x := &Exec{Program: bin, Path: filepath.Dir(trap)}
		for _, u := range []string{"rsync://127.0.0.1:1/m/", "rsync://[::1]:1/m/", "rsync://a.invalid/h:m/", "rsync://a.invalid/m/b:c::d@e/", "rsync://127.0.0.1:1/-e/"} {
			src, err := rsyncurl.Parse(u)
			if err != nil {
				continue // the type refuses it
			}
			x.Run(short(t), Job{Source: src, Dest: t.TempDir()}, Watch{})
		}
		if _, err := os.Stat(ran); err == nil {
			t.Error("another program was run")
		}
	})
}
