package inventory

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestMerge: an operator imports the list each week, and what they declared themselves stays.
func TestMerge(t *testing.T) {
	now := parsed(t, `
- {id: a.se, country: SE, city: Lund, slots: 1, key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3, trees: {c: rsync://a.se/c/}}
- {id: b.se, maintenance: true, private: true, exclude: ["*/isos/"], trees: {c: rsync://b.se/c/, v: rsync://b.se/v/}}
- {id: gone.se, key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3, trees: {c: rsync://gone.se/c/}}
- {id: half.se, trees: {c: rsync://half.se/c/, v: rsync://half.se/v/}}
- {id: node.se, kind: node, trees: {c: rsync://node.se/c/}}
- {id: other.se, trees: {v: rsync://other.se/v/}}
- {id: same.se, country: "NO", group: own, trees: {c: rsync://same.se/c/}}
`)
	list := parsed(t, `
- {id: a.se, country: DK, group: A, private: true, trees: {c: rsync://a.se/new/}}
- {id: b.se, partial: true, trees: {c: rsync://b.se/c/}}
- {id: new.se, country: FI, trees: {c: rsync://new.se/c/}}
- {id: same.se, country: "NO", group: listed, trees: {c: rsync://same.se/c/}}
`)
	got := Merge(now, list, "c")
	const want = `- {id: a.se, country: DK, city: Lund, group: "A", slots: 1, key: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3", private: true, trees: {"c": rsync://a.se/new/}}
- {id: b.se, maintenance: true, private: true, exclude: ["*/isos/"], trees: {"c": rsync://b.se/c/, "v": rsync://b.se/v/}}
- {id: half.se, trees: {"v": rsync://half.se/v/}}
- {id: new.se, country: FI, trees: {"c": rsync://new.se/c/}}
- {id: node.se, kind: node, trees: {"c": rsync://node.se/c/}}
- {id: other.se, trees: {"v": rsync://other.se/v/}}
- {id: same.se, country: "NO", group: "own", trees: {"c": rsync://same.se/c/}}
`
	if diff := cmp.Diff(want, string(Marshal(got.Servers))); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if diff := cmp.Diff([][]string{{"new.se"}, {"a.se", "half.se"}, {"gone.se"}}, [][]string{got.Added, got.Changed, got.Gone}); diff != "" {
		t.Errorf("added, changed, gone (-want +got):\n%s", diff)
	}
	lost := []string{"a.se (key, slots)", "b.se (maintenance, private, exclude, trees.v)", "half.se (trees.v)", "node.se (kind)", "other.se (trees.v)", "same.se (group)"}
	if diff := cmp.Diff(lost, Lost(now, list, "c")); diff != "" {
		t.Errorf("lost (-want +got):\n%s", diff)
	}
	again := Merge(got.Servers, list, "c")
	if diff := cmp.Diff(string(Marshal(got.Servers)), string(Marshal(again.Servers))); diff != "" || len(again.Added)+len(again.Changed)+len(again.Gone) > 0 {
		t.Errorf("the second time: %v %v %v\n%s", again.Added, again.Changed, again.Gone, diff)
	}
}

func parsed(t *testing.T, text string) []Server {
	t.Helper()
	servers, problems := Parse("s.yaml", []byte(text))
	if problems != nil {
		t.Fatal(problems)
	}
	return servers
}
