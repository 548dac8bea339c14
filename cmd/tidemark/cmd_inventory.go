package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/inventory"
)

func inventoryCommand(e *console.Program) *cli.Command {
	return e.Group("inventory", "servers: import foreign lists, check the own one",
		e.Command("import", "make an inventory of another project's list of mirrors", "PATH", []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "the list's `FORMAT`: " + formatNames(", ")},
			&cli.StringFlag{Name: "tree", Usage: "the `TREE` that the list's rsync URLs lead to"},
			&cli.StringFlag{Name: "path", Usage: "append `DIR` to every rsync URL: where the tree lies below it"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the inventory into `FILE`"},
			&cli.BoolFlag{Name: "update", Usage: "put the list into FILE, as it is, or make it: own keys, slots and the like stay"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite FILE"},
			&cli.BoolFlag{Name: "shrink", Usage: "let more than 30 % of FILE's servers go"},
		}, `Reads a list of mirrors and prints an inventory; what was skipped or mended, and why, goes to stderr as a table. Every entry
of the list is a server, or is counted there; all but those that simply have no rsync URL are named, and with -v these, too.
What is plainly meant is mended: a country's name in place of its code, UK for GB, host::module, blanks, capitals, double
slashes. What cannot be used is skipped: entries without an rsync URL, with a user name, without a module, broken ones, and
those where private or active is neither yes nor no. Mirrors that the list calls private are imported as private: checked,
never offered. A list that makes no server is an error (exit 1), as is one of another form than --format says (exit 2).

  almalinux   mirrors.d, a directory of YAML files, or one of them
  debian      Mirrors.masterlist; a mirror with fewer architectures than is common becomes partial
  centos      the CSV of the full mirror list
  arch        the JSON of the mirror status
  csv         a table whose first line names columns: id, rsync, country, city, asn, group, private, active

Ids must not change later: mirrors choose by them. Look the file through, then: tidemark inventory check FILE. To import a
newer list into the same file, use --update: what the list says of a server is taken over (its URL, country, city and asn),
what FILE alone says stays, and servers that the list has no more go. FILE's comments are not kept.

Examples:
  tidemark inventory import --format almalinux --tree almalinux -o mirrors.yaml mirrors.d
  tidemark inventory import --format almalinux --tree almalinux -o mirrors.yaml --update mirrors.d
  tidemark inventory import --format debian --tree debian Mirrors.masterlist`, importInventory),
		e.Command("check", "say of every server what it will not be used for, and why", "[FILE…]", []cli.Flag{
			&cli.BoolFlag{Name: "resolve", Usage: "ask DNS for each host, too"},
		}, `Reads the configured inventory, or the files and directories that are named, and lists what keeps a server from being used in
full: errors, which make a run refuse the inventory (exit 2), then servers in maintenance, private or partial ones, those
without slots, those that speak TLS alone, hosts of examples, two ids at one host (exit 0). What is said of several servers
alike is said once; -v says it of each. Trees and probe.allow_private are the configuration's; files that are named are
checked without it where there is none. No server is asked.

Examples:
  tidemark inventory check
  tidemark inventory check --resolve new-mirrors.yaml`, checkInventory))
}

func formatNames(sep string) string {
	var names []string
	for _, f := range inventory.Formats() {
		names = append(names, string(f))
	}
	return strings.Join(names, sep)
}

// importDocument is `inventory import --json`.
type importDocument struct {
	Schema  string           `json:"schema"`
	Format  inventory.Format `json:"format"`
	Path    string           `json:"path"`
	Tree    string           `json:"tree"`
	File    string           `json:"file,omitempty"` // that was written
	Entries int              `json:"entries"`
	Skipped int              `json:"skipped"`
	Mended  int              `json:"mended"`
	Servers []importedServer `json:"servers"`
	Notes   []inventory.Note `json:"notes"`
	Unread  []string         `json:"unread,omitempty"` // columns
	Added   []string         `json:"added,omitempty"`  // ids, by --update, as the next ones
	Changed []string         `json:"changed,omitempty"`
	Gone    []string         `json:"gone,omitempty"`
}

type importedServer struct {
	ID      string `json:"id"`
	URL     string `json:"url"`
	Country string `json:"country,omitempty"`
	City    string `json:"city,omitempty"`
	ASN     int64  `json:"asn,omitempty"`
	Group   string `json:"group,omitempty"`
	Private bool   `json:"private,omitempty"`
	Partial bool   `json:"partial,omitempty"`
}

