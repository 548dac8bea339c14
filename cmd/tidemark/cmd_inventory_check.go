package main

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/netrange"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// inventoryDocument is `inventory check --json`.
type inventoryDocument struct {
	Schema   string             `json:"schema"`
	Files    []string           `json:"files"`
	OK       bool               `json:"ok"` // no errors
	Nodes    int                `json:"nodes"`
	Mirrors  int                `json:"mirrors"`
	Broken   int                `json:"broken"` // servers with errors, which are neither counted
	Findings []inventoryFinding `json:"findings"`
}

type inventoryFinding struct {
	Level string `json:"level"` // error or warning
	ID    string `json:"id,omitempty"`
	File  string `json:"file"`
	Line  int    `json:"line,omitempty"`
	Field string `json:"field,omitempty"`
	Text  string `json:"text"`
	Hint  string `json:"hint,omitempty"`
}

func checkInventory(c *console.Call) error {
	at, err := inventoryPlace(c)
	if err != nil {
		return err
	}
	read := inventory.Read(at.paths, at.absent)
	found := read.Found
	for _, p := range at.problems {
		found = append(found, inventory.Finding{Error: true, Problem: p})
	}
	found = append(found, inventory.Review(read.Servers, at.o)...)
	if c.Bool("resolve") {
		ctx, stop := context.WithTimeout(c.Context.Context, checkTime)
		defer stop()
		found = append(found, resolveAll(ctx, read.Servers, at.o, net.DefaultResolver.LookupNetIP)...)
	}
	slices.SortStableFunc(found, func(a, b inventory.Finding) int { return strings.Compare(level(a), level(b)) }) // errors first
	d := inventoryDocument{Schema: "tidemark/inventory-check/v1", Files: at.paths, OK: true, Broken: read.Broken, Findings: []inventoryFinding{}}
	for _, s := range read.Servers {
		if s.Kind == inventory.KindNode {
			d.Nodes++
		} else {
			d.Mirrors++
		}
	}
	for _, f := range found {
		d.OK = d.OK && !f.Error
		d.Findings = append(d.Findings, inventoryFinding{level(f), f.ID, f.File, f.Line, f.Field, f.Text, f.Hint})
	}
	sayInventory(c, d, found)
	if err := c.Document(d); err != nil || d.OK {
		return err
	}
	if c.JSON {
		return console.Status(console.Misuse)
	}
	hint := "mend them, then again: " + again(c, "inventory check", c.Args().Slice()...)
	if at.config != "" && slices.ContainsFunc(found, func(f inventory.Finding) bool { return f.Error && f.Hint == inventory.AllowPrivateHint }) {
		hint += "\nprivate addresses: " + config.AllowPrivateHint(at.config, at.probeLine)
	}
	return console.Exit(console.Misuse, errInventory, "%s", hint)
}

func level(f inventory.Finding) string {
	if f.Error {
		return "error"
	}
	return "warning"
}

// inventoryAt says what to check, and by what.
type inventoryAt struct {
	paths     []string
	absent    string // what to do about a path that leads nowhere
	o         inventory.ReviewOptions
	problems  strictyaml.Problems // of the configuration, where no files are named
	config    string              // "": there is none
	probeLine int
}

// inventoryPlace finds the files to check, and what the configuration says about servers. What is wrong with the configuration
// concerns named files only so far as their servers go.
func inventoryPlace(c *console.Call) (inventoryAt, error) {
	at := inventoryAt{paths: []string{}, absent: "is the name right? it starts at the current directory"}
	for _, p := range c.Args().Slice() {
		at.paths = append(at.paths, filepath.Clean(p))
	}
	named := len(at.paths) > 0
	draft, err := config.ReadPublisher(c.String("config"))
	switch {
	case named && errors.Is(err, os.ErrNotExist) && !c.IsSet("config"):
		return at, nil
	case err != nil:
		_, err = loadConfig(c) // the same error, with its hint
		return at, err
	}
	if !named {
		at.absent, at.problems = "relative paths start at the directory of the file that names them", draft.Own
	} else if len(draft.Own) > 0 {
		c.Warn("%s has errors, its trees and its probe.allow_private may not be what was meant: %s", c.String("config"), again(c, "config check"))
	}
	if p := draft.Publisher; p != nil {
		at.config, at.probeLine = p.File, draft.ProbeLine
		at.o = inventory.ReviewOptions{Trees: draft.TreeNames(), AllowPrivate: p.Probe.AllowPrivate}
		if !named {
			at.paths = append(at.paths, p.Inventory...)
		}
	} else {
		at.o.AllowPrivate = true // who knows
	}
	return at, nil
}

