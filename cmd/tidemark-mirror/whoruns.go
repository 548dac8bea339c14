package main

import (
	"encoding/json"
	"errors"
	"os"
	"path/filepath"

	"golang.org/x/sys/unix"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/treesync"
)

// whoRuns tells who holds the lock of a state directory; nil when nobody does. A shared lock, taken for a moment, finds out.
func whoRuns(state string) *runStatus {
	d, err := os.Open(state)
	if err != nil {
		return nil
	}
	defer d.Close() // gives a lock back, too
	if err := unix.Flock(int(d.Fd()), unix.LOCK_SH|unix.LOCK_NB); !errors.Is(err, unix.EWOULDBLOCK) {
		return nil
	}
	var h treesync.Holder
	b, err := console.ReadFile(filepath.Join(state, holderFile), maxMemory)
	if err != nil || json.Unmarshal(b, &h) != nil {
		return &runStatus{}
	}
	return &runStatus{PID: h.PID, Since: strictjson.At(h.Since), Doing: h.Doing}
}
