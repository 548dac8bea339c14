//go:build !linux

package rsync

// limitFiles does nothing where the limits of another process cannot be set.
func limitFiles(int, int64) {}
