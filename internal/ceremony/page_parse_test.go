package ceremony

import (
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// asked are the ceremonies that the page must have, by words of their headings.
var asked = map[string]string{
	"the beginning":    "a-the-beginning",
	"renewing the end": "b-every-year-a-new-end",
	"a new online key while both are accepted":  "c-a-new-online-key",
	"the same, Ed25519":                         "c1-a-new-ed25519-key",
	"the same, an OpenPGP subkey":               "c2-a-new-openpgp-subkey",
	"the same, a wholly new OpenPGP key":        "c3-a-wholly-new-openpgp-key",
	"revocation with immediate effect":          "d-an-online-key-was-stolen",
	"recovery from a fast-forwarded serial":     "d2-the-serial-was-driven-up",
	"a root key replaced":                       "e-a-root-holder-leaves-or-loses-the-key",
	"a root key stolen":                         "f-a-root-key-was-stolen",
	"a whole new root":                          "g-a-whole-new-root",
	"no threshold left":                         "h-the-root-is-lost",
	"a publisher that was away for a month":     "i-the-publisher-was-away",
	"online keys in agents, smartcards and KMS": "j-online-keys-that-no-file-holds",
	"what to do each year":                      "k-once-a-year",
}

func TestPage_HasEveryCeremony(t *testing.T) {
	page := readPage(t, pageFile)
	for what, name := range asked {
		if page[name] == nil {
			t.Errorf("%s: no section #%s", what, name)
		}
	}
}

// Every section with commands is in a story, so that TestCeremonies runs it; every link leads to a heading.
func TestPage_EverySectionIsToldAndEveryLinkLeadsSomewhere(t *testing.T) {
	page := readPage(t, pageFile)
	told := map[string]bool{"a-the-beginning": true, signing: true}
	for _, s := range stories {
		for _, a := range s.acts {
			told[a.section] = true
			if page[a.section] == nil {
				t.Errorf("story %q: the page has no section #%s", s.name, a.section)
			}
		}
	}
	for name, s := range page {
		if len(s.steps) > 0 && !told[name] {
			t.Errorf("section #%s is in no story", name)
		}
	}
	b, err := os.ReadFile(pageFile)
	if err != nil {
		t.Fatal(err)
	}
	for _, link := range strings.Split(string(b), "](#")[1:] {
		if name, _, _ := strings.Cut(link, ")"); page[name] == nil {
			t.Errorf("the link to #%s leads nowhere", name)
		}
	}
}

func TestParsePage(t *testing.T) {
	page, err := parsePage("# Top\n## A. One, two\ntext\n```console\nbob$ ls *\nb.pub\n(exit code 2)\nbob$ id\n```\n[have it signed](#signing-a-draft)\n### A1\n```yaml\n# tidemark.yaml\nsign:\n  x: y\n```\n")
	if err != nil {
		t.Fatal(err)
	}
	want := map[string]*section{
		"a-one-two": {title: "A. One, two", steps: []step{
			{at: 5, machine: "bob", text: "ls *", want: []string{"b.pub"}, code: 2}, {at: 8, machine: "bob", text: "id"}, {at: 10, include: signing}}},
		"a1": {title: "A1", steps: []step{{at: 12, text: "sign:\n  x: y\n"}}},
	}
	if d := cmp.Diff(want, page, cmp.AllowUnexported(section{}, step{})); d != "" {
		t.Error(d)
	}
}

// What the runner would pass over is an error.
func TestParsePage_Refuses(t *testing.T) {
	for _, tt := range []struct{ name, text, want string }{
		{"unknown language", "```sh\nls\n```\n", "cannot be run"},
		{"no language", "```\nls\n```\n", "cannot be run"},
		{"no prompt", "```console\nls\n```\n", "begins with a command"},
		{"yaml of no file", "```yaml\nsign: x\n```\n", "begins with the name of its file"},
		{"no end", "## A\n```console\nbob$ ls\n", "does not end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if _, err := parsePage(tt.text); err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("found %v, expected %q in it", err, tt.want)
			}
		})
	}
}
