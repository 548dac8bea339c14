package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"

	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

const (
	targetFile = "target.json" // what the holder of the lock is syncing to
	againFile  = "again"       // left by a run that was refused although it has seen something newer
	maxTarget  = 64 << 10
)

// target is what a holder is syncing to, tree by tree.
type target struct {
	Trees map[string]int64 `json:"trees"`
}

func (t target) save(state string) error {
	b, err := strictjson.Marshal(t)
	if err == nil {
		err = renameio.WriteFile(filepath.Join(state, targetFile), b, 0o644, renameio.WithTempDir(state))
	}
	if err != nil {
		return fmt.Errorf("save what is being synced to: %w", err)
	}
	return nil
}

// loadTarget reads it. What is missing or damaged is no target at all: then everything is newer, and one more look is all
// that it costs.
func loadTarget(state string) (t target) {
	path := filepath.Join(state, targetFile)
	if info, err := os.Stat(path); err != nil || info.Size() > maxTarget {
		return t
	}
	if b, err := os.ReadFile(path); err != nil || strictjson.Unmarshal(b, &t) != nil {
		return target{}
	}
	return t
}

// leaveWord is what a refused run does: has it seen something newer than what the holder is syncing to, the holder is asked
// for one more round. A holder that is not known, an old cron line, or one that is dead, would not read it.
func (j *journey) leaveWord(locked *treesync.Locked, due []plan) error {
	if locked.Holder == nil || locked.Dead || j.opt.dry {
		return nil
	}
	being := loadTarget(j.cfg.State)
	for _, p := range due {
		if p.announce.Timestamp > max(being.Trees[p.name], p.held.Timestamp) {
			err := renameio.WriteFile(filepath.Join(j.cfg.State, againFile), nil, 0o644, renameio.WithTempDir(j.cfg.State))
			if err != nil {
				return fmt.Errorf("leave word for the run that holds the lock: %w", err)
			}
			return nil
		}
	}
	return nil
}

// calledAgain says whether another run left word while this one held the lock; once a run. All trees are looked at anew.
func (j *journey) calledAgain() bool {
	if j.again || j.opt.dry {
		return false
	}
	err := os.Remove(filepath.Join(j.cfg.State, againFile))
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			j.errs = append(j.errs, err)
		}
		return false
	}
	j.again = true
	j.screen.stage("another run has seen something newer meanwhile: one more round")
	j.reopen()
	return true
}