// sayInventory prints what was found: what is said of several servers once, unless --verbose.
func sayInventory(c *console.Call, d inventoryDocument, found []inventory.Finding) {
	lines := found
	if !c.Bool("verbose") {
		lines = inventory.Grouped(found)
	}
	var rows [][]string
	for _, f := range lines {
		what := f.Text
		if f.Field != "" {
			what = f.Field + ": " + what
		}
		if f.Hint != "" {
			what += " (" + f.Hint + ")"
		}
		rows = append(rows, []string{level(f), f.Who, filepath.Base(f.File) + lineAt(f.Line), strings.ReplaceAll(what, "\n", " ")})
	}
	if len(rows) > 0 {
		c.Say("%s", inventoryTable(widthOf(c.Stdout), []string{"", "SERVER", "WHERE", "WHAT"}, rows))
	}
	wrong := 0
	for _, f := range found {
		if f.Error {
			wrong++
		}
	}
	servers := counted(d.Nodes, "node") + ", " + counted(d.Mirrors, "mirror")
	if d.Broken > 0 {
		servers += ", " + counted(d.Broken, "server") + " with errors"
	}
	c.Say("%s: %s, %s", servers, counted(wrong, "error"), counted(len(found)-wrong, "warning"))
}

// Bounds of asking DNS for a whole inventory.
const (
	resolvers   = 16
	resolveTime = 10 * time.Second
)

type lookup func(ctx context.Context, network, host string) ([]netip.Addr, error)

// resolveAll asks for the addresses of every host, each once, and says of those that have none, or one family alone, or private ones.
func resolveAll(ctx context.Context, servers []inventory.Server, o inventory.ReviewOptions, ask lookup) (out []inventory.Finding) {
	hosts := map[string]*resolved{}
	for _, s := range servers {
		for _, u := range s.Trees {
			if _, literal := u.Addr(); !literal {
				hosts[u.Host()] = &resolved{}
			}
		}
	}
	var wg sync.WaitGroup
	slot := make(chan struct{}, resolvers)
	for _, host := range sortedKeys(hosts) {
		slot <- struct{}{}
		wg.Go(func() {
			defer func() { <-slot }()
			ctx, stop := context.WithTimeout(ctx, resolveTime)
			defer stop()
			r := hosts[host]
			r.addrs, r.err = ask(ctx, "ip", host)
		})
	}
	wg.Wait()
	for _, s := range servers {
		said := map[string]bool{}
		for _, tree := range sortedKeys(s.Trees) {
			host := s.Trees[tree].Host()
			r := hosts[host]
			if r == nil || said[host] {
				continue
			}
			said[host] = true
			if text, hint := r.judge(o.AllowPrivate); text != "" {
				out = append(out, inventory.Finding{ID: s.ID, Who: s.ID, Problem: strictyaml.Problem{File: s.File, Line: s.Line,
					Field: strictyaml.Path("trees", tree), Text: host + " " + text, Hint: hint}})
			}
		}
	}
	return out
}

// resolved is what DNS said of a host.
type resolved struct {
	addrs []netip.Addr
	err   error
}

func (r *resolved) judge(allowPrivate bool) (text, hint string) {
	var missing *net.DNSError
	switch {
	case errors.As(r.err, &missing) && missing.IsNotFound, r.err == nil && len(r.addrs) == 0:
		return "has no address", "correct the name, or remove the server"
	case r.err != nil:
		return "could not be looked up: " + inventory.Printable(r.err.Error()), ""
	}
	four, six := 0, 0
	for _, a := range r.addrs {
		if what, private := netrange.Private(a); private && !allowPrivate {
			return fmt.Sprintf("leads to %s, a %s address, which is not probed", a.Unmap(), what), inventory.AllowPrivateHint
		}
		if a.Unmap().Is4() {
			four++
		} else {
			six++
		}
	}
	switch {
	case six == 0:
		return "has no IPv6 address: mirrors with IPv6 alone cannot use it", ""
	case four == 0:
		return "has no IPv4 address: mirrors with IPv4 alone cannot use it", ""
	}
	return "", ""
}
