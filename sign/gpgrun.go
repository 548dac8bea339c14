package sign

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"time"
)

// gpgProgram is a gpg and its home.
type gpgProgram struct{ path, home string }

// gpgCall is one run of it.
type gpgCall struct {
	args       []string
	stdin      []byte
	passphrase []byte // with its line end; nil: gpg-agent knows or asks
	most       int    // bytes of standard output
}

const (
	maxGPGTalk  = 64 << 10        // of statuses, and of words
	gpgLastWord = 2 * time.Second // for what holds gpg's pipes after it was killed
)

var errTooLong = errors.New("gpg's output is longer than expected")

// run gives gpg's standard output. Its options come from here alone: no gpg.conf puts a notation or an armor header into
// what it writes. gpg-agent, which gpg starts when there is none, outlives it, as always.
func (g gpgProgram) run(ctx context.Context, c gpgCall) ([]byte, error) {
	args := []string{"--no-options", "--batch", "--no-tty", "--no-greeting", "--no-auto-check-trustdb", "--trust-model", "always", "--status-fd", "3"}
	if g.home != "" {
		args = append(args, "--homedir", g.home)
	}
	if c.passphrase != nil {
		args = append(args, "--pinentry-mode", "loopback", "--passphrase-fd", "4")
	}
	cmd := exec.CommandContext(ctx, cmp.Or(g.path, "gpg"), append(args, c.args...)...)
	cmd.Env = gpgEnv()
	cmd.Stdin = bytes.NewReader(c.stdin)
	out, words := &bounded{most: c.most}, &bounded{most: maxGPGTalk, cut: true}
	cmd.Stdout, cmd.Stderr = out, words
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = gpgLastWord
	statuses, err := runWithPipes(cmd, c.passphrase)
	switch {
	case out.over:
		return nil, fmt.Errorf("%w: more than %d bytes", errTooLong, c.most)
	case err == nil:
		return out.kept, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("gpg was ended before it was done%s: %w", gpgWaitedFor(statuses), ctx.Err())
	case errors.Is(err, exec.ErrNotFound):
		return nil, fmt.Errorf("%w: apt-get install gnupg", err)
	}
	return nil, explainGPG(err, statuses, string(words.kept))
}

// runWithPipes gives gpg its file descriptors 3, for statuses, and 4, with the passphrase: arguments and environment can be
// read by others. It returns the statuses.
func runWithPipes(cmd *exec.Cmd, passphrase []byte) (string, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return "", err
	}
	defer read.Close()
	defer write.Close()
	cmd.ExtraFiles = []*os.File{write}
	if passphrase != nil {
		secret, err := filledPipe(passphrase)
		if err != nil {
			return "", err
		}
		defer secret.Close()
		cmd.ExtraFiles = append(cmd.ExtraFiles, secret)
	}
	if err := cmd.Start(); err != nil {
		return "", err
	}
	write.Close()
	statuses := &bounded{most: maxGPGTalk, cut: true}
	done := make(chan struct{})
	go func() {
		defer close(done)
		io.Copy(statuses, read)
	}()
	err = cmd.Wait()
	select {
	case <-done:
	case <-time.After(gpgLastWord): // a child of gpg's holds the pipe
		read.SetReadDeadline(time.Unix(1, 0))
		<-done
	}
	return string(statuses.kept), err
}

// filledPipe holds what a pipe takes at once: at least 4 KiB and a bit, on Linux 64 KiB.
func filledPipe(b []byte) (*os.File, error) {
	read, write, err := os.Pipe()
	if err != nil {
		return nil, err
	}
	defer write.Close()
	if _, err := write.Write(b); err != nil {
		read.Close()
		return nil, err
	}
	return read, nil
}

// gpgEnv is what gpg, gpg-agent and its pinentry need to find their home, their screen, and nothing else.
func gpgEnv() []string {
	env := []string{"LC_ALL=C", "TZ=UTC"}
	for _, name := range []string{"PATH", "HOME", "GNUPGHOME", "GPG_TTY", "TERM", "DISPLAY", "WAYLAND_DISPLAY", "XAUTHORITY", "DBUS_SESSION_BUS_ADDRESS", "XDG_RUNTIME_DIR"} {
		if v, ok := os.LookupEnv(name); ok {
			env = append(env, name+"="+v)
		}
	}
	return env
}

// bounded keeps so many bytes; the rest is cut away, or refused, which ends the program that writes. The buffer is not
// embedded: io.Copy would find its ReadFrom, which has no bounds.
type bounded struct {
	kept []byte
	most int
	cut  bool
	over bool
}

func (b *bounded) Write(p []byte) (int, error) {
	room := min(b.most-len(b.kept), len(p))
	b.kept = append(b.kept, p[:room]...)
	if room == len(p) || b.cut {
		return len(p), nil
	}
	b.over = true
	return room, errTooLong
}

// lastWords are gpg's last words, without what is said at every run.
func lastWords(text string) string {
	var keep []string
	for line := range strings.Lines(text) {
		line = strings.TrimSpace(strings.TrimPrefix(line, "gpg: "))
		if line != "" && !strings.HasPrefix(line, "WARNING: running with faked system time") {
			keep = append(keep, printable(line))
		}
	}
	if len(keep) > 3 {
		keep = keep[len(keep)-3:]
	}
	return strings.Join(keep, "; ")
}

func printable(s string) string {
	return strings.Map(func(r rune) rune {
		if r < 0x20 || r > 0x7e {
			return '?'
		}
		return r
	}, s[:min(len(s), 300)])
}
