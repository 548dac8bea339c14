package main

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/config"
	"tidemark/history"
	"tidemark/internal/console"
	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
	"tidemark/quorum"
)

var tableNow = time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)

func hoursAgo(h float64) strictjson.Time {
	return strictjson.At(tableNow.Add(-time.Duration(h * float64(time.Hour))))
}

// tableRows are rows of every sort, in no order.
func tableRows() []statusRow {
	row := func(id, kind, country string, state quorum.State, source bool, hours float64, depth, reason string, good, of int64) statusRow {
		v := quorum.Verdict{Server: id, Kind: kind, Tree: "centos", State: state, Source: source, Since: hoursAgo(2), Good: hoursAgo(0.1), Depth: depth, Reason: reason}
		if hours > 0 {
			v.Timestamp = hoursAgo(hours).Unix()
		}
		r := statusRow{verdict: v, server: inventory.Server{ID: id, Kind: kind, Country: country}}
		if of > 0 {
			r.week, r.month = &history.Uptime{Asked: of, Good: good}, &history.Uptime{Asked: 2 * of, Good: good + of}
			r.memory.Families = []int{4, 6}
		}
		return r
	}
	return []statusRow{
		row("ftp.funet.fi", "mirror", "FI", quorum.Verified, true, 1, "listing", "its time file says 1795330800 (2026-11-22 07:00:00 UTC), the announced timestamp, so it is a source", 2016, 2016),
		row("iso-less.example.org", "mirror", "SE", quorum.Verified, false, 1, "anchors", "its time file says 1795330800 (2026-11-22 07:00:00 UTC), the announced timestamp, and the 4 anchors looked at equal the master's, but it is a partial mirror, so it is no source", 0, 0),
		row("mirror.ca", "mirror", "CA", quorum.Wrong, false, 1, "", "its time file says 1795330800 (2026-11-22 07:00:00 UTC), but anchor 7/os/x86_64/repodata/repomd.xml has 1582 bytes with SHA-256 bf240d349297...: expected 1578 bytes with fdda28dc28a7..., so it is no source", 0, 2016),
		row("mirror.za", "mirror", "ZA", quorum.Unreachable, false, 0, "", "it could not be reached: connection refused, so it is no source", 1007, 2016),
		row("us-msync-2", "node", "US", quorum.Behind, false, 5, "anchors", "its time file says 1795316400 (2026-11-22 03:00:00 UTC), 4 h older than the announced timestamp 1795330800 (2026-11-22 07:00:00 UTC), so it is no source", 2010, 2016),
		row("eu-msync-1", "node", "DE", quorum.Verified, true, 1, "listing", "", 2015, 2016),
	}
}

// golden compares with a file in testdata; TIDEMARK_UPDATE=1 writes it.
func golden(t *testing.T, name, got string) {
	t.Helper()
	file := filepath.Join("testdata", name)
	if os.Getenv("TIDEMARK_UPDATE") != "" {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("%s: -want +got\n%s", name, diff)
	}
}

// What is no terminal gets every row whole; a terminal gets what fits, and colours unless they are unwanted.
func TestTable(t *testing.T) {
	t.Parallel()
	rows, _ := rowFilter{}.apply(tableRows())
	for name, on := range map[string]screen{
		"piped": {}, "wide": {width: 200}, "normal": {width: 100}, "narrow": {width: 60}, "colour": {width: 120, colour: true},
	} {
		got := draw(columns(tableNow), rows, on)
		golden(t, "table_"+name+".golden", got+"\n")
		for _, line := range strings.Split(got, "\n") {
			if plain := unpainted(line); on.width > 0 && len([]rune(plain)) > on.width {
				t.Errorf("%s: %d letters on a screen of %d: %q", name, len([]rune(plain)), on.width, plain)
			}
		}
	}
}

func unpainted(s string) string {
	for _, code := range []string{"\x1b[31m", "\x1b[32m", "\x1b[33m", "\x1b[0m"} {
		s = strings.ReplaceAll(s, code, "")
	}
	return s
}

