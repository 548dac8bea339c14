package main

import (
	"context"
	"errors"
	"path/filepath"

	"tidemark/client"
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
	case j.view == nil && j.fallbackDue():
		if locked, err := j.syncFallback(ctx); locked != nil || err != nil {
			j.errs = append(j.errs, err)
			return j.result(locked)
		}
	}
	return j.result(nil)
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
	for _, name := range j.names() {
		m, err := j.memory.tree(name)
		if err != nil {
			return nil, err
		}
		due = append(due, plan{name: name, tree: j.cfg.Trees[name], announce: manifest.Tree{TimeFile: j.timeFile(name)}, memory: m})
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
		if p.held, err = treesync.Read(p.tree.Path, p.announce.TimeFile, j.now()); err == nil {
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

// timeFile is the name of a tree's time file as the last manifest had it, however old that is by now: it was verified.
func (j *journey) timeFile(tree string) string {
	trust, err := client.HeldTrust(j.held)
	if err != nil {
		return usualTime
	}
	b, err := console.ReadFile(filepath.Join(j.cfg.State, client.BundleFile), sign.MaxBundle)
	if err != nil {
		return usualTime
	}
	opened, _, err := client.Open(b, client.Options{Network: j.cfg.Network, Trust: trust, Now: j.now(), AnyAge: true})
	if err != nil || opened.Manifest.Trees[tree].TimeFile == "" {
		return usualTime
	}
	return opened.Manifest.Trees[tree].TimeFile
}

// withoutError is the error of a run without a manifest: a fallback that synced has done what was asked, unless the manifest
// was refused.
func (j *journey) withoutError() error {
	if j.cause == nil {
		return nil
	}
	if j.screen.call.Code(j.cause) != console.Refused {
		for _, r := range j.reports {
			if r.Action == doneFallback {
				j.warnOnce("error "+kind(j.cause), "%v", j.cause)
				return nil
			}
		}
	}
	return j.onceADay(j.cause)
}
