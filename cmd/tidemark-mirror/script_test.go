package main

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// TestMain lets the tests call this program by its name. The test's program takes its clock from TIDEMARK_TEST_CLOCK, an
// offset such as "-26h", and TIDEMARK_TEST_ASKS makes it ask as on a terminal; the shipped one has no such switches.
func TestMain(m *testing.M) {
	testscript.Main(m, map[string]func(){"tidemark-mirror": func() {
		offset := scripttest.Offset()
		os.Exit(run(os.Args, world{stdin: os.Stdin, asks: os.Getenv("TIDEMARK_TEST_ASKS") != "",
			Env: console.Env{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: func() time.Time { return time.Now().Add(offset) }}}))
	}})
}

func needTool(t testing.TB, names ...string) {
	t.Helper()
	scripttest.NeedTool(t, names...)
}

// TestScripts runs the commands as typed: testdata/script/*.txtar is the manual. T0 is what the mirror's tree holds at the
// start, T1 what the network moves to.
func TestScripts(t *testing.T) {
	start := time.Now().Truncate(time.Second)
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		RequireUniqueNames:  true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Deadline:            time.Now().Add(5 * time.Minute),
		Setup: func(e *testscript.Env) error {
			for name, at := range map[string]time.Time{"T0": start.Add(-3 * time.Hour), "T1": start.Add(-time.Hour), "T2": start.Add(-time.Minute)} {
				e.Setenv(name, strconv.FormatInt(at.Unix(), 10))
				e.Setenv(name+"_CLOCK", console.Clock(at))
			}
			e.Setenv("NOW_CLOCK", console.Clock(start))
			e.Setenv("TIDEMARK_CONFIG", "")
			e.Setenv("TZ", "Europe/Helsinki")
			e.Setenv("LC_ALL", "C")
			site, err := lab.NewPublisher(filepath.Join(e.WorkDir, "net"), "centos", start)
			sites.Store(e.WorkDir, &published{Publisher: site, start: start})
			return err
		},
		Cmds: scripttest.Commands(map[string]func(*testscript.TestScript, bool, []string){"site": siteCommand}),
	})
}

// sites has the publisher of each running script, by its directory; scripts run at the same time.
var sites sync.Map

// published is a network on paper: its site is real, its sources are addresses that nobody asks.
type published struct {
	*lab.Publisher
	start time.Time
	last  []byte // the bundle before the newest one
}

// siteCommand is the network's side of a script: `site publish TREE=TIMESTAMP... [admit=PPM]`, `site trust`, `site away`,
// `site back`, `site rollback`. The trust document lies in net/trust.json, the site in net/site.
func siteCommand(ts *testscript.TestScript, neg bool, args []string) {
	found, ok := sites.Load(ts.MkAbs("."))
	if neg || !ok || len(args) == 0 {
		ts.Fatalf("usage: site publish|trust|away|back|rollback")
	}
	p := found.(*published)
	switch args[0] {
	case "publish":
		p.last, _ = os.ReadFile(filepath.Join(p.Site, "manifest.bundle.json"))
		ts.Check(p.Publish(p.manifest(ts, args[1:])))
	case "trust":
		ts.Check(p.NextTrust(nil))
	case "away":
		ts.Check(os.Rename(p.Site, p.Site+".away"))
	case "back":
		ts.Check(os.Rename(p.Site+".away", p.Site))
	case "rollback":
		ts.Check(p.Lay("manifest.bundle.json", p.last))
	default:
		ts.Fatalf("unknown: site %s", args[0])
	}
}

// manifest announces trees, from five sources in four countries.
func (p *published) manifest(ts *testscript.TestScript, args []string) *manifest.Manifest {
	m := &manifest.Manifest{Trees: map[string]manifest.Tree{}, Policy: lab.Policy()}
	m.Policy.Nearby = map[string][]string{"FI": {"SE", "DE"}, "BR": {"AR"}}
	admit := int64(manifest.FullAdmission)
	stamps := map[string]int64{}
	for _, a := range args {
		name, value, _ := strings.Cut(a, "=")
		n, err := strconv.ParseInt(value, 10, 64)
		ts.Check(err)
		if name == "admit" {
			admit = n
			continue
		}
		stamps[name] = n
	}
	for name, stamp := range stamps {
		m.Trees[name] = manifest.Tree{Timestamp: stamp, Announced: strictjson.At(p.start), TimeFile: "TIME", Files: 10, Bytes: 1000, Admit: admit,
			Nodes:   manifest.Nodes{Verified: 1, Counted: 1, Quorum: 1},
			Anchors: []manifest.Anchor{{Path: "7/repodata/repomd.xml", Size: 1, SHA256: strings.Repeat("a", 64)}}}
	}
	for _, o := range []struct{ id, kind, country string }{
		{"eu-msync-1", manifest.KindNode, "DE"}, {"ftp.example.fi", manifest.KindMirror, "FI"}, {"ftp.example.se", manifest.KindMirror, "SE"},
		{"mirror.example.ar", manifest.KindMirror, "AR"}, {"us-msync-1", manifest.KindNode, "US"},
	} {
		all := manifest.Source{Trees: map[string]manifest.SourceTree{}}
		for name, stamp := range stamps {
			one, err := lab.Offer(o.id, o.kind, o.country, name, "rsync://"+o.id+".example.org/"+name+"/", stamp, p.start)
			ts.Check(err)
			all.Trees[name], one.Trees = one.Trees[name], all.Trees
			all = one
		}
		m.Sources = append(m.Sources, all)
	}
	return m
}
