package quorum

import (
	"fmt"
	"slices"
	"time"
)

const (
	unreadTries  = 4 // a list that could not be read so often ...
	unreadRounds = 2 // ... over so many times Policy.Recheck is one that a server does not give
)

// unread reports whether a server does not give its list: it was asked often enough, for long enough, and never was it read.
func (p Policy) unread(sm ServerMemory, now time.Time) bool {
	return sm.ListFails >= unreadTries && !sm.ListFailed.IsZero() && now.Sub(sm.ListFailed.Time) >= unreadRounds*p.relist()
}

// readable is the set of the trees of which it can be told who does not give its list: not where that is more than half of those who
// were asked. Then the trouble is here: a time that is too short for so long a list.
func (p Policy) readable(entries []entry, mem Memory, now time.Time) map[string]bool {
	unread, of := map[string]int{}, map[string]int{}
	for _, e := range entries {
		sm := mem.Servers[e.server.ID][e.tree].under(e.url)
		if sm.Listed.IsZero() && sm.ListFails == 0 {
			continue
		}
		if of[e.tree]++; p.unread(sm, now) {
			unread[e.tree]++
		}
	}
	trees := map[string]bool{}
	for tree, n := range of {
		trees[tree] = unread[tree]*2 <= n
	}
	return trees
}

// silentOnList: the last verdict was that it does not give its list.
func (sm ServerMemory) silentOnList() bool {
	return sm.State == Unreachable && sm.Last.Cause == CauseList
}

// unreadable takes the good word from a server that answers everything but what would show whether it has the files.
func (j judge) unreadable(f finding) finding {
	sm := j.server
	if f.tried {
		sm.ListFails++
	}
	good := f.state == Verified || f.cause == CauseUnproven
	read := f.listed || f.doubt != "" && !f.tried
	if j.unread == nil || !good || read || !slices.Contains(j.lists, f.said) || !j.unread(sm, j.now) {
		return f
	}
	f.text += fmt.Sprintf(", but its file list could not be read since %s, asked %d times", sm.ListFailed.UTC().Format("2006-01-02 15:04 UTC"), sm.ListFails)
	if f.tried && f.reading.Failure != nil {
		f.text += " (the last time: " + f.reading.Failure.Text + ")"
	}
	f.state, f.cause, f.soft, f.unproven, f.kept = Unreachable, CauseList, true, false, false
	return f
}
