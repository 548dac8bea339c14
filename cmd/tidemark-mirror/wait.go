package main

import (
	"context"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"math/bits"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"tidemark/treesync"
)

const (
	patience   = 55 * time.Minute // of waiting for admission; an hourly cron line starts the next run
	jitter     = 10 * time.Second // the random part of the splay, at most
	waitLock   = "wait.lock"
	waitHolder = "wait.json"
)

// share is this mirror's own place in the splay: the same at every run, evenly spread over all mirrors. It is
// splay x (the first eight bytes of SHA-256(id), big-endian) / 2^64.
func share(id string, splay time.Duration) time.Duration {
	sum := sha256.Sum256([]byte(id))
	part, _ := bits.Mul64(binary.BigEndian.Uint64(sum[:]), uint64(splay))
	return time.Duration(part)
}

// splay lets the mirrors of a network, all started by cron in the same second, come one after the other.
func (j *journey) splay(ctx context.Context) error {
	if j.opt.now || j.opt.dry || j.opt.repair || j.cfg.Splay <= 0 {
		return nil
	}
	d := share(j.cfg.ID, j.cfg.Splay) + rand.N(min(jitter, j.cfg.Splay))
	j.screen.person("waiting %s, this mirror's share of the splay of %s; --now starts at once", d.Round(time.Second), j.cfg.Splay)
	return sleep(ctx, d)
}

// interval is how long to wait before the next look.
func (j *journey) interval() time.Duration { return interval(j.view.Opened.Manifest) }

// mayWait says whether to look again for trees that are not admitted yet. One process waits, without the lock, so that
// nobody else is kept from working; and not longer than patience.
func (j *journey) mayWait(held []plan) bool {
	if j.now().Add(j.interval()).Sub(j.started) > patience {
		j.giveUp(held, "the next run looks again")
		return false
	}
	if j.wait == nil {
		lock, err := treesync.Acquire([]string{filepath.Join(j.cfg.State, waitLock)}, filepath.Join(j.cfg.State, waitHolder),
			treesync.Holder{PID: os.Getpid(), Since: j.now(), Doing: "waiting for admission"})
		var locked *treesync.Locked
		if errors.As(err, &locked) {
			j.giveUp(held, "another run waits for it already")
			return false
		}
		if err != nil {
			j.errs = append(j.errs, fmt.Errorf("wait for admission: %w", err))
			return false
		}
		j.wait = lock
	}
	for _, p := range held {
		j.screen.person("%s: %s", p.name, withNextLook(p.decision, j.interval()))
	}
	return true
}

// giveUp adds to the reports of held trees why this run does not wait for them.
func (j *journey) giveUp(held []plan, why string) {
	for _, p := range held {
		if r := j.reports[p.name]; r != nil {
			r.Reason += "; " + why
		}
	}
}

// inWords is a duration of whole minutes, or of seconds.
func inWords(d time.Duration) string {
	if d >= time.Minute && d%time.Minute == 0 {
		return fmt.Sprintf("%d min", d/time.Minute)
	}
	return d.Round(time.Second).String()
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return interrupted(ctx.Err())
	case <-t.C:
		return nil
	}
}
