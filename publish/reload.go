package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

const (
	sbinPath   = "/usr/sbin:/sbin" // rndc and knotc, for cron and users whose PATH lacks them
	maxWords   = 2 << 10           // bytes of the command's output in an error
	endsWithin = 5 * time.Second   // after it was killed
)

// runReload runs a command, and the group of its children, for a time.
func runReload(ctx context.Context, argv []string, within time.Duration) error {
	path := reloadPath()
	program, err := find(argv[0], path)
	if err != nil {
		return fmt.Errorf("reload: %w", err)
	}
	limited, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	out := new(tail)
	cmd := exec.CommandContext(limited, program, argv[1:]...)
	cmd.Env = []string{"PATH=" + path, "LC_ALL=C"}
	cmd.Stdout, cmd.Stderr = out, out
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = endsWithin
	err = cmd.Run()
	switch {
	case err == nil:
		return nil
	case errors.Is(ctx.Err(), context.DeadlineExceeded):
		err = fmt.Errorf("it was ended, the time for the records was over: %w", ctx.Err())
	case ctx.Err() != nil:
		err = ctx.Err()
	case limited.Err() != nil:
		err = fmt.Errorf("it was ended after %s", within)
	}
	if words := out.String(); words != "" {
		return fmt.Errorf("reload %q: %w: %s", argv, err, words)
	}
	return fmt.Errorf("reload %q: %w", argv, err)
}

func reloadPath() string {
	path := "/usr/bin:/bin"
	if own := os.Getenv("PATH"); own != "" {
		path = own
	}
	return path + ":" + sbinPath
}

// ReloadProgram says whether ZoneFile will find the program of a reload command; none is in order.
func ReloadProgram(argv []string) error {
	if len(argv) == 0 {
		return nil
	}
	_, err := find(argv[0], reloadPath())
	return err
}

// find is where a program lies; a relative path counts from the working directory, never a name without a slash.
func find(name, path string) (string, error) {
	if strings.Contains(name, "/") {
		if !executable(name) {
			return "", errors.New(name + " is no program that can be run: expected an executable file")
		}
		return name, nil
	}
	for dir := range strings.SplitSeq(path, ":") {
		if at := filepath.Join(dir, name); filepath.IsAbs(at) && executable(at) {
			return at, nil
		}
	}
	return "", errors.New(name + " was not found in PATH, /usr/sbin or /sbin: give the command with its whole path")
}

func executable(file string) bool {
	info, err := os.Stat(file)
	return err == nil && info.Mode().IsRegular() && info.Mode()&0o111 != 0
}

// tail keeps the end of what is written to it.
type tail struct{ b []byte }

func (t *tail) Write(p []byte) (int, error) {
	t.b = append(t.b, p...)
	if cut := len(t.b) - maxWords; cut > 0 {
		t.b = append([]byte(nil), t.b[cut:]...)
	}
	return len(p), nil
}

func (t *tail) String() string {
	return strings.ToValidUTF8(string(bytes.TrimSpace(t.b)), "?")
}
