package rsync

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// The model: each pattern, each directory above a path and each place where the pattern may begin, one after the other.

// modelMatch reports whether the pattern matches that very path (below the top, no leading slash), a directory or not.
func modelMatch(pattern, path string, dir bool) bool {
	if path == "" || pattern == "" {
		return false
	}
	if len(pattern) > 1 && strings.HasSuffix(pattern, "/") {
		if !dir {
			return false
		}
		pattern = pattern[:len(pattern)-1]
	}
	slashes := strings.Count(pattern, "/")
	wild := strings.ContainsAny(pattern, "*?[")
	anywhere := strings.Contains(pattern, "**") // it can match slashes
	name := path
	switch {
	case slashes == 0 && !anywhere:
		name = path[strings.LastIndexByte(path, '/')+1:]
	case strings.HasPrefix(pattern, "**"):
		name = "/" + path // so that **/x matches x at the top
	}
	if dir && anywhere && strings.HasSuffix(pattern, "***") {
		name += "/" // so that x/*** matches the directory x itself
	}
	body, anchored := strings.CutPrefix(pattern, "/")
	match := func(s string) bool { return s == body }
	if wild {
		match = func(s string) bool { return modelWild(compileWild(body), s) }
	}
	switch {
	case anchored, strings.HasPrefix(pattern, "**"):
		return match(name)
	case anywhere:
		return matchTails(name, match)
	case slashes == 0:
		return match(name)
	}
	tail, ok := lastParts(name, slashes+1)
	return ok && match(tail)
}

// matchTails tries the whole and what follows each slash.
func matchTails(name string, match func(string) bool) bool {
	for {
		if match(name) {
			return true
		}
		_, rest, ok := strings.Cut(name, "/")
		if !ok {
			return false
		}
		name = rest
	}
}

// lastParts gives the last n parts of a path, if it has as many.
func lastParts(path string, n int) (string, bool) {
	i := len(path)
	for ; n > 0; n-- {
		if i < 0 {
			return "", false
		}
		i = strings.LastIndexByte(path[:max(i, 0)], '/')
	}
	return path[i+1:], true
}

// modelHidden reports whether one of the patterns, as --exclude, hides the path: itself, or a directory above it.
func modelHidden(patterns []Pattern, path string, dir bool) bool {
	for i := 0; i <= len(path); i++ {
		if i < len(path) && path[i] != '/' {
			continue
		}
		for _, p := range patterns {
			if modelMatch(p.text, path[:i], dir || i < len(path)) {
				return true
			}
		}
	}
	return false
}

// modelWild follows all ways at once: at[i] says that the pieces before i have matched what was read.
func modelWild(w wild, s string) bool {
	at, next := make([]bool, len(w)+1), make([]bool, len(w)+1)
	at[0] = true
	skipStars(w, at)
	for i := 0; i < len(s); i++ {
		alive := false
		clear(next)
		for n, p := range w {
			if at[n] && p.takes(s[i]) {
				alive = true
				if p.kind == pieceStar || p.kind == pieceStars {
					next[n] = true
				} else {
					next[n+1] = true
				}
			}
		}
		if !alive {
			return false
		}
		skipStars(w, next)
		at, next = next, at
	}
	return at[len(w)]
}

// skipStars adds the ways on which stars match nothing more.
func skipStars(w wild, at []bool) {
	for n, p := range w {
		if at[n] && (p.kind == pieceStar || p.kind == pieceStars) {
			at[n+1] = true
		}
	}
}

