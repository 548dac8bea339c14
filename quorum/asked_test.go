package quorum

import (
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// askSome makes a round for what some servers claim; nobody looks at the masters.
func (w *world) askSome(c Claims) Readings {
	r := Readings{Network: "test", Masters: []MasterReading{}, Asked: c.Servers()}
	for _, a := range c.Heed(Only(Plan(w.memory, w.policy, w.now, w.rnd), r.Asked), w.memory) {
		r.Servers = append(r.Servers, w.answer(a)...)
	}
	return r
}

// claims are those of servers that say what the master says.
func (w *world) claims(ids ...string) Claims {
	c := Claims{}
	for _, id := range ids {
		c[id] = map[string]int64{"centos": w.master.timestamp}
	}
	return c
}

// checkin is one run for the check-ins of some servers, a minute after the run before.
func (w *world) checkin(ids ...string) Decision {
	w.t.Helper()
	w.now = w.now.Add(time.Minute)
	d := Decide(w.askSome(w.claims(ids...)), w.policy, w.published, w.memory, w.now)
	text, err := EncodeMemory(d.Memory)
	if err != nil {
		w.t.Fatalf("the memory cannot be saved: %v", err)
	}
	if w.memory, err = LoadMemory(text); err != nil {
		w.t.Fatalf("the memory cannot be read back: %v", err)
	}
	if !d.Guard.Held {
		w.publish(d.Manifest)
	}
	return d
}

// otherSources and otherVerdicts leave out those of some servers.
func otherSources(m *manifest.Manifest, ids ...string) []manifest.Source {
	return slices.DeleteFunc(slices.Clone(m.Sources), func(s manifest.Source) bool { return slices.Contains(ids, s.ID) })
}

func otherVerdicts(d Decision, ids ...string) []Verdict {
	return slices.DeleteFunc(slices.Clone(d.Verdicts), func(v Verdict) bool { return slices.Contains(ids, v.Server) })
}

// changed is a network in which something new is announced: both nodes have it, m1 to m4 are behind, m5 does not answer and
// m6 is busy.
func changed(t *testing.T) (*world, Decision) {
	w := newWorld(t, "all", 2, 6)
	w.server("n1").Slots, w.server("n2").Slots = 1, 1
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2")
	w.fail(FailUnreachable, "m5")
	w.fail(FailBusy, "m6")
	return w, w.run()
}

func TestAskedOneThatBecameGood(t *testing.T) {
	w, before := changed(t)
	published := w.published
	w.sync("m2", "m3") // m3 is good as well, but did not say so
	d := w.checkin("m2")
	if diff := cmp.Diff([]string{"m2", "n1", "n2"}, listed(d.Manifest)); diff != "" {
		t.Errorf("sources (-want +got):\n%s", diff)
	}
	if diff := cmp.Diff(published.Sources, otherSources(d.Manifest, "m2"), exact()); diff != "" {
		t.Errorf("others (-before +after):\n%s", diff)
	}
	if diff := cmp.Diff(otherVerdicts(before, "m2"), otherVerdicts(d, "m2"), exact()); diff != "" {
		t.Errorf("verdicts of the others (-before +after):\n%s", diff)
	}
	if v := verdictOf(t, d, "m2"); v.State != Verified || !v.Source || v.Since.Time != w.now {
		t.Errorf("m2: %+v", v)
	}
	if got, was := d.Manifest.Trees["centos"].Admit, published.Trees["centos"].Admit; got <= was {
		t.Errorf("admit went from %d to %d though a mirror is done", was, got)
	}
}

// A fresh time file over other content proves nothing, and touches nobody else.
func TestAskedOneThatLies(t *testing.T) {
	w, before := changed(t)
	published := w.published
	w.servers["m2"] = []holding{{timestamp: w.master.timestamp, anchors: set(66, 1, 1, 1)}}
	d := w.checkin("m2")
	if v := verdictOf(t, d, "m2"); v.State != Wrong || v.Source {
		t.Errorf("m2: %+v", v)
	}
	if !sameContentAs(d.Manifest, published) {
		t.Errorf("the manifest changed: %+v", d.Manifest)
	}
	if diff := cmp.Diff(otherVerdicts(before, "m2"), otherVerdicts(d, "m2"), exact()); diff != "" {
		t.Errorf("verdicts of the others (-before +after):\n%s", diff)
	}
}

// A claim alone makes nobody good: one that checked in and gives no answer stays what it was.
func TestAskedOneThatIsSilent(t *testing.T) {
	w, _ := changed(t)
	w.fail(FailUnreachable, "m2")
	if v := verdictOf(t, w.checkin("m2"), "m2"); v.State != Unreachable || v.Source {
		t.Errorf("m2: %+v", v)
	}
}

// A node that checks in may complete the quorum; then the others are seen from what is announced now.
func TestAskedNodeCompletesTheQuorum(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.servers["m3"] = []holding{{timestamp: stampAt(-60), anchors: set(1, 1, 1, 1)}}
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "m1")
	w.run()
	if w.announced() != stampAt(0) {
		t.Fatalf("announced %d without its quorum", w.announced())
	}
	w.sync("n2")
	d := w.checkin("n2")
	if w.announced() != stampAt(5) || !d.Trees[0].New {
		t.Fatalf("announced %d: %+v", w.announced(), d.Trees[0])
	}
	for id, state := range map[string]State{"n1": Verified, "n2": Verified, "m1": Verified, "m2": Behind, "m3": Behind} {
		if v := verdictOf(t, d, id); v.State != state || v.Source != (state == Verified) {
			t.Errorf("%s: %+v", id, v)
		}
	}
	if v := verdictOf(t, d, "m3"); !strings.Contains(v.Reason, "1 h 5 min older than the announced timestamp") {
		t.Errorf("m3: %s", v.Reason)
	}
	soft := w.memory.Servers["m2"]["centos"]
	if soft.Soft != 0 || !soft.Valid || soft.Since.Time != start.Add(11*time.Minute) {
		t.Errorf("memory of m2: %+v", soft)
	}
	// Said once, it stays as said.
	w.now = w.now.Add(time.Minute)
	again := Decide(Readings{Asked: []string{}}, w.policy, w.published, w.memory, w.now)
	if diff := cmp.Diff(d.Verdicts, again.Verdicts, exact()); diff != "" {
		t.Errorf("verdicts (-before +after):\n%s", diff)
	}
}