func TestRowFilter(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		f    rowFilter
		want string
	}{
		"the worst first":   {rowFilter{}, "mirror.ca mirror.za us-msync-2 iso-less.example.org eu-msync-1 ftp.funet.fi"},
		"by id":             {rowFilter{sort: "id"}, "eu-msync-1 ftp.funet.fi iso-less.example.org mirror.ca mirror.za us-msync-2"},
		"by id, reversed":   {rowFilter{sort: "id", reverse: true}, "eu-msync-1 ftp.funet.fi iso-less.example.org mirror.ca mirror.za us-msync-2"},
		"by country":        {rowFilter{sort: "country"}, "mirror.ca eu-msync-1 ftp.funet.fi iso-less.example.org us-msync-2 mirror.za"},
		"the oldest first":  {rowFilter{sort: "age", limit: 2}, "mirror.za us-msync-2"},
		"the least good":    {rowFilter{sort: "uptime", limit: 3}, "iso-less.example.org mirror.ca mirror.za"},
		"nodes":             {rowFilter{kind: "node"}, "us-msync-2 eu-msync-1"},
		"two states":        {rowFilter{states: []string{"wrong", "behind"}}, "mirror.ca us-msync-2"},
		"of two countries":  {rowFilter{countries: []string{"FI", "ZA"}}, "mirror.za ftp.funet.fi"},
		"no sources, nodes": {rowFilter{source: "no", kind: "node"}, "us-msync-2"},
		"another tree":      {rowFilter{tree: "vault"}, ""},
	} {
		if c.f.reverse {
			c.want = "us-msync-2 mirror.za mirror.ca iso-less.example.org ftp.funet.fi eu-msync-1"
		}
		rows, _ := c.f.apply(tableRows())
		var ids []string
		for _, r := range rows {
			ids = append(ids, r.verdict.Server)
		}
		if got := strings.Join(ids, " "); got != c.want {
			t.Errorf("%s:\n got %s\nwant %s", name, got, c.want)
		}
	}
}

