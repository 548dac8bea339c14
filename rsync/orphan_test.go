package rsync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
)

const (
	orphanVar = "TIDEMARK_TEST_ORPHAN" // lock file, program, URL and destination of TestOrphanParent, each on a line
	waitMost  = 3000                   // times 10 ms: a bound, not a measure
)

// TestOrphanParent is the process that TestOrphanKeepsLock kills: it holds a lock and runs rsync.
func TestOrphanParent(t *testing.T) {
	args := strings.Split(os.Getenv(orphanVar), "\n")
	if len(args) != 4 {
		t.Skip("only run by TestOrphanKeepsLock")
	}
	lock, err := os.OpenFile(args[0], os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	if err := syscall.Flock(int(lock.Fd()), syscall.LOCK_EX); err != nil {
		t.Fatal(err)
	}
	u, err := rsyncurl.Parse(args[2])
	if err != nil {
		t.Fatal(err)
	}
	x := &Exec{Program: args[1], Hold: []*os.File{lock}}
	x.Run(context.Background(), Job{Source: u, Dest: args[3], Bandwidth: 100 << 10, Progress: true}, Watch{Progress: func(Progress) { fmt.Println("runs") }})
}

// TestOrphanKeepsLock: when the parent is killed, the lock stays taken while rsync lives, and rsync does not live long. It
// is stopped here before, so that there is no race.
func TestOrphanKeepsLock(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, plainModule)
		writeFile(t, d.dir+"/tree/large", strings.Repeat("0123456789abcdef", 1<<22)) // ten minutes long at 100 KiB/s
		lock := filepath.Join(t.TempDir(), "lock")
		writeFile(t, lock, "")
		parent := exec.Command(os.Args[0], "-test.run=^TestOrphanParent$")
		parent.Env = append(os.Environ(), orphanVar+"="+strings.Join([]string{lock, bin, d.url(t, "tree/").String(), t.TempDir()}, "\n"))
		out, err := parent.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := parent.Start(); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { parent.Process.Kill(); parent.Wait() })
		if line, err := bufio.NewReader(out).ReadString('\n'); line != "runs\n" {
			t.Fatal(line, err)
		}
		group := -child1(t, parent.Process.Pid)
		if err := syscall.Kill(group, syscall.SIGSTOP); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { syscall.Kill(group, syscall.SIGKILL) })
		parent.Process.Kill()
		parent.Wait()
		if free(t, lock) {
			t.Error("the lock is free while rsync lives")
		}
		if err := syscall.Kill(group, syscall.SIGCONT); err != nil {
			t.Fatal(err)
		}
		for range waitMost {
			if free(t, lock) {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
		t.Error("rsync goes on without its parent")
	})
}

// child1 finds the one child of a process.
func child1(t *testing.T, parent int) int {
	t.Helper()
	stats, _ := filepath.Glob("/proc/[0-9]*/stat")
	for _, name := range stats {
		b, err := os.ReadFile(name)
		if err != nil {
			continue
		}
		_, rest, _ := strings.Cut(string(b), ") ")
		if f := strings.Fields(rest); len(f) > 1 && f[1] == strconv.Itoa(parent) {
			pid, _ := strconv.Atoi(filepath.Base(filepath.Dir(name)))
			return pid
		}
	}
	t.Fatalf("process %d has no child", parent)
	return 0
}

// free reports whether nobody has the lock.
func free(t *testing.T, path string) bool {
	t.Helper()
	f, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	err = syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if err != nil && !errors.Is(err, syscall.EWOULDBLOCK) {
		t.Fatal(err)
	}
	return err == nil
}
