package treesync

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"time"

	"tidemark/internal/timefile"
	"tidemark/manifest"
	"tidemark/rsync"
)

// attempt is a sync from one source.
type attempt struct {
	*syncer
	source Source
	begun  bool
	target anchorSet   // what the source holds, and is to be proven
	time   timeBytes   // its time file, as it was before the list was asked for
	sets   []anchorSet // that are known, of what this mirror has; oldest first
	asked  []string    // the paths of their anchors
	plan   *plan
	owed   bool // deletions were left out
	owes   int  // how many of those that were to be made
}

// passes is how often a source that moves on during the sync is followed: the first time, and two more.
const passes = 3

// run brings the tree to what the source holds. The error is a *left where another source may do better.
func (a *attempt) run(ctx context.Context) error {
	a.out.Lists = 0
	for range passes {
		again, err := a.pass(ctx)
		if err != nil || a.o.DryRun {
			return err
		}
		if again == "" {
			return a.finish(ctx)
		}
		a.say(StageAnchors, a.source, a.source.name()+" "+again+": once more from its pre-flight on", "")
		if err := a.refresh(ctx); err != nil {
			return err
		}
	}
	return leave(StageAnchors, WhyMovedOn, "it changed %d times during the sync", passes)
}

// pass goes from the pre-flight to the anchors. again says what changed at the source meanwhile; "" for nothing.
func (a *attempt) pass(ctx context.Context) (again string, err error) {
	if err := a.preflight(ctx); err != nil {
		return "", err
	}
	if err := a.list(ctx); err != nil {
		return "", err
	}
	stages, err := a.stages()
	if err != nil {
		return "", err
	}
	if a.o.DryRun {
		return "", a.compose(stages)
	}
	if err := a.begin(); err != nil {
		return "", err
	}
	vanished := a.plan.result.Vanished
	for _, st := range stages {
		res, err := a.bring(ctx, st)
		if err != nil {
			return a.lost(ctx, err)
		}
		vanished = vanished || res.Vanished
	}
	return a.exchange(ctx, vanished)
}

// exchange puts the new anchors into the tree, and with them the metadata that replaces other of the same name. A reader who
// sees a new anchor finds all that it names.
func (a *attempt) exchange(ctx context.Context, vanished bool) (again string, err error) {
	if again, err = a.changed(ctx, vanished); again != "" || err != nil {
		return again, err
	}
	p, err := a.prepare()
	if err != nil {
		return "", err
	}
	defer p.discard()
	st, err := a.replacingStage()
	if err != nil {
		return "", err
	}
	if st.name == "" {
		a.say(StageAnchors, a.source, fmt.Sprintf("putting %d anchors in their places", len(a.target.anchors)), "")
		return "", p.place()
	}
	res, err := a.bring(ctx, st)
	if err != nil {
		return a.lost(ctx, err)
	}
	a.say(StageAnchors, a.source, fmt.Sprintf("putting %d anchors in their places", len(a.target.anchors)), "")
	if err := p.place(); err != nil {
		return "", err
	}
	return a.changed(ctx, res.Vanished) // what replaced other may be of a later state already
}

// lost looks why names of the list were not to be had: because the source has moved on meanwhile, or because it is broken.
func (a *attempt) lost(ctx context.Context, err error) (again string, _ error) {
	var l *left
	if !errors.As(err, &l) || l.why != WhyIncomplete {
		return "", err
	}
	if again, changedErr := a.changed(ctx, false); changedErr == nil && again != "" {
		return again, nil
	}
	return "", err
}

// begin remembers the sync before it touches the tree.
func (a *attempt) begin() error {
	if a.begun {
		return nil
	}
	a.begun = true
	a.syncer.begun++
	return a.beginning()
}

// changed fetches the source's time file and anchors again: when they are not what they were, what came may be a mixture.
// So may it be when files vanished while they were asked for.
func (a *attempt) changed(ctx context.Context, vanished bool) (string, error) {
	again, err := a.fetch(ctx, againDir, a.asked, StageAnchors, "fetching time file and anchors again")
	if err != nil {
		return "", err
	}
	switch {
	case !bytes.Equal(again.time.data, a.time.data):
		return "has moved from " + stamp(a.time.timestamp) + " to " + stamp(again.time.timestamp), nil
	case vanished:
		return "lost files during the sync", nil
	}
	if len(a.asked) > maxAsked { // a list of names does not bring the top's own time
		j := a.job(a.source, a.staging.file(againDir))
		j.MaxSize = 64 << 10
		if err := setRules(&j, a.rules.few(nil), a.staging.file(preflightFile)); err != nil {
			return "", err
		}
		if err := a.execWithin(ctx, StageAnchors, "reading the time of the top directory", j); err != nil {
			return "", err
		}
	}
	a.time = again.time
	if a.o.Fallback {
		return "", nil
	}
	_, err = judge(a.sets, found{timestamp: again.time.timestamp, anchors: again.anchors}, a.held)
	var l *left
	if errors.As(err, &l) {
		if l.stage = StageAnchors; l.why == WhyMovedOn {
			return "is moving on", nil
		}
	}
	return "", err
}

// refresh takes a fresh manifest's word for what is announced.
func (a *attempt) refresh(ctx context.Context) error {
	if a.o.Refresh == nil || a.o.Fallback {
		return nil // the pre-flight judges by what is known
	}
	t, err := a.o.Refresh(ctx)
	if err != nil {
		return leave(StageAnchors, WhyMovedOn, "it moved on during the sync, and no fresh manifest is to be had: %v", err)
	}
	if t.TimeFile == a.tree.TimeFile {
		a.tree = t
	}
	return nil
}

