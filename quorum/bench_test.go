package quorum

import (
	"fmt"
	"testing"
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// wide is a network of n mirrors with a tree of 200 anchors, all verified to the whole depth, one in ten with a list at fault and
// one in ten failing.
func wide(b *testing.B, n int) (*world, Readings) {
	w := newWorld(b, "majority", 13, 0)
	w.policy.Backoff, w.policy.ListShare, w.policy.Spot = time.Hour, 10, 5
	w.master.anchors = nil
	for i := range 200 {
		w.master.anchors = append(w.master.anchors, anchor(fmt.Sprintf("%03d/repodata/repomd.xml", i), 1))
	}
	for i := range n {
		w.add(fmt.Sprintf("m%05d", i), manifest.KindMirror, 2)
	}
	for i := range 13 {
		w.sync(fmt.Sprintf("n%d", i+1))
	}
	w.lists, w.digest = true, "a"
	for i := range n {
		h := &w.servers[fmt.Sprintf("m%05d", i)][0]
		switch i % 10 {
		case 3:
			h.diff = diffOf(3, 20, 20, 0)
		case 5:
			*h = holding{fail: FailBusy}
		}
	}
	for range 4 {
		w.now = w.now.Add(10 * time.Minute)
		r := w.ask()
		d := Decide(r, w.policy, w.published, w.memory, w.now)
		w.memory = d.Memory
	}
	r := w.ask()
	return w, r
}

// A round over 10,000 mirrors takes ten times that over 1,000: nothing here grows with the square.
func BenchmarkDecide(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, r := wide(b, n)
			b.ReportAllocs()
			for b.Loop() {
				Decide(r, w.policy, w.published, w.memory, w.now)
			}
		})
	}
}

func BenchmarkPlan(b *testing.B) {
	for _, n := range []int{1000, 10000} {
		b.Run(fmt.Sprint(n), func(b *testing.B) {
			w, _ := wide(b, n)
			b.ReportAllocs()
			for b.Loop() {
				Plan(w.memory, w.policy, w.now, w.rnd)
			}
		})
	}
}

func BenchmarkMemory(b *testing.B) {
	w, _ := wide(b, 10000)
	text, err := EncodeMemory(w.memory)
	if err != nil {
		b.Fatal(err)
	}
	b.ReportMetric(float64(len(text))/10000, "B/server")
	for b.Loop() {
		if _, err := LoadMemory(text); err != nil {
			b.Fatal(err)
		}
	}
}

// What is kept of one look at a list is small, whatever the server's list holds.
func TestListLookIsSmall(t *testing.T) {
	d := diffOf(20, 20, 20, 20)
	for i := range d.DifferentFirst {
		d.DifferentFirst[i].Path = fmt.Sprintf("%0240d", i)
	}
	d.Different = 1 << 40
	look := ListLook{Address: "2001:db8::1"}
	if text, _ := look.sum(*d); len(text) > 4000 {
		t.Errorf("%d bytes of words", len(text))
	}
	text, err := strictjson.Marshal(look)
	if err != nil || len(text) > 700 {
		t.Errorf("%d bytes (%v): %s", len(text), err, text)
	}
	empty := ListLook{}
	if text, cause := empty.sum(filelist.Diff{Files: 3}); text != "" || cause != "" || empty.State != "" {
		t.Errorf("%q %q %+v", text, cause, empty)
	}
}
