package inventory

import (
	"fmt"
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
		if f.Who != f.ID || f.ID == "" || f.Line < 2 || f.File != "s.yaml" {
			t.Errorf("%+v", f)
		}
		got = append(got, level+f.InFull().Field+": "+f.Text)
	}
	want := []string{
		"warning a-away.se: maintenance: in maintenance: not asked, not counted, not offered",
		"warning a-away.se: private: private: checked and counted, never in the manifest or on the status page",
		"warning a-away.se: slots: no slots: verified and shown, never offered",
		"warning b-isos.se: exclude: partial: judged without what */isos/ x hides, shown, never offered",
		"warning c-part.se: partial: partial: files may be missing, it is shown, never offered",
		"warning d-node.se: country: a node without a country: it is near to no mirror",
		"error e-tree.se: trees.centso: the configuration has no tree of this name",
		"error e-tree.se: trees.other: the configuration has no tree of this name",
		"error f-private.se: trees.centos: 10.1.2.3 is a private address, which is not probed",
		"warning g-tls.se: trees.centos: rsync over TLS: checked, never offered, since mirrors do not speak it",
		"warning h-example.se: trees.centos: mirror.example.org is an example host: nobody answers",
		"warning plain.se: trees.centos: plain.se is asked for this tree as i-again.se already",
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

// TestGrouped: what is wrong with many servers alike is said once, with so many ids as a person reads.
func TestGrouped(t *testing.T) {
	var text strings.Builder
	for i := range 20 {
		fmt.Fprintf(&text, "- {id: m%02d, trees: {centso: rsync://m%[1]d.se/c/, centos: rsync://127.0.0.%[1]d/c/}}\n", i+1)
	}
	text.WriteString("- {id: z, maintenance: true, trees: {centos: rsync://z.se/c/}}\n")
	servers, problems := Parse("s.yaml", []byte(text.String()))
	if problems != nil {
		t.Fatal(problems)
	}
	var got []string
	for _, f := range Grouped(Review(servers, ReviewOptions{Trees: []string{"centos"}})) {
		f.Hint = ""
		got = append(got, f.InFull().String())
	}
	const ids = "m01, m02, m03, m04, m05, m06, m07, m08, m09, m10, m11, m12 and 8 more"
	want := []string{
		"s.yaml:1: 20 servers: trees.centos: private, loopback or other addresses that are not of the public internet, which are not probed: " + ids,
		"s.yaml:1: 20 servers: trees.centso: the configuration has no tree of this name: " + ids,
		"s.yaml:21: z: maintenance: in maintenance: not asked, not counted, not offered",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	files := Read([]string{"testdata/absent", "testdata/absent.too"}, "look again").Found // no servers: each for itself
	if got := Grouped(files); len(got) != 2 || got[0].Who != "" || got[0].Hint != "look again" {
		t.Errorf("%+v", got)
	}
}

// TestRead_Broken: servers that are not understood are counted apart.
func TestRead_Broken(t *testing.T) {
	read := Read([]string{"testdata/bad/everything.yaml"}, "")
	if len(read.Servers) != 1 || read.Broken != 4 {
		t.Errorf("%d servers, %d broken", len(read.Servers), read.Broken)
	}
	if read := Read([]string{"testdata/bad/country-uk.yaml"}, ""); read.Broken != 1 || read.Found[0].Field != "country" || read.Found[0].ID == "" {
		t.Errorf("%+v", read)
	}
}
