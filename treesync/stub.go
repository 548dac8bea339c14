package treesync

import (
	"context"
	"os"
	"time"
)

// Run brings the tree to what the first good source holds. Exit codes are the caller's: *NoSource is 6, all other errors 1.
// The outcome is filled in as far as it got, also beside an error.
func Run(ctx context.Context, o Options) (Outcome, error) { panic("stub") }

// Held is what a tree's time file says.
type Held struct {
	Timestamp int64  // 0: none, or damaged
	Damaged   string // why what is there does not count: not a time, or in the future
}

// Read reads the time file of the tree at path. More than skew (5 minutes) in the future is damaged.
func Read(path, timeFile string, now time.Time) (Held, error) { panic("stub") }

// Error lists what was tried.
func (e *NoSource) Error() string { panic("stub") }

func (e *TooManyDeletions) Error() string { panic("stub") }

func (e *NotTheTree) Error() string { panic("stub") }

func (e *NoRoom) Error() string { panic("stub") }

// Holder is who holds a lock.
type Holder struct {
	PID   int       `json:"pid"`
	Since time.Time `json:"since"`
	Doing string    `json:"doing"` // e.g. "sync of centos to 1488372781"
}

// Lock is held until Release; Files are to be inherited by every rsync (rsync.Exec.Hold), so that an orphan keeps it.
type Lock struct{}

// Locked is the error of Acquire when another run holds one of the locks.
type Locked struct {
	Path   string
	Holder *Holder // nil: not known (an old cron line)
}

func (e *Locked) Error() string { panic("stub") }

// Acquire takes the flock of each path, without waiting: directories (a tree, the state directory) by themselves, other
// paths as lock files, made when missing and opened so that a symbolic link is refused. All or none. The holder is written
// to holderFile. A lock file that was renamed or deleted in between is noticed and taken anew.
func Acquire(paths []string, holderFile string, h Holder) (*Lock, error) { panic("stub") }

// Files are the open locks.
func (l *Lock) Files() []*os.File { panic("stub") }

// Release gives all of them back.
func (l *Lock) Release() error { panic("stub") }
