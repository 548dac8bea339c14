package main

import (
	"fmt"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
)

const (
	restFile = "rest.json"
	restFor  = time.Hour // after a failure that cost the source a full list and that the mirror itself has to mend
)

// rest is until when a tree is not tried again unasked, and why.
type rest struct {
	Until strictjson.Time `json:"until"`
	Why   string          `json:"why"`
}

// resting is the error of a tree that is not tried again yet.
type resting struct {
	tree  string
	until time.Time
	why   string
}

func (e *resting) Error() string {
	return fmt.Sprintf("%s is not tried again before %s: %s", e.tree, console.Clock(e.until), e.why)
}

// restsUntil says until when a tree is left in peace; why is "" when it is not. Who types, or says --now, need not wait, and
// a clock that moved back holds nothing up for longer.
func (j *journey) restsUntil(tree string) (until time.Time, why string) {
	if j.opt.now || j.typed() {
		return time.Time{}, ""
	}
	r := j.rests()[tree]
	if left := r.Until.Sub(j.now()); left <= 0 || left > restFor {
		return time.Time{}, ""
	}
	return r.Until.Time, r.Why
}

// rest remembers that a tree is to be left in peace for a while; nil: that it is not.
func (j *journey) rest(tree string, cause error) error {
	all := j.rests()
	_, known := all[tree]
	switch {
	case cause != nil:
		all[tree] = rest{strictjson.At(j.now().Add(restFor)), cause.Error()}
	case known:
		delete(all, tree)
	default:
		return nil
	}
	return j.memory.save(restFile, all)
}

// rests are those remembered. A damaged file counts as none: it only keeps us from asking too often.
func (j *journey) rests() map[string]rest {
	all := map[string]rest{}
	if _, err := j.memory.load(restFile, &all); err != nil || all == nil {
		return map[string]rest{}
	}
	return all
}
