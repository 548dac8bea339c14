package probe

import (
	"context"
	"fmt"
	"slices"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"pgregory.net/rapid"
)

// TestSchedule_Bounds runs random units of random organisations: each once, in the order of its host, and never more at a
// time than may be; and one that may run is never held up by one that may not.
func TestSchedule_Bounds(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		o := Options{
			Concurrency: rapid.IntRange(1, 4).Draw(t, "hosts"), ListsAtOnce: rapid.IntRange(1, 3).Draw(t, "lists"),
			PerGroup: rapid.IntRange(0, 3).Draw(t, "per group"),
		}
		c := counts{t: t, o: o, groups: map[string]int{}}
		var units []*unit
		for i := range rapid.IntRange(0, 40).Draw(t, "units") {
			groups := rapid.SliceOfNDistinct(rapid.SampledFrom([]string{"a", "b", "c", "d"}), 1, 2, rapid.ID).Draw(t, "groups")
			follows, node := rapid.Bool().Draw(t, "list"), rapid.Bool().Draw(t, "node")
			units = append(units, &unit{groups: groups, first: node, run: func() *unit {
				c.enter(groups, false)
				defer c.leave(groups, false)
				if !follows {
					return nil
				}
				return &unit{groups: groups, list: true, first: node, run: func() *unit {
					c.enter(groups, true)
					defer c.leave(groups, true)
					c.mu.Lock()
					defer c.mu.Unlock()
					c.done = append(c.done, fmt.Sprint(i, " list"))
					return nil
				}}
			}})
			c.want++
			if follows {
				c.want++
			}
		}
		newSchedule(o).run(context.Background(), slices.Clone(units))
		if c.entered != c.want || c.hosts+c.lists != 0 {
			t.Fatalf("%d units ran, expected %d", c.entered, c.want)
		}
		slices.Sort(c.done)
		if len(slices.Compact(c.done)) != len(c.done) {
			t.Fatalf("one ran twice: %v", c.done)
		}
	})
}

type counts struct {
	t             *rapid.T
	o             Options
	mu            sync.Mutex
	hosts, lists  int
	groups        map[string]int
	entered, want int
	done          []string
}

func (c *counts) enter(groups []string, list bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.entered++
	c.add(groups, list, 1)
	if c.hosts > c.o.Concurrency || c.lists > c.o.ListsAtOnce {
		c.t.Errorf("%d hosts and %d lists at a time, expected at most %d and %d", c.hosts, c.lists, c.o.Concurrency, c.o.ListsAtOnce)
	}
	for _, g := range groups {
		if c.o.PerGroup > 0 && c.groups[g] > c.o.PerGroup {
			c.t.Errorf("%d of %s at a time, expected at most %d", c.groups[g], g, c.o.PerGroup)
		}
	}
}

func (c *counts) leave(groups []string, list bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.add(groups, list, -1)
}

func (c *counts) add(groups []string, list bool, n int) {
	if list {
		c.lists += n
	} else {
		c.hosts += n
	}
	for _, g := range groups {
		c.groups[g] += n
	}
}

// TestSchedule_NobodyWaitsForAnotherOrganisation has one organisation with many hosts at the head of the queue: the others'
// hosts are begun with at once, by as many workers as there are.
func TestSchedule_NobodyWaitsForAnotherOrganisation(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var units []*unit
		begun := map[string][]time.Duration{}
		var mu sync.Mutex
		start := time.Now()
		add := func(group string) {
			units = append(units, &unit{groups: []string{group}, run: func() *unit {
				mu.Lock()
				begun[group] = append(begun[group], time.Since(start))
				mu.Unlock()
				time.Sleep(time.Second)
				return nil
			}})
		}
		for range 6 {
			add("big")
		}
		for i := range 6 {
			add(fmt.Sprint("small", i))
		}
		newSchedule(Options{Concurrency: 4, ListsAtOnce: 1, PerGroup: 2}).run(t.Context(), units)
		var small []time.Duration
		for i := range 6 {
			small = append(small, begun[fmt.Sprint("small", i)]...)
		}
		slices.Sort(small)
		if got := fmt.Sprint(begun["big"], small); got != "[0s 0s 1s 1s 2s 2s] [0s 0s 1s 1s 2s 2s]" {
			t.Errorf("begun at %s", got)
		}
	})
}

