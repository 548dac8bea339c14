package threats

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"
)

// defence is a change of one line that takes a defence out, and the test that must see it.
type defence struct {
	row  string // of docs/threats.md
	test string // "client.TestOpen_Rollback", as the page names it
	file string // from the top of the repository
	old  string // stands there once
	new  string // in its place; the program must still compile
	and  []edit // where the defence stands twice
}

// edit is a further change of the same kind.
type edit struct{ file, old, new string }

func (d defence) edits() []edit { return append([]edit{{d.file, d.old, d.new}}, d.and...) }

// defences are all of them, table by table.
func defences() []defence {
	return slices.Concat(siteDefences(), keyDefences(), sourceDefences(), otherDefences())
}

// pattern is the name as the test binary's -test.run takes it.
func pattern(test string) string {
	parts := strings.Split(test[len(packageOf(test))+1:], "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// build makes the test binary of a package, with files replaced as overlay says ("": none). What is wrong, in words; "": nothing.
func build(t *testing.T, pkg, overlay string) (binary, fault string) {
	t.Helper()
	binary = filepath.Join(t.TempDir(), filepath.Base(pkg)+".test")
	args := []string{"test", "-c", "-vet=off", "-o", binary}
	if overlay != "" {
		args = append(args, "-overlay", overlay)
	}
	c := exec.CommandContext(t.Context(), "go", append(args, "./"+pkg)...)
	c.Dir = root
	if out, err := c.CombinedOutput(); err != nil {
		return "", fmt.Sprintf("does not compile: %v\n%s", err, tail(string(out)))
	}
	return binary, ""
}

// run runs one test of a binary.
func run(t *testing.T, binary, test string) (string, error) {
	t.Helper()
	// without a limit of size, say, it may want all the memory there is
	c := exec.CommandContext(t.Context(), "sh", "-c", `ulimit -v 16000000; exec "$0" "$@"`, binary, "-test.run", pattern(test), "-test.v", "-test.timeout=5m", "-test.paniconexit0")
	c.Dir = filepath.Join(root, packageOf(test))
	c.WaitDelay = time.Minute
	c.Env = append(os.Environ(), "TIDEMARK_SOAK=")
	out, err := c.CombinedOutput()
	return string(out), err
}

// group are the defences that one change takes out, and that one package's tests must see.
type group struct {
	pkg  string
	list []defence
}

// groups sorts the defences chosen: each change is compiled once for a package.
func groups(only *regexp.Regexp) (all []*group) {
	index := map[string]*group{}
	for _, d := range defences() {
		if !only.MatchString(d.row + " " + d.test) {
			continue
		}
		key := fmt.Sprint(packageOf(d.test), d.edits())
		if index[key] == nil {
			index[key] = &group{pkg: packageOf(d.test)}
			all = append(all, index[key])
		}
		index[key].list = append(index[key].list, d)
	}
	return all
}

// TestSoakDefences takes out each defence in turn. What the row's test says then is a failure: not of the build, of the
// time, or by a panic, but of that test. DEFENCES='^B2' chooses.
func TestSoakDefences(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("takes minutes: run with TIDEMARK_SOAK=1 (make defences)")
	}
	two := make(chan struct{}, 2) // more would not be faster: each one compiles
	whole := map[string]func() (string, string){}
	list := groups(regexp.MustCompile(os.Getenv("DEFENCES")))
	for _, g := range list {
		if whole[g.pkg] == nil {
			type built struct{ binary, fault string }
			once := sync.OnceValue(func() built { b, f := build(t, g.pkg, ""); return built{b, f} })
			whole[g.pkg] = func() (string, string) { b := once(); return b.binary, b.fault }
		}
	}
	for _, g := range list {
		t.Run(g.list[0].row, func(t *testing.T) {
			t.Parallel()
			two <- struct{}{}
			defer func() { <-two }()
			sound, fault := whole[g.pkg]()
			if fault != "" {
				t.Fatalf("%s as it is %s", g.pkg, fault)
			}
			changed, fault := build(t, g.pkg, overlay(t, g.list[0]))
			if fault != "" {
				t.Fatalf("%s: %s without %q %s", g.list[0].row, g.pkg, g.list[0].old, fault)
			}
			for _, d := range g.list {
				t.Run(d.row+" "+strings.ReplaceAll(d.test, "/", ": "), func(t *testing.T) {
					shown(t, d, sound, changed)
				})
			}
		})
	}
}

// shown wants that the test passes in the one binary, and fails in the other.
func shown(t *testing.T, d defence, sound, changed string) {
	t.Helper()
	out, err := run(t, sound, d.test)
	if name := d.test[len(packageOf(d.test))+1:]; err != nil || !strings.Contains(out, "--- PASS: "+name+" (") {
		t.Fatalf("%s does not pass as the code is: %v\n%s", d.test, err, tail(out))
	}
	out, err = run(t, changed, d.test)
	if problem := taken(d, out, err); problem != "" {
		t.Errorf("%s without %q: %s\n%s", d.test, d.old, problem, tail(out))
		return
	}
	t.Logf("%s fails without %q in %s", d.test, d.old, d.file)
}

// taken says why out is not that of a test that saw the defence gone; "" it is.
func taken(d defence, out string, err error) string {
	name := d.test[len(packageOf(d.test))+1:]
	switch {
	case errors.As(err, new(*exec.ExitError)) && strings.Contains(out, "--- FAIL: "+name+" (") && !strings.Contains(out, "\npanic: "):
		return ""
	case err == nil:
		return "it passes still"
	case strings.Contains(out, "panic: test timed out"):
		return "it does not end"
	case strings.Contains(out, "\npanic: "):
		return "it breaks down"
	}
	return fmt.Sprintf("no failure of this test (%v)", err)
}

// overlay writes the changed copies, and the file that tells the go command of them.
func overlay(t *testing.T, d defence) string {
	t.Helper()
	dir := t.TempDir()
	replace := map[string]string{}
	for i, e := range d.edits() {
		file, err := filepath.Abs(filepath.Join(root, e.file))
		if err != nil {
			t.Fatal(err)
		}
		from := file
		if earlier := replace[file]; earlier != "" { // changed already
			from = earlier
		}
		b, err := os.ReadFile(from)
		if err != nil {
			t.Fatal(err)
		}
		if bytes.Count(b, []byte(e.old)) != 1 {
			t.Fatalf("%s has %q not once", e.file, e.old)
		}
		replace[file] = filepath.Join(dir, fmt.Sprint(i)+filepath.Base(file))
		if err := os.WriteFile(replace[file], bytes.Replace(b, []byte(e.old), []byte(e.new), 1), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	list, err := json.Marshal(map[string]map[string]string{"Replace": replace})
	if err != nil {
		t.Fatal(err)
	}
	name := filepath.Join(dir, "overlay.json")
	if err := os.WriteFile(name, list, 0o644); err != nil {
		t.Fatal(err)
	}
	return name
}

func tail(out string) string {
	const most = 4000
	if len(out) > most {
		out = "…" + out[len(out)-most:]
	}
	return out
}
