package rsync

import (
	"cmp"
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
)

const (
	defaultProgram = "rsync"
	defaultPath    = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	installHint    = "install it: apt-get install rsync, or dnf install rsync"
)

// Exec runs the real program: minimal environment (PATH, LC_ALL=C, TZ=UTC, RSYNC_PASSWORD empty, RSYNC_PROXY when given), a
// session of its own, no stdin. Cancelling the context ends the whole group: SIGTERM, after five seconds SIGKILL.
type Exec struct {
	Program string     // "": rsync, from PATH
	Path    string     // PATH of the child; "": the caller's
	Proxy   string     // RSYNC_PROXY, host:port; "": none
	Hold    []*os.File // locks that must live as long as the child does: it inherits them
	Trace   func(command string)
}

// Run implements Runner.
func (x *Exec) Run(ctx context.Context, j Job, w Watch) (Result, error) {
	shown := j // people are shown no token
	shown.Token = ""
	if j.Itemize && j.Token == "" {
		j.Token = newToken()
	}
	args, err := j.Args()
	if err != nil {
		return Result{}, err
	}
	program, err := x.find()
	if err != nil {
		return Result{}, err
	}
	command := shown.Command(x.Program)
	if x.Trace != nil {
		x.Trace(command)
	}
	out, errs := newStdout(j.Token, w), newStderr()
	c := &child{program: program, args: args, env: x.env(), hold: x.Hold, stdout: out, stderr: errs, silence: cmp.Or(j.Timeout, defaultTimeout), least: j.LeastRate, maxFile: j.MaxSize}
	code, err := c.run(ctx)
	out.end()
	errs.end()
	res := Result{Stats: out.figures(), Unreadable: out.unreadable, Vanished: code == ExitVanished, Messages: out.other + errs.lines}
	switch {
	case err != nil:
		return res, fmt.Errorf("running rsync: %w", err)
	case code != 0 && ctx.Err() != nil:
		return res, fmt.Errorf("running rsync: stopped: %w", context.Cause(ctx))
	case code != 0 && code != ExitVanished:
		return res, &ExitError{Code: code, Text: errs.tail, Job: command, TooSlow: c.slow}
	case !out.stats.whole:
		return res, fmt.Errorf("the statistics of %s cannot be read, expected those of rsync 3.1 or newer", program)
	}
	return res, nil
}

func newToken() string {
	b := make([]byte, 16)
	rand.Read(b) // never fails (crypto/rand)
	return hex.EncodeToString(b)
}

func (x *Exec) path() string {
	if x.Path != "" {
		return x.Path
	}
	if p := os.Getenv("PATH"); p != "" {
		return p
	}
	return defaultPath
}

func (x *Exec) env() []string {
	env := []string{"PATH=" + x.path(), "LC_ALL=C", "TZ=UTC", "RSYNC_PASSWORD="}
	if x.Proxy != "" {
		env = append(env, "RSYNC_PROXY="+x.Proxy)
	}
	return env
}

// find looks for the program in the PATH that it will have itself; relative entries do not count.
func (x *Exec) find() (string, error) {
	name := x.Program
	if name == "" {
		name = defaultProgram
	}
	if strings.Contains(name, "/") {
		if err := executable(name); err != nil {
			return "", fmt.Errorf("the rsync program: %w: %s", err, installHint)
		}
		return name, nil
	}
	for _, dir := range filepath.SplitList(x.path()) {
		if p := filepath.Join(dir, name); filepath.IsAbs(p) && executable(p) == nil {
			return p, nil
		}
	}
	return "", fmt.Errorf("the program %s is in none of %s: %w: %s", name, x.path(), fs.ErrNotExist, installHint)
}

func executable(path string) error {
	st, err := os.Stat(path)
	if err != nil {
		return err
	}
	if !st.Mode().IsRegular() || st.Mode().Perm()&0o111 == 0 {
		return errors.New(path + " is not an executable file")
	}
	return nil
}