// However many rounds do not ask it, no soft error is counted.
func TestNotAskedIsNoSoftError(t *testing.T) {
	w, _ := changed(t)
	for range 5 {
		w.checkin("m1")
	}
	if sm := w.memory.Servers["m6"]["centos"]; sm.Soft != 1 || !sm.Valid || sm.State != Busy {
		t.Errorf("m6: %+v", sm)
	}
	if sm := w.memory.Servers["n2"]["centos"]; sm.Soft != 0 || !sm.Valid || sm.State != Verified {
		t.Errorf("n2: %+v", sm)
	}
}

// However often a mirror checks in while it is busy, the grace is what full runs leave of it; what a round found is said, and
// stays said by those that do not ask.
func TestCheckinsDoNotUseUpTheGrace(t *testing.T) {
	for _, kind := range []FailureKind{FailBusy, FailUnreachable, FailRefused} {
		w := newWorld(t, "all", 2, 5)
		w.run()
		w.fail(kind, "m1")
		for i := range 2 * (softLimit + 1) {
			v := verdictOf(t, w.checkin("m1"), "m1")
			sm := w.memory.Servers["m1"]["centos"]
			if !v.Source || !v.State.isError() || sm.Soft != 0 || !sm.Valid || !strings.Contains(v.Reason, " still holds), so it stays a source") {
				t.Fatalf("%s, check-in %d: %+v, memory %+v", kind, i+1, v, sm)
			}
			if after := verdictOf(t, w.checkin("m2"), "m1"); !cmp.Equal(v, after, exact()) {
				t.Fatalf("%s: not asked (-before +after):\n%s", kind, cmp.Diff(v, after, exact()))
			}
		}
		for i := range softLimit + 1 {
			v := verdictOf(t, w.run(), "m1")
			if left := softLimit > i; v.Source != left || w.memory.Servers["m1"]["centos"].Soft != i+1 {
				t.Errorf("%s, full run %d: %+v, memory %+v", kind, i+1, v, w.memory.Servers["m1"]["centos"])
			}
			w.checkin("m1")
		}
		if v := verdictOf(t, w.checkin("m1"), "m1"); v.Source {
			t.Errorf("%s: a check-in that found nothing brought it back: %+v", kind, v)
		}
		w.sync("m1")
		if v := verdictOf(t, w.checkin("m1"), "m1"); !v.Source || w.memory.Servers["m1"]["centos"].Soft != 0 {
			t.Errorf("%s: one good check brings it back: %+v", kind, v)
		}
	}
}

