package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/treesync"
)

// holderFile says who holds the lock, since when and for what; beside it lies the mark of a run that was refused.
const holderFile = "run.json"

// syncAll locks, looks at the time files again, since another run may have been faster, and syncs tree after tree. One
// that fails does not keep the others. The result is the lock that stood in the way.
func (j *journey) syncAll(ctx context.Context, due []plan) (*treesync.Locked, error) {
	if len(due) == 0 {
		return nil, nil
	}
	lock, err := j.lock(due)
	var locked *treesync.Locked
	if errors.As(err, &locked) {
		return locked, j.leaveWord(locked, due)
	}
	if err != nil {
		return nil, err
	}
	defer lock.release()
	for _, p := range due {
		if p, err = j.planAgain(p); err == nil && j.action(p) == client.Sync {
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

// planAgain decides anew with what is in the tree now that the lock is held.
func (j *journey) planAgain(p plan) (plan, error) {
	again, err := j.planFor(p.name, p.decision.Behind)
	if err == nil && j.action(again) != client.Sync {
		j.planned(again)
	}
	return again, err
}

// syncTree syncs one tree, with the hooks around it.
func (j *journey) syncTree(ctx context.Context, lock *runLock, p plan) error {
	if err := notOurs(p.name, p.tree.Path); err != nil && !j.opt.dry {
		return err
	}
	files, unlock, err := lock.tree(p)
	if err != nil {
		return err
	}
	defer unlock()
	o, err := j.options(p, files)
	if err != nil {
		return err
	}
	told := about{network: j.cfg.Network, tree: p.name, path: p.tree.Path, timestamp: p.announce.Timestamp}
	if len(o.Sources) > 0 {
		told.source = o.Sources[0].URL.String()
	}
	if err := j.hook(ctx, "before", told); err != nil {
		return err
	}
	out, err := treesync.Run(ctx, o)
	j.screen.progressDone()
	j.synced(p, out, err)
	err = j.remembered(p, o, out, err)
	told.result = hookResult(out)
	if out.Synced {
		told.timestamp, told.source = out.Timestamp, out.Source.URL.String()
	}
	return errors.Join(err, j.hook(ctx, "after", told))
}

// remembered notes what a sync has changed: the tree is in date, or it cannot be for want of room.
func (j *journey) remembered(p plan, o treesync.Options, out treesync.Outcome, err error) error {
	var room *treesync.NoRoom
	switch {
	case o.DryRun:
		return err
	case errors.As(err, &room):
		return errors.Join(console.Hinted(err, "make room, then: tidemark-mirror run --now; by itself it is tried again in an hour"), j.rest(p.name, room))
	case out.Synced && !o.Fallback:
		j.fresh = append(j.fresh, p.name)
		return errors.Join(err, j.rest(p.name, nil), j.inDate(p.name))
	}
	return err
}

// inDate forgets since when a tree was behind.
func (j *journey) inDate(name string) error {
	behind, err := j.memory.behind()
	if err != nil || behind[name] == nil {
		return err
	}
	delete(behind, name)
	return j.memory.saveBehind(behind)
}

// options are all that one sync needs.
func (j *journey) options(p plan, hold []*os.File) (treesync.Options, error) {
	spec, err := j.spec(p)
	if err != nil {
		return treesync.Options{}, err
	}
	staging := stagingDir(j.cfg.State, p.name)
	if j.opt.dry { // holds no lock: another run may be at work
		if staging, err = os.MkdirTemp("", "tidemark-mirror-"); err != nil {
			return treesync.Options{}, fmt.Errorf("make a directory for the dry run: %w", err)
		}
		j.leftover = append(j.leftover, staging)
	}
	o := treesync.Options{
		Spec: spec, Tree: p.announce, Sources: j.sources(p), Memory: p.memory, Staging: staging,
		Runner: j.runner(hold), Program: j.cfg.Rsync,
		Refresh:  func(ctx context.Context) (manifest.Tree, error) { return j.refresh(ctx, p.name) },
		Save:     func(m treesync.Memory) error { return j.memory.saveTree(p.name, m) },
		Report:   func(e treesync.Event) { j.screen.event(p.name, e) },
		Progress: j.screen.progressOf(p.name),
		Now:      j.now, Floor: p.issued,
		DryRun: j.opt.dry, MaxDelete: j.opt.maxDelete, Adopt: j.opt.adopt,
	}
	if j.view == nil {
		o.Fallback, o.Refresh = true, nil
	}
	return o, nil
}

// refresh looks again, for a sync whose source moved on meanwhile.
func (j *journey) refresh(ctx context.Context, tree string) (manifest.Tree, error) {
	if err := j.lookAround(ctx); err != nil {
		return manifest.Tree{}, err
	}
	m := j.view.Opened.Manifest
	t, ok := m.Trees[tree]
	if !ok {
		return manifest.Tree{}, fmt.Errorf("manifest serial %d has no tree %s any more", m.Serial, tree)
	}
	return t, nil
}

// runLock is what a run holds: the state directory and the lock file of the configuration, and, one after the other, the
// trees. A dry run holds nothing.
type runLock struct {
	*treesync.Lock
	state  string
	holder treesync.Holder
}

// lock takes the run's own locks, and says for what.
func (j *journey) lock(due []plan) (*runLock, error) {
	if j.opt.dry {
		return &runLock{}, nil
	}
	paths := []string{j.cfg.State}
	if j.cfg.Lock != "" {
		paths = append(paths, j.cfg.Lock)
	}
	var to []string
	target := target{Trees: map[string]int64{}}
	for _, p := range due {
		to = append(to, fmt.Sprintf("%s to %d", p.name, p.announce.Timestamp))
		target.Trees[p.name] = p.announce.Timestamp
	}
	h := treesync.Holder{PID: os.Getpid(), Since: j.now(), Doing: "sync of " + strings.Join(to, ", ")}
	lock, err := treesync.Acquire(paths, filepath.Join(j.cfg.State, holderFile), h)
	if err != nil {
		return nil, err
	}
	l := &runLock{Lock: lock, state: j.cfg.State, holder: h}
	if err := target.save(j.cfg.State); err != nil {
		return nil, errors.Join(err, l.release())
	}
	return l, nil
}

// tree takes the flock of a tree's own directory, which old cron lines and other programs may hold; the files are for rsync
// to inherit.
func (l *runLock) tree(p plan) (hold []*os.File, unlock func(), err error) {
	if l.Lock == nil {
		return nil, func() {}, nil
	}
	if info, err := os.Stat(p.tree.Path); err != nil || !info.IsDir() {
		return l.Files(), func() {}, nil // gone meanwhile: the engine says so; a lock file is not to be made there
	}
	lock, err := treesync.Acquire([]string{p.tree.Path}, filepath.Join(l.state, "run."+p.name+".json"), l.holder)
	if err != nil {
		return nil, nil, err
	}
	return slices.Concat(lock.Files(), l.Files()), func() { lock.Release() }, nil
}

func (l *runLock) release() error {
	if l.Lock == nil {
		return nil
	}
	return l.Release()
}
