package main

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/quorum"
)

// probedStory sets what a probe of one server found against what is published: a probe changes nothing, and what it says of a
// server is not what mirrors are told.
type probedStory struct {
	serial   int64 // published last, 0: nothing
	offered  bool  // by that serial
	next     bool  // the next run looks closely enough to find the same
	again    time.Time
	deep     bool // all was looked at that can be
	timeOnly bool // at every address nothing but the time file was looked at
	lists    bool // there is a list to compare with
	id       string
	place    string // in the inventory, "servers.yaml:4"
}

// source says what it would be, and what it is.
func (s probedStory) source(v quorum.Verdict) string {
	text := "it would be none"
	if v.Source {
		text = "it would be one"
	}
	switch {
	case s.serial == 0:
		return text + "; nothing is published yet"
	case s.offered:
		return fmt.Sprintf("%s; published as a source in serial %d", text, s.serial)
	}
	return fmt.Sprintf("%s; published as none in serial %d", text, s.serial)
}

// conclusion is what follows, and what to type.
func (s probedStory) conclusion(v quorum.Verdict, now time.Time) []string {
	var notes []string
	if s.timeOnly && !s.deep {
		all := "anchors"
		if s.lists {
			all = "anchors and file list"
		}
		notes = append(notes, fmt.Sprintf("only its time file was looked at; %s, too: tidemark probe %s --deep", all, s.id))
	}
	switch out := fmt.Sprintf("maintenance: true at %s, then tidemark run", s.place); {
	case s.serial == 0:
	case s.offered && !v.Source && s.next:
		notes = append(notes, "this look changed nothing, and it is still offered: the next run finds the same and takes it out; now: tidemark run")
	case s.offered && !v.Source:
		notes = append(notes, "this look changed nothing, and it is still offered: a run finds the same when its time file moves, or "+s.when(now),
			"to take it out now: "+out)
	case s.offered && silent(v.State):
		notes = append(notes, "it stays offered while no more than two rounds in a row fail; to take it out now: "+out)
	case !s.offered && v.Source && s.next:
		notes = append(notes, "this look changed nothing, and it is not offered yet: the next run finds the same; now: tidemark run")
	case !s.offered && v.Source:
		notes = append(notes, "this look changed nothing, and it is not offered yet: a run finds the same when its time file moves, when it checks in, or "+s.when(now))
	}
	return notes
}

// when says until when a run looks as closely.
func (s probedStory) when(now time.Time) string {
	if !s.again.After(now) {
		return "in one of the next runs"
	}
	return fmt.Sprintf("by about %s, when it is looked at again (probe.recheck)", console.Clock(s.again))
}

// listFault: it is the file list that is at fault.
func listFault(c quorum.Cause) bool { return c == quorum.CauseList || c == quorum.CauseMTime }

// probedOf sets the story of a tree against what is published and what the next run would ask: plain is that, had nobody probed.
func (p *publisher) probedOf(s *serverStory, t treeStory, own *predecessor, mem quorum.Memory, plain []quorum.Ask, deep bool) *probedStory {
	d := &probedStory{deep: deep, id: s.Server, timeOnly: len(t.Readings) > 0, lists: len(p.listsHeld()[t.Tree]) > 0}
	if s.Declared != nil {
		d.place = fmt.Sprintf("%s:%d", s.Declared.File, s.Declared.Line)
	}
	if own != nil {
		d.serial = own.manifest.Serial
		d.offered = slices.ContainsFunc(own.manifest.Sources, func(o manifest.Source) bool {
			_, carries := o.Trees[t.Tree]
			return o.ID == s.Server && carries
		})
	}
	var ask quorum.Ask
	for _, a := range plain {
		if a.Server == s.Server && a.Tree == t.Tree {
			ask = a
		}
	}
	deeper := ask.Deep
	for _, r := range t.Readings {
		d.timeOnly = d.timeOnly && r.Failure == nil && !r.Void && !r.deep()
		if r.Timestamp == 0 {
			d.next = true // not even its time file is as it should be
		}
		deeper = deeper || r.Timestamp != ask.Known || len(ask.Addresses) > 0 && !slices.Contains(ask.Addresses, r.Address)
	}
	sm := mem.Servers[s.Server][t.Tree]
	held := sm.List != nil && sm.List.State != "" // until its list is looked at again
	byList := held || t.Verdict != nil && listFault(t.Verdict.Cause)
	d.next = d.next || deeper && (ask.List || !byList)
	switch {
	case held:
		last := sm.Listed.Time
		if sm.ListTried.After(last) {
			last = sm.ListTried.Time
		}
		d.again = last.Add(max(p.cfg.Probe.Recheck/retryPart, p.cfg.Policy.CheckInterval))
	case byList:
		d.again = sm.Listed.Add(p.cfg.Probe.Recheck)
	default:
		d.again = sm.Deep.Add(p.cfg.Probe.Recheck)
	}
	return d
}

// retryPart: a list that was at fault is looked at again after this part of probe.recheck (see the package quorum).
const retryPart = 12

// heldBack says how often a table's row was not asked for back-off, and until when.
func heldBack(v quorum.Verdict) string {
	parts := []string{"not asked: it failed again and again"}
	if !v.Next.IsZero() {
		parts = append(parts, "asked again at about "+v.Next.UTC().Format("15:04 UTC"))
	}
	return strings.Join(parts, ", ")
}
