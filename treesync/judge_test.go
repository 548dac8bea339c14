package treesync

import (
	"errors"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/manifest"
	"tidemark/rsync"
)

func anchor(path, sum string) manifest.Anchor {
	return manifest.Anchor{Path: path, Size: int64(len(sum)), SHA256: sum}
}

func present(all ...manifest.Anchor) map[string]manifest.Anchor {
	m := map[string]manifest.Anchor{}
	for _, a := range all {
		m[a.Path] = a
	}
	return m
}

// Announced is 100; 200 and 300 are recorded.
func known() manifest.Tree {
	return manifest.Tree{Timestamp: 100, Anchors: []manifest.Anchor{anchor("a", "a1"), anchor("b", "b1")},
		Later: []manifest.Later{
			{Timestamp: 300, Anchors: []manifest.Anchor{anchor("a", "a2"), anchor("b", "b3"), anchor("c", "c3")}},
			{Timestamp: 200, Anchors: []manifest.Anchor{anchor("a", "a2")}},
		}}
}

func TestJudge(t *testing.T) {
	for name, tc := range map[string]struct {
		timestamp int64
		anchors   map[string]manifest.Anchor
		held      int64
		want      Why // "": good
		said      string
	}{
		"announced":                              {100, present(anchor("a", "a1"), anchor("b", "b1")), 0, "", ""},
		"announced, held before":                 {100, present(anchor("a", "a1"), anchor("b", "b1")), 100, "", ""},
		"later, overlaid":                        {200, present(anchor("a", "a2"), anchor("b", "b1")), 100, "", ""},
		"latest":                                 {300, present(anchor("a", "a2"), anchor("b", "b3"), anchor("c", "c3")), 100, "", ""},
		"more than the set":                      {200, present(anchor("a", "a2"), anchor("b", "b1"), anchor("c", "c9")), 0, "", ""},
		"newer than all":                         {301, present(), 0, WhyMovedOn, "301"},
		"newer than all, with the announced set": {301, present(anchor("a", "a1"), anchor("b", "b1")), 0, WhyMovedOn, "300"},
		"between":                                {150, present(anchor("a", "a1"), anchor("b", "b1")), 0, WhyMovedOn, "between"},
		"older":                                  {99, present(anchor("a", "a1"), anchor("b", "b1")), 0, WhyBehind, "expected 100"},
		"older than the tree":                    {100, present(anchor("a", "a1"), anchor("b", "b1")), 200, WhyBehind, "the tree here at 200"},
		"fresh time, old anchors":                {200, present(anchor("a", "a1"), anchor("b", "b1")), 0, WhyWrong, "SHA-256 a1"},
		"fresh time, mixed anchors":              {300, present(anchor("a", "a2"), anchor("b", "b1"), anchor("c", "c3")), 0, WhyWrong, "b has"},
		"old time, newer anchors":                {100, present(anchor("a", "a2"), anchor("b", "b1")), 0, WhyMovedOn, "moving on"},
		"old time, newer and strange anchors":    {100, present(anchor("a", "a2"), anchor("b", "b9")), 0, WhyWrong, ""},
		"a strange anchor":                       {100, present(anchor("a", "a1"), anchor("b", "b9")), 0, WhyWrong, "b has 2 bytes and SHA-256 b9, expected 2 bytes and b1"},
		"another size":                           {100, present(anchor("a", "a1"), manifest.Anchor{Path: "b", Size: 9, SHA256: "b1"}), 0, WhyWrong, "9 bytes"},
		"an anchor is missing":                   {100, present(anchor("a", "a1")), 0, WhyIncomplete, "b is missing"},
		"newer anchors, and one is missing":      {100, present(anchor("a", "a2")), 0, WhyWrong, ""},
		"all are missing":                        {300, present(), 0, WhyIncomplete, "a is missing"},
	} {
		target, err := judge(anchorSets(known()), found{tc.timestamp, tc.anchors}, tc.held)
		var l *left
		switch {
		case tc.want == "" && (err != nil || target.timestamp != tc.timestamp):
			t.Errorf("%s: %d, %v", name, target.timestamp, err)
		case tc.want != "" && (!errors.As(err, &l) || l.why != tc.want || !strings.Contains(l.detail, tc.said)):
			t.Errorf("%s: %v; expected %s, %q", name, err, tc.want, tc.said)
		}
	}
}

