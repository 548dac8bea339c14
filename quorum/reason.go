package quorum

import (
	"fmt"
	"slices"
	"strings"

	"tidemark/manifest"
)

// reason is the sentence for the operator: what was found, what was expected, why it is a source or not.
func (d *decision) reason(e entry, tm TreeMemory) string {
	return clean(e.finding.text + e.relation(tm) + d.relook(e) + e.consequence(tm))
}

// relook says when a list at fault is looked at again.
func (d *decision) relook(e entry) string {
	sm := e.memory
	if e.silent || !sm.List.atFault() || sm.Seen != sm.List.Timestamp || sm.standing() != 0 || e.state != sm.List.State || !slices.Contains(d.policy.Lists[e.tree], sm.Seen) {
		return ""
	}
	return fmt.Sprintf(" (its list is read again at about %s UTC, or when it checks in)", d.policy.relistAt(sm, d.now).UTC().Format("15:04"))
}

// relation sets what was found against what is announced.
func (e entry) relation(tm TreeMemory) string {
	switch {
	case e.state == Verified:
		return ", the announced timestamp" + e.finding.proof
	case e.state == Ahead && tm.Announced == 0:
		return e.finding.proof + "; nothing is announced yet"
	case e.state == Ahead:
		return ", newer than the announced timestamp " + stamp(tm.Announced) + e.finding.proof
	case e.state == Behind && tm.Announced == 0:
		return ", older than all that was recorded"
	case e.state == Behind:
		return fmt.Sprintf(", %s older than the announced timestamp %s", span(tm.Announced-e.finding.said), stamp(tm.Announced))
	case e.rested:
		return ""
	case e.finding.soft && e.memory.Valid && e.memory.Soft == 0: // of a round that asks some
		return fmt.Sprintf(" (what was verified at %s still holds)", stamp(e.memory.Timestamp))
	case e.finding.soft && e.memory.Valid && e.memory.Soft < softLimit:
		return fmt.Sprintf(" (failed round %d of %d: what was verified at %s holds for %s)",
			e.memory.Soft, softLimit+1, stamp(e.memory.Timestamp), plural(softLimit-e.memory.Soft, "more such round"))
	case e.finding.soft && e.memory.Valid:
		return fmt.Sprintf(" (failed round %d of %d: what was verified at %s ends with the next one)", e.memory.Soft, softLimit+1, stamp(e.memory.Timestamp))
	case e.finding.soft && e.memory.Soft > softLimit && e.memory.Timestamp != 0:
		return fmt.Sprintf(" (%s in a row: what was verified at %s has ended)", plural(e.memory.Soft, "failed round"), stamp(e.memory.Timestamp))
	}
	return ""
}

// consequence says whether the manifest offers it, and why.
func (e entry) consequence(tm TreeMemory) string {
	standing := e.memory.standing()
	switch {
	case e.offer != 0 && e.would == 0:
		return ", but the guard holds, so it stays listed as published last"
	case e.offer == 0 && e.would != 0:
		return ", but the guard holds, so it is not listed yet"
	case !e.memory.Contested.IsZero() && standing != 0 && e.offer == 0:
		return ", but another publisher has taken it out since, so it is no source until its list is read again"
	case e.offer != 0 && e.server.Slots == 0:
		return ", so it is listed, but with no slots it is never offered"
	case e.offer != 0 && e.finding.soft:
		return ", so it stays a source"
	case e.offer != 0:
		return ", so it is a source"
	case standing != 0 && standing >= tm.Announced && e.url.TLS():
		return ", but mirrors cannot sync from an rsync+tls URL, so it is verified and no source"
	case standing != 0 && standing >= tm.Announced && e.server.Private:
		return ", but it is private, so it counts and is no source"
	case standing != 0 && standing >= tm.Announced && e.server.Partial:
		return ", but it is a partial mirror, so it is no source"
	case standing != 0 && e.finding.soft && standing < tm.Announced:
		return ", but " + stamp(tm.Announced) + " is announced now, so it is no source"
	case standing != 0 && tm.Announced == 0:
		return ", so it waits for the quorum"
	}
	return ", so it is no source"
}

