package threats

import (
	"bytes"
	"context"
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

// pattern is the name as the go command's -run takes it.
func pattern(test string) string {
	parts := strings.Split(test[len(packageOf(test))+1:], "/")
	for i, p := range parts {
		parts[i] = "^" + regexp.QuoteMeta(p) + "$"
	}
	return strings.Join(parts, "/")
}

// goTest runs one test. It may be one whose result the go command has kept.
func goTest(ctx context.Context, test string, flags ...string) (string, error) {
	args := slices.Concat([]string{"test", "-vet=off", "-timeout=5m", "-v", "-run", pattern(test)}, flags, []string{"./" + packageOf(test)})
	c := exec.CommandContext(ctx, "go", args...)
	c.Dir = root
	c.WaitDelay = time.Minute
	c.Env = append(os.Environ(), "TIDEMARK_SOAK=")
	out, err := c.CombinedOutput()
	if ctx.Err() != nil {
		err = ctx.Err()
	}
	return string(out), err
}

// TestSoakDefences takes out each defence in turn. What the row's test says then is a failure: not of the build, of the
// time, or by a panic, but of that test. DEFENCES='^B2' chooses.
func TestSoakDefences(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("takes minutes: run with TIDEMARK_SOAK=1 (make defences)")
	}
	only := regexp.MustCompile(os.Getenv("DEFENCES"))
	two := make(chan struct{}, 2) // more would not be faster: each one compiles
	sound := map[string]func() string{}
	for _, d := range defences() {
		if sound[d.test] == nil {
			sound[d.test] = sync.OnceValue(func() string { return passes(t.Context(), d.test) })
		}
	}
	for _, d := range defences() {
		name := d.row + " " + strings.ReplaceAll(d.test, "/", ": ")
		if !only.MatchString(name) {
			continue
		}
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			two <- struct{}{}
			defer func() { <-two }()
			if fault := sound[d.test](); fault != "" {
				t.Fatal(fault)
			}
			out, err := goTest(t.Context(), d.test, "-count=1", "-overlay", overlay(t, d))
			if problem := taken(d, out, err); problem != "" {
				t.Errorf("%s without %q: %s\n%s", d.test, d.old, problem, tail(out))
			}
		})
	}
}

// passes says what is wrong with a test of the code as it is.
func passes(ctx context.Context, test string) string {
	out, err := goTest(ctx, test)
	if name := test[len(packageOf(test))+1:]; err != nil || !strings.Contains(out, "--- PASS: "+name+" (") {
		return fmt.Sprintf("%s does not pass as the code is: %v\n%s", test, err, tail(out))
	}
	return ""
}

// taken says why out is not that of a test that saw the defence gone; "" it is.
func taken(d defence, out string, err error) string {
	name := d.test[len(packageOf(d.test))+1:]
	switch {
	case errors.As(err, new(*exec.ExitError)) && strings.Contains(out, "--- FAIL: "+name+" (") && !strings.Contains(out, "\npanic: "):
		return ""
	case err == nil:
		return "it passes still"
	case strings.Contains(out, "[build failed]") || strings.Contains(out, "[setup failed]"):
		return "the changed program does not compile"
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