// Anchors that the mirror excludes are of no concern; without any the time file decides.
func TestJudge_VisibleOnly(t *testing.T) {
	for _, visible := range []map[string]bool{{"a": true}, {}} {
		sets := anchorSets(known())
		for i, s := range sets {
			sets[i] = s.only(visible)
		}
		target, err := judge(sets, found{200, present(anchor("a", "a2"), anchor("b", "b9"))}, 0)
		if err != nil || target.timestamp != 200 || len(target.anchors) != len(visible) {
			t.Errorf("%v: %+v, %v", visible, target, err)
		}
	}
}

func pats(t *testing.T, texts ...string) (all []rsync.Pattern) {
	t.Helper()
	for _, s := range texts {
		p, err := rsync.ParsePattern(s)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
	return all
}

func text(rules []rsync.Rule) (all []string) {
	for _, r := range rules {
		sign := "- "
		if r.Include {
			sign = "+ "
		}
		all = append(all, sign+r.Pattern)
	}
	return all
}

// The rules are where files are lost: pinned as they are.
func TestRules(t *testing.T) {
	r := newRuler(Spec{Exclude: pats(t, "*/isos/"), Keep: pats(t, "/HEADER.html")}, "project/trace/master")
	own := []string{"- */isos/", "- /HEADER.html", "- /lost+found/", "- .*.tidemark-??????????"}
	join := func(lists ...[]string) (all []string) {
		for _, l := range lists {
			all = append(all, l...)
		}
		return all
	}
	kept, whole := r.kept(pats(t, "/a/b*/c", "/own/", "*.html"))
	keptFew, wholeFew := r.kept(pats(t, "/a/b*/c", "/own/"))
	if !whole || wholeFew {
		t.Errorf("the whole tree: %t, %t", whole, wholeFew)
	}
	for name, tc := range map[string]struct {
		got  []rsync.Rule
		want []string
	}{
		"few": {r.few([]string{"project/x", "7/os/repomd.xml", "7/x"}), join([]string{"+ /project/", "+ /project/trace/", "+ /project/trace/master"}, own,
			[]string{"+ /project/x", "+ /7/", "+ /7/os/", "+ /7/os/repomd.xml", "+ /7/x", "- *"})},
		"whole":    {r.whole(), own},
		"metadata": {r.metadata([]string{"7/os/repomd.xml"}), join(own, []string{"- /project/trace/master", "- /7/os/repomd.xml"})},
		"content": {r.content(nil), join(own, []string{"- /project/trace/master", "- repodata/", "- dists/", "- InRelease",
			"+ Release*/", "- Release*", "+ Packages*/", "- Packages*", "+ Sources*/", "- Sources*", "+ *.db/", "- *.db", "+ *.files/", "- *.files"})},
		"kept": {kept, []string{"- /lost+found/", "- .*.tidemark-??????????", "+ /a/", "+ /a/b*/", "+ /a/b*/c", "+ /a/b*/c/**", "+ /own/", "+ /own/**",
			"+ *.html", "+ *.html/**", "+ */", "- *"}},
		"kept few": {keptFew, []string{"- /lost+found/", "- .*.tidemark-??????????", "+ /a/", "+ /a/b*/", "+ /a/b*/c", "+ /a/b*/c/**", "+ /own/", "+ /own/**", "- *"}},
	} {
		if diff := cmp.Diff(tc.want, text(tc.got)); diff != "" {
			t.Errorf("%s:\n%s", name, diff)
		}
	}
}

func TestIsLate(t *testing.T) {
	r := newRuler(Spec{}, "TIME")
	for name, want := range map[string]bool{
		"7/os/repodata/repomd.xml": true, "7/os/repodata/": true, "dists/stable/main/x": true, "a/Packages.gz": true, "Packages": true, "a/Release.gpg": true, "core.db": true, "core.files": true,
		"7/os/Packages/a.rpm": false, "7/os/Packages/": false, "7/Packages.d/x": false, "Release-notes/a.html": false, "pool/main/x.deb": false, "a.db/x": false, "x.dbs": false,
	} {
		path, dir := strings.CutSuffix(name, "/")
		if got := r.isLate(path, dir); got != want {
			t.Errorf("%s: %t, expected %t", name, got, want)
		}
	}
	r = newRuler(Spec{Late: pats(t, "meta")}, "TIME") // without a wildcard, a name is a directory's, too
	if !r.isLate("a/meta/x", false) || !r.isLate("meta", true) || r.isLate("repodata/x", false) {
		t.Error("late: [meta]")
	}
}