// Who was busy when it checked in is still said to be, when something else is announced.
func TestCheckinsSoftErrorIsSaidAgain(t *testing.T) {
	w := newWorld(t, "all", 2, 3)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.run()
	w.fail(FailBusy, "m1")
	w.checkin("m1")
	w.sync("n1", "n2")
	d := w.checkin("n1", "n2")
	want := "what was verified at " + stamp(stampAt(0)) + " still holds), but " + stamp(stampAt(5)) + " is announced now"
	if v := verdictOf(t, d, "m1"); w.announced() != stampAt(5) || v.State != Busy || v.Source || !strings.Contains(v.Reason, want) {
		t.Errorf("announced %d; %+v", w.announced(), v)
	}
}

// The inventory wins: what was verified at one URL says nothing of another, and who left maintenance is not in it.
func TestNotAskedButDeclaredAnew(t *testing.T) {
	w := newWorld(t, "all", 2, 5)
	w.server("m2").Maintenance = true
	w.fail(FailNotNumber, "m4")
	w.run()
	w.server("m4").Trees = map[string]rsyncurl.URL{"centos": mustURL(t, "rsync://m4.example.org/elsewhere/")}
	w.server("m1").Trees = map[string]rsyncurl.URL{"centos": mustURL(t, "rsync://m1.example.org/elsewhere/")}
	w.server("m2").Maintenance, w.server("m3").Maintenance = false, true
	d := w.checkin("m5")
	for id, state := range map[string]State{"m1": Unknown, "m2": Unknown, "m3": Maintenance, "m4": Unknown, "m5": Verified, "n1": Verified} {
		if v := verdictOf(t, d, id); v.State != state || v.Source != (state == Verified) {
			t.Errorf("%s: %+v", id, v)
		}
	}
}

// What another publisher has published since is newer than what we know: it stands.
func TestNotAskedAndAnotherPublisher(t *testing.T) {
	w := newWorld(t, "all", 2, 4)
	w.run()
	ours := roundTripOf(t, w.memory)
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2", "m1", "m2")
	w.fail(FailMissing, "m4")
	w.run()
	w.run() // the other one's
	theirs := w.published
	w.memory = ours
	w.sync("m3")
	d := w.checkin("m3")
	if diff := cmp.Diff(theirs.Sources, otherSources(d.Manifest, "m3"), exact()); diff != "" {
		t.Errorf("others (-before +after):\n%s", diff)
	}
	if v := verdictOf(t, d, "m3"); v.State != Verified || !v.Source {
		t.Errorf("m3: %+v", v)
	}
}

// One that we remember as good and that the other publisher no longer lists is left to the next round that asks it.
func TestNotAskedAndDroppedByAnotherPublisher(t *testing.T) {
	w := newWorld(t, "all", 2, 4)
	w.run()
	ours := roundTripOf(t, w.memory)
	w.fail(FailMissing, "m4")
	w.policy.Recheck = 0
	w.run() // the other one's
	w.memory = ours
	if d := w.checkin("m1"); slices.Contains(listed(d.Manifest), "m4") || len(d.Manifest.Sources) != 5 {
		t.Errorf("sources: %v", listed(d.Manifest))
	}
}

func roundTripOf(t *testing.T, mem Memory) Memory {
	t.Helper()
	text, err := EncodeMemory(mem)
	if err != nil {
		t.Fatal(err)
	}
	if mem, err = LoadMemory(text); err != nil {
		t.Fatal(err)
	}
	return mem
}

