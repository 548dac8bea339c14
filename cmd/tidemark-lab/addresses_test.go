package main

import (
	"net/netip"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// TestAddresses: a server whose two addresses disagree is never a source, through several runs, and the reason and the whole
// story name the address; over IPv4, over IPv6, and over both. The real program asks names that lead to real daemons.
func TestAddresses(t *testing.T) {
	t.Parallel()
	if !within(t) {
		return
	}
	dir, now := t.TempDir(), time.Now()
	start := now.Add(-3 * time.Hour).Unix()
	local := func(id string, role lab.Role) lab.Server {
		return lab.Server{ID: id, Kind: manifest.KindMirror, Role: role, Address: "127.0.0.1"}
	}
	n, err := lab.New(t.Context(), filepath.Join(dir, "lab"), lab.Options{Start: start - 3600, Trees: []string{"centos"},
		Servers: []lab.Server{local("good", lab.Follow), local("old", lab.Behind), local("lost", lab.Role(lab.LostFile)), local("liar", lab.Liar)}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.Move("centos", start); err != nil {
		t.Fatal(err)
	}
	if err := n.Sync(n.IDs("")...); err != nil {
		t.Fatal(err)
	}
	to := func(id string) lab.Door {
		s, err := n.Site(id)
		if err != nil {
			t.Fatal(err)
		}
		return lab.ToDaemon(s.Addr)
	}
	servers := []struct {
		name, first, second string // behind its two addresses
		at                  []string
		says                string // of the second address
	}{
		{"node", "good", "good", []string{"127.0.9.1", "127.0.9.2"}, ""},
		{"agrees", "good", "good", []string{"127.0.9.3", "127.0.9.4"}, ""},
		{"older", "good", "old", []string{"127.0.9.5", "127.0.9.6"}, "its time file says"},
		{"altered", "good", "liar", []string{"127.0.9.7", "127.0.9.8"}, "anchor 6/os/x86_64/repodata/repomd.xml"},
		{"lost", "good", "lost", []string{"127.0.9.9", "127.0.9.10"}, "1 file is missing (6/os/x86_64/Packages/bash-1.0-1.el.x86_64.rpm"},
		{"both", "good", "old", []string{"127.0.9.11", "::1"}, "its time file says"}, // ::1 is one address: one server has it
	}
	names, doors, inventory := map[string][]netip.Addr{}, map[netip.Addr]lab.Door{}, ""
	for _, s := range servers {
		for i, a := range s.at {
			addr := netip.MustParseAddr(a)
			names[s.name+".lab"] = append(names[s.name+".lab"], addr)
			doors[addr] = to([]string{s.first, s.second}[i])
		}
		kind := map[bool]string{true: manifest.KindNode, false: manifest.KindMirror}[s.name == "node"]
		inventory += "- {id: " + s.name + ", kind: " + kind + ", trees: {centos: \"rsync://" + s.name + ".lab/centos/\"}}\n"
	}
	undo, err := lab.Hosts(dir, names)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { undo() })
	front, err := lab.StartFront(t.Context(), 873, doors)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { front.Close() })
	p := newRunner(t, dir, n.Master("centos"), inventory, "timeout: 20s, list_share: 100")
	for run := 1; run <= 3; run++ {
		p.run(run == 1)
		found := p.verdicts()
		for _, s := range servers {
			v, good := found[s.name], s.says == ""
			if good != v.Source || good != (v.State == "verified") || !good && v.State != "mixed" {
				t.Errorf("run %d: %s is %s, source %t, expected %s\n\t%s", run, s.name, v.State, v.Source, map[bool]string{true: "a verified source", false: "mixed, and no source"}[good], v.Reason)
			}
			if good {
				continue
			}
			if run == 1 && !strings.Contains(v.Reason, "its addresses disagree: at "+s.at[0]+" its time file says") {
				t.Errorf("%s: the reason must say that its addresses disagree:\n\t%s", s.name, v.Reason)
			}
			odd := "at " + s.at[1]
			if _, rest, ok := strings.Cut(v.Reason, odd); !ok || run == 1 && !strings.Contains(rest, s.says) {
				t.Errorf("run %d: the reason of %s must say %q and then %q:\n\t%s", run, s.name, odd, s.says, v.Reason)
			}
		}
	}
	for _, s := range servers[2:] {
		why := p.tidemark("status", "--why", s.name)
		for _, text := range []string{"at " + s.at[1], "asked      " + s.at[0] + " (IPv4)", "asked      " + s.at[1] + " (IPv"} {
			if !strings.Contains(why, text) {
				t.Errorf("status --why %s must say %q:\n%s", s.name, text, why)
			}
		}
	}
	// It agrees again: one good look, and it is back.
	front.Set(netip.MustParseAddr("::1"), to("good"))
	p.run(false)
	if v := p.verdicts()["both"]; !v.Source {
		t.Errorf("both addresses are good now: %+v", v)
	}
}
