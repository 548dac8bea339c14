package rsync

import (
	"context"
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
)

// Job is one run of the real rsync, from a daemon into a directory. Its argument list is a pure function of it (Args).
type Job struct {
	Source rsyncurl.URL // a directory; the text is rebuilt, never passed through
	Dest   string       // absolute directory; what lies in Source comes to lie in it

	Rules     []Rule // filter rules, in order; "--exclude=.~tmp~/" is always added before them
	RulesFile string // a file of NUL-separated rules, "+ pattern" or "- pattern" (RulesText), read after Rules: --from0 --filter="merge FILE" ("" = none)
	MaxSize   int64  // --max-size in bytes: larger files are passed over (0: no limit), nor is more written of one, whatever size was announced (Linux); for what a stranger sends into a staging directory

	// FilesFrom is a file of NUL-separated names below Source ("" = all). No recursion: -r is left out, since it would list a
	// listed directory's content. Not beside Rules, RulesFile or Delete.
	FilesFrom string

	DryRun       bool // -n
	Itemize      bool // report each name that would change, or changed (Watch.Item)
	DelayUpdates bool // --delay-updates
	Checksum     bool // --checksum: compare contents; some servers refuse it (ExitError.Refuses)
	IgnoreTimes  bool // --ignore-times: transfer what seems the same as well
	Delete       bool // --delete-delay
	MaxDelete    int  // with Delete: --max-delete, a belt: the dry run has counted before (< 0: not given)

	Family         int           // 4 or 6: -4, -6; 0: both
	Bind           netip.Addr    // --address
	Bandwidth      int64         // bytes a second, 0: unlimited; --bwlimit in KiB, at least 1
	Timeout        time.Duration // --timeout, whole seconds, at least 1; 0: 10 minutes
	ConnectTimeout time.Duration // --contimeout, the same; 0: 30 s
	Options        []string      // further options, each passed by CheckOption
	Progress       bool          // --info=progress2

	// LeastRate is how many bytes a second rsync must read, averaged over three times Timeout; below it the run is ended, with
	// ExitError.TooSlow. 0: a byte within Timeout is enough, and a source that drips is never done with.
	LeastRate int64

	// Token marks the lines of items, so that no server can forge one: 16 to 64 hexadecimal digits, another for each run.
	// "": Exec chooses one, and Command shows a format for people.
	Token string
}

// Rule is one filter rule. Hide and protect are both meant: --exclude.
type Rule struct {
	Include bool
	Pattern string
}

// Item is one name of an itemized run.
type Item struct {
	Code string // the eleven characters of %i, or "*deleting"
	Name string // below the source, decoded; no trailing slash; "." is the top itself
	Dir  bool
	Link string // of a hard link: the name that it is one with, which need not be an item itself
	Size int64  // %l; of something that goes: 0
}

// Deleting reports whether the item is something that goes.
func (i Item) Deleting() bool { return i.Code == codeDeleting }

// Progress is what --info=progress2 says.
type Progress struct {
	Bytes   int64
	Percent int
	Rate    string // as rsync words it, e.g. "12.34MB/s"
	Left    string // "0:01:23"
}

// Watch is told of what goes on, from one goroutine. Nil members are not called.
type Watch struct {
	Item     func(Item)
	Progress func(Progress)
}

// Stats are the figures of --stats. Bytes, Sent and Received are the server's own word, all others are counted on this side.
type Stats struct {
	Files       int64 // everything in the list that was considered
	Regular     int64 // regular files among it
	Bytes       int64 // "Total file size": regular files and the lengths of symlinks
	Transferred int64 // regular files
	Literal     int64 // "Total transferred file size"
	Deleted     int64 // files and directories; with a server older than rsync 3.1 only of itemized runs
	Sent        int64 // bytes on the wire
	Received    int64
}

// Result of a run that ended by itself with exit code 0 or 24. Beside an error it holds what was seen until then.
type Result struct {
	Stats Stats
	// Unreadable counts the itemized lines that could not be read back into a name: then the items are not the whole truth.
	Unreadable int
	Vanished   bool // exit code 24
	Messages   int  // lines of output that were neither items nor figures; a server can send any number
}

// Runner runs the real rsync. Exec is the one; tests may count or fail runs around it.
type Runner interface {
	Run(ctx context.Context, j Job, w Watch) (Result, error)
}