// The exit code of --check is that of the one thing that is wrong, and 1 where there are several.
func TestCheck_Code(t *testing.T) {
	t.Parallel()
	guard := func(d *statusDocument) { d.Guard = quorum.GuardReport{Spoke: true, Reason: "12 of 12 | turned"} }
	overdue := func(d *statusDocument) { d.Trees[0].Overdue, d.Trees[0].Waiting = true, hoursAgo(13) }
	verdict := func(kind string, s quorum.State, hours float64) func(*statusDocument) {
		return func(d *statusDocument) {
			d.Verdicts = append(d.Verdicts, quorum.Verdict{Server: "s", Kind: kind, Tree: "centos", State: s, Since: hoursAgo(hours), Reason: "why"})
		}
	}
	// eight mirrors that were in order, of which so many are not
	down := func(n int) func(*statusDocument) {
		return func(d *statusDocument) {
			for i := range 8 {
				v := quorum.Verdict{Server: fmt.Sprintf("m%d", i), Kind: manifest.KindMirror, Tree: "centos", State: quorum.Verified, Since: hoursAgo(1)}
				if i < n {
					v.State = quorum.Unreachable
				}
				d.Verdicts = append(d.Verdicts, v)
			}
		}
	}
	maintained := func(d *statusDocument) {
		for i := range d.Verdicts {
			if d.Verdicts[i].State == quorum.Unreachable {
				d.Verdicts[i].State = quorum.Maintenance
			}
		}
	}
	var past pastForCheck
	for i := range 8 {
		past.sound = append(past.sound, history.Place{Server: fmt.Sprintf("m%d", i), Tree: "centos"})
	}
	for name, c := range map[string]struct {
		change []func(*statusDocument)
		code   int
		kinds  string
	}{
		"six of eight are lost":      {[]func(*statusDocument){down(6)}, console.Failed, "lost"},
		"four of eight are lost":     {[]func(*statusDocument){down(4)}, 0, ""},
		"lost, and the guard speaks": {[]func(*statusDocument){down(6), guard}, console.Guard, "guard"},
		"lost on purpose":            {[]func(*statusDocument){down(6), maintained}, 0, ""},
		"fine":                       {nil, 0, ""},
		"guard":                      {[]func(*statusDocument){guard}, console.Guard, "guard"},
		"overdue":                    {[]func(*statusDocument){overdue}, console.Overdue, "overdue"},
		"both":                       {[]func(*statusDocument){guard, overdue}, console.Failed, "guard overdue"},
		"a master":                   {[]func(*statusDocument){func(d *statusDocument) { d.Trees[0].Trouble = "cannot open" }}, console.Failed, "master"},
		"a master, said twice": {[]func(*statusDocument){func(d *statusDocument) {
			d.Trees[0].Trouble, d.Problems = "cannot open", []string{"master of tree centos: cannot open"}
		}}, console.Failed, "master"},
		"a copy": {[]func(*statusDocument){func(d *statusDocument) { d.Problems = []string{"copy /srv: full\ndisk"} }}, console.Failed, "operation"},
		"a beacon, said twice": {[]func(*statusDocument){func(d *statusDocument) {
			d.Beacon, d.Problems = &beaconOutcome{State: beaconFailed}, []string{"beacon x: refused"}
		}}, console.Failed, "beacon"},
		"a wrong node":            {[]func(*statusDocument){verdict(manifest.KindNode, quorum.Wrong, 0)}, console.Failed, "node"},
		"a silent node":           {[]func(*statusDocument){verdict(manifest.KindNode, quorum.Unreachable, 1)}, console.Failed, "node"},
		"a node, silent just now": {[]func(*statusDocument){verdict(manifest.KindNode, quorum.Unreachable, 0.1)}, 0, ""},
		"a node behind":           {[]func(*statusDocument){verdict(manifest.KindNode, quorum.Behind, 5)}, 0, ""},
		"a wrong mirror":          {[]func(*statusDocument){verdict(manifest.KindMirror, quorum.Wrong, 5)}, 0, ""},
	} {
		last := statusDocument{FullAt: hoursAgo(0.1), Trees: []quorum.TreeReport{{Tree: "centos"}}}
		for _, change := range c.change {
			change(&last)
		}
		p := &publisher{Call: &console.Call{Program: &console.Program{Env: console.Env{Now: func() time.Time { return tableNow }}}},
			cfg: &config.Publisher{Guard: config.Guard{Share: 30, Least: 5}}}
		d := &checkDocument{Figures: map[string]int64{}}
		checkTrees(d, last)
		p.checkNodes(d, last.Verdicts)
		p.checkLost(d, last, past)
		checkTold(d, last)
		d.judge()
		var kinds []string
		for _, r := range d.Reasons {
			kinds = append(kinds, r.Kind)
		}
		if got := strings.Join(kinds, " "); d.Code != c.code || got != c.kinds || d.OK != (c.code == 0) {
			t.Errorf("%s: code %d for %q, expected %d for %q", name, d.Code, got, c.code, c.kinds)
		}
		var out bytes.Buffer
		p.Stdout = &out
		d.tell(p.Call, "centos")
		if lines := strings.Split(strings.TrimSpace(out.String()), "\n"); len(lines) != 1+len(d.Reasons) || strings.Count(out.String(), "|") != 1 {
			t.Errorf("%s: expected one line, one for each reason, and one |:\n%s", name, out.String())
		}
	}
}

// The bound of --stale follows the runs: three intervals, between a quarter of an hour and an hour, and a few runs by hand move nothing.
func TestCheck_Stale(t *testing.T) {
	t.Parallel()
	every := func(gaps ...time.Duration) (rounds []time.Time) {
		at := tableNow
		rounds = append(rounds, at)
		for _, gap := range gaps {
			at = at.Add(-gap)
			rounds = append(rounds, at)
		}
		return rounds
	}
	m := time.Minute
	for name, c := range map[string]struct {
		rounds []time.Time
		want   time.Duration
	}{
		"nothing known":        {nil, staleAfter},
		"too few":              {every(5*m, 5*m), staleAfter},
		"every five minutes":   {every(5*m, 5*m, 5*m, 5*m, 5*m), 15 * m},
		"every ten, by hand":   {every(10*m, 10*m, m, 10*m, 10*m, 10*m), 30 * m},
		"every minute":         {every(m, m, m, m, m, m), staleLeast},
		"every hour":           {every(60*m, 60*m, 60*m, 60*m, 60*m), staleAfter},
		"every five, one late": {every(5*m, 5*m, 50*m, 5*m, 5*m, 5*m), 15 * m},
	} {
		if got := (pastForCheck{rounds: c.rounds}).stale(); got != c.want {
			t.Errorf("%s: %s, expected %s", name, got, c.want)
		}
	}
}