func TestGuardAndCheckins(t *testing.T) {
	t.Run("turns of those that were not asked do not count", func(t *testing.T) {
		w := guarded(t, 13)
		w.fail(FailUnreachable, mirrors(4)...)
		w.run() // four are not enough; they stay listed
		w.fail(FailMissing, "m5", "m6")
		if d := w.checkin("m5", "m6"); d.Guard.Held || d.Guard.Lost != 2 || d.Guard.Of != 13 {
			t.Errorf("%+v", d.Guard)
		}
	})
	t.Run("what a full run held back stays held back", func(t *testing.T) {
		w := guarded(t, 13)
		before := w.published
		w.fail(FailMissing, mirrors(6)...)
		w.run()
		for range 5 {
			if d := w.checkin("m7"); !d.Guard.Held || !d.Guard.Spoke || w.memory.Guard.Runs != 1 || w.published != before {
				t.Fatalf("%+v, memory %+v", d.Guard, w.memory.Guard)
			}
		}
		w.sync(mirrors(6)...)
		if d := w.run(); d.Guard.Held || w.memory.Guard.Runs != 0 {
			t.Errorf("all well: %+v, memory %+v", d.Guard, w.memory.Guard)
		}
	})
	t.Run("runs for check-ins do not make it give in", func(t *testing.T) {
		w := guarded(t, 13)
		before := w.published
		w.fail(FailMissing, mirrors(6)...)
		for range 5 {
			if d := w.checkin(mirrors(6)...); !d.Guard.Held || w.memory.Guard.Runs != 1 || w.published != before {
				t.Fatalf("%+v, memory %+v", d.Guard, w.memory.Guard)
			}
		}
		w.memory.Guard.Runs = w.policy.GuardRuns
		if d := w.checkin(mirrors(6)...); !d.Guard.Held || w.memory.Guard.Runs != w.policy.GuardRuns {
			t.Errorf("%+v, memory %+v", d.Guard, w.memory.Guard)
		}
		if d := w.checkin("m8"); !d.Guard.Held || len(otherSources(w.published)) != 13 {
			t.Errorf("another check-in published what was held back: %+v", d.Guard)
		}
	})
	t.Run("force", func(t *testing.T) {
		w := guarded(t, 13)
		w.fail(FailMissing, mirrors(6)...)
		w.run()
		w.policy.Force = true
		if d := w.checkin("m7"); d.Guard.Held || !d.Guard.Spoke || len(w.published.Sources) != 7 || w.memory.Guard.Runs != 0 {
			t.Errorf("%+v, %d sources", d.Guard, len(w.published.Sources))
		}
		if d := w.checkin("m7"); d.Guard.Spoke {
			t.Errorf("once it was said: %+v", d.Guard)
		}
	})
	t.Run("force, and the losses again", func(t *testing.T) {
		w := guarded(t, 13)
		w.fail(FailMissing, mirrors(6)...)
		w.run()
		w.policy.Force = true
		if d := w.checkin(mirrors(6)...); d.Guard.Held || !d.Guard.Spoke || d.Guard.Lost != 6 || len(w.published.Sources) != 7 {
			t.Errorf("%+v, %d sources", d.Guard, len(w.published.Sources))
		}
	})
	t.Run("no age of the manifest makes it give in", func(t *testing.T) {
		for _, age := range []time.Duration{13 * time.Hour, 48 * time.Hour} {
			w := guarded(t, 13)
			before := w.published
			w.fail(FailMissing, mirrors(6)...)
			w.run()
			for _, ids := range [][]string{{"m7"}, mirrors(6)} {
				w.now = before.Issued.Add(age)
				if d := w.checkin(ids...); !d.Guard.Held || !d.Guard.Spoke || w.memory.Guard.Runs != 1 || w.published != before {
					t.Errorf("%v after it was published, %v asked: %+v, memory %+v", age, ids, d.Guard, w.memory.Guard)
				}
			}
			if d := w.run(); d.Guard.Held || !d.Guard.Spoke || len(w.published.Sources) != 7 {
				t.Errorf("a full run then: %+v, %d sources", d.Guard, len(w.published.Sources))
			}
		}
	})
}

