package main

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"syscall"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

// Versions that were sealed over the installed trust.json and not published yet. Two ceremonies may come between two runs, as when
// cron is stopped after a theft: the run then needs the step in between, of which the installed file has nothing any more.
//
//	<state>/trust/sealed/<N>.json       where the state is that of who seals
//	<beside trust.json>/trust/<N>.json  otherwise
//
// They are material for steps alone, each verified like one from the site; what was worked with lies in <state>/trust/.

const sealedDir = trustDir + "/sealed"

// sealedPlaces are where a version may be kept.
func sealedPlaces(state, installed string, version int64) []string {
	name := fmt.Sprintf("%d.json", version)
	return []string{filepath.Join(state, sealedDir, name), filepath.Join(filepath.Dir(installed), trustDir, name)}
}

// keepSealed keeps what is installed, and what it replaces, for the next run. A failure is only said: the file itself is in place.
func (i *installed) keepSealed(c *console.Call, envelopes ...[]byte) {
	for _, b := range envelopes {
		if b == nil {
			continue
		}
		step, err := readStep(b)
		if err == nil {
			err = keepIn(sealedPlaces(i.state, i.file, step.Version), b, mine(i.state))
		}
		if err != nil {
			c.Warn("not kept for the next run: %v; run tidemark before the next version is installed", err)
		}
	}
}

func sameFile(a, b string) bool {
	one, err := os.Stat(a)
	if err != nil {
		return false
	}
	other, err := os.Stat(b)
	return err == nil && os.SameFile(one, other)
}

// top is the newest version that was worked with, 0 when none is kept, or none can be read.
func (i *installed) top() (top int64) {
	files, err := os.ReadDir(filepath.Join(i.state, trustDir))
	if err != nil {
		return 0
	}
	for _, f := range files {
		version := int64(0)
		if _, err := fmt.Sscanf(f.Name(), "%d.json", &version); err == nil && trustName(version) == trustDir+"/"+f.Name() {
			top = max(top, version)
		}
	}
	return top
}

// keepIn writes to the first place where that can be done: to the second at once where the state is another's.
func keepIn(places []string, b []byte, own bool) error {
	var failed []error
	for n, place := range places {
		dir, file := os.FileMode(0o700), os.FileMode(0o600)
		if n > 0 {
			dir, file = 0o755, 0o644
		} else if !own {
			continue
		}
		err := os.MkdirAll(filepath.Dir(place), dir)
		if err == nil {
			err = console.WriteFile(place, b, file)
		}
		if err == nil {
			return nil
		}
		failed = append(failed, err)
	}
	return errors.Join(failed...)
}

// mine says that a directory is there, and belongs to this user: what another made in it, its owner could not read.
func mine(dir string) bool {
	info, err := os.Stat(dir)
	if err != nil || !info.IsDir() {
		return false
	}
	sys, ok := info.Sys().(*syscall.Stat_t)
	return ok && int(sys.Uid) == os.Geteuid()
}

// sealedAfter finds a version that follows from, among those that were sealed here.
func (p *publisher) sealedAfter(from *keys.Trust) []byte {
	for _, place := range sealedPlaces(p.state.dir, p.cfg.Trust, from.Version+1) {
		b, err := console.ReadFile(place, sign.MaxTrustFile)
		if err != nil {
			continue
		}
		if _, err := sign.NextTrust(from, b); err == nil {
			return b
		}
		p.Log.Info("a sealed version does not follow", "file", place, "from", from.Version)
	}
	return nil
}

// missingStep says that a version is nowhere to be had.
type missingStep struct {
	version int64
	err     error
}

func (e *missingStep) Error() string { return e.err.Error() }
func (e *missingStep) Unwrap() error { return e.err }

// sealAgain is what to do about it.
func (p *publisher) sealAgain(from, version int64) string {
	places := sealedPlaces(p.state.dir, p.cfg.Trust, version)
	beside := places[len(places)-1]
	return fmt.Sprintf("version %d was signed and never published: seal it again from its draft and signatures, then run: mkdir -p %s && tidemark trust check trust-%d.json --trust %s -o %s",
		version, shellWord(filepath.Dir(beside)), version, shellWord(p.state.path(trustName(from))), shellWord(beside))
}