// After the guard has spoken, its own share is enough to be missed for a day.
func TestCheck_LostAfterGuard(t *testing.T) {
	t.Parallel()
	p := &publisher{cfg: &config.Publisher{Guard: config.Guard{Share: 30, Least: 5}}}
	past, last := pastForCheck{}, statusDocument{}
	for i := range 12 {
		v := quorum.Verdict{Server: fmt.Sprintf("m%d", i), Tree: "centos", State: quorum.Verified}
		if i < 5 {
			v.State = quorum.Wrong
		}
		last.Verdicts = append(last.Verdicts, v)
		past.sound = append(past.sound, history.Place{Server: v.Server, Tree: v.Tree})
	}
	for _, c := range []struct {
		guard *history.Event
		want  int
	}{{nil, 0}, {&history.Event{At: tableNow}, 1}} {
		past.guard = c.guard
		d := &checkDocument{Figures: map[string]int64{}}
		p.checkLost(d, last, past)
		if len(d.Reasons) != c.want || d.Figures["lost"] != 5 {
			t.Errorf("5 of 12 lost, the guard's word %v: %+v, figures %v", c.guard, d.Reasons, d.Figures)
		}
	}
}

// A monitor gets one line, whatever a text holds, and no sign that it would read as its own.
func TestCheck_Plain(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		"a|b\nc": "a/b; c", "database main ***?\uFFFDTree 7": "database main ***; Tree 7", "a\x1b[31mb\rc": "a [31mb c", "a\uFFFDb": "a b",
	} {
		if got := plain(in); got != want {
			t.Errorf("%q became %q, expected %q", in, got, want)
		}
	}
	var out bytes.Buffer
	c := &console.Call{Program: &console.Program{Env: console.Env{Stdout: &out}}}
	(&checkDocument{Reasons: []checkReason{{Kind: "state", Text: strings.Repeat("x", 1000)}}}).tell(c, "centos")
	if head, _, _ := strings.Cut(out.String(), "\n"); len([]rune(head)) > 300 || strings.Contains(head, "|") {
		t.Errorf("a line of %d letters, without figures: %q", len(head), head)
	}
}

// What a probe found is set against what is published, and each says what to type.
func TestProbed_Conclusion(t *testing.T) {
	t.Parallel()
	later := tableNow.Add(2 * time.Hour)
	verdict := func(s quorum.State, source bool) quorum.Verdict { return quorum.Verdict{State: s, Source: source} }
	var lines []string
	for _, c := range []struct {
		name string
		s    probedStory
		v    quorum.Verdict
	}{
		{"nothing published", probedStory{}, verdict(quorum.Verified, true)},
		{"as published", probedStory{serial: 7, offered: true, deep: true}, verdict(quorum.Verified, true)},
		{"shallow", probedStory{serial: 7, offered: true, timeOnly: true, lists: true}, verdict(quorum.Verified, true)},
		{"worse, in the list", probedStory{serial: 7, offered: true, deep: true, again: later}, verdict(quorum.Incomplete, false)},
		{"worse, overdue", probedStory{serial: 7, offered: true, deep: true}, verdict(quorum.Incomplete, false)},
		{"worse, in the time file", probedStory{serial: 7, offered: true, next: true}, verdict(quorum.Wrong, false)},
		{"silent", probedStory{serial: 7, offered: true}, verdict(quorum.Unreachable, true)},
		{"silent, and no source", probedStory{serial: 7}, verdict(quorum.Unreachable, false)},
		{"better, in the list", probedStory{serial: 7, deep: true, again: later}, verdict(quorum.Verified, true)},
		{"better, the next run", probedStory{serial: 7, next: true}, verdict(quorum.Verified, true)},
	} {
		c.s.id, c.s.place = "m1", "servers.yaml:4"
		lines = append(lines, c.name+":", "  source  "+c.s.source(c.v))
		for _, note := range c.s.conclusion(c.v, tableNow) {
			lines = append(lines, "  note    "+note)
		}
	}
	golden(t, "probed.golden", strings.Join(lines, "\n")+"\n")
}