func TestClaims(t *testing.T) {
	w, _ := changed(t)
	now, rnd := w.now.Add(time.Minute), rand.New(rand.NewPCG(1, 2))
	all := Plan(w.memory, w.policy, now, rnd)
	asks := Claims{"m1": {"centos": stampAt(5)}, "n1": {"centos": stampAt(5)}, "m2": {"vault": 1}, "x9": {"centos": 1}}.Heed(all, w.memory)
	deep := map[string]bool{}
	for i, a := range asks {
		if !cmp.Equal(a, all[i], exact()) {
			deep[a.Server] = a.Known == 0 && a.Addresses == nil && a.Deep
		}
	}
	if diff := cmp.Diff(map[string]bool{"m1": true}, deep); diff != "" {
		t.Errorf("looked at more deeply (-want +got):\n%s", diff)
	}
	var ids []string
	for _, a := range Only(all, []string{"m3", "n2", "x9"}) {
		ids = append(ids, a.Server)
	}
	if diff := cmp.Diff([]string{"m3", "n2"}, ids); diff != "" {
		t.Errorf("only (-want +got):\n%s", diff)
	}
	if got := (Claims{}).Servers(); got == nil || len(got) != 0 {
		t.Errorf("no claims ask %#v: nil would be all", got)
	}
}

// Nil is all, and none is none, in JSON as well.
func TestAskedInJSON(t *testing.T) {
	for _, asked := range [][]string{nil, {}, {"m1", "m2"}} {
		text, err := strictjson.Marshal(Readings{Schema: "tidemark/probe/v1", Network: "test", Masters: []MasterReading{}, Servers: []Reading{}, Asked: asked})
		if err != nil {
			t.Fatal(err)
		}
		var r Readings
		if err := strictjson.Unmarshal(text, &r); err != nil {
			t.Fatal(err)
		}
		if (r.Asked == nil) != (asked == nil) || !slices.Equal(r.Asked, asked) {
			t.Errorf("%#v became %#v", asked, r.Asked)
		}
	}
}

// What is recorded is not pruned when nobody looked at the master, though servers have moved on since it was recorded.
func TestNothingIsPrunedWithoutALook(t *testing.T) {
	w := newWorld(t, "all", 1, 1)
	w.run()
	tm := w.memory.Trees["centos"]
	for i := range keepNews + 5 {
		tm.Recorded = append(slices.Clone(tm.Recorded), Recorded{Timestamp: stampAt(i + 1), Anchors: set(i+2, 1, 1, 1), At: strictjson.At(w.now)})
	}
	w.memory.Trees["centos"] = tm
	d := Decide(Readings{Asked: []string{}}, w.policy, w.published, w.memory, w.now)
	if got, want := len(d.Memory.Trees["centos"].Recorded), len(tm.Recorded); got != want {
		t.Errorf("%d recorded timestamps, %d before", got, want)
	}
	if d := Decide(w.ask(), w.policy, w.published, w.memory, w.now); len(d.Memory.Trees["centos"].Recorded) == len(tm.Recorded) {
		t.Error("a look at the master pruned nothing: the test shows nothing")
	}
}

// What the last look at the master showed is said again, and no note says that it was not read.
func TestAskedNotes(t *testing.T) {
	w := newWorld(t, "all", 1, 1)
	quiet := w.run()
	if d := w.checkin("m1"); d.Trees[0].Note != quiet.Trees[0].Note && d.Trees[0].Note != strings.Replace(quiet.Trees[0].Note, "newly ", "", 1) {
		t.Errorf("%q became %q", quiet.Trees[0].Note, d.Trees[0].Note)
	}
	w.master.anchors = set(9, 1, 1, 1)
	moving := w.run()
	if d := w.checkin("m1"); d.Trees[0].Note != moving.Trees[0].Note || !strings.Contains(d.Trees[0].Note, "the master is in motion") {
		t.Errorf("%q became %q", moving.Trees[0].Note, d.Trees[0].Note)
	}
	tm := w.memory.Trees["centos"]
	tm.Master = nil // as after memory was lost
	w.memory.Trees["centos"] = tm
	if d := w.checkin("m1"); strings.Contains(d.Trees[0].Note, "was not read") {
		t.Errorf("%q", d.Trees[0].Note)
	}
}

