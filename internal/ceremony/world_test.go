package ceremony

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"
)

// people are the machines of the page.
var people = []string{"operator", "alice", "bob", "carol", "dave", "erin", "frank", "offline", "mirror", "sleeper", "admin", "stick"}

// world is a set of machines: a directory each.
type world struct {
	dir   string
	bin   string   // directory of the programs
	env   []string // beside what every command has
	inUse string   // fingerprint of the OpenPGP primary that signs now; "": the first one
	thief thief    // of the ceremony at hand

	places []place // beside those of all worlds
}

// newWorld makes empty machines. The paths are short: gpg-agent's sockets lie below them.
func newWorld(t testing.TB, bin string) *world {
	t.Helper()
	dir, err := os.MkdirTemp(memory(), "keys")
	if err != nil {
		t.Fatal(err)
	}
	w := &world{dir: dir, bin: bin}
	t.Cleanup(func() {
		w.endAgents()
		os.RemoveAll(dir)
	})
	for _, name := range people {
		if err := os.MkdirAll(filepath.Join(dir, name, "gnupg"), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	return w
}

// memory is a directory in memory, where there is room: every step of a ceremony waits for its disk, and nobody needs these worlds after
// a power cut. "" is the usual one.
func memory() string {
	const shm, room = "/dev/shm", 1 << 30
	var fs syscall.Statfs_t
	if syscall.Statfs(shm, &fs) != nil || fs.Bavail*uint64(fs.Bsize) < room {
		return ""
	}
	return shm
}

// copyWorld makes another world of the same state.
func copyWorld(t testing.TB, from *world, bin string) *world {
	t.Helper()
	w := newWorld(t, bin)
	if out, err := exec.Command("cp", "-a", from.dir+"/.", w.dir).CombinedOutput(); err != nil {
		t.Fatalf("copy the world: %v\n%s", err, out)
	}
	return w
}

func (w *world) machine(name string) string { return filepath.Join(w.dir, name) }

// endAgents ends what gpg has started.
func (w *world) endAgents() {
	for _, name := range people {
		home := filepath.Join(w.machine(name), "gnupg")
		if found, _ := filepath.Glob(filepath.Join(home, "*")); len(found) > 0 {
			exec.Command("gpgconf", "--homedir", home, "--kill", "all").Run()
		}
	}
}

// command makes a shell's line a command at a machine.
func (w *world) command(machine, line string) *exec.Cmd {
	if strings.HasPrefix(line, asking) {
		line = fmt.Sprintf(answer, line, quote(line))
	}
	c := exec.Command("sh", "-c", line)
	c.Dir = w.machine(machine)
	c.Env = append([]string{"HOME=" + c.Dir, "GNUPGHOME=" + filepath.Join(c.Dir, "gnupg"), "PATH=" + w.bin + ":" + os.Getenv("PATH"),
		"LC_ALL=C", "TZ=UTC", "TERM=dumb", "EDITOR=" + filepath.Join(w.bin, "editor")}, w.env...)
	switch machine {
	case "operator":
		c.Env = append(c.Env, "TIDEMARK_CONFIG="+filepath.Join(c.Dir, "tidemark.yaml"))
	case "mirror", "sleeper":
		c.Env = append(c.Env, "TIDEMARK_CONFIG="+filepath.Join(c.Dir, "mirror.yaml"))
	}
	return c
}

func quote(s string) string { return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'" }

// run runs a line and returns what it printed, and its exit code.
func (w *world) run(t testing.TB, machine, line string) (string, int) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	c := w.command(machine, line)
	c = withContext(ctx, c)
	var out bytes.Buffer
	c.Stdout, c.Stderr = &out, &out
	err := c.Run()
	var exit *exec.ExitError
	if err != nil && !errors.As(err, &exit) {
		t.Fatalf("%s$ %s: %v", machine, line, err)
	}
	return strings.ReplaceAll(out.String(), "\r", ""), c.ProcessState.ExitCode()
}

func withContext(ctx context.Context, c *exec.Cmd) *exec.Cmd {
	bounded := exec.CommandContext(ctx, c.Path, c.Args[1:]...)
	bounded.Dir, bounded.Env, bounded.WaitDelay = c.Dir, c.Env, 5*time.Second // a gpg-agent that it started keeps the pipe
	return bounded
}

// must runs a line that succeeds.
func (w *world) must(t testing.TB, machine, line string) string {
	t.Helper()
	out, code := w.run(t, machine, line)
	if code != 0 {
		t.Fatalf("%s$ %s\nexit code %d\n%s", machine, line, code, out)
	}
	return out
}

// perform runs a section of the page.
func (w *world) perform(t testing.TB, page map[string]*section, name string, done map[string]bool) {
	t.Helper()
	s := page[name]
	if s == nil {
		t.Fatalf("the page has no section #%s", name)
	}
	done[name] = true
	for _, st := range s.steps {
		switch {
		case st.include != "":
			w.perform(t, page, st.include, done)
		case st.machine == "":
			w.configure(t, w.replace(t, "operator", st.text))
		default:
			w.step(t, st)
		}
	}
}

func (w *world) step(t testing.TB, st step) {
	t.Helper()
	line := w.replace(t, st.machine, st.text)
	out, code := w.run(t, st.machine, line)
	t.Logf("keys.md:%d: %s$ %s\n%s", st.at, st.machine, line, out)
	if code != st.code {
		t.Fatalf("keys.md:%d: %s$ %s\nexit code %d, the page says %d\n%s", st.at, st.machine, line, code, st.code, out)
	}
	rest := out
	for _, want := range st.want {
		p := strings.ReplaceAll(regexp.QuoteMeta(w.replace(t, st.machine, want)), "…", ".*")
		at := regexp.MustCompile(`(?m)^` + p + `$`).FindStringIndex(rest)
		if at == nil {
			t.Fatalf("keys.md:%d: %s$ %s\nprinted\n%s\nwithout the page's %q", st.at, st.machine, line, out, want)
		}
		rest = rest[at[1]:]
	}
}

var member = regexp.MustCompile(`(?m)^[a-z_]+:`)

// configure replaces top members of the operator's configuration by those of text.
func (w *world) configure(t testing.TB, text string) {
	t.Helper()
	file := filepath.Join(w.machine("operator"), "tidemark.yaml")
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	old := string(b)
	for _, name := range member.FindAllString(text, -1) {
		i := regexp.MustCompile(`(?m)^` + name).FindStringIndex(old)
		if i == nil {
			continue
		}
		end := len(old)
		if next := member.FindStringIndex(old[i[1]:]); next != nil {
			end = i[1] + next[0]
		}
		old = old[:i[0]] + old[end:]
	}
	if err := os.WriteFile(file, []byte(old+text), 0o644); err != nil {
		t.Fatal(err)
	}
}
