package treesync

import (
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/rsync"
)

// Run brings the tree to what the first good source holds. Exit codes are the caller's: *NoSource is 6, all other errors 1.
// The outcome is filled in as far as it got, also beside an error.
func Run(ctx context.Context, o Options) (Outcome, error) {
	s := &syncer{o: o, tree: o.Tree, rules: newRuler(o.Spec, o.Tree.TimeFile)}
	s.out.Memory = o.Memory
	err := s.open()
	if err == nil {
		err = s.sync(ctx)
	}
	return s.out, errors.Join(err, s.close())
}

// syncer is one Run at work.
type syncer struct {
	o       Options
	tree    manifest.Tree // as announced; anew after a source moved on
	root    *os.Root
	path    string // the tree's, without symbolic links
	staging *staging
	rules   ruler
	held    int64
	begun   int // attempts that touched the tree
	noRoom  *NoRoom
	fitted  bool // there was room for what one of the sources would send
	out     Outcome
}

func (s *syncer) open() error {
	var err error
	if s.root, err = openTree(s.o.Spec.Path); err != nil {
		return err
	}
	s.path = s.root.Name()
	if err := identify(s.root, s.o); err != nil {
		return err
	}
	if info, err := s.root.Lstat(s.tree.TimeFile); err == nil && info.IsDir() {
		return &NotTheTree{s.o.Spec.Path, fmt.Sprintf("%s is a directory here, expected the time file: look what is in it, and move it away", s.tree.TimeFile)}
	}
	held, err := readHeld(s.root, s.tree.TimeFile, s.latest())
	if err != nil {
		return err
	}
	s.held = held.Timestamp
	if s.staging, err = newStaging(s.o.Staging); err != nil {
		return err
	}
	if s.o.DryRun {
		return nil
	}
	return s.tidyTime()
}

// latest is the time, as far as it is known.
func (s *syncer) latest() time.Time {
	now := s.o.Now()
	if s.o.Floor.After(now) {
		return s.o.Floor
	}
	return now
}

func (s *syncer) close() error {
	var errs []error
	if s.staging != nil {
		errs = append(errs, s.staging.empty())
	}
	if s.root != nil {
		errs = append(errs, s.root.Close())
	}
	return errors.Join(errs...)
}

// sync tries source after source.
func (s *syncer) sync(ctx context.Context) error {
	for _, source := range s.sources() {
		a := &attempt{syncer: s, source: source}
		err := a.run(ctx)
		var l *left
		switch {
		case err == nil:
			return s.served(a)
		case ctx.Err() != nil:
			return fmt.Errorf("tree %s: %w", s.o.Spec.Name, ctx.Err())
		case !errors.As(err, &l):
			return fmt.Errorf("tree %s from %s: %w", s.o.Spec.Name, source.name(), err)
		}
		s.out.Attempts = append(s.out.Attempts, Attempt{Source: source, Stage: l.stage, Why: l.why, Detail: l.detail})
		s.say(l.stage, source, fmt.Sprintf("%s is left for the next source: %s: %s", source.name(), l.why, l.detail), "")
	}
	return s.none()
}

// owedFor is how long deletions may be owed before only sources that may delete are used.
const owedFor = 7 * 24 * time.Hour

// sources are those to try: all, or, when deletions are long owed, those that deletions may be taken from.
func (s *syncer) sources() []Source {
	owed := s.o.Memory.OwedSince
	if owed.IsZero() || s.o.Now().Before(owed.Add(owedFor)) {
		return s.o.Sources
	}
	var may []Source
	for _, source := range s.o.Sources {
		if source.MayDelete {
			may = append(may, source)
		}
	}
	if len(may) == 0 || len(may) == len(s.o.Sources) {
		return s.o.Sources
	}
	s.say(StagePreflight, Source{}, fmt.Sprintf("deletions are owed since %s: only the %d of %d sources that they may be taken from are used",
		owed.UTC().Format(time.DateOnly), len(may), len(s.o.Sources)), "")
	return may
}

