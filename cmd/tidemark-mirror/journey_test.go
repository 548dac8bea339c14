package main

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// Every mirror has a place of its own in the splay, the same at every run, and all of the splay is used evenly.
func TestShare(t *testing.T) {
	const splay = 300 * time.Second
	const tenths = 10
	var hits [tenths]int
	const mirrors = 10_000
	for i := range mirrors {
		id := fmt.Sprintf("mirror-%d.example.org", i)
		d := share(id, splay)
		if d < 0 || d >= splay || d != share(id, splay) {
			t.Fatalf("%s: %s of %s", id, d, splay)
		}
		hits[d*tenths/splay]++
	}
	for i, n := range hits {
		if n < mirrors/tenths*9/10 || n > mirrors/tenths*11/10 {
			t.Errorf("%d of %d mirrors start in part %d of %d", n, mirrors, i, tenths)
		}
	}
	// 3950883dc6b28429 of 2^64; to see: printf ftp.funet.fi | sha256sum
	if got := share("ftp.funet.fi", splay); got != 67165522122*time.Nanosecond {
		t.Errorf("ftp.funet.fi starts at %d ns", got)
	}
	if share("x", 0) != 0 {
		t.Error("a share of nothing")
	}
}

// A run waits for admission for at most 55 minutes in all.
func TestMayWait_Ends(t *testing.T) {
	started := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{{0, true}, {50 * time.Minute, true}, {50*time.Minute + time.Second, false}, {3 * time.Hour, false}} {
		j := waitingJourney(t, started, started.Add(c.at))
		if got := j.mayWait(nil); got != c.want {
			t.Errorf("%s after the start: %v, expected %v", c.at, got, c.want)
		}
		j.cleanUp()
	}
}

func waitingJourney(t *testing.T, started, now time.Time) *journey {
	m := &manifest.Manifest{Issued: strictjson.At(started), Policy: manifest.Policy{CheckInterval: 300}}
	out := &bytes.Buffer{}
	p := &console.Program{Env: console.Env{Stdout: out, Stderr: out, Terminal: true}, Name: "tidemark-mirror", Judge: judge}
	state := t.TempDir()
	j := &journey{cfg: &config.Mirror{State: state}, memory: &memory{dir: state}, screen: &screen{call: &console.Call{Program: p}, terminal: true}}
	j.started, j.now, j.view = started, func() time.Time { return now }, &client.View{Opened: &client.Opened{Manifest: m}}
	return j
}

// The sources are those of the ranking, in its order, with what rsync and the engine must know of each.
func TestSources(t *testing.T) {
	j := waitingJourney(t, time.Unix(0, 0), time.Unix(0, 0))
	j.cfg.ID, j.cfg.Country, j.cfg.Avoid = "self", "FI", []string{"avoided"}
	m := j.view.Opened.Manifest
	for _, o := range []struct {
		id, kind, country, depth string
		families                 []int
	}{
		{"avoided", manifest.KindMirror, "FI", manifest.DepthListing, []int{4, 6}},
		{"listed", manifest.KindMirror, "FI", manifest.DepthListing, []int{6}},
		{"node", manifest.KindNode, "DE", manifest.DepthAnchors, []int{4, 6}},
		{"self", manifest.KindMirror, "FI", manifest.DepthListing, []int{4, 6}},
		{"shallow", manifest.KindMirror, "SE", manifest.DepthAnchors, []int{4}},
	} {
		s, err := lab.Offer(o.id, o.kind, o.country, "centos", "rsync://"+o.id+".example.org/centos/", 1488372781, time.Unix(0, 0))
		if err != nil {
			t.Fatal(err)
		}
		tree := s.Trees["centos"]
		tree.Depth, tree.Families = o.depth, o.families
		s.Trees["centos"] = tree
		m.Sources = append(m.Sources, s)
	}
	show := func() (text string) {
		for _, s := range j.sources(plan{name: "centos"}) {
			text += fmt.Sprintf("%s family %d deletions %v; ", s.ID, s.Family, s.MayDelete)
		}
		return text
	}
	if got, want := show(), "listed family 6 deletions true; shallow family 4 deletions false; node family 0 deletions true; "; got != want {
		t.Errorf("found %s expected %s", got, want)
	}
	j.cfg.Family = 4
	if got, want := show(), "shallow family 4 deletions false; node family 4 deletions true; "; got != want {
		t.Errorf("with family 4 found %s expected %s", got, want)
	}
	for text, want := range map[string]string{
		"rsync://node.example.org/centos":     "node family 4 deletions true; ",
		"rsync://node.example.org/centos/sub": " family 4 deletions false; ",
		"rsync://shallow.example.org/centos/": "shallow family 4 deletions false; ",
	} {
		u, err := rsyncurl.Parse(text)
		if err != nil {
			t.Fatal(err)
		}
		j.opt.source = &u
		if got := show(); got != want {
			t.Errorf("--source %s: found %s expected %s", text, got, want)
		}
	}
}

// Of several errors the gravest makes the exit code, and all are printed.
func TestVerdict(t *testing.T) {
	none, locked := &treesync.NoSource{Tree: "a"}, &treesync.Locked{Path: "b"}
	refused := &client.Refused{Reason: client.Signature, Detail: "c"}
	failed := errors.New("d")
	for _, c := range []struct {
		errs []error
		want int
	}{
		{nil, 0}, {[]error{nil}, 0}, {[]error{locked}, 5}, {[]error{locked, none}, 6}, {[]error{none, failed, locked}, 1},
		{[]error{none, failed, refused, locked}, 4}, {[]error{console.Status(6), failed}, 1},
	} {
		out := &bytes.Buffer{}
		p := &console.Program{Env: console.Env{Stdout: out, Stderr: out}, Name: "tidemark-mirror", Judge: judge}
		s := &screen{call: &console.Call{Program: p}}
		if got := p.Report(s.verdict(c.errs)); got != c.want {
			t.Errorf("%v: exit code %d, expected %d", c.errs, got, c.want)
		}
		told := 0
		for _, err := range c.errs {
			if _, silent := err.(console.Status); err != nil && !silent {
				told++
			}
		}
		if got := strings.Count(out.String(), "error: "); got != told {
			t.Errorf("%v: %d errors were told:\n%s", c.errs, got, out)
		}
	}
}

// Progress is one line that is written over, and gone in the end; without a terminal there is none.
func TestProgress(t *testing.T) {
	out := &bytes.Buffer{}
	p := &console.Program{Env: console.Env{Stdout: out, Stderr: out}, Name: "tidemark-mirror"}
	s := &screen{call: &console.Call{Program: p}}
	if s.progressOf("centos") != nil {
		t.Error("progress without a terminal")
	}
	s.terminal = true
	s.progressOf("centos")(rsync.Progress{Bytes: 12_300_000, Percent: 7, Rate: "1.2MB/s", Left: "0:01:23"})
	s.progressDone()
	s.progressDone()
	if got, want := out.String(), "\r\x1b[Kcentos:   7 %    12.3 MB    1.2MB/s 0:01:23 left\r\x1b[K"; got != want {
		t.Errorf("%q, expected %q", got, want)
	}
}
