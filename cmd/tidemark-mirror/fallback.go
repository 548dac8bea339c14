package main

import (
	"cmp"
	"context"
	"errors"
	"path/filepath"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/sign"
	"tidemark/treesync"
)

const (
	fallbackFile = "fallback.json"
	usualTime    = "TIME" // the time file's name where no manifest was ever seen
)

// lastFallback is when the mirror last tried its fallback sources.
type lastFallback struct {
	Tried strictjson.Time `json:"tried"`
}

// withoutManifest is the way of a run that has no manifest to go by: the trees stay as they are, which is said once a day,
// or, where that has lasted and the configuration has it, the fallback sources are used.
func (j *journey) withoutManifest(ctx context.Context, cause error) error {
	j.cause = cause
	switch {
	case ctx.Err() != nil:
		j.cause = interrupted(ctx.Err())
	case j.view == nil && !clockAmiss(cause) && j.fallbackDue():
		if locked, err := j.syncFallback(ctx); locked != nil || err != nil {
			j.errs = append(j.errs, err)
			return j.result(locked)
		}
	}
	return j.result(nil)
}

// clockAmiss: the site answers with a genuine manifest of the future. It is this machine's clock that is to be mended.
func clockAmiss(cause error) bool {
	var refused *client.Refused
	return errors.As(cause, &refused) && refused.Reason == client.FutureDated
}

// fallbackDue: no valid manifest for longer than `after`, and at most every six hours.
func (j *journey) fallbackDue() bool {
	if j.cfg.Fallback == nil {
		return false
	}
	since, err := client.NoManifestSince(j.cfg.State)
	if err != nil {
		j.errs = append(j.errs, err)
		return false
	}
	var last lastFallback
	if _, err := j.memory.load(fallbackFile, &last); err != nil {
		last = lastFallback{} // damaged: it only keeps us from asking too often
	}
	return client.FallbackDue(since, last.Tried.Time, j.now(), j.cfg.Fallback.After)
}

// syncFallback syncs the one tree of a configuration with a fallback: in two stages, without pre-flight or proof, deleting
// nothing. That it was tried is noted before, so that sources in trouble are left in peace, too.
func (j *journey) syncFallback(ctx context.Context) (*treesync.Locked, error) {
	var due []plan
	kept := keptOfAnyAge(j.cfg, j.held, j.now())
	for _, name := range j.names() {
		m, err := j.memory.tree(name)
		if err != nil {
			return nil, err
		}
		p := plan{name: name, tree: j.cfg.Trees[name], memory: m, decision: client.Decision{Tree: name, Action: client.Sync, Reason: "no manifest is to be had: by a fallback source"}}
		p.announce.TimeFile, p.issued = timeFile(kept, name)
		due = append(due, p)
	}
	lock, err := j.lock(due)
	var locked *treesync.Locked
	if errors.As(err, &locked) {
		return locked, nil
	}
	if err != nil {
		return nil, err
	}
	defer lock.release()
	if !j.opt.dry {
		if err := j.memory.save(fallbackFile, lastFallback{strictjson.At(j.now())}); err != nil {
			return nil, err
		}
	}
	for _, p := range due {
		if p.held, err = treesync.Read(p.tree.Path, p.announce.TimeFile, latest(j.now(), p.issued)); err == nil {
			j.planned(p)
			err = j.syncTree(ctx, lock, p)
		}
		if ctx.Err() != nil {
			return nil, interrupted(ctx.Err())
		}
		if err != nil {
			j.failed(p.name, err)
		}
	}
	return nil, nil
}

// fallbackSources are those of the configuration, as they are written.
func (j *journey) fallbackSources() (sources []treesync.Source) {
	if j.opt.source != nil {
		return []treesync.Source{{URL: *j.opt.source, Family: j.cfg.Family}}
	}
	for _, u := range j.cfg.Fallback.Sources {
		sources = append(sources, treesync.Source{URL: u, Family: j.cfg.Family})
	}
	return sources
}

// keptOfAnyAge is the last manifest, however old that is by now: it was verified. nil: none is kept.
func keptOfAnyAge(cfg *config.Mirror, look client.LookOptions, now time.Time) *manifest.Manifest {
	trust, err := client.HeldTrust(look)
	if err != nil {
		return nil
	}
	b, err := console.ReadFile(filepath.Join(cfg.State, client.BundleFile), sign.MaxBundle)
	if err != nil {
		return nil
	}
	opened, _, err := client.Open(b, client.Options{Network: cfg.Network, Trust: trust, Now: now, AnyAge: true})
	if err != nil {
		return nil
	}
	return opened.Manifest
}

// timeFile is the name of a tree's time file as the last manifest had it, and when that one was issued.
func timeFile(kept *manifest.Manifest, tree string) (name string, issued time.Time) {
	if kept == nil {
		return usualTime, issued
	}
	return cmp.Or(kept.Trees[tree].TimeFile, usualTime), kept.Issued.Time
}

// withoutError is the error of a run without a manifest: a fallback that synced has done what was asked, unless the manifest
// was refused.
func (j *journey) withoutError() error {
	if j.cause == nil {
		return nil
	}
	if !j.fellBack() {
		return j.onceADay(j.cause)
	}
	if j.screen.call.Code(j.cause) != console.Refused {
		j.warnOnce("error "+kind(j.cause), "%v", j.cause)
		return nil
	}
	return j.onceADay(console.Hinted(j.cause, "the tree was synced from a fallback source, unproven; check this machine's clock (timedatectl), and tell the network's operators"))
}

// fellBack says that a tree was synced without a manifest.
func (j *journey) fellBack() bool {
	for _, r := range j.reports {
		if r.Action == doneFallback {
			return true
		}
	}
	return false
}
