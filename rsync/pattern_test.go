package rsync

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// oracle is a tree and the real rsync, asked what of the tree it would take.
type oracle struct {
	bin, src, dst string
	dirs          map[string]bool // every path: is it a directory
}

func newOracle(t *testing.T, bin string) *oracle {
	o := &oracle{bin: bin, src: t.TempDir(), dst: t.TempDir(), dirs: map[string]bool{}}
	names := []string{"a", "b", "ab", "ba", "c*", "[b]", `a\b`, `*`, `\`, "-a", ".x", "a b", "?", "A", "é", "]", "a-", "^", "***", `\*`}
	for i, n := range names {
		o.dirs[n] = i%3 == 0
		if !o.dirs[n] {
			continue
		}
		for k, m := range names {
			p := n + "/" + m
			if o.dirs[p] = k%5 == 0; o.dirs[p] {
				o.dirs[p+"/a"], o.dirs[p+"/"+n], o.dirs[p+"/b"] = false, false, true
				o.dirs[p+"/b/a"] = false
			}
		}
	}
	for p, dir := range o.dirs {
		if dir {
			if err := os.MkdirAll(filepath.Join(o.src, p), 0o755); err != nil {
				t.Fatal(err)
			}
		}
	}
	for p, dir := range o.dirs {
		if !dir {
			writeFile(t, filepath.Join(o.src, p), "")
		}
	}
	return o
}

// takes gives the names that rsync would take under the rules, sorted.
func (o *oracle) takes(t rapid.TB, rules ...string) []string {
	args := append([]string{"-rn", "--out-format=%n"}, rules...)
	cmd := exec.Command(o.bin, append(args, "--", o.src+"/", o.dst+"/")...)
	cmd.Env = []string{"LC_ALL=C"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("%q: %v: %s", cmd.Args, err, out)
	}
	var names []string
	for line := range strings.Lines(string(out)) {
		if name := strings.TrimSuffix(unescape(strings.TrimSuffix(line, "\n")), "/"); name != "." {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return names
}

// all gives the paths that pass, sorted.
func (o *oracle) all(pass func(path string, dir bool) bool) (names []string) {
	for p, dir := range o.dirs {
		if pass(p, dir) {
			names = append(names, p)
		}
	}
	slices.Sort(names)
	return names
}

func (o *oracle) check(t rapid.TB, texts ...string) {
	var patterns []Pattern
	var rules []string
	for _, s := range texts {
		p, err := ParsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		patterns, rules = append(patterns, p), append(rules, "--exclude="+s)
	}
	want := o.takes(t, rules...)
	got := o.all(func(path string, dir bool) bool { return !Hidden(patterns, path, dir) })
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("%q (-rsync +Hidden):\n%s", texts, diff)
	}
}

// TestPatternAsRsync compares Hidden with the real rsync, for patterns that people write and for generated ones.
func TestPatternAsRsync(t *testing.T) {
	written := []string{
		"a", "a/", "/a", "/a/", "a/b", "/a/b/", "b/a", "*", "/*", "*/", "/*/", "**", "***", "/**", "/***", "a/*", "a/**", "a/***",
		"/a/***", "**/a", "**/b/", "*/b", "*/*", "*/*/a", "**a", "a**", "/a**b", "?", "??", "[ab]", "[!ab]", "[^a]", "[]]", "[a-]", "[-a]",
		"[[:alpha:]]", "[[:nope:]]", "[[:alpha:]b", "[a", "a[", `\a`, `\*`, `a\b`, `a\\b`, `a\b*`, `a\\b*`, `[\]]`, `\[b]`, `[[]b]`, `c\*`,
		`c[*]`, "é", "??é", "[é]", "*b*", "***/a", "/*/***", "b/***/a", "*.x", ".*", `\`, `\\`, `*\`, "a//b", "a/b/", "]", "a b", "-a",
		"[a-c]", "[c-a]", `[\a-c]`, `[a-\c]`, "[[:alpha:]-z]", "[:a]", "[[:]", "[a/]b", "a[/]b", "a?b", "/a/**/a", "**/**", "*/a/", "/**/a",
	}
	eachRsync(t, func(t *testing.T, bin string) {
		t.Parallel()
		o := newOracle(t, bin)
		for _, p := range written {
			o.check(t, p)
		}
		o.check(t, "a/b", "*/c*", "/b/")
		o.check(t, "[b]/", "**/a", "?")
		o.checkGenerated(t, 40)
	})
}

// TestSoakPatternAsRsync asks about many more generated patterns.
func TestSoakPatternAsRsync(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("TIDEMARK_SOAK=1 runs it")
	}
	eachRsync(t, func(t *testing.T, bin string) {
		o := newOracle(t, bin)
		for range 20 {
			o.checkGenerated(t, 1000)
		}
	})
}

func (o *oracle) checkGenerated(t *testing.T, most int) {
	part := rapid.SampledFrom([]string{"a", "b", "ab", "c", "/", "/", "*", "**", "***", "?", "[ab]", "[!a]", "[a-c]", "[[:punct:]]", `\`, "[", "]", "-", ".x", "^"})
	rapid.Check(t, func(t *rapid.T) {
		s := strings.Join(rapid.SliceOfN(part, 1, 7).Draw(t, "parts"), "")
		if _, err := ParsePattern(s); err != nil || most == 0 {
			return
		}
		most--
		o.check(t, s)
	})
}

// TestLiteralAsRsync: a literal pattern hides that path and what is below it, or shows that path alone.
func TestLiteralAsRsync(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		t.Parallel()
		o := newOracle(t, bin)
		shown := 0
		for path := range o.dirs {
			p, err := ParsePattern(Literal(path))
			if diff := cmp.Diff([]string{path}, o.all(p.Match)); err != nil || diff != "" {
				t.Errorf("Match of %s: %v (-expected +got):\n%s", p, err, diff)
			}
			switch parent, _, _ := strings.Cut(path, "/"); { // rsync is asked for some of them only: it takes 50 ms
			case parent == path:
				o.hides(t, path)
			case parent == `a\b` || parent == "***":
				o.shows(t, path)
				shown++
			}
		}
		if shown < 40 {
			t.Errorf("only %d paths were shown", shown)
		}
	})
}

func (o *oracle) hides(t *testing.T, path string) {
	left := o.all(func(p string, dir bool) bool { return p != path && !strings.HasPrefix(p, path+"/") })
	if diff := cmp.Diff(left, o.takes(t, "--exclude="+Literal(path))); diff != "" {
		t.Errorf("without %s (-expected +rsync):\n%s", path, diff)
	}
}

func (o *oracle) shows(t *testing.T, path string) {
	var rules, want []string
	for i, c := range path {
		if c == '/' {
			rules, want = append(rules, "--include="+Literal(path[:i])+"/"), append(want, path[:i])
		}
	}
	rules = append(rules, "--include="+Literal(path), "--exclude=*")
	if diff := cmp.Diff(append(want, path), o.takes(t, rules...)); diff != "" {
		t.Errorf("only %s (-expected +rsync):\n%s", path, diff)
	}
}

func TestParsePatternRefuses(t *testing.T) {
	for _, tt := range []struct{ pattern, words string }{
		{"", "empty"}, {"+ a", "include or exclude"}, {"- a", "include or exclude"}, {"!", "forget"}, {"# a", "comment"}, {"; a", "comment"},
		{"/", "matches nothing"}, {"//", "matches nothing"}, {"a\nb", "control"}, {"a\x00", "control"}, {"\x7f", "control"},
		{strings.Repeat("a", 4096), "at most 4095"},
	} {
		if _, err := ParsePattern(tt.pattern); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%.20q: %v, expected %q", tt.pattern, err, tt.words)
		}
	}
	for _, s := range []string{"+a", "-", "--", "!a", "[!]", "#recycle", "a ", " a", "é", "\xff"} {
		if p, err := ParsePattern(s); err != nil || p.String() != s {
			t.Errorf("%q: %q, %v", s, p, err)
		}
	}
}

// TestMatchOfStars: a pattern with many stars takes no longer with a hostile name.
func TestMatchOfStars(t *testing.T) {
	p, err := ParsePattern(strings.Repeat("*a", 60) + "*b")
	if err != nil {
		t.Fatal(err)
	}
	if name := strings.Repeat("a", 4000); p.Match(name, false) || !p.Match(name+"b", false) {
		t.Error("wrong")
	}
}
