package main

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/treesync"
)

func statusCommand(e *console.Program) *cli.Command {
	return e.Command("status", "what is held, from whom, and what is wrong", "", nil,
		`Tells of each tree what is held and announced, since when it is behind and where this mirror stands among those that wait,
the last sync that was proven and the deletions that are owed; who holds the lock; how old the kept manifest and the trust
document are; the serial of the newest beacon seen, and when the site is asked at the latest whatever the beacon says; whether
a check-in is owed; and this mirror's public key. Asks nobody: it works offline, and does not know whether the beacon is
still there (check -v asks it).

Examples:
  tidemark-mirror status
  tidemark-mirror status --json | jq '.trees[] | select(.behind_since)'`, func(c *console.Call) error {
			m, err := openMirror(c)
			if err != nil {
				return err
			}
			return m.status()
		})
}

// statusDocument is `status --json`.
type statusDocument struct {
	Schema      string          `json:"schema"`
	Network     string          `json:"network"`
	Mirror      string          `json:"mirror"`
	Country     string          `json:"country,omitempty"`
	CountryFrom string          `json:"country_from,omitempty"` // how it was found, where the configuration says auto
	At          strictjson.Time `json:"at"`
	Manifest    *keptManifest   `json:"manifest,omitempty"` // the kept one, while it is in force
	Problem     string          `json:"problem,omitempty"`  // why there is none in force
	Trust       trustVersion    `json:"trust"`
	Beacon      *beaconStatus   `json:"beacon,omitempty"`  // absent: none is configured
	Key         string          `json:"key,omitempty"`     // this mirror's public key: what the network's inventory needs
	Checkin     *checkinStatus  `json:"checkin,omitempty"` // absent: none is configured
	Trees       []treeStatus    `json:"trees"`
	Run         *runStatus      `json:"run,omitempty"` // the run that holds the lock now
	Notices     []notice        `json:"notices"`
}

type keptManifest struct {
	Serial  int64           `json:"serial"`
	Issued  strictjson.Time `json:"issued"`
	Expires strictjson.Time `json:"expires"`
}

// treeStatus is what is known of one tree.
type treeStatus struct {
	Tree        string          `json:"tree"`
	Path        string          `json:"path"`
	Action      client.Action   `json:"action,omitempty"` // absent: no manifest is in force
	Held        int64           `json:"held"`
	Damaged     string          `json:"damaged,omitempty"`
	Announced   int64           `json:"announced,omitempty"`
	BehindSince strictjson.Time `json:"behind_since,omitzero"`
	Admitted    int64           `json:"admitted,omitempty"` // of a tree behind: parts per million of the mirrors that may start by now
	Place       int64           `json:"place,omitempty"`    // this mirror's own; below admitted it may start
	NextLook    strictjson.Time `json:"next_look,omitzero"` // of a tree on hold: when to look again
	Proven      int64           `json:"proven,omitempty"`   // the timestamp of the last sync that was proven
	Source      string          `json:"source,omitempty"`   // that it came from
	Synced      strictjson.Time `json:"synced,omitzero"`
	Began       bool            `json:"began,omitempty"` // a sync was begun and has not ended well yet
	Owed        int             `json:"owed,omitempty"`  // deletions; none since owed_since: not counted yet
	OwedSince   strictjson.Time `json:"owed_since,omitzero"`
	Trouble     string          `json:"trouble,omitempty"`

	most  int    // deletions that a run makes unasked
	queue string // where this mirror stands, in words
}

// runStatus is who holds the lock; without a pid it did not say.
type runStatus struct {
	PID   int             `json:"pid,omitempty"`
	Since strictjson.Time `json:"since,omitzero"`
	Doing string          `json:"doing,omitempty"`
}

func (m *mirror) status() error {
	look, err := m.lookOptions()
	if err != nil {
		return err
	}
	look.EveryNotice = true
	trust, err := client.HeldTrust(look)
	if err != nil {
		return err
	}
	d := statusDocument{Schema: "tidemark/mirror-status/v1", Network: m.cfg.Network, Mirror: m.cfg.ID, Country: m.cfg.Country, CountryFrom: m.cfg.Auto,
		At: strictjson.At(m.Now()), Trust: trustVersion{Version: trust.Version, Issued: trust.Issued, Expires: trust.Expires}, Notices: []notice{}}
	view, err := client.Kept(look)
	switch {
	case err != nil:
		d.Problem = err.Error()
	case view == nil:
		d.Problem = "no manifest is kept yet"
	default:
		now := view.Opened.Manifest
		d.Manifest = &keptManifest{Serial: now.Serial, Issued: now.Issued, Expires: now.Expires}
		d.Notices = notices(view.All)
	}
	d.warnTrustEnd(trust)
	d.Key, d.Checkin = m.publicKey(), m.checkinStatus()
	if d.Beacon = m.beaconStatus(); d.Beacon != nil && view != nil {
		d.Notices = slices.DeleteFunc(d.Notices, func(n notice) bool { return n.Kind == client.NoteOld && d.Beacon.explains(view.Opened.Manifest) })
	}
	if d.Trees, err = m.treeStatuses(view); err != nil {
		return err
	}
	d.Run = whoRuns(m.cfg.State)
	m.tellStatus(d, trust)
	return m.Document(d)
}

// warnTrustEnd warns from 90 days before the trust document ends, and once it has, also where no manifest is in force.
func (d *statusDocument) warnTrustEnd(t *keys.Trust) {
	d.Notices = slices.DeleteFunc(d.Notices, func(n notice) bool { return n.Kind == client.NoteTrustEnds })
	if n := client.TrustEnds(t, d.At.Time); n != nil {
		d.Notices = append(d.Notices, notice{Kind: n.Kind, Text: n.Text, Hint: "see whether there is a newer one: tidemark-mirror trust update; else " + n.Hint})
	}
}

