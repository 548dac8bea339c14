package config

import (
	_ "embed"
	"fmt"
	"strings"
)

//go:embed mirror.yaml
var mirrorTemplate string

// treeComments are the tree's other keys; the first tree of a template explains them.
const treeComments = `    # keep: ["/HEADER.html"]        # your own files in the tree: never overwritten, never deleted
    # max_delete: 40000             # a sync that would delete more goes on without deleting, and says so
    # bandwidth: 50M                # bytes a second at most: K, M or G, where K is 1024 as with rsync's --bwlimit
    # late: ["repodata/"]           # metadata, which comes after what it names; has repodata, dists and the like when left out
    # options: [--fuzzy]            # further options of rsync, from a short list
    # time_format: auto             # of the time file; recognised by itself
`

const excludeComment = "# what this mirror does not carry: patterns of rsync, never fetched, never deleted\n"

// MirrorTemplateValues go into a new mirror.yaml. Empty ones get the value in the comment; relative paths start at the
// file's directory.
type MirrorTemplateValues struct {
	Network string            // required
	ID      string            // required
	URL     string            // https://mirrors.example.org/<network>/
	Trust   string            // trust.json
	Country string            // auto
	State   string            // /var/lib/tidemark-mirror
	CA      string            // none: a comment
	Beacon  string            // the DNS name; none: a comment
	Checkin string            // the URL, with the key mirror.key beside the file; none: a comment
	Trees   map[string]string // name to path; one, the network's name at /srv/mirror/<name>
	Exclude []string          // of every tree: rsync's patterns
}

// MirrorTemplate is a commented mirror.yaml that loads without problems.
func MirrorTemplate(v MirrorTemplateValues) []byte {
	trees := v.Trees
	if len(trees) == 0 {
		trees = map[string]string{v.Network: "/srv/mirror/" + v.Network}
	}
	var list strings.Builder
	for i, name := range sortedKeys(trees) {
		fmt.Fprintf(&list, "  %s:\n    path: %s\n", quote(name), quote(trees[name]))
		switch {
		case len(v.Exclude) > 0:
			fmt.Fprintf(&list, "    %-31s %s", "exclude: ["+quoteAll(v.Exclude)+"]", excludeComment)
		case i == 0:
			fmt.Fprintf(&list, "    %-31s %s", `# exclude: ["*/isos/"]`, excludeComment)
		}
		if i == 0 {
			list.WriteString(treeComments)
		}
	}
	values := strings.NewReplacer(
		"@NETWORK@", quote(v.Network),
		"@ID@", quote(v.ID),
		"@URL@", quote(otherwise(v.URL, "https://mirrors.example.org/"+v.Network+"/")),
		"@TRUST@", quote(otherwise(v.Trust, "trust.json")),
		"@COUNTRY@", quote(otherwise(v.Country, "auto")),
		"@CA@", quote(v.CA),
		"@BEACON@", quote(v.Beacon),
		"@CHECKIN@", quote(v.Checkin),
		"@STATE@", quote(otherwise(v.State, "/var/lib/tidemark-mirror")),
		"@TREES@\n", list.String(),
	)
	var out strings.Builder
	for line := range strings.Lines(mirrorTemplate) {
		for key, value := range map[string]string{"ca": v.CA, "beacon": v.Beacon, "checkin": v.Checkin} {
			if value != "" && strings.HasPrefix(line, "# "+key+": ") {
				line = given(line, key)
			}
		}
		out.WriteString(fill(line, values))
	}
	return []byte(out.String())
}

// given makes a setting of a comment that shows one; what the comment says of it stays.
func given(line, key string) string {
	_, comment, _ := strings.Cut(line[2:], " # ")
	return fmt.Sprintf("%-35s # %s", key+": @"+strings.ToUpper(key)+"@", comment)
}

func quoteAll(texts []string) string {
	quoted := make([]string, len(texts))
	for i, t := range texts {
		quoted[i] = quote(t)
	}
	return strings.Join(quoted, ", ")
}
