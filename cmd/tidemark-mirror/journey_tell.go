package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"regexp"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/treesync"
)

const aDay = 24 * time.Hour

// result tells how every tree fared, and makes the exit code: the gravest of 4 (refused), 1 (failed), 6 (no usable source),
// 5 (locked, where that is to be told), 0.
func (j *journey) result(locked *treesync.Locked) error {
	var errs []error
	for _, err := range j.errs {
		errs = append(errs, j.nowAndThen("", err))
	}
	errs = append(errs, j.withoutError())
	if locked != nil {
		errs = append(errs, j.refused(locked))
	}
	for _, r := range j.told() {
		j.screen.tree(r)
		j.inVain(r)
		j.late(r, locked)
		errs = append(errs, j.soften(r))
	}
	if j.view != nil && j.view.Refused != nil {
		errs = append(errs, j.onceADay(j.view.Refused))
	}
	return j.screen.verdict(errs)
}

// refused is what a run that met a lock says: nothing from cron, which will come again, unless --strict.
func (j *journey) refused(locked *treesync.Locked) error {
	if j.opt.strict || j.screen.terminal {
		return locked
	}
	return nil
}

// inVain tells who named a source, or would adopt, that neither was needed.
func (j *journey) inVain(r *treeReport) {
	if r.Action != string(client.InDate) || j.opt.repair || j.opt.source == nil && !j.opt.adopt {
		return
	}
	flags := " " + r.Tree
	if j.opt.adopt {
		flags = " --adopt" + flags
	}
	if j.opt.source != nil {
		flags = " --source " + j.opt.source.String() + flags
	}
	j.screen.warn("%s: nothing was done, nothing newer is announced; compare it anyway: tidemark-mirror sync%s", r.Tree, flags)
}

// late warns of a tree that is behind for long although nothing went wrong: what passes by itself may also last for ever.
func (j *journey) late(r *treeReport, locked *treesync.Locked) {
	why := j.obstacle(r, locked)
	if why == "" || r.behind.IsZero() || j.now().Sub(r.behind) < j.cfg.WarnAfter {
		return
	}
	if j.typed() || j.due("late "+r.Tree, j.cfg.WarnAfter) {
		j.screen.warn("%s is behind since %s: %s", r.Tree, console.Clock(r.behind), why)
	}
}

// obstacle is what stands in a tree's way, where no error tells it.
func (j *journey) obstacle(r *treeReport, locked *treesync.Locked) string {
	var its *treesync.Locked
	switch {
	case r.Action == doneWait:
		return "every source has moved on to what no manifest knows"
	case j.opt.strict || j.screen.terminal:
		return "" // a lock is an error then
	case errors.As(r.err, &its):
		return its.Error()
	case locked != nil && !r.done && r.Action == string(client.Sync):
		return locked.Error()
	}
	return ""
}

// soften makes the error of a tree one that is told when it should be: what passes by itself only when the tree is behind
// for long, and nothing at every run.
func (j *journey) soften(r *treeReport) error {
	var none *treesync.NoSource
	var locked *treesync.Locked
	var many *treesync.TooManyDeletions
	var rests *resting
	switch {
	case r.err == nil:
		return nil
	case errors.As(r.err, &locked):
		return j.refused(locked)
	case errors.As(r.err, &many):
		return console.Hinted(r.err, "if they are meant, allow them once: tidemark-mirror run --max-delete %d %s", many.Count, r.Tree)
	case errors.As(r.err, &rests): // why was told by the run that found it
		return console.Status(console.Failed)
	case !errors.As(r.err, &none) || j.typed() || r.behind.IsZero():
		return j.nowAndThen(r.Tree, r.err)
	case j.now().Sub(r.behind) < j.cfg.WarnAfter || !j.due("no source "+r.Tree, j.cfg.WarnAfter):
		return console.Status(console.NoSource)
	}
	return fmt.Errorf("%s is behind since %s: %w", r.Tree, console.Clock(r.behind), r.err)
}

// nowAndThen makes an error that was told within the last warn_after one that only has its exit code.
func (j *journey) nowAndThen(tree string, err error) error {
	return j.every(j.cfg.WarnAfter, tree+" "+kind(err), err)
}

// onceADay makes an error that was told today one that only has its exit code.
func (j *journey) onceADay(err error) error { return j.every(aDay, kind(err), err) }

func (j *journey) every(d time.Duration, what string, err error) error {
	if err == nil || errors.Is(err, context.Canceled) || j.typed() || j.due("error "+what, d) {
		return err
	}
	return console.Status(j.screen.call.Code(err))
}

// typed says that somebody waits for the answer, so that nothing is kept for later.
func (j *journey) typed() bool {
	return j.screen.terminal || j.screen.verbose || j.opt.repair || j.opt.source != nil || j.opt.dry
}

// warnOnce says something that stops nothing: to a person always, to cron once a day.
func (j *journey) warnOnce(kind, format string, args ...any) {
	if j.typed() || j.due(kind, aDay) {
		j.screen.warn(format, args...)
	}
}

// due says whether something is to be told again, and notes it.
func (j *journey) due(kind string, every time.Duration) bool {
	return j.memory.due(kind, every, j.now())
}

// kind tells errors apart of which each is told again only after a while: by the reason of a refusal, otherwise by the text.
func kind(err error) string {
	if err == nil {
		return ""
	}
	var refused *client.Refused
	if errors.As(err, &refused) {
		return string(refused.Reason)
	}
	return fingerprint(err.Error())
}

// figure is what differs from time to time in words about the same: numbers, times, addresses.
var figure = regexp.MustCompile(`[0-9A-Fa-f.:]*[0-9][0-9A-Fa-f.:TZ]*`)

func fingerprint(text string) string {
	sum := sha256.Sum256([]byte(figure.ReplaceAllLiteralString(text, "#")))
	return hex.EncodeToString(sum[:8])
}
