package rsync

import (
	"context"
	"os"
)

// Exec runs the real program: minimal environment (PATH, LC_ALL=C, TZ=UTC, RSYNC_PASSWORD empty, RSYNC_PROXY when given), a
// session of its own, no stdin. Cancelling the context ends the whole group: SIGTERM, after five seconds SIGKILL.
type Exec struct {
	Program string     // "": rsync, from PATH
	Path    string     // PATH of the child; "": the caller's
	Proxy   string     // RSYNC_PROXY, host:port; "": none
	Hold    []*os.File // locks that must live as long as the child does: it inherits them
	Trace   func(command string)
}

// Run implements Runner.
func (x *Exec) Run(ctx context.Context, j Job, w Watch) (Result, error) { panic("stub") }
