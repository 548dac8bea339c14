package publish

import "time"

// WithLockWait is d with another longest wait for the lock.
func WithLockWait(d *DirStore, wait time.Duration) *DirStore {
	return &DirStore{path: d.path, wait: wait, swept: map[string]bool{}}
}

// Near is asked for each address that plain HTTP would go to.
var Near = near