// Neighbours that read the same are one line; a depth that differs is seen.
func TestStory_Merged(t *testing.T) {
	t.Parallel()
	span := func(depth string, from, until float64, reason string) spanStory {
		return spanStory{State: quorum.Verified, Depth: depth, From: hoursAgo(from), Until: hoursAgo(until), Rounds: 2, Reason: reason}
	}
	good := "its time file says 7 (1970-01-01 00:00:07 UTC), the announced timestamp, so it is a source"
	got := merged([]spanStory{span("listing", 2, 1, good), span("listing", 4, 3, good), span("anchors", 6, 5, good)})
	if len(got) != 2 || got[0].Rounds != 4 || got[0].From != hoursAgo(4) || got[0].Until != hoursAgo(1) || got[1].Depth != "anchors" {
		t.Errorf("merged: %+v", got)
	}
}

// A server of two addresses, one of which does not answer, is not told as one that is down; of each address the last word counts.
func TestSplit(t *testing.T) {
	t.Parallel()
	reading := func(server, address string, hours float64, kind quorum.FailureKind) lastReading {
		r := quorum.Reading{Server: server, Tree: "centos", Address: address, At: hoursAgo(hours), Timestamp: 7}
		if kind != "" {
			r.Timestamp, r.Failure = 0, &quorum.Failure{Kind: kind}
		}
		return lastReading{Reading: r}
	}
	got := splitOf([]lastReading{
		reading("half", "192.0.2.1", 0, ""), reading("half", "192.0.2.2", 1, ""), reading("half", "192.0.2.2", 0, quorum.FailUnreachable),
		reading("down", "192.0.2.3", 0, quorum.FailUnreachable), reading("down", "192.0.2.4", 0, quorum.FailUnreachable),
		reading("good", "192.0.2.5", 0, ""), reading("good", "192.0.2.5", 1, quorum.FailBusy),
	})
	if diff := cmp.Diff(map[string]string{"half centos": "1 of its 2 addresses: "}, got); diff != "" {
		t.Error(diff)
	}
}

// The row's reason leaves out what other columns say, and begins where a sentence does.
func TestBrief(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		v    quorum.Verdict
		want string
	}{
		{quorum.Verdict{State: quorum.Wrong, Reason: "its time file says 1795384494 (2026-11-22 21:54:54 UTC), which lies in the future, so it is no source"},
			"its time file says 1795384494, which lies in the future"},
		{quorum.Verdict{State: quorum.Incomplete, Reason: "its time file says 7 (1970-01-01 00:00:07 UTC), but of its list 1 file is missing: a, so it is no source"},
			"of its list 1 file is missing: a"},
		{quorum.Verdict{State: quorum.Incomplete, Reason: "its time file says 7 (1970-01-01 00:00:07 UTC), but its file list was not the master's when it was looked at (2026-11-22 21:06 UTC, at 192.0.2.1): a: expected 2 bytes, so it is no source"},
			"its list: a: expected 2 bytes"},
		{quorum.Verdict{State: quorum.Incomplete, Reason: "its file list was not the master's (2026-11-22 21:06 UTC): 1 file missing: a: expected 2 bytes, so it is no source"},
			"its list: 1 file missing: a: expected 2 bytes"},
		{quorum.Verdict{State: quorum.Ahead, Source: true, Depth: "listing", Reason: "its time file says 9 (1970-01-01 00:00:09 UTC), newer than the announced timestamp 7 (1970-01-01 00:00:07 UTC), and its list of 65 files equals the master's, so it is a source"}, ""},
		{quorum.Verdict{State: quorum.Verified, Source: true, Depth: "anchors", List: &quorum.ListLook{Extra: 1}, Reason: "x"}, "1 file that the master does not have"},
	} {
		if got := brief(c.v); got != c.want {
			t.Errorf("%s:\n got %q\nwant %q", c.v.Reason, got, c.want)
		}
	}
	if got := contentAge(quorum.Verdict{Timestamp: hoursAgo(-1).Unix()}, tableNow); got != "in 60m" {
		t.Errorf("the age of a future time file: %q", got)
	}
}

