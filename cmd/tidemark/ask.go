package main

import (
	"context"
	"crypto/tls"
	"math/rand/v2"
	"slices"
	"time"

	"github.com/schollz/progressbar/v3"

	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/rsync"
)

// ask looks at the masters, then asks every server.
func (p *publisher) ask(ctx context.Context, prev *manifest.Manifest, force bool) (quorum.Readings, quorum.Memory, error) {
	r, mem, err := p.lookAtMasters(ctx, prev, force)
	if err != nil {
		return r, mem, err
	}
	return r, mem, p.askServers(ctx, &r, mem, nil, force)
}

// askServers asks every server, or those of r.Asked, and looks deeper where a mirror claims something new.
func (p *publisher) askServers(ctx context.Context, r *quorum.Readings, mem quorum.Memory, claims quorum.Claims, force bool) error {
	asks := quorum.Plan(mem, p.policy(force), p.Now(), rand.New(rand.NewPCG(rand.Uint64(), rand.Uint64())))
	if r.Asked != nil {
		asks = quorum.Only(asks, r.Asked)
	}
	o, err := p.probeOptions()
	if err != nil {
		return err
	}
	if r.Asked != nil {
		o.Budget = checkinBudget(o.Timeout)
	}
	done := p.progress("asking servers", &o)
	asks = claims.Heed(asks, mem)
	r.Rested = quorum.Rested(asks)
	r.Servers = probe.All(ctx, quorum.Awake(asks), o)
	done()
	if r.Asked == nil {
		p.lookAgain(ctx, r, o)
	}
	return ctx.Err()
}

// lookAgain looks once more at the masters of trees of which a list was at fault: lists come in long after the master was looked
// at, and one that follows a master in motion is no server's fault. Nothing new is recorded of it; the next run does that.
func (p *publisher) lookAgain(ctx context.Context, r *quorum.Readings, o probe.Options) {
	o.Progress = nil
	for _, a := range p.only(listFaults(r.Servers)) {
		p.Log.Info("a list is not the master's: looking at the master again", "tree", a.Tree)
		a.Index = nil
		r.Masters = append(r.Masters, probe.Master(ctx, a, o))
	}
}

// listFaults are the trees of which a list is at fault, each once. What is there in excess is held against nobody.
func listFaults(servers []quorum.Reading) (trees []string) {
	for _, s := range servers {
		differs := s.List != nil && s.List.Missing+s.List.Different+s.List.Moved > 0
		failed := s.Failure != nil && s.Failure.Kind == quorum.FailList
		if (differs || failed) && !slices.Contains(trees, s.Tree) {
			trees = append(trees, s.Tree)
		}
	}
	return trees
}

// progress draws a bar on a terminal, and nothing elsewhere.
func (p *publisher) progress(what string, o *probe.Options) (done func()) {
	if !p.Terminal || p.Quiet || p.JSON {
		return func() {}
	}
	var bar *progressbar.ProgressBar
	o.Progress = func(n, of int) {
		if bar == nil {
			bar = progressbar.NewOptions(of, progressbar.OptionSetWriter(p.Stderr), progressbar.OptionSetDescription(what), progressbar.OptionClearOnFinish(), progressbar.OptionThrottle(100*time.Millisecond))
		}
		bar.Set(n)
	}
	return func() {
		if bar != nil {
			bar.Finish()
		}
	}
}

// probeOptions copies the operator's settings to the probing.
func (p *publisher) probeOptions() (probe.Options, error) {
	c := p.cfg.Probe
	o := probe.Options{
		Concurrency: c.Concurrency, Timeout: c.Timeout, Now: p.Now, AllowPrivate: c.AllowPrivate,
		PerSecond: c.PerSecond, PerGroup: c.PerGroup, ListsAtOnce: c.Lists, ListTimeout: c.ListTimeout,
	}
	if c.Lists > 0 {
		o.Lists = p.fileLists()
	}
	if !p.readOnly() {
		o.Scratch = p.state.dir // a dry run leaves nothing there, not even for a moment
	}
	if c.CA != "" {
		pool, err := console.Authorities("probe.ca", c.CA)
		if err != nil {
			return o, err
		}
		o.Client = &rsync.Client{TLS: &tls.Config{RootCAs: pool}}
	}
	return o, nil
}
