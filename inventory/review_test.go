package inventory

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReview(t *testing.T) {
	servers, problems := Parse("s.yaml", []byte(`
- {id: plain.se, trees: {centos: rsync://plain.se/centos/}}
- {id: node.se, kind: node, country: SE, trees: {centos: rsync://node.se/centos/}}
- {id: a-away.se, maintenance: true, private: true, slots: 0, trees: {centos: rsync://away.se/centos/}}
- {id: b-isos.se, exclude: ["*/isos/", x], trees: {centos: rsync://isos.se/centos/}}
- {id: c-part.se, partial: true, trees: {centos: rsync://part.se/centos/}}
- {id: d-node.se, kind: node, trees: {centos: rsync://d.se/centos/}}
- {id: e-tree.se, trees: {centso: rsync://tree.se/centos/, other: rsync://tree.se/other/}}
- {id: f-private.se, trees: {centos: rsync://10.1.2.3/centos/}}
- {id: g-tls.se, trees: {centos: rsync+tls://tls.se/centos/}}
- {id: h-example.se, trees: {centos: rsync://mirror.example.org/centos/}}
- {id: i-again.se, trees: {centos: rsync://plain.se/pub/centos/, vault: rsync://plain.se/vault/}}
`))
	if problems != nil {
		t.Fatal(problems)
	}
	var got []string
	for _, f := range Review(servers, ReviewOptions{Trees: []string{"centos", "vault"}}) {
		level := "warning "
		if f.Error {
			level = "error "
		}
		if !strings.HasPrefix(f.Field, f.ID) || f.Line < 2 || f.File != "s.yaml" {
			t.Errorf("%+v", f)
		}
		got = append(got, level+f.Field+": "+f.Text)
	}
	want := []string{
		"warning a-away.se.maintenance: in maintenance: not asked, not counted, not offered",
		"warning a-away.se.private: private: checked and counted, never in the manifest or on the status page",
		"warning a-away.se.slots: no slots: verified and shown, never offered",
		"warning b-isos.se.exclude: partial: judged without what */isos/ x hides, shown, never offered",
		"warning c-part.se.partial: partial: files may be missing, it is shown, never offered",
		"warning d-node.se.country: a node without a country: it is near to no mirror",
		"error e-tree.se.trees.centso: the configuration has no tree of this name",
		"error e-tree.se.trees.other: the configuration has no tree of this name",
		"error f-private.se.trees.centos: 10.1.2.3 is a private address, which is not probed",
		"warning g-tls.se.trees.centos: rsync over TLS: checked, never offered, since mirrors do not speak it",
		"warning h-example.se.trees.centos: mirror.example.org is an example host: nobody answers",
		"warning plain.se.trees.centos: plain.se is asked for this tree as i-again.se already",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	for _, f := range Review(servers, ReviewOptions{AllowPrivate: true}) { // no trees are known
		if f.Error {
			t.Errorf("an error: %+v", f)
		}
	}
}
