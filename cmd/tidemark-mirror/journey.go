package main

import (
	"context"
	"fmt"
	"os"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/rsyncurl"
	"tidemark/rsync"
	"tidemark/treesync"
)

// runOptions are what was typed.
type runOptions struct {
	trees           []string // nil: all of the configuration
	now             bool     // no waiting for this mirror's share of the splay
	ignoreAdmission bool
	strict          bool // a lock held by another run is exit code 5
	dry             bool
	adopt           bool
	repair          bool // sync where nothing newer is announced, too
	source          *rsyncurl.URL
	maxDelete       int
	https           bool // the site is asked, whatever the beacon says
}

// journey is one run of the mirror, with all that it needs of the world.
type journey struct {
	cfg    *config.Mirror
	opt    runOptions
	screen *screen
	memory *memory
	now    func() time.Time
	look   func(context.Context) (*client.View, error)
	mirror *mirror
	runner func(hold []*os.File) rsync.Runner
	held   client.LookOptions // where what is kept lies
	path   string             // PATH of hooks

	askBeacon func(ctx context.Context, trees []string) *beaconAsked // nil: none is configured

	started time.Time
	beacon  *beaconAsked   // what the beacon said; nil: it was not asked
	view    *client.View   // what was seen last; nil: nothing valid yet
	cause   error          // why there is none
	wait    *treesync.Lock // held while this process is the one that waits for admission
	again   bool           // another run asked for one more round, and got it

	reports  map[string]*treeReport // by tree
	past     []*treeReport          // of trees in an earlier round
	errs     []error                // what went wrong beside the trees
	heard    map[string]bool        // notices that were told, by kind
	checkin  *checkinReport         // nil: there was none to send
	fresh    []string               // trees that were synced and proven since the last check-in of this run
	leftover []string               // directories to remove at the end
}

// run is the journey: the beacon, or rounds of looking and syncing; and at the end the check-in, which fails nothing.
func (j *journey) run(ctx context.Context) (err error) {
	if j.quiet(ctx) { // no need for the splay: that is for those who ask the site
		err = j.result(nil)
	} else {
		err = j.rounds(ctx)
	}
	j.checkIn(ctx)
	return err
}

// rounds: look, decide, lock, sync from source to source until one is proven, remember; and again while trees wait to be
// admitted, or where another run saw something newer meanwhile.
func (j *journey) rounds(ctx context.Context) error {
	if err := j.splay(ctx); err != nil {
		return j.stopped(err)
	}
	for {
		if err := j.lookAround(ctx); err != nil {
			return j.withoutManifest(ctx, err)
		}
		due, held, err := j.decide()
		if err != nil {
			return j.stopped(err)
		}
		locked, err := j.syncAll(ctx, due)
		switch {
		case err != nil:
			return j.stopped(err)
		case locked != nil:
			return j.result(locked)
		case len(due) > 0 && j.calledAgain():
		case len(held) == 0 || !j.mayWait(held):
			return j.result(nil)
		default:
			j.checkIn(ctx) // of the trees that did not have to wait
			if err := sleep(ctx, j.interval()); err != nil {
				return j.stopped(err)
			}
		}
	}
}

// lookAround asks for news, and tells what is worth telling of the answer.
func (j *journey) lookAround(ctx context.Context) error {
	view, err := j.look(ctx)
	if err != nil {
		return err
	}
	j.view = view
	j.noted(view)
	return nil
}

// stopped ends the run before its end, with what was done so far.
func (j *journey) stopped(err error) error {
	j.errs = append(j.errs, err)
	return j.result(nil)
}

// interrupted is the end of a run that was told to stop: exit code 1, and nothing half-written is ever served.
func interrupted(err error) error {
	return console.Exit(console.Failed, fmt.Errorf("interrupted: %w", err), "run again: it goes on where this one stopped")
}

// cleanUp lets go of what the run has held.
func (j *journey) cleanUp() {
	if j.wait != nil {
		j.wait.Release()
	}
	for _, dir := range j.leftover {
		os.RemoveAll(dir)
	}
}
