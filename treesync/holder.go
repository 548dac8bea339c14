package treesync

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"github.com/google/renameio/v2"
	"golang.org/x/sys/unix"
)

// Holder is who holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing"` // e.g. "sync of centos to 1488372781"
}

const maxHolder = 4 << 10

// lockedBy says who holds the lock, as far as the holder file knows: it informs people, flock alone decides.
func lockedBy(path, holderFile string) *Locked {
	h := readHolder(holderFile)
	return &Locked{Path: path, Holder: h, Dead: h != nil && !alive(h.PID)}
}

// readHolder gives nil when nothing sensible is there.
func readHolder(file string) *Holder {
	f, err := os.OpenFile(file, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, maxHolder))
	if err != nil {
		return nil
	}
	var h Holder
	if json.Unmarshal(data, &h) != nil || h.PID <= 0 {
		return nil
	}
	return &h
}

func writeHolder(file string, h Holder) error {
	data, err := json.Marshal(h)
	if err == nil {
		err = renameio.WriteFile(file, append(data, '\n'), 0o644)
	}
	if err != nil {
		return fmt.Errorf("write who holds the lock: %w", err)
	}
	return nil
}

// removeHolder removes the file when it is still ours.
func removeHolder(file string, h Holder) error {
	if now := readHolder(file); now == nil || now.PID != h.PID || !now.Since.Equal(h.Since) {
		return nil
	}
	if err := os.Remove(file); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("remove who held the lock: %w", err)
	}
	return nil
}

func alive(pid int) bool {
	return !errors.Is(unix.Kill(pid, 0), unix.ESRCH)
}
