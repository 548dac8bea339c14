package quorum

import (
	"fmt"
	"net/netip"
	"slices"
	"strings"

	"tidemark/internal/filelist"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const (
	keptWords = 3   // files that a ListLook names
	keptBytes = 120 // of what it says of each
	otherMost = 4   // lists of other timestamps that a comparison is made with: the newest
)

// listFailed reports whether the failure is that of the list alone: what was read before it is sound.
func (r Reading) listFailed() bool {
	return r.Failure != nil && r.Timestamp > 0 && (r.Depth == manifest.DepthAnchors || r.Depth == manifest.DepthListing)
}

// list judges the list, where it was looked at: what it found is in f.look. A list in doubt is one that was not looked at.
func (j judge) list(f *finding, r Reading) {
	look := &ListLook{Address: r.Address, Timestamp: r.Timestamp}
	switch {
	case r.listFailed() && r.Failure.Kind == FailList:
		look.State, f.odd, f.oddCause = Wrong, "its file list is not the master's: "+r.Failure.Text, CauseList
		look.First = []string{shorten(clean(r.Failure.Text), keptBytes)}
	case r.Failure != nil:
		f.tried = true
		return
	case r.List == nil:
		return
	default:
		f.listed = true
		f.odd, f.oddCause = look.sum(*r.List)
	}
	if look.State != "" {
		if f.doubt = j.doubt(r, look.State); f.doubt != "" {
			look.State, look.Doubt, f.listed, f.odd, f.oddCause = "", f.doubt, false, "", ""
		}
	}
	f.look = look
}

// depth is how deep the content is known: as deep as this look went, or as an earlier one at the same timestamp and address,
// which a look at the anchors does not undo. A list that is refused twice in a row does.
func (j judge) depth(r Reading) string {
	if r.List != nil {
		if r.List.Equal() {
			return manifest.DepthListing
		}
		return manifest.DepthAnchors
	}
	sm := j.server
	if sm.Valid && sm.Timestamp == r.Timestamp && sm.Depth == manifest.DepthListing && slices.Contains(sm.Addresses, r.Address) &&
		(r.Failure == nil || sm.ListFails == 0) {
		return manifest.DepthListing
	}
	return manifest.DepthAnchors
}

// deep ranks depths.
func deep(depth string) int {
	return slices.Index([]string{manifest.DepthTime, manifest.DepthAnchors, manifest.DepthListing}, depth)
}

// sum takes over a comparison, and judges it: the worst first. It returns what is at fault in words, and the cause.
func (l *ListLook) sum(d filelist.Diff) (string, Cause) {
	l.Files, l.Bytes = max(0, d.Files), max(0, d.Bytes) // readings may come from a file
	l.Missing, l.Extra, l.Different, l.Moved, l.Early = max(0, d.Missing), max(0, d.Extra), max(0, d.Different), max(0, d.Moved), max(0, d.Early)
	mtime := d.Different > 0 && d.Missing == 0 && !slices.ContainsFunc(d.DifferentFirst, func(o filelist.Odd) bool { return o.Size != o.MasterSize })
	var parts []string
	note := func(n int64, what string, first []filelist.Odd, describe func(filelist.Odd) string) {
		if n == 0 {
			return
		}
		text := plural64(n, "file") + " " + what
		for i, o := range first {
			switch {
			case i == 0 && n == 1:
				text += " (" + clean(describe(o)) + ")"
			case i == 0:
				text += " (the first " + clean(describe(o)) + ")"
			}
			if len(l.First) < keptWords {
				l.First = append(l.First, shorten(clean(describe(o)), keptBytes))
			}
		}
		parts = append(parts, text)
	}
	different := verb(d.Different, "differs", "differ") + " from the master's"
	if mtime {
		different += " in the time of last change alone (synced without rsync -t?)"
	}
	note(d.Different, different, d.DifferentFirst, different1)
	note(d.Missing, verb(d.Missing, "is", "are")+" missing", d.MissingFirst, missing1)
	note(d.Moved, verb(d.Moved, "is", "are")+" as at another recorded timestamp", d.MovedFirst, moved1)
	note(d.Extra, "that the master does not have", d.ExtraFirst, extra1)
	note(d.Early, "of a newer timestamp", d.EarlyFirst, extra1)
	switch {
	case d.Different > 0:
		l.State = Wrong
	case d.Missing > 0:
		l.State = Incomplete
	case d.Moved > 0:
		l.State = Mixed
	default:
		return "", ""
	}
	cause := CauseList
	if mtime {
		cause = CauseMTime
	}
	return "in its file list " + strings.Join(parts, "; "), cause
}

func verb(n int64, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func different1(o filelist.Odd) string {
	if o.Size == o.MasterSize {
		return fmt.Sprintf("%s of %s: expected %s", o.Path, when(o.MTime), when(o.MasterMTime))
	}
	return fmt.Sprintf("%s with %s of %s: expected %s of %s", o.Path, plural64(o.Size, "byte"), when(o.MTime), plural64(o.MasterSize, "byte"), when(o.MasterMTime))
}

func missing1(o filelist.Odd) string {
	return fmt.Sprintf("%s: expected %s", o.Path, plural64(o.MasterSize, "byte"))
}

func extra1(o filelist.Odd) string {
	return fmt.Sprintf("%s with %s", o.Path, plural64(o.Size, "byte"))
}

func moved1(o filelist.Odd) string {
	switch {
	case o.Size == 0 && o.MTime == 0:
		return o.Path + ", which is gone"
	}
	return o.Path
}

// beside says, of a list that is in order at the timestamp, what it has besides.
func (l *ListLook) beside(timestamp int64) string {
	if l == nil || l.Timestamp != timestamp || l.Extra+l.Early == 0 || l.State != "" || l.Doubt != "" {
		return ""
	}
	var parts []string
	if l.Extra > 0 {
		parts = append(parts, plural64(l.Extra, "file")+" that the master does not have")
	}
	if l.Early > 0 {
		parts = append(parts, plural64(l.Early, "file")+" of a newer timestamp")
	}
	text := ", but for " + strings.Join(parts, " and ")
	switch {
	case len(l.First) > 0 && l.Extra+l.Early > 1:
		text += ", the first " + l.First[0]
	case len(l.First) > 0:
		text += ", " + l.First[0]
	}
	return text + " (so deletions are not taken from it)"
}

// atFault reports whether the list was not the master's when it was looked at last. What that led to stands at the
// same timestamp until the list is looked at again: a look at the anchors alone does not clear it.
func (l *ListLook) atFault() bool { return l != nil && l.State != "" && l.State != Moving }

// stillAtFault finds what an earlier look at the list led to, where nothing else is wrong and the list was not
// looked at again at all addresses.
func (j judge) stillAtFault(firm []finding) (finding, bool) {
	l := j.server.List
	if !l.atFault() || j.suspects.at(l.Timestamp) {
		return finding{}, false
	}
	cleared := true
	for _, f := range firm {
		if f.said != l.Timestamp || f.state != Verified && f.cause != CauseUnproven {
			return finding{}, false
		}
		cleared = cleared && f.listed
	}
	if cleared {
		return finding{}, false
	}
	f := finding{
		state: l.State, said: l.Timestamp, cause: CauseList, reading: firm[0].reading,
		text: "its file list was not the master's (" + l.At.UTC().Format("2006-01-02 15:04 UTC"),
	}
	for _, g := range firm {
		f.tried = f.tried || g.tried
		if g.reading.Address == l.Address {
			f.reading = g.reading
		}
	}
	if l.Address != "" {
		f.text += ", at " + l.Address
	}
	f.text += ")"
	if text := l.counts(); text != "" {
		f.text += ": " + text
	}
	if len(l.First) > 0 {
		f.text += ": " + l.First[0]
	}
	return f, true
}

// worstLook picks what is remembered of the lists that were looked at: one at fault before one in order.
func worstLook(findings ...[]finding) *ListLook {
	rank := func(l *ListLook) int {
		if !l.atFault() {
			return 0
		}
		return 1 + slices.Index([]State{Mixed, Incomplete, Wrong}, l.State)
	}
	var worst *ListLook
	for _, f := range slices.Concat(findings...) {
		if f.look != nil && (worst == nil || rank(f.look) > rank(worst)) {
			worst = f.look
		}
	}
	return worst
}

// counts says in a few words what was wrong.
func (l *ListLook) counts() string {
	var parts []string
	for _, n := range []struct {
		n    int64
		what string
	}{{l.Different, "different"}, {l.Missing, "missing"}, {l.Moved, "as at another timestamp"}} {
		if n.n > 0 {
			parts = append(parts, plural64(n.n, "file")+" "+n.what)
		}
	}
	return strings.Join(parts, ", ")
}

// looked is the memory after what was learned of the list. A fault is cleared only by a look at all addresses.
func (sm ServerMemory) looked(f finding, when strictjson.Time) ServerMemory {
	clear := f.state == Verified && f.listed
	stood := sm.List.atFault() && sm.List.Timestamp == f.said
	switch {
	case f.look == nil:
	case f.look.atFault() || clear || !sm.List.atFault() || sm.List.Timestamp != f.look.Timestamp:
		look := *f.look
		look.At = when
		sm.List = &look
	}
	switch {
	case clear || f.look.atFault() || f.readAll && f.look != nil && f.look.Doubt == "":
		sm.Listed, sm.ListTried, sm.ListFails, sm.ListFailed = when, strictjson.Time{}, 0, strictjson.Time{}
	case f.asked && f.tried:
		if sm.ListTried, sm.ListFails = when, sm.ListFails+1; sm.ListFailed.IsZero() {
			sm.ListFailed = when
		}
	case f.asked:
		sm.ListTried = when
		if f.readAll { // in vain, but it was given
			sm.ListFails, sm.ListFailed = 0, strictjson.Time{}
		}
	}
	switch {
	case !sm.List.atFault():
		sm.ListFaults = 0
	case !stood:
		sm.ListFaults = 1
	case f.asked:
		sm.ListFaults++
	}
	return sm
}

func (l *ListLook) check() error {
	if l == nil {
		return nil
	}
	for _, n := range []int64{l.Timestamp, l.Files, l.Bytes, l.Missing, l.Extra, l.Different, l.Moved, l.Early} {
		if n < 0 {
			return fmt.Errorf("look at the list: %d: expected 0 or more", n)
		}
	}
	if l.State != "" && !slices.Contains([]State{Wrong, Incomplete, Mixed, Moving}, l.State) {
		return fmt.Errorf("look at the list: state %.40q: expected wrong, incomplete, mixed or moving", l.State)
	}
	if l.Address != "" {
		if _, err := netip.ParseAddr(l.Address); err != nil {
			return fmt.Errorf("look at the list: address %.60q: expected an IP address", l.Address)
		}
	}
	return nil
}
