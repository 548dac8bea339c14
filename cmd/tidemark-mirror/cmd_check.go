package main

import (
	"errors"
	"fmt"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/treesync"
)

// The answers of check (DESIGN 7).
const (
	needed console.Status = 100
	held   console.Status = 101 // needed, but it is not this mirror's turn yet
)

func checkCommand(e *console.Program) *cli.Command {
	return e.Command("check", "is there something new? answers with its exit code", "", []cli.Flag{httpsFlag()},
		`Asks whether there is something new, verifies the answer, and compares it with the time file of every tree. Nothing is
synced. Where a beacon is configured, its signed DNS record is asked first, and one that has nothing new ends the check in
one packet; in all other cases, and at least once a day, the site is asked over HTTPS. --https asks it at once.

Exit codes: 0 in date; 100 a sync is needed; 101 a sync is needed, and it is not this mirror's turn yet;
1 failed (nothing valid is to be had), 2 configuration, 4 the manifest was refused.

Examples:
  tidemark-mirror check && echo in date
  tidemark-mirror check --json | jq '.trees[] | select(.action != "in-date")'`, func(c *console.Call) error {
			m, err := openMirror(c)
			if err != nil {
				return err
			}
			return m.check()
		})
}

// checkDocument is `check --json`.
type checkDocument struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"`
	Mirror  string          `json:"mirror"`
	Serial  int64           `json:"serial,omitempty"` // absent, as the times: there is no manifest to go by
	Issued  strictjson.Time `json:"issued,omitzero"`
	Expires strictjson.Time `json:"expires,omitzero"`
	Fresh   bool            `json:"fresh"` // the origin answered; false: by the kept bundle
	Exit    int             `json:"exit"`
	Error   string          `json:"error,omitempty"` // what went wrong, in words
	Trees   []checkedTree   `json:"trees"`
	Beacon  *beaconReport   `json:"beacon,omitempty"` // absent: none is configured, or --https
	Notices []notice        `json:"notices"`
}

// checkedTree is what is to be done with one tree.
type checkedTree struct {
	Tree        string          `json:"tree"`
	Action      client.Action   `json:"action,omitempty"`    // absent: see trouble
	Held        int64           `json:"held"`                // 0: no usable time file
	Damaged     string          `json:"damaged,omitempty"`   // why the time file does not count
	Announced   int64           `json:"announced,omitempty"` // absent: the manifest has no such tree
	BehindSince strictjson.Time `json:"behind_since,omitzero"`
	Admitted    int64           `json:"admitted,omitempty"` // parts per million of the mirrors that may start by now
	Place       int64           `json:"place,omitempty"`    // this mirror's own; below admitted it may start
	NextLook    strictjson.Time `json:"next_look,omitzero"` // of a tree on hold: when to look again
	Reason      string          `json:"reason,omitempty"`
	Trouble     string          `json:"trouble,omitempty"` // why the tree could not be looked at
}

func (m *mirror) check() error {
	look, err := m.lookOptions()
	if err != nil {
		return err
	}
	look.EveryNotice = true // marks none as told: cron's run still has to
	d := checkDocument{Schema: "tidemark/mirror-check/v1", Network: m.cfg.Network, Mirror: m.cfg.ID, Trees: []checkedTree{}, Notices: []notice{}}
	if m.cfg.Checkin != nil {
		if advice := m.keyAdvice(); advice != "" {
			m.Warn("checkin: there is no key %s: %s", m.cfg.Checkin.Key, advice)
		}
	}
	if m.checkBeacon(&d, look) {
		return m.Document(d)
	}
	view, answer := m.look(m.Context.Context, look)
	if answer == nil {
		m.heed(view)
		now := view.Opened.Manifest
		d.Serial, d.Issued, d.Expires, d.Fresh = now.Serial, now.Issued, now.Expires, view.Fresh
		d.Notices = append(d.Notices, notices(view.All)...)
		d.Trees, answer = m.checkTrees(now)
		if view.Refused != nil { // the trees were judged by what is kept
			answer = view.Refused
		}
	}
	d.Exit, d.Error = m.Code(answer), inDocument(answer)
	return errors.Join(m.Document(d), answer)
}

