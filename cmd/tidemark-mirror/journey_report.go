package main

import (
	"cmp"
	"errors"
	"path/filepath"
	"slices"
	"time"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

const runSchema = "tidemark/mirror-run/v1"

// runDocument is `run --json` and `sync --json`.
type runDocument struct {
	Schema  string         `json:"schema"`
	Network string         `json:"network"`
	Mirror  string         `json:"mirror"`
	Serial  int64          `json:"serial,omitempty"` // of the manifest that was acted on
	DryRun  bool           `json:"dry_run,omitempty"`
	Beacon  *beaconReport  `json:"beacon,omitempty"` // absent: it was not asked
	Trees   []*treeReport  `json:"trees"`
	Checkin *checkinReport `json:"checkin,omitempty"` // absent: there was none to send
	Exit    int            `json:"exit"`
	Errors  []string       `json:"errors,omitempty"` // of no single tree
}

// What became of a tree, beside client's in-date, hold and gone.
const (
	doneSynced   = "synced"
	doneWould    = "would-sync" // --dry-run
	doneWait     = "wait"       // all sources have moved on: a newer manifest will come
	doneLocked   = "locked"
	doneFailed   = "failed"
	doneFallback = "fallback"
)

// treeReport is what became of one tree.
type treeReport struct {
	Tree     string          `json:"tree"`
	Action   string          `json:"action"`
	Reason   string          `json:"reason,omitempty"` // why that action, in words
	From     int64           `json:"from"`             // the time file before; 0: none
	To       int64           `json:"to,omitempty"`     // what was announced, or proven
	Source   *sourceReport   `json:"source,omitempty"`
	Attempts []attemptReport `json:"attempts,omitempty"` // sources that were left, and why
	Files    int64           `json:"files"`
	Bytes    int64           `json:"bytes"`
	Received int64           `json:"received"` // bytes on the wire
	Lists    int             `json:"lists"`    // full file lists asked of the source
	Deleted  int64           `json:"deleted"`
	Owed     int             `json:"owed"` // deletions left for a later sync, where they were counted
	Since    strictjson.Time `json:"owed_since,omitzero"`
	Refused  int             `json:"refused,omitempty"`
	Commands []string        `json:"commands,omitempty"`  // --dry-run
	Doomed   []string        `json:"deletions,omitempty"` // --dry-run: what would be deleted, or would be if it were not too much
	Error    string          `json:"error,omitempty"`

	err    error
	behind time.Time // since when; zero: not known to be
	done   bool
	most   int // deletions that are allowed
}

type sourceReport struct {
	ID     string `json:"id,omitempty"`
	URL    string `json:"url"`
	Reason string `json:"reason,omitempty"` // why it stands where it does in the ranking
}

type attemptReport struct {
	ID     string `json:"id,omitempty"`
	URL    string `json:"url"`
	Stage  string `json:"stage"`
	Why    string `json:"why"`
	Detail string `json:"detail,omitempty"`
}

// tried says that this run has done with the tree what it could.
func (r *treeReport) tried() bool { return r != nil && r.done }

// reopen lets the trees that went well be looked at once more in this run; what was done is told all the same.
func (j *journey) reopen() {
	for _, name := range j.names() {
		if r := j.reports[name]; r.tried() && r.err == nil {
			j.past = append(j.past, r)
			delete(j.reports, name)
		}
	}
}

// told are the reports of all rounds, without the news that a tree which was synced is in date.
func (j *journey) told() []*treeReport {
	all := append([]*treeReport{}, j.past...)
	for _, name := range j.names() {
		r := j.reports[name]
		synced := slices.ContainsFunc(j.past, func(p *treeReport) bool { return p.Tree == name })
		if r != nil && !(synced && r.Action == string(client.InDate)) {
			all = append(all, r)
		}
	}
	return all
}

// document is what --json prints.
func (j *journey) document(err error) runDocument {
	d := runDocument{Schema: runSchema, Network: j.cfg.Network, Mirror: j.cfg.ID, DryRun: j.opt.dry, Beacon: j.beacon.report(), Trees: j.told(),
		Checkin: j.checkin, Exit: j.screen.call.Code(err)}
	if j.view != nil {
		d.Serial = j.view.Opened.Manifest.Serial
	}
	for _, e := range j.trouble() {
		d.Errors = append(d.Errors, e.Error())
	}
	return d
}

// trouble is all that went wrong beside the trees.
func (j *journey) trouble() []error {
	all := append(slices.Clone(j.errs), j.cause)
	if j.view != nil && j.view.Refused != nil {
		all = append(all, j.view.Refused)
	}
	return slices.DeleteFunc(all, func(err error) bool { return err == nil })
}

// noted tells what Look found worth telling: to a person all of it, once a run; to cron each kind once a day, what may
// pass by itself only when it has lasted for warn_after, and that a newer trust document was accepted never.
func (j *journey) noted(view *client.View) {
	noted := view.Noted
	if j.typed() {
		noted = view.All
	}
	for _, n := range noted {
		if n.Kind == client.NoteTrustWalked && !j.typed() {
			continue // all is as it should be, and at every mirror of the network at once
		}
		if !j.heard[n.Kind] {
			j.heard[n.Kind] = true
			j.screen.warn("%s", words(n))
		}
	}
}

// planned reports a decision that leaves the tree alone, or is still to be carried out.
func (j *journey) planned(p plan) {
	r := &treeReport{Tree: p.name, Action: string(p.decision.Action), Reason: p.decision.Reason, From: p.held.Timestamp,
		To: p.decision.Announced, Owed: p.memory.Owed, Since: p.memory.OwedSince}
	if p.decision.Behind != nil {
		r.behind = p.decision.Behind.Since.Time
	}
	j.reports[p.name] = r
	if p.held.Damaged != "" {
		j.warnOnce("time file of "+p.name, "%s: the time file does not count: %s", p.name, p.held.Damaged)
	}
	if p.decision.Action == client.Gone {
		j.warnOnce("gone "+p.name, "%s: %s", p.name, p.decision.Reason)
	}
}

// failed reports what kept a tree from being looked at or synced.
func (j *journey) failed(name string, err error) {
	r := j.reports[name]
	if r == nil {
		r = &treeReport{Tree: name}
		j.reports[name] = r
	}
	var locked *treesync.Locked
	r.err, r.Error, r.done = err, err.Error(), true
	switch {
	case errors.As(err, &locked):
		r.Action = doneLocked
	case r.Action != doneSynced && r.Action != doneFallback: // a sync may stand although something failed after it
		r.Action = doneFailed
	}
}

// synced reports what the engine did.
func (j *journey) synced(p plan, out treesync.Outcome, err error) {
	r := j.reports[p.name]
	r.done = true
	switch {
	case j.opt.dry && err == nil:
		r.Action, r.Commands, r.Doomed = doneWould, out.Commands, out.Doomed
	case out.Synced && j.view == nil:
		r.Action, r.To = doneFallback, out.Timestamp
	case out.Synced:
		r.Action, r.To = doneSynced, out.Timestamp
	case out.Wait:
		r.Action = doneWait
	default:
		r.Action = doneFailed
	}
	if !out.Source.URL.IsZero() {
		r.Source = &sourceReport{ID: out.Source.ID, URL: out.Source.URL.String(), Reason: j.reason(p.name, out.Source)}
	}
	for _, a := range out.Attempts {
		r.Attempts = append(r.Attempts, attemptReport{ID: a.Source.ID, URL: a.Source.URL.String(), Stage: string(a.Stage), Why: string(a.Why), Detail: a.Detail})
	}
	r.Files, r.Bytes, r.Received, r.Lists, r.Deleted = out.Files, out.Bytes, out.Received, out.Lists, out.Deleted
	r.most = cmp.Or(j.opt.maxDelete, p.tree.MaxDelete)
	r.Owed, r.Since, r.Refused = out.Memory.Owed, out.Memory.OwedSince, out.Refused
}

func stagingDir(state, tree string) string { return filepath.Join(state, "staging", tree) }