// none is the end when no source could be used. That all have moved on is no error: a manifest that knows their timestamp
// is on its way.
func (s *syncer) none() error {
	if s.noRoom != nil && !s.fitted {
		return fmt.Errorf("tree %s: %w", s.o.Spec.Name, s.noRoom)
	}
	for _, a := range s.out.Attempts {
		if a.Why != WhyMovedOn {
			return &NoSource{s.o.Spec.Name, s.out.Attempts}
		}
	}
	if len(s.out.Attempts) == 0 {
		return &NoSource{s.o.Spec.Name, nil}
	}
	s.out.Wait = true
	return nil
}

// served is the good end.
func (s *syncer) served(a *attempt) error {
	s.out.Source, s.out.Timestamp = a.source, a.target.timestamp
	s.out.Refused = a.plan.refused
	if s.o.DryRun {
		s.out.Doomed = a.plan.doomedNames(a.mayDelete())
		return nil
	}
	if s.o.Memory.Began || s.begun > 1 {
		s.tidy()
	}
	s.out.Synced = true
	m := &s.out.Memory
	m.Unproven = s.o.Fallback
	m.Began, m.Timestamp, m.Source, m.Synced = false, a.target.timestamp, a.source.name(), strictjson.At(s.o.Now())
	switch {
	case a.plan.refused > 0:
		m.owes(a.plan.refused, s.o.Now())
	case a.owed && a.mayDelete():
		m.owes(a.owes, s.o.Now())
	case a.owed:
		m.owes(a.plan.deletions, s.o.Now())
	default:
		m.OwedSince, m.Owed = strictjson.Time{}, 0
	}
	if err := s.save(); err != nil || a.plan.refused == 0 {
		return err
	}
	return &TooManyDeletions{Tree: s.o.Spec.Name, Count: a.plan.refused, Most: s.mostDeletions(), Bytes: a.plan.refusedBytes}
}

// owes remembers deletions that were left out; 0: not counted.
func (m *Memory) owes(deletions int, now time.Time) {
	m.Owed = deletions
	if m.OwedSince.IsZero() {
		m.OwedSince = strictjson.At(now)
	}
}

func (s *syncer) mostDeletions() int {
	if s.o.MaxDelete > 0 {
		return s.o.MaxDelete
	}
	return s.o.Spec.MaxDelete
}

// beginning remembers, before the tree is touched, that a sync is under way in this directory.
func (s *syncer) beginning() error {
	ino, err := inode(s.root)
	if err != nil {
		return fmt.Errorf("look at the tree: %w", err)
	}
	m := &s.out.Memory
	m.Path, m.Inode, m.Began = s.o.Spec.Path, ino, true
	return s.save()
}

func (s *syncer) save() error {
	if s.o.Save == nil {
		return nil
	}
	if err := s.o.Save(s.out.Memory); err != nil {
		return fmt.Errorf("remember the sync of %s: %w", s.o.Spec.Name, err)
	}
	return nil
}

func (s *syncer) say(stage Stage, source Source, text, command string) {
	if s.o.Report != nil {
		s.o.Report(Event{Stage: stage, Source: source, Text: text, Command: command})
	}
}

// program is how rsync is called in commands.
func (s *syncer) program() string {
	if s.o.Program != "" {
		return s.o.Program
	}
	return "rsync"
}

// The least rates of a source, in bytes a second: one that drips must not hold this mirror's lock for ever.
const (
	leastRate   = 200
	leastAtBest = 64 << 10 // of a transfer, however much is to come
	aDay        = 24 * 60 * 60
)

// rateFor is the least rate for a transfer of so many bytes: it shall end within a day, or at half the bandwidth.
func (s *syncer) rateFor(bytes int64) int64 {
	rate := min(leastAtBest, bytes/aDay)
	if s.o.Spec.Bandwidth > 0 {
		rate = min(rate, s.o.Spec.Bandwidth/2)
	}
	return max(leastRate, rate)
}

// job is what all runs have in common.
func (s *syncer) job(source Source, dest string) rsync.Job {
	c := s.o.Spec
	return rsync.Job{Source: source.URL, Dest: dest, Family: source.Family, Bind: c.Bind, Bandwidth: c.Bandwidth,
		Timeout: c.Timeout, ConnectTimeout: c.ConnectTimeout, Options: c.Options, MaxDelete: -1, LeastRate: leastRate}
}
