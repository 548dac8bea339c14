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

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

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
	paths, o, problems, err := inventoryPaths(c)
	if err != nil {
		return err
	}
	servers, unread := inventory.Load(paths)
	problems = append(problems, unread...)
	findings := inventory.Review(servers, o)
	if c.Bool("resolve") {
		ctx, stop := context.WithTimeout(c.Context.Context, checkTime)
		defer stop()
		findings = append(findings, resolveAll(ctx, servers, o, net.DefaultResolver.LookupNetIP)...)
	}
	d := inventoryDocument{Schema: "tidemark/inventory-check/v1", Files: paths, OK: true, Findings: []inventoryFinding{}}
	for _, s := range servers {
		if s.Kind == inventory.KindNode {
			d.Nodes++
		} else {
			d.Mirrors++
		}
	}
	for _, p := range problems {
		d.add("error", "", p)
	}
	for _, f := range findings {
		level := "warning"
		if f.Error {
			level = "error"
		}
		if !slices.Contains(problems, f.Problem) { // config has found it, too
			d.add(level, f.ID, f.Problem)
		}
	}
	slices.SortStableFunc(d.Findings, func(a, b inventoryFinding) int { return strings.Compare(a.Level, b.Level) }) // errors first
	sayInventory(c, d)
	if err := c.Document(d); err != nil || d.OK {
		return err
	}
	if c.JSON {
		return console.Status(console.Misuse)
	}
	return console.Exit(console.Misuse, errInventory, "mend them, then again: tidemark inventory check")
}

func (d *inventoryDocument) add(level, id string, p strictyaml.Problem) {
	d.OK = d.OK && level != "error"
	d.Findings = append(d.Findings, inventoryFinding{level, id, p.File, p.Line, p.Field, p.Text, p.Hint})
}

// inventoryPaths are the files to check, and what the configuration says about servers. What is wrong with the configuration
// concerns named files only so far as their servers go.
func inventoryPaths(c *console.Call) (paths []string, o inventory.ReviewOptions, problems strictyaml.Problems, err error) {
	for _, p := range c.Args().Slice() {
		paths = append(paths, filepath.Clean(p))
	}
	cfg, err := config.LoadPublisher(c.String("config"))
	named := len(paths) > 0
	switch {
	case err == nil:
		o = inventory.ReviewOptions{Trees: sortedKeys(cfg.Trees), AllowPrivate: cfg.Probe.AllowPrivate}
		if !named {
			paths = cfg.Inventory
		}
		return paths, o, nil, nil
	case named && errors.Is(err, os.ErrNotExist) && !c.IsSet("config"):
		return paths, o, nil, nil
	case named && errors.As(err, &problems):
		c.Warn("%s has errors, its trees and its probe.allow_private are not known: tidemark config check", c.String("config"))
		o.AllowPrivate = true
		return paths, o, nil, nil
	case errors.As(err, &problems):
		return []string{}, o, problems, nil
	}
	_, err = loadConfig(c) // the same error, with its hint
	return nil, o, nil, err
}

func sayInventory(c *console.Call, d inventoryDocument) {
	if len(d.Findings) > 0 {
		w := console.Table("", "WHAT", "TO DO", "WHERE")
		w.SetColumnConfigs([]table.ColumnConfig{{Number: 2, WidthMax: 100, WidthMaxEnforcer: text.WrapSoft}, {Number: 3, WidthMax: 60, WidthMaxEnforcer: text.WrapSoft}})
		for _, f := range d.Findings {
			where := filepath.Base(f.File)
			if f.Line > 0 {
				where = fmt.Sprintf("%s:%d", where, f.Line)
			}
			what := f.Text
			if f.Field != "" {
				what = f.Field + ": " + what
			}
			w.AppendRow(table.Row{f.Level, what, f.Hint, where})
		}
		c.Say("%s", console.Render(w))
	}
	wrong := 0
	for _, f := range d.Findings {
		if f.Level == "error" {
			wrong++
		}
	}
	c.Say("%s, %s: %s, %s", counted(d.Nodes, "node"), counted(d.Mirrors, "mirror"), counted(wrong, "error"), counted(len(d.Findings)-wrong, "warning"))
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
				out = append(out, inventory.Finding{ID: s.ID, Problem: strictyaml.Problem{File: s.File, Line: s.Line,
					Field: strictyaml.Path(s.ID, "trees", tree), Text: host + " " + text, Hint: hint}})
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
