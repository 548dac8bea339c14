package main

import (
	"context"
	"fmt"
	"math/rand/v2"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

const resolverFile = "/etc/resolv.conf"

func httpsFlag() cli.Flag {
	return &cli.BoolFlag{Name: "https", Usage: "ask the site over HTTPS, whatever the beacon says"}
}

// beaconAsked is one question to the beacon, and what came of it.
type beaconAsked struct {
	name string
	look client.BeaconLook
	held map[string]int64 // what the time files say of the trees that were looked at
}

// askBeacon asks the beacon whether any of the trees has something new. nil: none is configured. Where a tree waits for
// something that only the site can settle, DNS is not asked.
func (m *mirror) askBeacon(ctx context.Context, look client.LookOptions, trees []string) *beaconAsked {
	if m.cfg.Beacon == nil {
		return nil
	}
	asked := &beaconAsked{name: m.cfg.Beacon.Name, held: map[string]int64{}}
	if why := m.memory.unsettled(trees); why != "" {
		asked.look.Why = why + ": HTTPS decides"
		return asked
	}
	asked.look = client.LookBeacon(ctx, m.beaconOptions(look, asked.held), trees)
	asked.expect(trees)
	if n := asked.look.Ignored; n != nil && asked.look.Answer != nil && len(asked.look.Answer.Records) == 0 {
		n.Hint = "ask the network's operators for the name; to ask other resolvers: beacon: {name: " + asked.name + ", servers: [ADDRESS]}"
	}
	return asked
}

// String says where the news comes from.
func (b *beaconAsked) String() string {
	switch look := b.look; {
	case look.Quiet:
		return "beacon " + b.name + " is quiet, the site is not asked: " + look.Why
	case look.Beacon != nil:
		return fmt.Sprintf("beacon %s, serial %d; the site is asked over HTTPS: %s", b.name, look.Beacon.Serial, look.Why)
	}
	return "beacon " + b.name + " does not settle it; the site is asked over HTTPS: " + b.look.Why
}

// expect leaves it to the site to say what became of a tree that the beacon does not have.
func (b *beaconAsked) expect(trees []string) {
	if !b.look.Quiet {
		return
	}
	for _, name := range trees {
		if _, ok := b.look.Beacon.Trees[name]; !ok {
			b.look.Quiet, b.look.Why = false, "the beacon has no tree "+name+": HTTPS decides"
			return
		}
	}
}

// beaconOptions say how the beacon is asked; held is where what the time files say is put down.
func (m *mirror) beaconOptions(look client.LookOptions, held map[string]int64) client.BeaconOptions {
	return client.BeaconOptions{
		Name: m.cfg.Beacon.Name, State: look.State, Network: look.Network, Trust: look.Trust, Pinned: look.Pinned,
		Ask: m.askDNS, Now: m.Now, Random: rand.N[time.Duration],
		Held: func(tree, timeFile string) (int64, error) {
			here, err := treesync.Read(m.cfg.Trees[tree].Path, timeFile, m.Now())
			if err == nil && here.Damaged != "" {
				err = fmt.Errorf("%s: the time file does not count: %s", tree, here.Damaged)
			}
			held[tree] = here.Timestamp
			return here.Timestamp, err
		},
	}
}

// askDNS asks the servers of the configuration, or the system's resolvers.
func (m *mirror) askDNS(ctx context.Context, name string) (*dnstxt.Answer, error) {
	servers := m.cfg.Beacon.Servers
	if servers == nil {
		var err error
		if servers, err = dnstxt.System(resolverFile); err != nil {
			return nil, err
		}
	}
	return dnstxt.Ask(ctx, dnstxt.Question{Name: name, Servers: servers, Recurse: true})
}

// unsettled says why a look at the beacon could not end a run: a tree that is behind waits for its turn, one that came
// without a manifest is to be proven. "" when nothing of the kind is known. (A sync that broke off shows in the time file, and
// deletions that are owed start none.)
func (m *memory) unsettled(trees []string) string {
	behind, err := m.behind()
	if err != nil {
		return err.Error()
	}
	for _, name := range trees {
		if b := behind[name]; b != nil {
			return fmt.Sprintf("%s is behind since %s", name, console.Clock(b.Since.Time))
		}
		known, err := m.tree(name)
		switch {
		case err != nil:
			return err.Error()
		case known.Unproven:
			return name + " came without a manifest, and is to be proven"
		}
	}
	return ""
}

// inDate is the decision for a tree of which a quiet beacon has nothing newer.
func (b *beaconAsked) inDate(tree string) client.Decision {
	d := client.Decision{Tree: tree, Action: client.InDate, Held: b.held[tree], Announced: b.look.Beacon.Trees[tree]}
	d.Reason = fmt.Sprintf("in date: holds %d; the beacon of serial %d has nothing newer", d.Held, b.look.Beacon.Serial)
	return d
}

// beaconReport is the beacon in a JSON document.
type beaconReport struct {
	Name      string          `json:"name"`
	Serial    int64           `json:"serial,omitempty"` // absent, as its end: there is none to go by
	Expires   strictjson.Time `json:"expires,omitzero"`
	Quiet     bool            `json:"quiet"` // it has nothing new: nobody else was asked
	Why       string          `json:"why"`
	Server    string          `json:"server,omitempty"` // that answered
	TCP       bool            `json:"tcp,omitempty"`
	Exchanges int             `json:"exchanges"` // questions to DNS; 0: nobody answered, or was asked
	Bytes     int             `json:"bytes"`     // of DNS messages, both ways
	HTTPSDue  strictjson.Time `json:"https_due,omitzero"`
}

// report is nil where no beacon is configured.
func (b *beaconAsked) report() *beaconReport {
	if b == nil {
		return nil
	}
	r := &beaconReport{Name: b.name, Quiet: b.look.Quiet, Why: b.look.Why}
	if found := b.look.Beacon; found != nil {
		r.Serial, r.Expires = found.Serial, strictjson.At(time.Unix(found.Expires, 0))
	}
	if a := b.look.Answer; a != nil {
		r.Server, r.TCP, r.Exchanges, r.Bytes = a.Server, a.TCP, a.Exchanges, a.Sent+a.Received
	}
	if !b.look.Due.IsZero() {
		r.HTTPSDue = strictjson.At(b.look.Due)
	}
	return r
}

// answered remembers what the origin has said, so that the beacon can be compared with it. Where that cannot be kept, HTTPS
// is asked again, and no more.
func (m *mirror) answered(o client.LookOptions, v *client.View) {
	if m.cfg.Beacon == nil || v == nil || !v.Fresh {
		return
	}
	if err := client.Answered(m.beaconOptions(o, map[string]int64{}), v); err != nil {
		n := client.Notice{Kind: client.NoteUnsaved, Text: err.Error()}
		v.All, v.Noted = append(v.All, n), append(v.Noted, n)
	}
}

// quiet asks the beacon before anything else, and says whether the run ends with its answer.
func (j *journey) quiet(ctx context.Context) bool {
	if j.askBeacon == nil || j.needsHTTPS() {
		j.screen.stage("the site is asked over HTTPS: what was typed asks for more than the beacon can say")
		return false
	}
	if j.beacon = j.askBeacon(ctx, j.names()); j.beacon == nil {
		j.screen.stage("the site is asked over HTTPS: no beacon is configured")
		return false
	}
	look := j.beacon.look
	j.screen.stage("%s", j.beacon)
	j.ignored(look.Ignored)
	if !look.Quiet {
		return false
	}
	for _, name := range j.names() {
		known, err := j.memory.tree(name)
		if err != nil {
			j.failed(name, err)
			continue
		}
		d := j.beacon.inDate(name)
		j.planned(plan{name: name, held: treesync.Held{Timestamp: d.Held}, decision: d, memory: known})
	}
	return true
}

// needsHTTPS: what was typed asks for more than whether there is something new.
func (j *journey) needsHTTPS() bool {
	return j.opt.https || j.opt.repair || j.opt.dry || j.opt.adopt || j.opt.source != nil || j.opt.maxDelete > 0
}

// ignored tells of a beacon that is not used, as noted does of the site: to a person always; to cron once a day, and what
// may pass by itself only when it has lasted for warn_after.
func (j *journey) ignored(n *client.Notice) {
	switch {
	case n == nil:
	case j.typed():
		j.screen.warn("%s", words(*n))
	case !n.Since.IsZero() && j.now().Before(n.Since.Add(j.cfg.WarnAfter)):
	case j.due(n.Kind, aDay): // whatever it says: who forges records must not send the mail as well
		j.screen.warn("%s", words(*n))
	}
}

// trimmed is a reason without the words that stand before it on the screen already.
func trimmed(reason string) string { return strings.TrimPrefix(reason, "in date: ") }
