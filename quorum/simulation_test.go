package quorum

import (
	"fmt"
	"maps"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
)

// sim is a network that does what networks do, and what is true of it.
type sim struct {
	*world
	rt     *rapid.T
	minute int                         // of the master's timestamp
	truth  map[int64][]manifest.Anchor // what the master held at each timestamp, at rest
	shown  map[string]map[int64]bool   // the timestamps at which each server was seen with true content
	faulty map[string]int64            // the timestamp at which its list was last seen to be wrong, and not right since
	before map[string][]int64          // server -> the timestamps it was listed at in the runs before, newest last
	states map[State]int
	moves  int // of URLs
	listed int // lists that were looked at
}

func newSim(t *rapid.T) *sim {
	quorum := rapid.SampledFrom([]string{"all", "majority", "80%", "3"}).Draw(t, "quorum")
	w := newWorld(t, quorum, 4, 6)
	w.policy.Sample = 10 // more than there are: all anchors are asked for when it looks deeper
	w.policy.Recheck = time.Duration(rapid.IntRange(0, 60).Draw(t, "recheck")) * time.Minute
	w.server("m5").Partial, w.server("m6").Private, w.server("m4").Slots = true, true, 0
	s := &sim{world: w, rt: t, truth: map[int64][]manifest.Anchor{}, shown: map[string]map[int64]bool{}, faulty: map[string]int64{}, before: map[string][]int64{}, states: map[State]int{}}
	w.lists = rapid.Bool().Draw(t, "lists")
	w.policy.ListShare, w.policy.Spot = rapid.SampledFrom([]int{0, 30, 100}).Draw(t, "share"), rapid.SampledFrom([]int{0, 200}).Draw(t, "spot")
	w.policy.Backoff = time.Duration(rapid.SampledFrom([]int{0, 20, 40}).Draw(t, "backoff")) * time.Minute
	s.truth[w.master.timestamp] = w.master.anchors
	return s
}

func (s *sim) anyServers() []string {
	ids := slices.Sorted(maps.Keys(s.servers))
	return rapid.SliceOfNDistinct(rapid.SampledFrom(ids), 1, len(ids), rapid.ID).Draw(s.rt, "servers")
}

// step lets something happen.
func (s *sim) step() {
	switch rapid.SampledFrom([]string{"sync", "sync", "sync", "change", "change", "same", "motion", "fail", "sabotage", "half", "stale", "void", "maintenance", "master", "forget", "two", "url", "list", "list", "list"}).Draw(s.rt, "event") {
	case "sync":
		s.sync(s.anyServers()...)
	case "change":
		s.minute += rapid.IntRange(1, 9).Draw(s.rt, "minutes")
		v := func() int { return rapid.IntRange(1, 3).Draw(s.rt, "version") }
		s.world.change(s.minute, v(), v(), v(), s.minute+1)
		s.truth[s.master.timestamp] = s.master.anchors
	case "same": // a fresh time file over the same content
		s.minute++
		s.master.timestamp = stampAt(s.minute)
		s.truth[s.master.timestamp] = s.master.anchors
	case "motion":
		s.master.anchors = set(rapid.IntRange(1, 9).Draw(s.rt, "version"), 1, 1, 1)
		if s.memory.Trees["centos"].find(s.master.timestamp) == nil && !s.isPublished(s.master.timestamp) {
			s.truth[s.master.timestamp] = s.master.anchors
		}
	case "fail":
		kind := rapid.SampledFrom([]FailureKind{FailBusy, FailUnreachable, FailRefused, FailMissing, FailNotNumber}).Draw(s.rt, "kind")
		s.fail(kind, s.anyServers()...)
	case "sabotage":
		for _, id := range s.anyServers() {
			s.servers[id] = []holding{{timestamp: s.master.timestamp, anchors: set(66, 1, 1, 1)}}
		}
	case "half":
		for _, id := range s.anyServers() {
			s.servers[id] = []holding{{timestamp: s.master.timestamp, anchors: s.servers[id][0].anchors}}
		}
	case "stale":
		for _, id := range s.anyServers() {
			old := stampAt(rapid.IntRange(0, s.minute).Draw(s.rt, "old"))
			s.servers[id] = []holding{{timestamp: old, anchors: s.truth[old]}}
		}
	case "void":
		s.servers["n1"] = []holding{{timestamp: s.master.timestamp, void: true}}
	case "maintenance":
		for _, id := range s.anyServers() {
			s.server(id).Maintenance = !s.server(id).Maintenance
		}
	case "master":
		if s.masterFail = nil; rapid.Bool().Draw(s.rt, "down") {
			s.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"}
		}
	case "forget":
		if rapid.IntRange(0, 4).Draw(s.rt, "forget") == 0 {
			s.memory = NewMemory()
			clear(s.faulty)
			if !s.isPublished(s.master.timestamp) { // then it is recorded anew, as it is now
				s.truth[s.master.timestamp] = s.master.anchors
			}
		}
	case "url": // what it has shown under another URL counts no more
		for _, id := range s.anyServers() {
			s.moves++
			s.server(id).Trees = map[string]rsyncurl.URL{"centos": mustURL(s.rt, fmt.Sprintf("rsync://%s.example.org/%d/", id, s.moves))}
			s.shown[id] = nil
			delete(s.faulty, id)
		}
	case "list":
		s.list(rapid.SampledFrom([]string{"diff", "diff", "refuse", "lose"}).Draw(s.rt, "list"))
	case "two":
		h := s.servers["m1"][0]
		h.address = "192.0.2.9"
		s.servers["m1"] = []holding{s.master, h}
	}
}

