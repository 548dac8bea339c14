package publish

import "time"

// WithLockWait is d with another longest wait for the lock.
func WithLockWait(d *DirStore, wait time.Duration) *DirStore {
	return &DirStore{path: d.path, wait: wait, swept: map[string]bool{}}
}
