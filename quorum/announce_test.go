package quorum

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
)

// How many of so many nodes make each quorum.
func TestAnnounceQuorum(t *testing.T) {
	tests := []struct {
		quorum      string
		nodes, need int
	}{
		{"all", 1, 1}, {"all", 5, 5}, {"majority", 1, 1}, {"majority", 4, 3}, {"majority", 5, 3},
		{"80%", 4, 4}, {"80%", 5, 4}, {"80%", 6, 5}, {"3", 3, 3}, {"3", 6, 3},
	}
	for _, tt := range tests {
		t.Run(fmt.Sprintf("%s of %d", tt.quorum, tt.nodes), func(t *testing.T) {
			w := newWorld(t, tt.quorum, tt.nodes, 1)
			w.run()
			w.change(5, 2, 1, 1, 1)
			for i := range tt.need {
				d := w.run()
				if w.announced() != stampAt(0) || d.Trees[0].Pending != stampAt(5) || d.Trees[0].Overdue {
					t.Fatalf("with %d nodes: announced %d, pending %d, overdue %v", i, w.announced(), d.Trees[0].Pending, d.Trees[0].Overdue)
				}
				if !strings.Contains(d.Trees[0].Note, fmt.Sprintf("%d of %d counted nodes have it, the quorum (%s) is %d", i, tt.nodes, tt.quorum, tt.need)) {
					t.Errorf("note: %s", d.Trees[0].Note)
				}
				w.sync(fmt.Sprintf("n%d", i+1))
			}
			d := w.run()
			if w.announced() != stampAt(5) || !d.Trees[0].New || d.Trees[0].Pending != 0 {
				t.Fatalf("with %d nodes: announced %d: %s", tt.need, w.announced(), d.Trees[0].Note)
			}
			n := w.published.Trees["centos"].Nodes
			if n.Verified != tt.need || n.Counted != tt.nodes || n.Quorum != tt.need {
				t.Errorf("nodes %+v", n)
			}
			if w.run().Trees[0].New {
				t.Error("announced again")
			}
		})
	}
}

// In maintenance: not counted; unreachable: counted; private: counted; not carrying the tree: not counted; never met by 0.
func TestAnnounceWhoCounts(t *testing.T) {
	tests := []struct {
		name     string
		do       func(w *world)
		counted  int
		announce bool
	}{
		{"all three have it", func(w *world) { w.sync("n3") }, 3, true},
		{"the third has not", func(*world) {}, 3, false},
		{"the third is in maintenance", func(w *world) { w.server("n3").Maintenance = true }, 2, true},
		{"the third is unreachable", func(w *world) { w.fail(FailUnreachable, "n3") }, 3, false},
		{"the third has it and is private", func(w *world) { w.sync("n3"); w.server("n3").Private = true }, 3, true},
		{"the third is private and has not", func(w *world) { w.server("n3").Private = true }, 3, false},
		{"the third does not carry the tree", func(w *world) { w.server("n3").Trees = map[string]rsyncurl.URL{} }, 2, true},
		{"the third is a mirror", func(w *world) { w.server("n3").Kind = "mirror" }, 2, true},
		{"all in maintenance", func(w *world) {
			for _, id := range []string{"n1", "n2", "n3"} {
				w.server(id).Maintenance = true
			}
		}, 0, false},
		{"no node carries the tree", func(w *world) {
			for _, id := range []string{"n1", "n2", "n3"} {
				w.server(id).Kind = "mirror"
			}
		}, 0, false},
	}
	for _, tt := range tests {
		for _, quorum := range []string{"all", "100%"} {
			t.Run(tt.name+", "+quorum, func(t *testing.T) {
				w := newWorld(t, quorum, 3, 1)
				w.run()
				w.change(5, 2, 1, 1, 1)
				w.sync("n1", "n2", "m1")
				tt.do(w)
				d := w.run()
				if got := w.announced() == stampAt(5); got != tt.announce {
					t.Errorf("announced: %v, want %v: %s", got, tt.announce, d.Trees[0].Note)
				}
				if got := d.Trees[0].Nodes.Counted; got != tt.counted {
					t.Errorf("counted %d, want %d", got, tt.counted)
				}
			})
		}
	}
}

// A number above the counted nodes is never met, and the note says so.
func TestAnnounceMoreThanThereAre(t *testing.T) {
	w := newWorld(t, "3", 3, 1)
	w.server("n3").Maintenance = true
	d := w.run()
	if w.announced() != 0 || !strings.Contains(d.Trees[0].Note, "more than there are") {
		t.Errorf("announced %d: %s", w.announced(), d.Trees[0].Note)
	}
}

// The master is always one step ahead of the nodes, and no two of them are ever at the same timestamp for long.
func TestMasterFasterThanNodes(t *testing.T) {
	w := newWorld(t, "all", 3, 0)
	w.run()
	moves := 0
	for i := 1; i <= 30; i++ {
		w.change(i, i+1, 1, 1, 1)
		w.sync(fmt.Sprintf("n%d", i%3+1)) // each node syncs every third run
		before := w.announced()
		w.run()
		if w.announced() > before {
			moves++
		}
	}
	if moves < 20 {
		t.Errorf("announced %d times in 30 runs", moves)
	}
	if w.announced() < stampAt(27) {
		t.Errorf("the announced timestamp is %s behind", span(stampAt(30)-w.announced()))
	}
}