// explain writes the tree's note: where it stands, and what is wrong with its master.
func (d *decision) explain(r *TreeReport, masters []MasterReading) {
	tm := d.memory.Trees[r.Tree]
	parts := []string{standing(*r, tm)}
	if r.Pending != 0 {
		parts = append(parts, d.pending(*r))
	}
	if text := d.nobody(r.Tree); text != "" {
		parts = append(parts, text)
	}
	last := lastLook(r.Tree, masters)
	if last == nil && d.asked != nil {
		last = tm.Master // the masters are left to the rounds that ask all servers
	}
	if text := d.master(last, tm); text != "" {
		parts = append(parts, text)
	}
	parts = append(parts, d.suspects[r.Tree].note()...)
	if last != nil && last.Failure != nil {
		r.Trouble = clean(last.Failure.Text)
	}
	switch newer := d.withheld[r.Tree]; {
	case newer != 0:
		parts = append(parts, stamp(newer)+" has its quorum, but the guard holds it back")
	case d.held:
		parts = append(parts, "the guard holds, so nothing is published in this run")
	}
	r.Note = clean(strings.Join(parts, "; "))
}

// nobody says that no node is counted, "" when one is.
func (d *decision) nobody(tree string) string {
	nodes := 0
	for _, e := range d.entries {
		if e.tree != tree || e.server.Kind != manifest.KindNode {
			continue
		}
		if e.counted() {
			return ""
		}
		nodes++
	}
	if nodes == 0 {
		return "no node carries this tree, so nothing can be announced"
	}
	return fmt.Sprintf("all nodes of this tree (%d) are in maintenance, so nothing new can be announced", nodes)
}

func standing(r TreeReport, tm TreeMemory) string {
	switch {
	case r.Announced != 0:
		verb := "is"
		if r.New {
			verb = "is newly"
		}
		return fmt.Sprintf("%s %s announced, %d of %d nodes have it or newer", stamp(r.Announced), verb, r.Nodes.Verified, r.Nodes.Counted)
	case len(tm.Recorded) == 0:
		return "nothing is announced, because nothing was recorded from the master yet"
	default:
		return "nothing is announced yet"
	}
}

// pending says what the tree waits for.
func (d *decision) pending(r TreeReport) string {
	q, b := d.policy.Trees[r.Tree].Quorum, d.ballot(r.Tree)
	need, err := q.Need(b.counted)
	text := fmt.Sprintf("%s is pending: %d of %d counted nodes have it, the quorum (%s) is %d", stamp(r.Pending), b.reached(r.Pending), b.counted, q, need)
	if err != nil {
		text += ", more than there are"
	}
	if r.Overdue {
		text += fmt.Sprintf(", and it has waited for %s, longer than max_wait (%s): look at the nodes that are not verified",
			span(int64(d.now.Sub(r.Waiting.Time).Seconds())), span(int64(d.policy.Trees[r.Tree].MaxWait.Seconds())))
	}
	return text
}

func lastLook(tree string, masters []MasterReading) (last *MasterReading) {
	for i := range masters {
		if masters[i].Tree == tree {
			last = &masters[i]
		}
	}
	return last
}

// master says what is odd about the last look at the master, "" when it is at rest and recorded. The words of a
// failure are left to the report's Trouble: they name the master's host or directory.
func (d *decision) master(last *MasterReading, tm TreeMemory) string {
	switch {
	case last == nil && d.asked != nil:
		return ""
	case last == nil:
		return "the master was not read in this run"
	case last.Failure != nil && last.Failure.Kind == FailMoving:
		return "the master is being written, what was recorded before stays in force"
	case last.Failure != nil:
		return "the master could not be read, what was recorded before stays in force"
	case last.Timestamp <= 0:
		return fmt.Sprintf("the master's time file holds %.64q: expected Unix seconds", last.Raw)
	case inFuture(last.Timestamp, d.now):
		return fmt.Sprintf("the master's time file says %s, which lies more than 5 minutes in the future, so it is refused: correct the clock or the time file", stamp(last.Timestamp))
	}
	return tm.state(*last)
}

// state says how the master's look relates to what is recorded.
func (tm TreeMemory) state(look MasterReading) string {
	r := tm.find(look.Timestamp)
	switch {
	case tm.Unsettled != nil:
		return "the master shows " + stamp(look.Timestamp) + ", which is recorded when a second look agrees"
	case look.Timestamp < tm.newest():
		return fmt.Sprintf("the master went back from %s to %s, which is not followed: to withdraw an update, give the master a new, later time file", stamp(tm.newest()), stamp(look.Timestamp))
	case !tm.isRecorded(look):
		return fmt.Sprintf("the master is in motion: its anchors changed while its time file still says %s, what was recorded stays in force", stamp(look.Timestamp))
	case tm.relisted():
		return "the master's list changed while its time file did not: lists are not held against anybody; move the time file, or exclude the file (trees.<tree>.exclude)"
	case r != nil && r.NoNews:
		return fmt.Sprintf("the master's %s holds nothing new, so it is not announced", stamp(look.Timestamp))
	}
	return ""
}