// list lets something happen to lists: servers', or the master's at hand.
func (s *sim) list(what string) {
	if what == "lose" {
		s.lists, s.policy.Lists = !s.lists, nil
		return
	}
	for _, id := range s.anyServers() {
		h := s.servers[id][0]
		if h.listFail = ""; what == "refuse" {
			h.listFail = rapid.SampledFrom([]FailureKind{FailBusy, FailBusy, FailList}).Draw(s.rt, "list fails")
		} else {
			h.diff = rapid.SampledFrom([]*filelist.Diff{diffOf(1, 0, 0, 0), diffOf(0, 1, 0, 0), diffOf(0, 0, 1, 0), diffOf(0, 0, 0, 1), nil}).Draw(s.rt, "diff")
		}
		s.servers[id] = []holding{h}
	}
}

func (s *sim) isPublished(timestamp int64) bool {
	if s.published == nil {
		return false
	}
	tree := s.published.Trees["centos"]
	return tree.Timestamp == timestamp || slices.ContainsFunc(tree.Later, func(l manifest.Later) bool { return l.Timestamp == timestamp })
}

// observe runs once and checks what must hold of every run.
func (s *sim) observe() {
	before := s.published
	s.now = s.now.Add(10 * time.Minute)
	readings := s.ask()
	for _, r := range readings.Servers {
		s.note(r)
	}
	was := encoded(s.rt, s.memory)
	d := Decide(readings, s.policy, before, s.memory, s.now)
	again := Decide(readings, s.policy, before, s.memory, s.now)
	if !reflect.DeepEqual(d, again) {
		s.rt.Fatalf("the same input gave another output:\n%+v\n%+v", d, again)
	}
	if encoded(s.rt, s.memory) != was {
		s.rt.Fatal("the input was changed")
	}
	for _, v := range d.Verdicts {
		s.states[v.State]++
	}
	s.noteLists(readings, d)
	s.memory = roundTrip(s.rt, d.Memory)
	if d.Guard.Held {
		return
	}
	s.publish(d.Manifest)
	s.checkAnnounced(before, d)
	s.checkSources(d)
}