func (m *mirror) treeStatuses(view *client.View) ([]treeStatus, error) {
	behind, err := m.memory.behind()
	if err != nil {
		return nil, err
	}
	trees := []treeStatus{}
	for _, name := range sortedNames(m.cfg) {
		trees = append(trees, m.treeStatus(name, view, behind[name]))
	}
	return trees, nil
}

// treeStatus is one tree's; what cannot be read of it is told, and keeps nothing else from being told.
func (m *mirror) treeStatus(name string, view *client.View, behind *client.Behind) treeStatus {
	t := treeStatus{Tree: name, Path: m.cfg.Trees[name].Path, most: m.cfg.Trees[name].MaxDelete}
	known, err := m.memory.tree(name)
	t.Proven, t.Source, t.Synced, t.Began, t.Owed, t.OwedSince = known.Timestamp, known.Source, known.Synced, known.Began, known.Owed, known.OwedSince
	if behind != nil {
		t.BehindSince = behind.Since
	}
	if view != nil {
		d, damaged, derr := m.decide(view.Opened.Manifest, name, behind)
		err = errors.Join(err, derr)
		t.Action, t.Held, t.Damaged, t.Announced, t.Admitted, t.Place = d.Action, d.Held, damaged, d.Announced, d.Admitted, d.Place
		every := interval(view.Opened.Manifest)
		t.NextLook, t.queue = nextLook(d, m.Now(), every), queue(d, every)
	} else if held, herr := treesync.Read(t.Path, usualTime, m.Now()); herr == nil {
		t.Held, t.Damaged = held.Timestamp, held.Damaged
	}
	if err != nil {
		t.Trouble = err.Error()
	}
	return t
}

func (m *mirror) tellStatus(d statusDocument, trust *keys.Trust) {
	m.Say("mirror %s of network %s, %s", d.Mirror, d.Network, place(self(m.cfg)))
	if d.CountryFrom != "" {
		m.Say("  found     %s", d.CountryFrom)
	}
	if d.Manifest != nil {
		m.Say("  manifest  serial %d, issued %s (%s ago), expires %s", d.Manifest.Serial, console.Clock(d.Manifest.Issued.Time),
			console.Ago(d.Manifest.Issued.Time, d.At.Time), console.Clock(d.Manifest.Expires.Time))
	} else {
		m.Say("  manifest  none in force: %s", d.Problem)
	}
	m.Say("  trust     version %d, ends %s (in %s)", trust.Version, console.Clock(trust.Expires.Time), console.Span(trust.Expires.Sub(d.At.Time)))
	for _, k := range trust.Root.Keys {
		m.Say("            root key %s %s", k.Key, k.Holder)
	}
	if d.Beacon != nil {
		m.Say("  beacon    %s", d.Beacon)
	}
	if d.Checkin != nil {
		m.Say("  check-in  %s", d.Checkin)
	}
	if d.Key != "" {
		m.Say("  key       %s", d.Key)
	}
	if r := d.Run; r != nil {
		m.Say("  running   %s", r)
	}
	for _, t := range d.Trees {
		m.tellTree(t)
	}
	warnConfig(m.Call, m.cfg)
	for _, n := range d.Notices {
		m.Warn("%s", words(client.Notice{Kind: n.Kind, Text: n.Text, Hint: n.Hint}))
	}
}

func (m *mirror) tellTree(t treeStatus) {
	m.Say("%s in %s: %s", t.Tree, t.Path, state(t))
	m.Say("  holds     %s", console.Stamp(t.Held))
	if t.Damaged != "" {
		m.Say("            the time file does not count: %s", t.Damaged)
	}
	if t.Announced != 0 {
		m.Say("  announced %s", console.Stamp(t.Announced))
	}
	if !t.BehindSince.IsZero() {
		m.Say("  behind    since %s (%s)", console.Clock(t.BehindSince.Time), console.Ago(t.BehindSince.Time, m.Now()))
	}
	if t.queue != "" {
		m.Say("  queue     %s", t.queue)
	}
	if t.Proven != 0 {
		m.Say("  proven    %s, from %s at %s", console.Stamp(t.Proven), t.Source, console.Clock(t.Synced.Time))
	}
	if t.Began {
		m.Say("  begun     a sync has not ended well yet: the next run goes on where it stopped")
	}
	switch {
	case t.OwedSince.IsZero():
	case t.Owed == 0:
		m.Say("  owed      deletions since %s, not counted yet", console.Clock(t.OwedSince.Time))
	case t.Owed > t.most:
		m.Say("  owed      %s, since %s: more than max_delete (%d); allow once: tidemark-mirror sync --max-delete %d %s",
			count(int64(t.Owed), "deletion"), console.Clock(t.OwedSince.Time), t.most, t.Owed, t.Tree)
	default:
		m.Say("  owed      %s, since %s", count(int64(t.Owed), "deletion"), console.Clock(t.OwedSince.Time))
	}
	if t.Trouble != "" {
		m.Say("  trouble   %s", t.Trouble)
	}
}

// state is a tree's in a word or two.
func state(t treeStatus) string {
	switch t.Action {
	case client.InDate:
		return "in date"
	case client.Sync:
		return "a sync is needed"
	case client.Hold:
		return "behind, not admitted yet"
	case client.Gone:
		return "not announced (any more)"
	}
	return "not known"
}

// String is who runs, in words.
func (r *runStatus) String() string {
	if r.PID == 0 {
		return "another program holds the lock, and did not say who it is"
	}
	return fmt.Sprintf("process %d since %s: %s", r.PID, console.Clock(r.Since.Time.In(time.UTC)), r.Doing)
}