// What is kept of a reading is what a person wants to see; a deep one outlives shallow ones, and nobody else's is touched.
func TestKeepReadings(t *testing.T) {
	t.Parallel()
	url, other := mustURL(t, "rsync://a.example.org/centos/"), mustURL(t, "rsync://b.example.org/centos/")
	p := &publisher{Call: &console.Call{Program: &console.Program{Env: console.Env{Now: func() time.Time { return tableNow }}}},
		cfg: &config.Publisher{Trees: map[string]config.Tree{"centos": {Master: "/srv"}}}, state: &state{dir: t.TempDir()}}
	p.cfg.Servers = []inventory.Server{{ID: "a", Trees: map[string]rsyncurl.URL{"centos": url}}, {ID: "b", Trees: map[string]rsyncurl.URL{"centos": other}}}
	mem := quorum.NewMemory()
	var recorded []manifest.Anchor
	var seen []quorum.AnchorSeen
	for i := range 100 {
		path := strings.Repeat("x", i+1)
		recorded = append(recorded, manifest.Anchor{Path: path, Size: 1, SHA256: "aa"})
		seen = append(seen, quorum.AnchorSeen{Path: path, Size: 1, SHA256: "aa", Missing: i == 70})
	}
	mem.Trees["centos"] = quorum.TreeMemory{Recorded: []quorum.Recorded{{Timestamp: 7, Anchors: recorded}}}
	reading := func(id string, u rsyncurl.URL, anchors []quorum.AnchorSeen) quorum.Reading {
		return quorum.Reading{Server: id, Tree: "centos", URL: u, Address: "192.0.2.1", Depth: manifest.DepthTime, Timestamp: 7, Anchors: anchors}
	}
	kept := func(readings ...quorum.Reading) []lastReading {
		t.Helper()
		if err := p.keepReadings(quorum.Readings{Servers: readings}, mem); err != nil {
			t.Fatal(err)
		}
		last, err := p.lastReadings()
		if err != nil {
			t.Fatal(err)
		}
		return last.Servers
	}
	got := kept(reading("a", url, seen), reading("b", other, nil))
	if a := got[0]; len(got) != 2 || a.Asked != 100 || a.Odd != 1 || len(a.Anchors) != 1+keptFine || a.Anchors[0].Path != seen[70].Path {
		t.Errorf("kept of 100 anchors, one of them odd: %+v", got)
	}
	if got = kept(reading("a", url, nil)); len(got) != 3 {
		t.Errorf("after a shallow look at one of the two: %d readings, expected the deep one, the shallow one, and the other server's", len(got))
	}
	if got = kept(reading("a", url, nil)); len(got) != 3 {
		t.Errorf("after another shallow look: %d readings", len(got))
	}
	if got = kept(reading("a", url, seen[:2])); len(got) != 2 || got[0].Asked != 2 {
		t.Errorf("after another deep look: %+v", got)
	}
	p.cfg.Servers = p.cfg.Servers[:1]
	if got = kept(); len(got) != 1 {
		t.Errorf("after a server has left: %+v", got)
	}
	if err := os.WriteFile(p.state.path(readingsFile), []byte("{"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got = kept(reading("a", url, nil)); len(got) != 1 {
		t.Errorf("after the file was damaged: %+v", got)
	}
}

// The story names what differs, the first few of each kind, and says how many more there are.
func TestStory_List(t *testing.T) {
	t.Parallel()
	d := filelist.Diff{Files: 240, Bytes: 118_100_000_000, Missing: 7, Extra: 1, Different: 1, Moved: 1,
		DifferentFirst: []filelist.Odd{{Path: "d", Size: 1, MTime: 1400000000, MasterSize: 2, MasterMTime: 1400000001}},
		ExtraFirst:     []filelist.Odd{{Path: "e", Size: 3, MTime: 1400000000}}, MovedFirst: []filelist.Odd{{Path: "m"}}}
	for _, name := range []string{"a", "b", "c", "f", "g", "h", "i"} {
		d.MissingFirst = append(d.MissingFirst, filelist.Odd{Path: name, MasterSize: 9, MasterMTime: 1400000000})
	}
	t1 := treeStory{recorded: map[int64]quorum.Recorded{7: {Timestamp: 7, List: &quorum.ListSum{Files: 247, Bytes: 118_200_000_000}}}}
	var lines []string
	t1.tellList(d, 7, false, func(word, format string, args ...any) {
		lines = append(lines, fmt.Sprintf("%-9s ", word)+fmt.Sprintf(format, args...))
	})
	golden(t, "story_list.golden", strings.Join(lines, "\n")+"\n")
}

func mustURL(t *testing.T, s string) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}
