package quorum

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/manifest"
)

// finding is what was concluded of one address, and then of one server, before
// it is known what is announced.
type finding struct {
	state    State  // Verified stands for: its content is that of its timestamp
	said     int64  // what the time file says, 0 when it was not read
	soft     bool   // nothing was learned: an earlier verification stands for a while
	kept     bool   // verified by its time file alone, which has not changed since
	depth    string // of Verified: how deep the content was looked at, now or, where that stands, before
	listed   bool   // its whole list was looked at
	tried    bool   // its list could not be read
	asked    bool   // its list was asked for, at some address
	readAll  bool   // its list was read at all addresses, whatever came of that
	doubt    string // why what is odd in its list is not held against it
	look     *ListLook
	odd      string // of a look that found a fault: what, in a sentence ...
	oddCause Cause  // ... and of which kind
	unproven bool   // the time file of the verification, at an address where its content was never looked at
	cause    Cause  // why this state
	text     string // what was found and what was expected
	proof    string // of Verified: why
	reading  Reading

	families  []int // of Verified: over these ...
	addresses []string
}

// judge holds what one server is judged by.
type judge struct {
	tree     TreeMemory
	present  []*MasterReading                          // the master now, where that is not recorded
	server   ServerMemory                              // before this round
	excludes bool                                      // it declares what it does not carry: of that nothing is asked
	subset   bool                                      // it carries a part, nobody says which
	lists    []int64                                   // timestamps whose file list is at hand
	suspects suspects                                  // timestamps whose list is not believed
	unread   func(sm ServerMemory, now time.Time) bool // nil: nobody is told that its list was never read
	maxHold  time.Duration
	now      time.Time
}

// address judges what one address of the server said.
func (j judge) address(r Reading) finding {
	f := finding{reading: r}
	if r.Failure != nil && !r.listFailed() {
		f.state, f.soft, f.text = failed(*r.Failure)
		if f.cause = r.Failure.Kind.cause(); r.Failure.Kind == FailRefused {
			f.cause = refusal(r.Failure.Text)
		}
		return f
	}
	if r.Void {
		f.state, f.soft, f.cause, f.text = Unknown, true, CauseVoid, "its time file changed while we looked"
		if len(j.present) > 0 {
			f.state, f.text = Moving, f.text+", and the master is in motion"
		}
		return f
	}
	f.said = r.Timestamp
	f.state, f.cause, f.text = j.timestamp(r)
	if f.state == Verified {
		j.content(&f, r, *j.tree.find(r.Timestamp))
	}
	f.soft = f.state == Moving // no verdict
	return f
}

// failed classes a probe without an answer to judge: state, soft or hard, and why.
func failed(f Failure) (State, bool, string) {
	switch f.Kind {
	case FailBusy:
		return Busy, true, "it is busy: " + f.Text
	case FailRefused:
		return Refused, true, "it refused: " + f.Text
	case FailMissing:
		return Incomplete, false, "its time file is missing: " + f.Text
	case FailNotNumber:
		return Wrong, false, "its time file holds no timestamp: " + f.Text
	case FailForbidden:
		return Refused, false, "it was not asked: " + f.Text
	case FailList:
		return Wrong, false, "its file list is not the master's: " + f.Text
	default:
		return Unreachable, true, "it could not be reached: " + f.Text
	}
}

// timestamp judges the time file alone. Verified means: recorded, look at the content.
func (j judge) timestamp(r Reading) (State, Cause, string) {
	said := r.Timestamp
	says := "its time file says " + stamp(said)
	floor := j.tree.Announced
	if floor == 0 && len(j.tree.Recorded) > 0 {
		floor = j.tree.Recorded[0].Timestamp
	}
	switch {
	case said <= 0:
		return Wrong, CauseNotNumber, fmt.Sprintf("its time file holds %.64q: expected Unix seconds", r.Raw)
	case said < j.server.Highest:
		return Wrong, CauseRegression, fmt.Sprintf("%s: it went back, for it was verified at %s before (a regression)", says, stamp(j.server.Highest))
	case len(j.tree.Recorded) == 0:
		return Unknown, CauseNoRecord, says + ", but nothing was recorded from the master yet to compare it with"
	case said < floor:
		return Behind, "", says
	case j.tree.find(said) != nil:
		return Verified, "", says
	}
	return j.unknownTime(said, says)
}