func importInventory(c *console.Call) error {
	if err := c.Need("format", "tree"); err != nil {
		return err
	}
	format, tree, from := inventory.Format(c.String("format")), c.String("tree"), c.Args().First()
	if !slices.Contains(inventory.Formats(), format) {
		return console.Usage("--format %q: expected one of %s", format, formatNames(", "))
	}
	to, err := openTarget(c)
	if err != nil {
		return err
	}
	im, err := inventory.Import(format, from, inventory.ImportOptions{Tree: tree, Path: c.String("path"), Now: to.now.Servers})
	if err != nil {
		return console.Exit(console.Misuse, err, "%s", importHint(err, format, from))
	}
	if len(im.Servers) == 0 {
		sayImport(c, im)
		return noServer(format, from, im)
	}
	merged, err := to.write(c, im, tree)
	if err != nil {
		return err
	}
	d := importDocument{Schema: "tidemark/inventory-import/v1", Format: format, Path: from, Tree: tree, File: to.file, Entries: im.Entries,
		Skipped: im.Count(inventory.NoteSkipped), Mended: im.Count(inventory.NoteMended), Servers: []importedServer{}, Notes: append([]inventory.Note{}, im.Notes...),
		Unread: im.Unread, Added: merged.Added, Changed: merged.Changed, Gone: merged.Gone}
	for _, s := range im.Servers {
		d.Servers = append(d.Servers, importedServer{s.ID, s.Trees[tree].String(), s.Country, s.City, s.ASN, s.Group, s.Private, s.Partial})
	}
	sayImport(c, im)
	to.say(c, merged)
	return c.Document(d)
}

// importHint is what to do about a list that was refused as a whole: it may be one of another format, or none at all.
func importHint(err error, format inventory.Format, path string) string {
	if errors.Is(err, fs.ErrNotExist) {
		return "give the path of the list, from the current directory"
	}
	if f := inventory.Sniff(path); f != "" && f != format {
		return fmt.Sprintf("it looks like a list of the format %s: --format %[1]s", f)
	}
	return "the formats are described by: tidemark inventory import --help"
}

// noServer refuses a list of which nothing can be used: an empty one is more often a failed download than news.
func noServer(format inventory.Format, path string, im *inventory.Imported) error {
	err := fmt.Errorf("%s: no server was made of %s, nothing was written", path, entries(im.Entries))
	if f := inventory.Sniff(path); f != "" && f != format {
		return console.Exit(console.Misuse, err, "it looks like a list of the format %s: --format %[1]s", f)
	}
	return console.Hinted(err, "was the list downloaded whole? see what it holds: %s", path)
}

func entries(n int) string {
	if n == 1 {
		return "1 entry"
	}
	return fmt.Sprintf("%d entries", n)
}

// sayImport prints what became of the entries that are not simply servers: the mended first, and of the reasons for which many were
// skipped the plain one, that there is no rsync URL, as a number alone, unless --verbose.
func sayImport(c *console.Call, im *inventory.Imported) {
	if c.JSON || c.Quiet {
		return
	}
	var rows [][]string
	why, private, unnamed := map[string]int{}, 0, 0
	for _, n := range im.Notes {
		if n.Kind == inventory.NoteSkipped {
			why[n.Why]++
		}
		if n.Text == n.Why && !c.Bool("verbose") {
			unnamed++
			continue
		}
		rows = append(rows, []string{n.Entry, n.Kind, filepath.Base(n.File) + lineAt(n.Line), n.Text})
	}
	for _, s := range im.Servers {
		if s.Private {
			private++
		}
	}
	if len(rows) > 0 {
		fmt.Fprintln(c.Stderr, inventoryTable(widthOf(c.Stderr), []string{"ENTRY", "", "WHERE", "WHAT"}, rows))
	}
	fmt.Fprintln(c.Stderr, importSummary(im, why, private))
	if unnamed > 0 {
		fmt.Fprintf(c.Stderr, "not named: %s without an rsync URL, -v names them\n", entries(unnamed))
	}
	if len(im.Unread) > 0 {
		fmt.Fprintf(c.Stderr, "columns that were not read: %s\n", strings.Join(im.Unread, ", "))
	}
}

func importSummary(im *inventory.Imported, why map[string]int, private int) string {
	servers := counted(len(im.Servers), "server")
	if private > 0 {
		servers += fmt.Sprintf(" (%d private)", private)
	}
	var reasons []string
	for _, reason := range sortedKeys(why) {
		reasons = append(reasons, fmt.Sprintf("%d %s", why[reason], reason))
	}
	skipped := fmt.Sprintf("%d skipped", im.Count(inventory.NoteSkipped))
	if len(reasons) > 0 {
		skipped += " (" + strings.Join(reasons, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s, %s, %d mended", entries(im.Entries), servers, skipped, im.Count(inventory.NoteMended))
}

var errInventory = errors.New("the inventory has errors")
