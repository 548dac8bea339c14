// Package contrib_test tests the scripts beside it, with real shells and the real tools.
package contrib_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

const script = "tidemark-mirror.sh"

// needTools ends the test without the tools of the script: a failure under CI=true, else it is skipped.
func needTools(t *testing.T, names ...string) {
	t.Helper()
	for _, name := range names {
		if _, err := exec.LookPath(name); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: scripts/deps test", name)
		}
		t.Skipf("%s is missing: apt-get install -y %s", name, map[string]string{"flock": "util-linux"}[name]+name)
	}
}

// soak skips the test unless the long ones are asked for.
func soak[T any](t *testing.T, whole T) T {
	t.Helper()
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("long: TIDEMARK_SOAK=1")
	}
	return whole
}

func needScriptTools(t *testing.T) {
	t.Helper()
	needTools(t, "sh", "jq", "curl", "gpgv", "sha256sum", "flock", "rsync")
}

// shells are those at hand that the script says it runs in, by name, no program twice.
func shells() map[string][]string {
	found, programs := map[string][]string{}, map[string]bool{}
	for _, argv := range [][]string{{"sh"}, {"dash"}, {"busybox", "sh"}, {"bash"}, {"ksh93"}, {"yash"}} {
		path, err := exec.LookPath(argv[0])
		if err != nil {
			continue
		}
		if program, err := filepath.EvalSymlinks(path); err == nil && !programs[program] {
			programs[program], found[argv[0]] = true, append([]string{path}, argv[1:]...)
		}
	}
	return found
}

// result is how a run of the script ended.
type result struct {
	code           int
	stdout, stderr string
}

func (r result) String() string {
	return fmt.Sprintf("exit code %d\n%s%s", r.code, r.stdout, r.stderr)
}

// settings are a mirror.conf.
type settings map[string]string

// write makes the file in dir and returns its path.
func (s settings) write(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for name, value := range s {
		fmt.Fprintf(&b, "%s='%s'\n", name, value)
	}
	file := filepath.Join(dir, "mirror.conf")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		t.Fatal(err)
	}
	return file
}

// perform runs the script in a shell (nil: sh), and waits for its end.
func perform(t *testing.T, shell, env []string, args ...string) result {
	t.Helper()
	r, err := start(shell, env, args...)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func start(shell, env []string, args ...string) (result, error) {
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute)
	defer cancel()
	if len(shell) == 0 {
		shell = []string{"sh"}
	}
	argv := slices.Concat(shell, []string{script}, args)
	cmd := exec.CommandContext(ctx, argv[0], argv[1:]...)
	cmd.Env = append(os.Environ(), env...)
	cmd.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	err := cmd.Run()
	var exit *exec.ExitError
	if err != nil && (!errors.As(err, &exit) || ctx.Err() != nil) {
		return result{}, fmt.Errorf("%s: %w\n%s%s", strings.Join(argv, " "), err, &stdout, &stderr)
	}
	return result{cmd.ProcessState.ExitCode(), stdout.String(), stderr.String()}, nil
}