// unknownTime judges a timestamp, newer than the announced one, that nobody recorded.
func (j judge) unknownTime(said int64, says string) (State, Cause, string) {
	master := j.tree.Master
	switch {
	case master != nil && said == master.Timestamp:
		return Moving, CauseUnrecorded, says + ": the master shows it, too, but it is not recorded yet"
	case inFuture(said, j.now):
		return Wrong, CauseFuture, says + ": that lies in the future"
	case master == nil:
		return Moving, CauseUnrecorded, says + ": newer than all that is recorded, and the master has not been read since"
	case said > master.At.Unix():
		return Moving, CauseUnrecorded, fmt.Sprintf("%s: newer than our last look at the master (%s)", says, master.At.UTC().Format("2006-01-02 15:04:05 UTC"))
	}
	text := fmt.Sprintf("%s: the master was never seen at rest with it, expected %s", says, j.expected())
	// The master may have moved on before we looked twice, so a mirror that was faster is honest; but it moves on, too.
	if j.server.Seen != said || j.now.Sub(j.server.SeenSince.Time) <= j.maxHold {
		return Moving, CauseUnrecorded, text
	}
	return Wrong, CauseUnrecorded, fmt.Sprintf("%s, and it has not changed for %s", text, span(int64(j.now.Sub(j.server.SeenSince.Time).Seconds())))
}

// expected names the timestamps that would be right.
func (j judge) expected() string {
	text := stamp(j.tree.newest())
	if j.tree.Announced != 0 && j.tree.Announced != j.tree.newest() {
		text = stamp(j.tree.Announced) + " or a later recorded one"
	}
	return text
}

// content compares what was read with what is recorded for the time file's timestamp. f is so far verified by its timestamp.
func (j judge) content(f *finding, r Reading, rec Recorded) {
	if r.Depth == manifest.DepthTime || r.Depth == "" {
		j.timeAlone(f, rec)
		return
	}
	f.depth = j.depth(r)
	if j.list(f, r); f.doubt != "" {
		f.depth = manifest.DepthAnchors
	}
	c := j.compare(r.Anchors, rec)
	missing := c.missing != "" && !(j.subset && c.matched > 0)
	switch {
	case c.bad != "":
		f.state, f.cause, f.text = Wrong, CauseAnchors, f.text+", but "+c.bad
	case missing:
		f.state, f.cause, f.text = Incomplete, CauseAnchors, f.text+", but "+c.missing
	case f.look.atFault():
		f.state, f.cause, f.text = f.look.State, f.oddCause, f.text+", but "+f.odd
	case c.other != "":
		f.state, f.cause, f.text = Mixed, CauseAnchors, f.text+", but "+c.other+": it holds anchors of two timestamps"
	case c.present != "":
		f.state, f.cause, f.text = Moving, CauseAnchors, f.text+", but "+c.present
	case j.excludes && len(r.Anchors) == 0 && len(rec.Anchors) > 0 && !f.listed:
		j.hidden(f, rec)
	case c.matched == 0 && len(rec.Anchors) > 0 && !(j.excludes && len(r.Anchors) == 0):
		f.state, f.cause, f.text = Unknown, CauseUnproven, f.text+", but none of the anchors that were looked at belongs to it"
	default:
		f.proof = f.proven(c.matched)
	}
}

// timeAlone judges by the time file when the content was not looked at.
func (j judge) timeAlone(f *finding, rec Recorded) {
	before := j.server.Valid && j.server.Timestamp == rec.Timestamp
	switch {
	case before && slices.Contains(j.server.Addresses, f.reading.Address):
		f.kept, f.depth, f.proof = true, j.server.Depth, ", its content was verified at that timestamp before"+j.server.List.beside(rec.Timestamp)
	case len(rec.Anchors) == 0:
		f.depth, f.proof = manifest.DepthTime, ", and the tree has no anchors to look at"
	case before:
		f.state, f.unproven, f.cause, f.text = Unknown, true, CauseUnproven, f.text+", but its content was not looked at at this address"
	default:
		f.state, f.cause, f.text = Unknown, CauseUnproven, f.text+", but its content was not looked at, and a time file alone proves nothing"
	}
}

// hidden judges a server whose patterns hide all anchors that were to be looked at, when its list was not looked at either.
func (j judge) hidden(f *finding, rec Recorded) {
	text := f.text
	j.timeAlone(f, rec)
	if !f.kept {
		f.state, f.unproven, f.cause, f.proof = Unknown, false, CauseUnproven, ""
		f.text = text + ", but what it excludes hides all anchors that were to be looked at, and its list was not looked at"
	}
}