func TestNodeAhead(t *testing.T) {
	w := newWorld(t, "majority", 3, 1)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1")
	d := w.run()
	if v := verdictOf(t, d, "n1"); v.State != Ahead || !v.Source {
		t.Fatalf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
	tree := w.published.Trees["centos"]
	if tree.Timestamp != stampAt(0) || tree.Nodes.Verified != 3 {
		t.Errorf("announced %d, %+v: a node beyond counts", tree.Timestamp, tree.Nodes)
	}
	if len(tree.Later) != 1 || tree.Later[0].Timestamp != stampAt(5) || !slices.Equal(tree.Later[0].Anchors, set(2)) {
		t.Errorf("later: %+v, want the timestamp with the one anchor that differs", tree.Later)
	}
	for _, s := range w.published.Sources {
		if want := map[string]int64{"n1": stampAt(5)}[s.ID]; want != 0 && s.Trees["centos"].Timestamp != want {
			t.Errorf("%s is listed at %d", s.ID, s.Trees["centos"].Timestamp)
		}
	}
}

// An error only after max_wait, counted from the oldest candidate.
func TestOverdue(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.run()
	w.change(5, 2, 1, 1, 1)
	w.sync("n1")
	w.run()
	recorded := w.now
	w.change(9, 3, 1, 1, 1)
	for w.now.Sub(recorded) < 13*time.Hour {
		d := w.run()
		r := d.Trees[0]
		if r.Pending != stampAt(9) || !r.Waiting.Equal(recorded) {
			t.Fatalf("pending %d since %v, want %d since %v", r.Pending, r.Waiting, stampAt(9), recorded)
		}
		if want := w.now.Sub(recorded) > 12*time.Hour; r.Overdue != want {
			t.Fatalf("after %v: overdue %v", w.now.Sub(recorded), r.Overdue)
		}
	}
	w.sync("n1", "n2")
	if d := w.run(); d.Trees[0].Overdue || w.announced() != stampAt(9) {
		t.Errorf("announced %d: %s", w.announced(), d.Trees[0].Note)
	}
}

// Other trees do not wait for one that is pending.
func TestTreesDoNotWait(t *testing.T) {
	w := newWorld(t, "all", 2, 0)
	w.policy.Trees["vault"] = w.policy.Trees["centos"]
	for i := range w.policy.Servers {
		w.policy.Servers[i].Trees["vault"] = mustURL(t, "rsync://x.example.org/vault/")
	}
	w.fail(FailUnreachable, "n1")
	r := w.ask()
	for _, m := range r.Masters {
		m.Tree = "vault"
		r.Masters = append(r.Masters, m)
	}
	for i := range r.Servers {
		if s := &r.Servers[i]; s.Tree == "vault" {
			*s = Reading{Server: s.Server, Tree: "vault", Family: 4, Depth: "anchors", Timestamp: stampAt(0), Anchors: seen(set(1, 1), []string{"v0/repomd.xml"})}
		}
	}
	d := Decide(r, w.policy, nil, NewMemory(), w.now)
	if _, ok := d.Manifest.Trees["centos"]; ok || d.Manifest.Trees["vault"].Timestamp != stampAt(0) {
		t.Errorf("announced: %v", d.Manifest.Trees)
	}
	if d.Trees[0].Pending != stampAt(0) || d.Trees[1].Pending != 0 {
		t.Errorf("pending %d and %d", d.Trees[0].Pending, d.Trees[1].Pending)
	}
}

// Never backwards: a master that goes back changes nothing, and a server that does is wrong.
func TestNeverBackwards(t *testing.T) {
	w := newWorld(t, "all", 3, 0)
	old := w.master
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2", "n3")
	w.run()
	w.master = old
	w.sync("n1", "n2", "n3")
	d := w.run()
	if w.announced() != stampAt(5) {
		t.Fatalf("announced %d", w.announced())
	}
	if v := verdictOf(t, d, "n1"); v.State != Wrong || v.Source {
		t.Errorf("%s, source %v: %s", v.State, v.Source, v.Reason)
	}
	// Withdrawn as it should be: by a later time file.
	w.change(9, 1, 1, 1, 1)
	w.sync("n1", "n2", "n3")
	w.run()
	if w.announced() != stampAt(9) {
		t.Errorf("announced %d, want the withdrawal", w.announced())
	}
}

// A master in motion, or one that cannot be read, stops nothing that was recorded.
func TestMasterInMotionOrGone(t *testing.T) {
	for _, gone := range []bool{false, true} {
		w := newWorld(t, "majority", 3, 1)
		w.run()
		w.change(5, 2, 1, 1, 1)
		w.run()
		w.sync("n1", "n2")
		if gone {
			w.masterFail = &Failure{Kind: FailUnreachable, Text: "no route"}
		} else {
			w.master.anchors = set(2, 7, 1, 1)
			w.sync("m1")
		}
		d := w.run()
		if w.announced() != stampAt(5) {
			t.Errorf("gone %v: announced %d: %s", gone, w.announced(), d.Trees[0].Note)
		}
		if v := verdictOf(t, d, "m1"); !gone && v.State != Moving {
			t.Errorf("m1 has the half-made update: %s: %s", v.State, v.Reason)
		}
	}
}
