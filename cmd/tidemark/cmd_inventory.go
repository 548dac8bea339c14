package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

func inventoryCommand(e *console.Program) *cli.Command {
	return e.Group("inventory", "servers: import foreign lists, check the own one",
		e.Command("import", "make an inventory of another project's list of mirrors", "PATH", []cli.Flag{
			&cli.StringFlag{Name: "format", Usage: "the list's `FORMAT`: " + formatNames(", ")},
			&cli.StringFlag{Name: "tree", Usage: "the `TREE` that the list's rsync URLs lead to"},
			&cli.StringFlag{Name: "path", Usage: "append `DIR` to every rsync URL: where the tree lies below it"},
			&cli.StringFlag{Name: "output", Aliases: []string{"o"}, Usage: "write the inventory into `FILE`"},
			&cli.BoolFlag{Name: "force", Usage: "overwrite FILE"},
		}, `Reads a list of mirrors and prints an inventory; what was skipped or mended, and why, goes to stderr as a table. Every entry
of the list is a server or is named there. What is plainly meant is mended: a country's name in place of its code, UK for GB,
host::module, blanks, capitals, double slashes. What cannot be used is skipped: entries without an rsync URL, with a user name,
without a module, broken ones. Mirrors that the list calls private are imported as private: checked, never offered.

  almalinux   mirrors.d, a directory of YAML files, or one of them
  debian      Mirrors.masterlist; a mirror with fewer architectures than is common becomes partial
  centos      the CSV of the full mirror list
  arch        the JSON of the mirror status
  csv         a table whose first line names columns: id, rsync, country, city, asn, group, private, active

Ids must not change later: mirrors choose by them. Look the file through, then: tidemark inventory check FILE

Examples:
  tidemark inventory import --format almalinux --tree almalinux -o mirrors.yaml mirrors.d
  tidemark inventory import --format debian --tree debian Mirrors.masterlist`, importInventory),
		e.Command("check", "say of every server what it will not be used for, and why", "[FILE…]", []cli.Flag{
			&cli.BoolFlag{Name: "resolve", Usage: "ask DNS for each host, too"},
		}, `Reads the configured inventory, or the files and directories that are named, and lists what keeps a server from being used in
full: errors, which make a run refuse the inventory (exit 2), then servers in maintenance, private or partial ones, those
without slots, those that speak TLS alone, hosts of examples, two ids at one host (exit 0). Trees and probe.allow_private are the
configuration's; files that are named are checked without it where there is none. No server is asked.

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
	im, err := inventory.Import(format, from, inventory.ImportOptions{Tree: tree, Path: c.String("path")})
	if err != nil {
		return console.Exit(console.Misuse, err, "is it the list that --format names? see: tidemark inventory import --help")
	}
	out := c.String("output")
	if err := writeInventory(c, im, out); err != nil {
		return err
	}
	d := importDocument{Schema: "tidemark/inventory-import/v1", Format: format, Path: from, Tree: tree, File: out, Entries: im.Entries,
		Skipped: im.Count(inventory.NoteSkipped), Mended: im.Count(inventory.NoteMended), Servers: []importedServer{}, Notes: append([]inventory.Note{}, im.Notes...)}
	for _, s := range im.Servers {
		d.Servers = append(d.Servers, importedServer{s.ID, s.Trees[tree].String(), s.Country, s.City, s.ASN, s.Group, s.Private, s.Partial})
	}
	if !c.JSON && !c.Quiet {
		sayImport(c, im)
		if out != "" {
			fmt.Fprintf(c.Stderr, "next: look %s through, then: tidemark inventory check %[1]s\n", out)
		}
	}
	return c.Document(d)
}

// writeInventory writes to the file out, or prints; with --json, the document has the servers.
func writeInventory(c *console.Call, im *inventory.Imported, out string) error {
	text := append([]byte("# Imported. After a change: tidemark config check\n"), inventory.Marshal(im.Servers)...)
	if out != "" && len(text) > strictyaml.MaxSize {
		return console.Hinted(fmt.Errorf("the inventory would have %d bytes, and a file may have %d", len(text), strictyaml.MaxSize), "split the list, and import its parts into files of a directory")
	}
	switch {
	case out != "" && c.Bool("force"):
		return console.WriteFile(out, text, 0o644)
	case out != "":
		if _, err := os.Lstat(out); err == nil {
			return console.Hinted(fmt.Errorf("%s is there already, it is not overwritten", out), "choose another name, or overwrite it: --force")
		}
		return console.WriteFile(out, text, 0o644)
	case !c.JSON:
		_, err := c.Stdout.Write(text)
		return err
	}
	return nil
}

// sayImport prints what became of the entries that are not simply servers: the mended first, and of the reasons for which many were
// skipped the plain one, that there is no rsync URL, as a number alone, unless --verbose.
func sayImport(c *console.Call, im *inventory.Imported) {
	w := console.Table("ENTRY", "", "WHAT", "WHERE")
	w.SetColumnConfigs([]table.ColumnConfig{{Number: 3, WidthMax: 90, WidthMaxEnforcer: text.WrapSoft}})
	why, private, rows := map[string]int{}, 0, 0
	for _, n := range im.Notes {
		if n.Kind == inventory.NoteSkipped {
			why[n.Why]++
		}
		if n.Text == n.Why && !c.Bool("verbose") {
			continue
		}
		where := filepath.Base(n.File)
		if n.Line > 0 {
			where = fmt.Sprintf("%s:%d", where, n.Line)
		}
		w.AppendRow(table.Row{n.Entry, n.Kind, n.Text, where})
		rows++
	}
	for _, s := range im.Servers {
		if s.Private {
			private++
		}
	}
	if rows > 0 {
		fmt.Fprintln(c.Stderr, console.Render(w))
	}
	fmt.Fprintln(c.Stderr, importSummary(im, why, private))
}

func importSummary(im *inventory.Imported, why map[string]int, private int) string {
	servers := counted(len(im.Servers), "server")
	if private > 0 {
		servers += fmt.Sprintf(" (%d private)", private)
	}
	entries := fmt.Sprintf("%d entries", im.Entries)
	if im.Entries == 1 {
		entries = "1 entry"
	}
	var reasons []string
	for _, reason := range sortedKeys(why) {
		reasons = append(reasons, fmt.Sprintf("%d %s", why[reason], reason))
	}
	skipped := fmt.Sprintf("%d skipped", im.Count(inventory.NoteSkipped))
	if len(reasons) > 0 {
		skipped += " (" + strings.Join(reasons, ", ") + ")"
	}
	return fmt.Sprintf("%s: %s, %s, %d mended", entries, servers, skipped, im.Count(inventory.NoteMended))
}

var errInventory = errors.New("the inventory has errors")
