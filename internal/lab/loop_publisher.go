package lab

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// loopPublisher is the publisher's side of the loop: configuration and keys, the site behind HTTPS, the receiver of
// check-ins, and what starts the program.
type loopPublisher struct {
	program, config, spool string
	www                    string // what is published

	keys     *Publisher
	site     *Static
	receiver *Receiver
	now      func() time.Time
	cron     sync.WaitGroup
	called   int // by check-ins
	trouble  []string
}

// startLoopPublisher publishes the network as it is.
func startLoopPublisher(ctx context.Context, l *loop) (*loopPublisher, error) {
	dir := l.path("publisher")
	p := &loopPublisher{program: l.Publisher, config: filepath.Join(dir, "tidemark.yaml"), spool: filepath.Join(dir, "spool"), www: filepath.Join(dir, "www"), now: l.Now}
	var err error
	if p.keys, err = NewPublisher(dir, loopTree, l.Now()); err != nil {
		return nil, err
	}
	if err := l.network.WriteInventory(filepath.Join(dir, "inventory.yaml")); err != nil {
		return nil, err
	}
	if err := os.Mkdir(p.www, 0o755); err != nil {
		return nil, err
	}
	if p.site, err = ServeStatic(ctx, filepath.Join(dir, "tls"), p.www); err != nil {
		return nil, err
	}
	text := fmt.Sprintf(`network: %s
state: state
inventory: [inventory.yaml]
trees: {%[1]s: {master: %s, anchors: [%q], quorum: majority}}
sign: {openpgp: {key: %s}, ed25519: {key: %s}}
trust: trust.json
publish: [{dir: www}]
settle: 1s
probe: {timeout: 60s, allow_private: true}
policy: {check_interval: 2s}
`, loopTree, l.network.Master(loopTree), Anchors()[0], p.keys.OpenPGPKey, p.keys.MinisignKey)
	if p.receiver, err = StartReceiver(ctx, ReceiverOptions{Program: l.Publisher, Config: p.config, Text: text, Spool: p.spool, TLS: filepath.Join(dir, "tls")}); err != nil {
		return nil, errors.Join(err, p.close())
	}
	return p, p.run(ctx, "--bootstrap") // this state has no memory of a publication
}

// run is the program once.
func (p *loopPublisher) run(ctx context.Context, args ...string) error {
	out, err := command(ctx, p.program, append([]string{"run", "--config", p.config}, args...)...)
	for line := range strings.Lines(string(out)) {
		if strings.Contains(line, " checked in: ") && !strings.Contains(line, " verified at ") {
			p.trouble = append(p.trouble, strings.TrimSpace(line))
		}
	}
	return err
}

// follow is what systemd does: a full run now and then, and one for the check-ins once a file lies in the spool.
func (p *loopPublisher) follow(ctx context.Context) {
	full := p.now()
	for ctx.Err() == nil {
		var err error
		switch {
		case !p.now().Before(full):
			err = p.run(ctx)
			full = p.now().Add(loopFull)
		case p.waiting():
			p.called++
			err = p.run(ctx, "--checkins")
		default:
			pause(ctx, 100*time.Millisecond)
		}
		if err != nil && ctx.Err() == nil {
			p.trouble = append(p.trouble, err.Error())
		}
	}
}

// waiting is what a systemd path unit sees with DirectoryNotEmpty=.
func (p *loopPublisher) waiting() bool {
	entries, err := os.ReadDir(filepath.Join(p.spool, "new"))
	return err == nil && len(entries) > 0
}

// published is what the site says of the tree now, in the file that mirrors read.
func (p *loopPublisher) published() (LoopRow, error) {
	r := LoopRow{Admit: -1, listed: map[string]bool{}}
	b, err := os.ReadFile(filepath.Join(p.www, publish.BundleName))
	if err != nil {
		return r, err
	}
	e, err := sign.ParseEnvelope(b, sign.MaxBundle)
	if err != nil {
		return r, fmt.Errorf("the published bundle: %w", err)
	}
	m, err := manifest.Parse(e.Payload)
	if err != nil {
		return r, fmt.Errorf("the published manifest: %w", err)
	}
	r.Serial, r.hold = m.Serial, time.Duration(m.Policy.MaxHold)*time.Second
	if m.Trees[loopTree].Timestamp == loopNext {
		r.Admit = m.Trees[loopTree].Admit
	}
	for _, s := range m.Sources {
		if s.Trees[loopTree].Timestamp != loopNext {
			continue
		}
		r.Sources++
		r.listed[s.ID] = true
		r.Slots += s.Slots
		if s.Kind == manifest.KindMirror {
			r.Listed++
		}
	}
	return r, nil
}

func (p *loopPublisher) close() error {
	var errs []error
	if p.receiver != nil {
		errs = append(errs, p.receiver.Stop())
	}
	if p.site != nil {
		errs = append(errs, p.site.Close())
	}
	return errors.Join(errs...)
}
