package publish

import "time"

// WithLockWait is d with another longest wait for the lock.
func WithLockWait(d *DirStore, wait time.Duration) *DirStore {
	return &DirStore{path: d.path, wait: wait, swept: map[string]bool{}}
}

// Near is asked for each address that plain HTTP would go to.
var Near = near

// ZoneFileWithin is a ZoneFile with another time for the reload.
func ZoneFileWithin(path string, reload []string, within time.Duration) TXT {
	return &zoneFile{path: path, reload: reload, within: within}
}

// FragmentOf is what a fragment holds at a name.
func FragmentOf(b []byte, name string) (RRset, error) {
	f, err := parseFragment(b)
	if err != nil {
		return RRset{}, err
	}
	return f.of(name), nil
}

// FragmentWith is the fragment with other records at a name.
func FragmentWith(b []byte, name string, s RRset) ([]byte, error) {
	f, err := parseFragment(b)
	if err != nil {
		return nil, err
	}
	return f.with(name, s), nil
}