// checkBeacon asks the beacon first, and says whether the check ends with its answer.
func (m *mirror) checkBeacon(d *checkDocument, look client.LookOptions) (quiet bool) {
	if m.Bool("https") {
		m.Log.Info("the site is asked over HTTPS: --https")
		return false
	}
	trees := sortedNames(m.cfg)
	asked := m.askBeacon(m.Context.Context, look, trees)
	if asked == nil {
		m.Log.Info("the site is asked over HTTPS: no beacon is configured")
		return false
	}
	m.Log.Info(asked.String())
	d.Beacon = asked.report()
	if n := asked.look.Ignored; n != nil {
		m.Warn("%s", words(*n))
		d.Notices = notices([]client.Notice{*n})
	}
	if !asked.look.Quiet {
		return false
	}
	for _, name := range trees {
		d.Trees = append(d.Trees, m.checkedTree(asked.inDate(name), "", 0))
	}
	return true
}

// checkTrees decides for every tree, and remembers since when each is behind. The answer is the gravest of what failed, what
// may start, and what waits.
func (m *mirror) checkTrees(now *manifest.Manifest) (trees []checkedTree, answer error) {
	behind, failed := m.memory.behind()
	if failed != nil {
		return []checkedTree{}, failed
	}
	m.memory.noteAnnounced(m.cfg, now)
	for _, name := range sortedNames(m.cfg) {
		if err := m.memory.mistyped(m.cfg, now, name, behind[name]); err != nil {
			failed = errors.Join(failed, err)
			trees = append(trees, checkedTree{Tree: name, Trouble: err.Error()})
			continue
		}
		d, damaged, err := m.decide(now, name, behind[name])
		if err != nil {
			failed = errors.Join(failed, fmt.Errorf("%s: %w", name, err))
			trees = append(trees, checkedTree{Tree: name, Trouble: err.Error()})
			continue
		}
		if d.Behind == nil {
			delete(behind, name)
		} else {
			behind[name] = d.Behind
		}
		trees = append(trees, m.checkedTree(d, damaged, interval(now)))
	}
	if failed = errors.Join(failed, m.memory.saveBehind(behind)); failed != nil {
		return trees, failed
	}
	return trees, answerOf(trees)
}

// decide reads a tree's own time file, and says what is to be done.
func (m *mirror) decide(now *manifest.Manifest, name string, behind *client.Behind) (d client.Decision, damaged string, err error) {
	var here treesync.Held
	if t, ok := now.Trees[name]; ok {
		if here, err = treesync.Read(m.cfg.Trees[name].Path, t.TimeFile, m.Now()); err != nil {
			return d, "", err
		}
	}
	d = client.Decide(now, name, m.cfg.ID, here.Timestamp, behind, m.Now())
	if d.Action == client.Sync && d.Held == 0 && here.Damaged == "" {
		d.Reason = fmt.Sprintf("no %s in %s yet; announced is %s", now.Trees[name].TimeFile, m.cfg.Trees[name].Path, console.Stamp(d.Announced))
	}
	return d, here.Damaged, nil
}

// checkedTree tells of a tree, and when to look again where it is held.
func (m *mirror) checkedTree(d client.Decision, damaged string, interval time.Duration) checkedTree {
	d.Reason = withNextLook(d, interval)
	if damaged != "" {
		m.Warn("%s: the time file does not count: %s", d.Tree, damaged)
	}
	if d.Action == client.Gone { // -q must not hide a name that was mistyped
		m.Warn("%s: %s", d.Tree, d.Reason)
	} else {
		m.Say("%-10s %-8s %s", d.Tree, d.Action, trimmed(d.Reason))
	}
	t := checkedTree{Tree: d.Tree, Action: d.Action, Held: d.Held, Damaged: damaged, Announced: d.Announced, Admitted: d.Admitted, Place: d.Place, Reason: d.Reason, NextLook: nextLook(d, m.Now(), interval)}
	if d.Behind != nil {
		t.BehindSince = d.Behind.Since
	}
	return t
}

// answerOf is the answer as an exit code: one tree that may start outweighs those that wait.
func answerOf(trees []checkedTree) (answer error) {
	for _, t := range trees {
		switch t.Action {
		case client.Sync:
			return needed
		case client.Hold:
			answer = held
		}
	}
	return answer
}
