package quorum

import (
	"fmt"
	"maps"
	"slices"

	"tidemark/manifest"
)

// doubt says why a list that is not the master's may be right all the same, "" when it cannot be: it may hold what the master has got
// since, or the master's list may be the wrong one. Files as at another recorded timestamp are in doubt only where the master's own
// list is.
func (j judge) doubt(r Reading, state State) string {
	rec := j.tree.find(r.Timestamp)
	switch {
	case j.suspects.at(r.Timestamp):
		return "at least half of the nodes differ in the same way"
	case j.tree.relisted():
		return "the master's own list changed while its time file did not"
	case state == Mixed:
		return ""
	case rec != nil && rec.Timestamp > 0 && r.List != nil && !rec.List.known():
		return "two looks at the master have not agreed in its list yet"
	case len(j.present) > 0 || j.tree.Failed == FailMoving:
		return "the master is in motion"
	case j.tree.Failed != "":
		return "the master could not be read since"
	}
	return j.beside(r)
}

// beside says which newer list of the master a list was not compared with.
func (j judge) beside(r Reading) string {
	lists := r.Beside
	if lists == nil {
		if lists = j.lists; len(lists) == 0 {
			return ""
		}
	}
	newer := 0
	for _, rec := range slices.Backward(j.tree.Recorded) {
		if rec.Timestamp <= r.Timestamp {
			break
		}
		if newer++; newer > otherMost || !slices.Contains(lists, rec.Timestamp) {
			return "it was not compared with the master's list of " + stamp(rec.Timestamp)
		}
	}
	return ""
}

// relisted reports whether the master's list, in the last look, is not the one that was recorded at the timestamp it shows.
func (tm TreeMemory) relisted() bool {
	if tm.Master == nil || !tm.Master.List.known() {
		return false
	}
	r := tm.find(tm.Master.Timestamp)
	return r != nil && r.List.known() && *r.List != *tm.Master.List
}

// suspects are the timestamps of a tree whose list, the master's, is not believed: of the nodes whose lists were looked at there, at
// least half, and two, differ from it in the same way. All that syncs from the master, or from nodes, would then differ, too.
type suspects map[int64]suspicion

type suspicion struct{ odd, of int }

func (s suspects) at(timestamp int64) bool { _, ok := s[timestamp]; return ok }

// note says so, for people.
func (s suspects) note() (parts []string) {
	for _, at := range slices.Sorted(maps.Keys(s)) {
		parts = append(parts, fmt.Sprintf("the lists of %d of %d nodes differ from the master's of %s in the same way, so that one is not held against anybody: look for what the master's rsync does not give, or what changes there without the time file, and exclude it (trees.<tree>.exclude)",
			s[at].odd, s[at].of, stamp(at)))
	}
	return parts
}

// suspected counts, by tree, the lists of the counted nodes: those of the readings, and where these have none, those that memory has.
func suspected(entries []entry, mem Memory, readings map[place][]Reading) map[string]suspects {
	type spot struct {
		tree string
		at   int64
	}
	type count struct{ of, missing, different, broken int }
	counts := map[spot]count{}
	for _, e := range entries {
		if !e.counted() || e.url.IsZero() {
			continue
		}
		l := seenList(readings[e.place()])
		if l == nil {
			l = mem.Servers[e.server.ID][e.tree].under(e.url).List
		}
		if l == nil {
			continue
		}
		c := counts[spot{e.tree, l.Timestamp}]
		c.of++
		switch {
		case l.Missing > 0 && l.Different > 0:
			c.missing++
			c.different++
		case l.Missing > 0:
			c.missing++
		case l.Different > 0:
			c.different++
		case (l.State == Wrong || l.Doubt != "") && l.Files == 0:
			c.broken++
		}
		counts[spot{e.tree, l.Timestamp}] = c
	}
	found := map[string]suspects{}
	for at, c := range counts {
		if odd := max(c.missing, c.different, c.broken); odd >= 2 && odd*2 >= c.of {
			if found[at.tree] == nil {
				found[at.tree] = suspects{}
			}
			found[at.tree][at.at] = suspicion{odd, c.of}
		}
	}
	return found
}

// seenList is the worst of the lists that were read of a server, as a look; nil when none was.
func seenList(readings []Reading) (worst *ListLook) {
	for _, r := range readings {
		l := &ListLook{Timestamp: r.Timestamp}
		switch {
		case r.Void || r.Depth != manifest.DepthListing && r.Depth != manifest.DepthAnchors:
			continue
		case r.listFailed() && r.Failure.Kind == FailList:
			l.State = Wrong
		case r.List != nil && r.Failure == nil:
			l.sum(*r.List)
		default:
			continue
		}
		if worst == nil || l.Missing+l.Different > worst.Missing+worst.Different || l.State == Wrong && !worst.atFault() {
			worst = l
		}
	}
	return worst
}