// proven says by what the content is proven.
func (f finding) proven(anchors int) string {
	those := "the " + plural(anchors, "anchor") + " looked at"
	list := ""
	if f.listed {
		list = "its list of " + plural64(f.look.Files, "file")
	}
	text := ""
	switch {
	case f.listed && f.look.Extra+f.look.Early > 0:
		text = ", and " + list + " is the master's" + f.look.beside(f.said)
		if anchors > 0 {
			text = ", and " + those + " " + equals(anchors) + " the master's, as does " + list + f.look.beside(f.said)
		}
	case f.listed && anchors > 0:
		text = ", and " + those + " and " + list + " equal the master's"
	case f.listed:
		text = ", and " + list + " equals the master's"
	case anchors > 0:
		text = ", and " + those + " " + equals(anchors) + " the master's"
	}
	switch {
	case f.tried:
		text += "; its list could not be read: " + f.reading.Failure.Text
	case f.doubt != "":
		text += "; its list differs from the master's, which is not held against it, for " + f.doubt
	}
	return text
}

func equals(n int) string {
	if n == 1 {
		return "equals"
	}
	return "equal"
}

// comparison counts the anchors that match and keeps the first of each kind that does not.
type comparison struct {
	matched                      int
	bad, missing, other, present string
}

func (j judge) compare(seen []AnchorSeen, rec Recorded) comparison {
	var c comparison
	for _, a := range seen {
		expected, known := lookup(rec.Anchors, a.Path)
		switch {
		case known && !a.Missing && a.is(expected):
			c.matched++
		case !known && (a.Missing || rec.Recalled): // what was recalled may lack anchors
		default:
			j.differs(&c, a, expected, known, rec.Timestamp)
		}
	}
	return c
}

func (a AnchorSeen) is(b manifest.Anchor) bool {
	return a.Path == b.Path && a.Size == b.Size && a.SHA256 == b.SHA256
}

// differs classes an anchor that is not as recorded at the timestamp. known:
// something was recorded under this path. An anchor that the master has deleted
// and a server kept is no fault: not every mirror deletes.
func (j judge) differs(c *comparison, a AnchorSeen, expected manifest.Anchor, known bool, timestamp int64) {
	name := "anchor " + a.Path
	if other := j.elsewhere(a, known, timestamp); other != 0 {
		first(&c.other, "%s is that of %s", name, stamp(other))
		return
	}
	if j.atMaster(a) {
		first(&c.present, "%s is already as on the master, which is in motion", name)
		return
	}
	switch {
	case !known:
	case a.Missing:
		first(&c.missing, "%s is missing: expected %s", name, plural(int(expected.Size), "byte"))
	default:
		first(&c.bad, "%s has %s with SHA-256 %.12s...: expected %s with %.12s...", name,
			plural(int(a.Size), "byte"), a.SHA256, plural(int(expected.Size), "byte"), expected.SHA256)
	}
}

func first(text *string, format string, args ...any) {
	if *text == "" {
		*text = fmt.Sprintf(format, args...)
	}
}

// elsewhere returns another recorded timestamp to which the anchor belongs as it
// was seen, 0 when there is none. What the master has deleted, and what it does
// not have yet, belongs to later timestamps only.
func (j judge) elsewhere(a AnchorSeen, known bool, timestamp int64) int64 {
	for _, r := range slices.Backward(j.tree.Recorded) {
		if r.Timestamp == timestamp || r.Timestamp < timestamp && (a.Missing || !known) {
			continue
		}
		if a.among(r.Anchors) && !(a.Missing && r.Recalled) {
			return r.Timestamp
		}
	}
	return 0
}

// among reports whether the set holds the anchor as it was seen: the same, or as absent.
func (a AnchorSeen) among(set []manifest.Anchor) bool {
	held, ok := lookup(set, a.Path)
	return a.Missing && !ok || !a.Missing && ok && a.is(held)
}

// lookup finds an anchor in a set that is sorted by path.
func lookup(set []manifest.Anchor, path string) (manifest.Anchor, bool) {
	i, ok := slices.BinarySearchFunc(set, path, func(a manifest.Anchor, path string) int { return strings.Compare(a.Path, path) })
	if !ok {
		return manifest.Anchor{}, false
	}
	return set[i], true
}

// atMaster reports whether the anchor is as on the master now, where that is not recorded.
func (j judge) atMaster(a AnchorSeen) bool {
	return slices.ContainsFunc(j.present, func(look *MasterReading) bool { return a.among(look.Anchors) })
}

// unrecorded lists the last looks at the master that show something not recorded.
func (tm TreeMemory) unrecorded() []*MasterReading {
	return slices.DeleteFunc([]*MasterReading{tm.Master, tm.Unsettled}, func(look *MasterReading) bool {
		return look == nil || tm.isRecorded(*look)
	})
}