// Asking nobody changes nothing, whatever has happened before: not the manifest, not the memory, not a word of a verdict.
func TestAskingNobodyChangesNothing(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t)
		for range rapid.IntRange(1, 12).Draw(t, "runs") {
			for range rapid.IntRange(0, 3).Draw(t, "events") {
				s.step()
			}
			before := s.published
			s.now = s.now.Add(10 * time.Minute)
			d := Decide(s.ask(), s.policy, before, s.memory, s.now)
			if s.memory = roundTrip(t, d.Memory); !d.Guard.Held {
				s.publish(d.Manifest)
			}
			s.now = s.now.Add(time.Duration(rapid.IntRange(0, 300).Draw(t, "seconds")) * time.Second)
			again := Decide(Readings{Asked: []string{}}, s.policy, s.published, s.memory, s.now)
			if again.Guard.Held != d.Guard.Held {
				t.Fatalf("guard (-before +after):\n%s", cmp.Diff(d.Guard, again.Guard))
			}
			if diff := cmp.Diff(encoded(t, s.memory), encoded(t, again.Memory)); diff != "" {
				t.Fatalf("memory (-before +after):\n%s", diff)
			}
			if !d.Guard.Held && !sameContentAs(again.Manifest, s.published) {
				t.Fatalf("manifest (-before +after):\n%s", cmp.Diff(s.published, again.Manifest, exact()))
			}
			for i := range again.Verdicts {
				d.Verdicts[i].Rested = again.Verdicts[i].Rested // of the round alone
			}
			if diff := cmp.Diff(d.Verdicts, again.Verdicts, exact()); diff != "" {
				t.Fatalf("verdicts (-before +after):\n%s", diff)
			}
		}
	})
}

// Runs that ask some, between those that ask all: what holds of every run holds, and nobody else is touched.
func TestSimulationOfCheckins(t *testing.T) {
	moved, joined := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		s := newSim(t)
		for range rapid.IntRange(2, 12).Draw(t, "runs") {
			for range rapid.IntRange(0, 2).Draw(t, "events") {
				s.step()
			}
			s.observe()
			declared, shown := slices.Clone(s.policy.Servers), maps.Clone(s.shown)
			for range rapid.IntRange(0, 3).Draw(t, "check-ins") {
				for range rapid.IntRange(0, 2).Draw(t, "events between") {
					s.step()
				}
				copy(s.policy.Servers, declared) // what the operator declares is another matter
				maps.Copy(s.shown, shown)
				was := s.announced()
				joined += s.observeSome()
				if s.announced() != was {
					moved++
				}
				shown = maps.Clone(s.shown)
			}
		}
	})
	if !t.Failed() && (moved == 0 || joined == 0) {
		t.Errorf("%d announcements and %d new sources by check-ins: the simulation shows nothing", moved, joined)
	}
}

// observeSome makes a round for some servers and checks what must hold of it. It counts the sources that came.
func (s *sim) observeSome() (joined int) {
	ids := s.anyServers()
	before, was := s.published, s.memory
	s.now = s.now.Add(time.Minute)
	r := s.askSome(s.claims(ids...))
	for _, x := range r.Servers {
		s.note(x)
	}
	d := Decide(r, s.policy, before, was, s.now)
	s.noteLists(r, d)
	s.memory = roundTrip(s.rt, d.Memory)
	if !d.Guard.Held {
		s.publish(d.Manifest)
		s.checkAnnounced(before, d)
		s.checkSources(d)
	}
	if s.announced() != before.Trees["centos"].Timestamp || len(s.memory.Trees) != len(was.Trees) {
		return 0
	}
	sources := listing(before)
	for at, st := range listing(s.published) {
		old, listed := sources[at]
		if !slices.Contains(ids, at.server) && !cmp.Equal(st, old, exact()) {
			s.rt.Fatalf("%s was not asked, and its listing went from %+v to %+v", at.server, old, st)
		}
		if !listed {
			joined++
		}
		delete(sources, at)
	}
	for at := range sources {
		if !slices.Contains(ids, at.server) {
			s.rt.Fatalf("%s was not asked, and is gone", at.server)
		}
	}
	for id := range was.Servers {
		if !slices.Contains(ids, id) && !cmp.Equal(was.Servers[id], s.memory.Servers[id], exact()) {
			s.rt.Fatalf("%s was not asked, and its memory changed:\n%s", id, cmp.Diff(was.Servers[id], s.memory.Servers[id], exact()))
		}
	}
	return joined
}

func exact() cmp.Option {
	return cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b })
}

// sameContentAs: what publishing adds aside.
func sameContentAs(m, published *manifest.Manifest) bool {
	c := *m
	c.TrustVersion = published.TrustVersion
	return manifest.SameContent(&c, published)
}