// finish proves, deletes, and only then writes the time file.
func (a *attempt) finish(ctx context.Context) error {
	if err := a.prove(); err != nil {
		return err
	}
	if err := a.delete(ctx); err != nil {
		return err
	}
	return a.writeTime()
}

// fetched is what a run into the staging directory brought.
type fetched struct {
	time    timeBytes
	anchors map[string]manifest.Anchor
}

// fetch asks for the time file and these anchors.
func (a *attempt) fetch(ctx context.Context, into string, paths []string, stage Stage, text string) (fetched, error) {
	dir, err := a.staging.fresh(into)
	if err != nil {
		return fetched{}, err
	}
	most := a.largestAnchor()
	j := a.job(a.source, dir)
	j.MaxSize = 2*most + 64<<10 // what is larger is none of ours; a stranger shall not fill the disk
	if err := a.askFor(&j, paths); err != nil {
		return fetched{}, err
	}
	if err := a.execWithin(ctx, stage, text, j); err != nil && !(j.FilesFrom != "" && someMissing(err)) {
		return fetched{}, err
	}
	root, err := os.OpenRoot(dir)
	if err != nil {
		return fetched{}, err
	}
	defer root.Close()
	var f fetched
	f.time, err = readTime(root, a.tree.TimeFile)
	switch {
	case errors.Is(err, errNoTime):
		return f, leave(stage, WhyIncomplete, "%s is missing", a.tree.TimeFile)
	case err != nil:
		return f, leave(stage, WhyWrong, "%v", err)
	}
	f.anchors, err = readAnchors(root, paths, most)
	return f, err
}

// maxAsked is how many anchors are asked for by filter rules. The server compares every name that it meets with every rule:
// for thousands of anchors that is many seconds of its time.
const maxAsked = 500

// askFor has a run ask for the time file and these paths: by rules, which pass over what is not there, or, when they are
// many, by a list (they are none that an exclude covers).
func (a *attempt) askFor(j *rsync.Job, paths []string) error {
	if len(paths) <= maxAsked {
		return setRules(j, a.rules.few(paths), a.staging.file(preflightFile))
	}
	j.FilesFrom = a.staging.file(anchorsFile)
	return writeNames(j.FilesFrom, append([]string{a.tree.TimeFile}, paths...))
}

// someMissing reports a run by a list that brought all but what the source does not have: that is judged by what came.
func someMissing(err error) bool {
	var exit *rsync.ExitError
	return errors.As(err, &exit) && exit.Code == rsync.ExitPartial
}

// execWithin does a run for a few small files, which must not take for ever: a server may send its message of the day until
// the end of time, and --timeout is for silence alone.
func (a *attempt) execWithin(ctx context.Context, stage Stage, text string, j rsync.Job) error {
	limit := a.o.Spec.Timeout + a.o.Spec.ConnectTimeout
	if limit <= 0 {
		limit = defaultLimit
	}
	within, cancel := context.WithTimeout(ctx, 2*limit)
	defer cancel()
	_, err := a.exec(within, stage, text, j, rsync.Watch{})
	if err != nil && within.Err() != nil && ctx.Err() == nil {
		return leave(stage, WhyUnreachable, "a few small files did not come within %s", 2*limit)
	}
	return err
}

// defaultLimit is rsync.Job's own default of timeout and connect timeout.
const defaultLimit = 10*time.Minute + 30*time.Second

func (a *attempt) largestAnchor() int64 {
	most := int64(timefile.MaxSize)
	for _, s := range anchorSets(a.tree) {
		for _, anchor := range s.anchors {
			most = max(most, anchor.Size)
		}
	}
	return most
}

// preflight fetches the source's time file and anchors, before anything in the tree is touched, and judges them.
func (a *attempt) preflight(ctx context.Context) error {
	a.sets = anchorSets(a.tree)
	a.asked = a.rules.visible(anchorPaths(a.sets))
	visible := map[string]bool{}
	for _, p := range a.asked {
		visible[p] = true
	}
	text := "fetching time file and anchors of " + a.source.name()
	if a.o.Fallback {
		text = "fetching the time file of " + a.source.name()
	}
	f, err := a.fetch(ctx, fetchedDir, a.asked, StagePreflight, text)
	if err != nil {
		return err
	}
	a.time = f.time
	if a.o.Fallback {
		return a.judgeFallback()
	}
	for i, s := range a.sets {
		a.sets[i] = s.only(visible)
	}
	a.target, err = judge(a.sets, found{timestamp: f.time.timestamp, anchors: f.anchors}, a.held)
	return err
}

// judgeFallback has the time file alone to go by.
func (a *attempt) judgeFallback() error {
	t := a.time.timestamp
	a.target = anchorSet{timestamp: t}
	switch {
	case time.Unix(t, 0).After(a.latest().Add(skew)):
		return leave(StagePreflight, WhyWrong, "its time file says %s, which is in the future", stamp(t))
	case t < a.held:
		return leave(StagePreflight, WhyBehind, "it is at %s, the tree here at %s", stamp(t), stamp(a.held))
	}
	return nil
}

// exec reports a run, does it, and counts what it cost.
func (a *attempt) exec(ctx context.Context, stage Stage, text string, j rsync.Job, w rsync.Watch) (rsync.Result, error) {
	command := j.Command(a.program())
	a.out.Commands = append(a.out.Commands, command)
	a.say(stage, a.source, text, command)
	res, err := a.o.Runner.Run(ctx, j, w)
	a.out.Received += res.Stats.Received
	a.out.Sent += res.Stats.Sent
	if err != nil {
		return res, blame(stage, err)
	}
	return res, nil
}
