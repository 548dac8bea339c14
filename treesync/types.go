package treesync

import (
	"context"
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/rsync"
)

// Spec is a tree as the mirror's configuration has it.
type Spec struct {
	Name           string // as in the manifest
	Path           string // absolute directory
	Exclude        []rsync.Pattern
	Keep           []rsync.Pattern // the mirror's own files: never overwritten, never deleted
	Late           []rsync.Pattern // nil: LatePatterns
	MaxDelete      int             // deletions that a run may make unasked
	Bandwidth      int64           // bytes a second; 0: unlimited
	Timeout        time.Duration   // of silence on a connection
	ConnectTimeout time.Duration
	Bind           netip.Addr
	Options        []string // further rsync options, each passed by rsync.CheckOption
}

// Source is a place to sync from.
type Source struct {
	ID        string // "" for one typed by hand or a fallback: its URL stands for it
	URL       rsyncurl.URL
	Family    int   // 4 or 6 when only that one was verified; 0: both
	Timestamp int64 // what the manifest says it holds; 0: not known
	MayDelete bool  // a node, or verified to the depth of its listing: deletions may be taken from it
}

// Memory is what a mirror remembers of a tree between syncs: one small state file.
type Memory struct {
	Path      string          `json:"path"`                // the directory it belongs to
	Inode     uint64          `json:"inode"`               // of that directory: another one is another tree, or none is mounted
	Began     bool            `json:"began,omitempty"`     // a sync was begun and has not ended well: temporary files may lie about
	Timestamp int64           `json:"timestamp,omitempty"` // proven last
	Source    string          `json:"source,omitempty"`    // that it came from
	Synced    strictjson.Time `json:"synced,omitzero"`
	OwedSince strictjson.Time `json:"owed_since,omitzero"` // deletions were left out since
	Owed      int             `json:"owed,omitempty"`      // how many, where that was counted
	Unproven  bool            `json:"unproven,omitempty"`  // the last sync had no manifest to prove it by
}

// Options of one sync.
type Options struct {
	Spec    Spec
	Tree    manifest.Tree // what is announced
	Sources []Source      // in the order to try
	Memory  Memory
	Staging string // a directory for lists and fetched anchors, made when missing, emptied at the end
	Runner  rsync.Runner
	Program string // how the real rsync is called in Commands; "": rsync

	// Refresh gives the tree as a fresh manifest announces it, after a source moved on in mid-sync. nil: not to be had.
	Refresh func(context.Context) (manifest.Tree, error)
	// Save stores the memory; called before the tree is touched and at the end.
	Save     func(Memory) error
	Report   func(Event)
	Progress func(rsync.Progress)
	Now      func() time.Time
	// Floor is a time that is surely past, such as a manifest's issued: where the clock here is behind it, a time file up to then
	// is none of the future.
	Floor time.Time

	DryRun    bool // say what would be done; nothing in the tree changes
	MaxDelete int  // allows that many deletions once; 0: Spec.MaxDelete holds
	Fallback  bool // no manifest: two stages, no pre-flight, no proof, no deleting; Tree holds the time file's name alone
	Adopt     bool // take a directory that is not known as the tree's, whatever is in it
}

// Stage is a step of a sync.
type Stage string

// The stages, in their order.
const (
	StagePreflight Stage = "pre-flight"
	StageList      Stage = "list" // the dry run
	StageContent   Stage = "content"
	StageMetadata  Stage = "metadata"
	StageAnchors   Stage = "anchors"
	StageProof     Stage = "proof"
	StageDelete    Stage = "delete"
	StageTime      Stage = "time file"
)

// Event is something worth telling while a sync goes on.
type Event struct {
	Stage   Stage
	Source  Source
	Text    string // a sentence for people
	Command string // the rsync command of a stage that begins; "" otherwise
}

// Why a source was left for the next one.
type Why string

// The reasons. The first four are no blame.
const (
	WhyMovedOn     Why = "moved-on" // newer than all that the manifest knows
	WhyBehind      Why = "behind"
	WhyBusy        Why = "busy"
	WhyUnreachable Why = "unreachable"
	WhyRefused     Why = "refused"    // asks for a password, denies, unknown module
	WhyWrong       Why = "wrong"      // anchors or their proof are of no known set
	WhyIncomplete  Why = "incomplete" // fewer files or bytes than the tree has, or an anchor is missing
	WhyBroken      Why = "broken"     // ended in mid-transfer
	WhyNoRoom      Why = "no-room"    // what it would send does not fit here
)

// Attempt is one source that was left.
type Attempt struct {
	Source Source
	Stage  Stage
	Why    Why
	Detail string
}

// Outcome of a sync.
type Outcome struct {
	Synced    bool
	Wait      bool  // all sources have moved on: nothing is wrong, a newer manifest will come
	Timestamp int64 // proven, and in the time file
	Source    Source
	Attempts  []Attempt
	Memory    Memory

	Files    int64    // regular files transferred
	Bytes    int64    // of them
	Received int64    // bytes on the wire, of all runs
	Sent     int64    // the same
	Lists    int      // full file lists asked of the source that served; deletions take none
	Deleted  int64    // files and directories
	Refused  int      // deletions above max_delete: none was made
	Doomed   []string // DryRun: the names that would be deleted, or were Refused, as far as they were kept, sorted; a directory ends in "/"
	Commands []string // every rsync command, as one could type it
}

// NoSource is the error when every source was tried in vain: exit code 6.
type NoSource struct {
	Tree     string
	Attempts []Attempt
}

// TooManyDeletions is the error of a sync that went well but for deletions above max_delete: exit code 1.
type TooManyDeletions struct {
	Tree  string
	Count int
	Most  int
	Bytes int64 // not 0: not their number, their bytes were too many to be deleted on an unproven word
}

// NotTheTree is the refusal to touch a directory that is not the configured tree's.
type NotTheTree struct {
	Path   string
	Detail string
}

// NoRoom is the refusal to begin what would not fit, from whatever source.
type NoRoom struct {
	Path       string
	Need, Free int64 // bytes
	Names      int64 // new ones, where it is those that do not fit; 0 otherwise
	FreeNames  int64 // inodes
}
