package main

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/keys"
)

// early lists the keys of a draft that nobody accepts yet, since their certificates are dated in the future: they were made, or
// renewed, at a machine whose clock is ahead. One that the version before has as well is no harm of this draft.
func early(old, draft *trustFile, now time.Time) []keys.Pending {
	var before []keys.Pending
	if old != nil {
		before = old.trust.NotYet(now)
	}
	return slices.DeleteFunc(draft.trust.NotYet(now), func(p keys.Pending) bool { return slices.Contains(before, p) })
}

func warnEarly(c *console.Call, list []keys.Pending) {
	for _, p := range list {
		c.Warn("%s", tooEarly(p, c.Now()))
	}
}

func tooEarly(p keys.Pending, now time.Time) string {
	return fmt.Sprintf("%s is dated %s, in the future (it is %s): until then every mirror refuses what it signs; was the clock of the machine that made it right?",
		p.What, console.Clock(p.Begin), console.Clock(now))
}

// refuseEarly is why such a draft is not installed.
func refuseEarly(draft *trustFile, list []keys.Pending, now time.Time) error {
	var words []string
	for _, p := range list {
		words = append(words, tooEarly(p, now))
	}
	return console.Exit(console.Refused, fmt.Errorf("%s: %s", harmless(draft.name), strings.Join(words, "; ")),
		"set that machine's clock right (date -u), make or renew the key there again, and draft anew: tidemark trust new --add-key HOLDER=FILE; or install this one after %s", console.Clock(latest(list)))
}

func latest(list []keys.Pending) (t time.Time) {
	for _, p := range list {
		if p.Begin.After(t) {
			t = p.Begin
		}
	}
	return t
}

// near writes a path as one would type it here: relative, where it lies in this directory or below.
func near(path string) string {
	here, err := filepath.Abs(".")
	if err != nil {
		return path
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return path
}