func encoded(t *rapid.T, mem Memory) string {
	text, err := EncodeMemory(mem)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func roundTrip(t *rapid.T, mem Memory) Memory {
	read, err := LoadMemory([]byte(encoded(t, mem)))
	if err != nil {
		t.Fatal(err)
	}
	return read
}

// noteLists keeps whose list was seen to be wrong, and that held against it, until it is seen to be right.
func (s *sim) noteLists(r Readings, d Decision) {
	wrong, right, open := map[string]int64{}, map[string]bool{}, map[string]bool{}
	for _, a := range r.Servers {
		if a.Void || a.List == nil {
			open[a.Server] = true // at this address
		}
		if a.Void || a.Timestamp == 0 || a.Depth == manifest.DepthTime {
			continue
		}
		s.listed += len(a.Depth) / len(manifest.DepthListing)
		switch {
		case a.Failure != nil && a.Failure.Kind == FailList, a.List != nil && a.List.Different+a.List.Missing+a.List.Moved > 0:
			wrong[a.Server] = a.Timestamp
		case a.List != nil:
			right[a.Server] = true
		}
	}
	for _, v := range d.Verdicts {
		if at := wrong[v.Server]; at != 0 && v.State.isHard() && v.List.atFault() && v.State != Behind && v.Cause != CauseRegression && v.Cause != CauseUnrecorded {
			s.faulty[v.Server] = at
		} else if right[v.Server] && at == 0 && !open[v.Server] {
			delete(s.faulty, v.Server)
		}
		if strings.Contains(d.Trees[0].Note, "differ from the master's of "+stamp(s.faulty[v.Server])) {
			delete(s.faulty, v.Server) // half of the nodes do
		}
		if at := s.faulty[v.Server]; at != 0 && v.Source && s.listedAt(d.Manifest, v.Server) == at {
			s.rt.Fatalf("%s is a source at %d, where its list was wrong: %s", v.Server, at, v.Reason)
		}
	}
}

func (s *sim) listedAt(m *manifest.Manifest, id string) int64 {
	for _, src := range m.Sources {
		if src.ID == id {
			return src.Trees["centos"].Timestamp
		}
	}
	return 0
}

// note keeps the timestamps at which a server has shown the true content.
func (s *sim) note(r Reading) {
	want, ok := s.truth[r.Timestamp]
	if r.Failure != nil && !r.listFailed() || r.Void || r.Depth == manifest.DepthTime || !ok {
		return
	}
	for _, a := range want {
		i := slices.IndexFunc(r.Anchors, func(b AnchorSeen) bool { return b.Path == a.Path })
		if i < 0 || !r.Anchors[i].is(a) {
			return
		}
	}
	if s.shown[r.Server] == nil {
		s.shown[r.Server] = map[int64]bool{}
	}
	s.shown[r.Server][r.Timestamp] = true
}

func (s *sim) checkAnnounced(before *manifest.Manifest, d Decision) {
	tree, ok := s.published.Trees["centos"]
	var old manifest.Tree
	if before != nil {
		old = before.Trees["centos"]
	}
	switch {
	case !ok && old.Timestamp != 0, ok && tree.Timestamp < old.Timestamp:
		s.rt.Fatalf("announced went from %d to %d", old.Timestamp, tree.Timestamp)
	case !ok:
		return
	case tree.Timestamp == old.Timestamp && tree.Admit < old.Admit:
		s.rt.Fatalf("admit fell from %d to %d", old.Admit, tree.Admit)
	}
	if !slices.Equal(tree.Anchors, s.truth[tree.Timestamp]) {
		s.rt.Fatalf("announced %d with anchors that the master did not hold at rest", tree.Timestamp)
	}
	if tree.Timestamp == old.Timestamp {
		return
	}
	counted, reached := 0, 0
	for _, v := range d.Verdicts {
		if !v.Counted {
			continue
		}
		counted++
		for at := range s.shown[v.Server] {
			if at >= tree.Timestamp {
				reached++
				break
			}
		}
	}
	need, err := s.policy.Trees["centos"].Quorum.Need(counted)
	if err != nil || counted == 0 || reached < need || tree.Nodes.Verified < need || tree.Nodes.Counted != counted {
		s.rt.Fatalf("announced %d with %d of %d nodes, quorum %d (%v), manifest says %+v", tree.Timestamp, reached, counted, need, err, tree.Nodes)
	}
}

func (s *sim) checkSources(d Decision) {
	tree := s.published.Trees["centos"]
	sources := map[string]manifest.Source{}
	for _, src := range s.published.Sources {
		sources[src.ID] = src
	}
	for _, v := range d.Verdicts {
		src, ok := sources[v.Server]
		if v.Source != (ok && src.Slots > 0) {
			s.rt.Fatalf("%s: source %v, listed %v", v.Server, v.Source, ok)
		}
		if v.Reason == "" || v.Since.IsZero() {
			s.rt.Fatalf("%s: no reason or since: %+v", v.Server, v)
		}
		if !ok {
			s.before[v.Server] = nil
			continue
		}
		at := src.Trees["centos"].Timestamp
		later := slices.ContainsFunc(tree.Later, func(l manifest.Later) bool { return l.Timestamp == at })
		server := s.server(v.Server)
		switch runs := append(s.before[v.Server], at); {
		case at != tree.Timestamp && !later:
			s.rt.Fatalf("%s is listed at %d, which is neither announced nor later", v.Server, at)
		case server.Maintenance || server.Private || server.Partial:
			s.rt.Fatalf("%s is listed: %+v", v.Server, server)
		case !s.shown[v.Server][at]:
			s.rt.Fatalf("%s is listed at %d, whose content it has never shown: %s", v.Server, at, v.Reason)
		case v.State != Verified && v.State != Ahead && len(runs) > softLimit && s.memory.Servers[v.Server]["centos"].Soft > softLimit:
			s.rt.Fatalf("%s is listed after %d soft errors", v.Server, s.memory.Servers[v.Server]["centos"].Soft)
		case v.State.isHard():
			s.rt.Fatalf("%s is listed though %s: %s", v.Server, v.State, v.Reason)
		default:
			s.before[v.Server] = runs
		}
	}
}

func (st State) isHard() bool { return st == Wrong || st == Incomplete || st == Mixed || st == Behind }

// Whatever happens: the announced timestamp never falls and is backed by a quorum when it rises, admission
// never falls at one timestamp, every source was seen with the true content, and nothing depends on chance.
func TestSimulation(t *testing.T) {
	states, networks, lists := map[State]int{}, 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t)
		for range rapid.IntRange(5, 30).Draw(t, "runs") {
			for range rapid.IntRange(0, 3).Draw(t, "events") {
				s.step()
			}
			s.observe()
		}
		networks++
		lists += s.listed
		for state, n := range s.states {
			states[state] += n
		}
	})
	if lists == 0 && networks >= 100 && !t.Failed() {
		t.Error("no list was ever looked at")
	}
	for _, state := range States() {
		if states[state] == 0 && networks >= 100 && !t.Failed() { // fewer may well miss one
			t.Errorf("no server was ever %s", state)
		}
	}
}

// Whatever has happened: once the master rests and all sync, it is announced and all are sources.
func TestSimulationRecovers(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t)
		for range rapid.IntRange(0, 12).Draw(t, "runs") {
			s.step()
			s.observe()
		}
		s.masterFail = nil
		s.minute += 5
		s.world.change(s.minute, 7, 7, 7, s.minute+1)
		s.truth[s.master.timestamp] = s.master.anchors
		for i := range s.policy.Servers {
			s.policy.Servers[i].Maintenance = false
			s.sync(s.policy.Servers[i].ID)
		}
		for range s.policy.GuardRuns + 1 + int(s.policy.Backoff/(10*time.Minute)) {
			s.observe()
		}
		if s.announced() != s.master.timestamp {
			t.Fatalf("announced %d, want %d", s.announced(), s.master.timestamp)
		}
		if diff := cmp.Diff([]string{"m1", "m2", "m3", "m4", "n1", "n2", "n3", "n4"}, listed(s.published)); diff != "" {
			t.Fatalf("sources (-want +got):\n%s", diff)
		}
		if got := s.published.Trees["centos"].Admit; got != manifest.FullAdmission {
			t.Fatal(fmt.Sprint("admit ", got))
		}
	})
}