func parsed(t rapid.TB, texts ...string) (all []Pattern) {
	for _, s := range texts {
		p, err := ParsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

// asModel compares Match, Hidden and a Matcher that has seen other paths with the model.
func asModel(t rapid.TB, patterns []Pattern, paths []string) {
	m := NewMatcher(patterns)
	for _, path := range paths {
		for _, dir := range []bool{true, false} {
			want := modelHidden(patterns, path, dir)
			if got := Hidden(patterns, path, dir); got != want {
				t.Fatalf("Hidden(%q, %q, %v): %v, expected %v", patterns, path, dir, got, want)
			}
			if got := m.Hidden(path, dir); got != want {
				t.Fatalf("a Matcher of %q, %q, %v: %v, expected %v", patterns, path, dir, got, want)
			}
			for _, p := range patterns {
				if got, want := p.Match(path, dir), modelMatch(p.text, path, dir); got != want {
					t.Fatalf("Match(%q, %q, %v): %v, expected %v", p, path, dir, got, want)
				}
			}
		}
	}
}

// TestPatternAsModel: one pass over a path says the same as a look at each directory above it, with patterns of one word of states
// and of several.
func TestPatternAsModel(t *testing.T) {
	t.Parallel()
	piece := rapid.SampledFrom([]string{"a", "b", "ab", "/", "/", "/", "*", "**", "***", "?", "[ab]", "[!a]", "[a/]", `\`, `\/`, "[", strings.Repeat("a", 40), strings.Repeat("?", 30)})
	part := rapid.SampledFrom([]string{"a", "b", "ab", "ba", "aab", `\`, "[", strings.Repeat("a", 40), strings.Repeat("ab", 40)})
	rapid.Check(t, func(t *rapid.T) {
		var patterns []Pattern
		for range rapid.IntRange(1, 3).Draw(t, "patterns") {
			s := strings.Join(rapid.SliceOfN(piece, 1, 8).Draw(t, "pieces"), "")
			if p, err := ParsePattern(s); err == nil {
				patterns = append(patterns, p)
			}
		}
		var paths []string
		for range 6 {
			paths = append(paths, strings.Join(rapid.SliceOfN(part, 1, 5).Draw(t, "parts"), "/"))
		}
		asModel(t, patterns, paths)
	})
}

func FuzzPatternAsModel(f *testing.F) {
	f.Add("isos/**/*.iso", "isos/isos/a.iso")
	f.Add("a/***/", "x/a/b")
	f.Add("**[!a]/?", "a/b/c")
	f.Add(strings.Repeat("?", 64)+"/**", strings.Repeat("a", 64)+"/b")
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := ParsePattern(pattern)
		if err != nil || checkNameLike(path) || len(pattern)*len(path) > 20_000 {
			return
		}
		asModel(t, []Pattern{p}, []string{path, path + "/a", "b", path})
	})
}

// checkNameLike reports what no list has for a path.
func checkNameLike(path string) bool {
	return path == "" || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") || strings.Contains(path, "//")
}

// TestAttack_NamesMadeForPatterns: paths that a pattern with stars could begin in at every part cost as many steps as they have
// bytes, for each word of the pattern's states.
func TestAttack_NamesMadeForPatterns(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		pattern, part string
		perByte       int
	}{
		{"isos/**/*.iso", "isos/", 1}, {"debug/**/repodata/", "debug/", 1}, {"a**b", "a/", 1}, {"a**b", "a", 1}, {"**/a/**/a/**/b", "a/", 1},
		{"*/isos/**y", "isos/", 1}, {strings.Repeat("*a", 25) + "*b", "a", 1}, {strings.Repeat("**a", 25) + "**b", "a/", 1},
		{strings.Repeat("**a", 100) + "**b", "a/", 4 + 4*64}, {strings.Repeat("a/", 100) + "**b", "a/", 4 + 4*64},
	} {
		p := parsed(t, tt.pattern)[0]
		for _, n := range []int{1000, 2000, 4000} {
			path := strings.Repeat(tt.part, n/len(tt.part)-1) + "x"
			w := p.auto.begin()
			at := strings.LastIndexByte(path, '/') + 1
			if w.parents(path[:at]) || w.last(path[at:], false) {
				t.Errorf("%.30s hides %.20s...", tt.pattern, path)
			}
			if most := tt.perByte*n + 1; w.steps == 0 || w.steps > most {
				t.Errorf("%.30s and %d bytes of %q: %d steps, expected at most %d", tt.pattern, n, tt.part, w.steps, most)
			}
		}
	}
}

// TestMatcherStaysInDirectory: of a directory's names only the names are read.
func TestMatcherStaysInDirectory(t *testing.T) {
	t.Parallel()
	m := NewMatcher(parsed(t, "isos/**/*.iso", "/7/debug/", "*.drpm"))
	dir := strings.Repeat("isos/", 200)
	m.Hidden(dir+"first", false)
	before := m.steps
	for range 1000 {
		if m.Hidden(dir+"a.rpm", false) {
			t.Fatal("hidden")
		}
	}
	if n := m.steps - before; n == 0 || n > 1000*3*len("a.rpm") {
		t.Errorf("%d steps for a thousand names of five bytes, expected at most %d", n, 1000*3*5)
	}
	if !m.Hidden(dir+"a.iso", false) || !m.Hidden("7/debug/x", false) || m.Hidden("7/x", false) || !m.Hidden("7/x.drpm", true) {
		t.Error("wrong")
	}
}

func BenchmarkMatcher(b *testing.B) {
	var texts []string
	for _, c := range "abcdefghijklmnopqrst" {
		texts = append(texts, "*/isos"+string(c)+"/**")
	}
	var patterns []Pattern
	for _, s := range texts {
		p, err := ParsePattern(s)
		if err != nil {
			b.Fatal(err)
		}
		patterns = append(patterns, p)
	}
	m := NewMatcher(patterns)
	for b.Loop() {
		m.Hidden("7/os/x86_64/Packages/kernel-tools-libs-devel-3.10.0-1160.el7.x86_64.rpm", false)
	}
}