// TestSchedule_RoomThatIsNotUsed has a host of two organisations be woken for the room in one of them, which it cannot use as the
// other is full: it goes to the next.
func TestSchedule_RoomThatIsNotUsed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		begun := map[string]time.Duration{}
		start := time.Now()
		host := func(name string, takes time.Duration, groups ...string) *unit {
			return &unit{groups: groups, run: func() *unit {
				mu.Lock()
				begun[name] = time.Since(start)
				mu.Unlock()
				time.Sleep(takes)
				return nil
			}}
		}
		newSchedule(Options{Concurrency: 4, ListsAtOnce: 1, PerGroup: 1}).run(t.Context(), []*unit{
			host("a", time.Second, "a"), host("b", 10*time.Second, "b"), host("both", time.Second, "a", "b"), host("a again", time.Second, "a"),
		})
		if got := fmt.Sprint(begun); got != "map[a:0s a again:1s b:0s both:10s]" {
			t.Errorf("begun at %s", got)
		}
	})
}

// TestSchedule_NodesFirst has mirrors come to their lists before a node, and all lists take long: half of the places are free when the
// node comes, then the mirrors go on; lists of nodes come before all that wait.
func TestSchedule_NodesFirst(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var mu sync.Mutex
		begun := map[string]time.Duration{}
		start := time.Now()
		host := func(name string, node bool, takes time.Duration) *unit {
			return &unit{first: node, run: func() *unit {
				time.Sleep(takes)
				return &unit{first: node, list: true, run: func() *unit {
					mu.Lock()
					begun[name] = time.Since(start)
					mu.Unlock()
					time.Sleep(time.Minute)
					return nil
				}}
			}}
		}
		units := []*unit{host("n1", true, 10*time.Second), host("n2", true, 20*time.Second), host("n3", true, 21*time.Second), host("n4", true, 22*time.Second)}
		for i := range 5 {
			units = append(units, host(fmt.Sprint("m", i+1), false, time.Duration(i+1)*time.Second))
		}
		newSchedule(Options{Concurrency: 64, ListsAtOnce: 4}).run(t.Context(), units)
		want := "map[m1:1s m2:2s m3:1m10s m4:1m20s m5:2m1s n1:10s n2:20s n3:1m1s n4:1m2s]"
		if got := fmt.Sprint(begun); got != want {
			t.Errorf("lists begun at %s, expected %s", got, want)
		}
	})
}

// TestSchedule_OnePlaceForLists is that of the nodes, until they are done, be it without a list.
func TestSchedule_OnePlaceForLists(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, begun := time.Now(), time.Duration(0)
		newSchedule(Options{Concurrency: 2, ListsAtOnce: 1}).run(t.Context(), []*unit{
			{first: true, run: func() *unit { time.Sleep(5 * time.Second); return nil }},
			{run: func() *unit { return &unit{list: true, run: func() *unit { begun = time.Since(start); return nil }} }},
		})
		if begun != 5*time.Second {
			t.Errorf("the mirror's list was begun at %v, expected 5s", begun)
		}
	})
}

// TestSchedule_PerSecond spreads the hosts; a few are begun with at once, and lists wait for nothing.
func TestSchedule_PerSecond(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		begin := func(n int, ctx context.Context) (at []time.Duration) {
			var units []*unit
			var mu sync.Mutex
			start := time.Now()
			for range n {
				units = append(units, &unit{run: func() *unit {
					mu.Lock()
					defer mu.Unlock()
					at = append(at, time.Since(start).Round(time.Millisecond))
					return &unit{list: true, run: func() *unit { return nil }}
				}})
			}
			newSchedule(Options{Concurrency: 64, ListsAtOnce: 1, PerSecond: 10}).run(ctx, units)
			return at
		}
		if got := begin(burst, t.Context()); slices.Max(got) != 0 {
			t.Errorf("few are begun at %v, expected at once", got)
		}
		got := begin(burst+20, t.Context())
		for i, at := range got[burst:] {
			if at != time.Duration(i+1)*100*time.Millisecond {
				t.Errorf("host %d is begun at %v", burst+i, at)
			}
		}
		const end = 1050 * time.Millisecond // half-way between two of them
		ctx, cancel := context.WithTimeout(t.Context(), end)
		defer cancel()
		if got := begin(1000, ctx); len(got) != 1000 || got[len(got)-1] != end {
			t.Errorf("%d units, the last at %v: nobody is waited for when the round was ended", len(got), got[len(got)-1])
		}
	})
}

func TestGroups(t *testing.T) {
	in := func(server, group string) job { j := job{}; j.ask.Server, j.ask.Group = server, group; return j }
	got := groupsOf([]job{in("a", ""), in("b", "x"), in("a", ""), in("c", "x"), in("x", "")})
	if want := []string{"\x00a", "x", "\x00x"}; !slices.Equal(got, want) {
		t.Errorf("groups %q, expected %q", got, want)
	}
}
