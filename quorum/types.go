package quorum

import (
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/manifest"
)

// FailureKind classes a probe that did not get an answer to judge.
type FailureKind string

// The kinds. All are soft but Missing, NotNumber, Forbidden and List.
const (
	FailMoving      FailureKind = "moving"      // a master that is being written: look again when it is at rest
	FailBusy        FailureKind = "busy"        // @ERROR: max connections
	FailUnreachable FailureKind = "unreachable" // no address, refused, no route, timeout, not an rsync server
	FailRefused     FailureKind = "refused"     // it answered and refused: access denied, unknown module, password
	FailMissing     FailureKind = "missing"     // the time file is not there (hard)
	FailNotNumber   FailureKind = "not-number"  // the time file holds something else (hard)
	FailForbidden   FailureKind = "forbidden"   // not asked: a private, loopback or link-local address, or a name with too many (hard: whoever asks the name may get it)
	FailList        FailureKind = "list"        // its file list is none of an honest server: more than twice as long as the master's, or against rsync's own rules (hard)
)

// Failure says why a reading holds nothing to judge.
type Failure struct {
	Kind FailureKind `json:"kind"`
	Text string      `json:"text"` // what happened, in words
}

// AnchorSeen is an anchor as a server gave it.
type AnchorSeen struct {
	Path    string `json:"path"`
	Size    int64  `json:"size,omitempty"`
	SHA256  string `json:"sha256,omitempty"`
	Missing bool   `json:"missing,omitempty"`
}

// Reading is what one probe of one tree at one address saw. A failure is a reading, not an error. One beside a depth of anchors is
// that of the list alone: time file and anchors are sound.
type Reading struct {
	Server    string          `json:"server"`
	Tree      string          `json:"tree"`
	URL       rsyncurl.URL    `json:"url"`
	Address   string          `json:"address,omitempty"` // IP literal; "" when no address was found
	Family    int             `json:"family,omitempty"`  // 4 or 6
	At        strictjson.Time `json:"at"`
	Depth     string          `json:"depth"` // how deep it went: manifest.DepthTime, DepthAnchors or DepthListing
	Timestamp int64           `json:"timestamp,omitempty"`
	Raw       string          `json:"raw,omitempty"` // the time file's bytes, at most 64, quoted when odd
	Anchors   []AnchorSeen    `json:"anchors,omitempty"`
	List      *filelist.Diff  `json:"list,omitempty"`  // how the file list differs from the master's at Timestamp; nil: it was not looked at
	Void      bool            `json:"void,omitempty"`  // the time file changed while we looked
	Beside    []int64         `json:"beside,omitzero"` // timestamps of the master's other lists that List was compared with; nil: not said
	Failure   *Failure        `json:"failure,omitempty"`
}

// ListSum sums up a file list, the time file left out.
type ListSum struct {
	Files  int64  `json:"files"`
	Bytes  int64  `json:"bytes"`
	Digest string `json:"digest"` // of names, sizes, mtimes; independent of order
}

// MasterReading is one look at the master's tree.
type MasterReading struct {
	Tree      string            `json:"tree"`
	At        strictjson.Time   `json:"at"`
	Timestamp int64             `json:"timestamp,omitempty"`
	Raw       string            `json:"raw,omitempty"`
	Anchors   []manifest.Anchor `json:"anchors,omitempty"` // sorted by path
	List      *ListSum          `json:"list,omitempty"`    // nil: no list was made
	Failure   *Failure          `json:"failure,omitempty"`
}

// Readings is the input of a decision, and the content of `tidemark probe -o` (schema tidemark/probe/v1).
type Readings struct {
	Schema  string          `json:"schema"`
	Network string          `json:"network"`
	Masters []MasterReading `json:"masters"` // in the order read; the same tree may come twice
	Servers []Reading       `json:"servers"`
	Rested  []string        `json:"rested,omitzero"` // what was not asked for back-off, as "server/tree", sorted: see Rested
	Asked   []string        `json:"asked,omitzero"`  // ids of the servers that were asked, sorted; nil: all. What is known of the others stands
}

// Recorded is a timestamp with the content that belongs to it, frozen.
type Recorded struct {
	Timestamp int64             `json:"timestamp"`
	Anchors   []manifest.Anchor `json:"anchors"`
	List      *ListSum          `json:"list,omitempty"`
	At        strictjson.Time   `json:"at"`                 // when it was recorded
	NoNews    bool              `json:"nonews,omitempty"`   // its content equals the announced one's: never announced
	Recalled  bool              `json:"recalled,omitempty"` // taken from a manifest, or with other patterns: may lack anchors, the master may complete it
}

// TreeMemory is what is remembered of a tree.
type TreeMemory struct {
	Announced int64          `json:"announced,omitempty"`
	Recorded  []Recorded     `json:"recorded,omitempty"`  // oldest first: the announced one, a few before it, all after it
	Changed   []string       `json:"changed,omitempty"`   // anchors that changed with the last announcement
	Patterns  []string       `json:"patterns,omitempty"`  // TreePolicy.Patterns of the last looks
	Exclude   []string       `json:"exclude,omitempty"`   // TreePolicy.Exclude of the last looks
	Unsettled *MasterReading `json:"unsettled,omitempty"` // read once, waits for a second read that agrees
	Master    *MasterReading `json:"master,omitempty"`    // the last successful look
	Failed    FailureKind    `json:"failed,omitempty"`    // why the last look saw nothing, "" when it was that one
}

// ServerMemory is what is remembered of one tree at one server.
type ServerMemory struct {
	URL        rsyncurl.URL    `json:"url,omitzero"` // what follows is true of this URL
	State      State           `json:"state,omitempty"`
	StateSince strictjson.Time `json:"state_since,omitzero"`
	Reason     string          `json:"reason,omitempty"`
	Timestamp  int64           `json:"timestamp,omitempty"` // verified at (0: never)
	Since      strictjson.Time `json:"since,omitzero"`      // first verified at that timestamp
	Depth      string          `json:"depth,omitempty"`
	Families   []int           `json:"families,omitempty"`
	Addresses  []string        `json:"addresses,omitempty"`   // at which it was verified
	Good       strictjson.Time `json:"good,omitzero"`         // last good check
	Deep       strictjson.Time `json:"deep,omitzero"`         // last check of anchors or deeper
	Listed     strictjson.Time `json:"listed,omitzero"`       // last check of the whole list, at all addresses, or one that found it at fault
	ListTried  strictjson.Time `json:"list_tried,omitzero"`   // it was asked for its list since then, and nothing came of that
	ListFails  int             `json:"list_fails,omitempty"`  // so often in a row its list could not be read ...
	ListFailed strictjson.Time `json:"list_failed,omitzero"`  // ... for the first time then
	ListFaults int             `json:"list_faults,omitempty"` // looks at its list in a row that did not clear List's fault, the first included
	Offered    bool            `json:"offered,omitempty"`     // our last decision listed it
	Contested  strictjson.Time `json:"contested,omitzero"`    // a manifest of then, of another publisher, has left it out: not listed until its list was looked at
	List       *ListLook       `json:"list,omitempty"`        // the last look at the whole list, in short
	Answered   strictjson.Time `json:"answered,omitzero"`     // last time it said anything
	Soft       int             `json:"soft,omitempty"`        // soft errors in a row
	Highest    int64           `json:"highest,omitempty"`     // highest timestamp it was verified at: below it is a regression
	Seen       int64           `json:"seen,omitempty"`        // what its time file said last ...
	SeenSince  strictjson.Time `json:"seen_since,omitzero"`   // ... and when it said so first
	Valid      bool            `json:"valid,omitempty"`       // the verification at Timestamp stands
	Last       LastReading     `json:"last,omitzero"`
}

// LastReading is the reading that the last verdict was drawn from, where the server was asked.
type LastReading struct {
	At        strictjson.Time `json:"at,omitzero"`
	Address   string          `json:"address,omitempty"`
	Timestamp int64           `json:"timestamp,omitempty"` // what the time file said, 0: it was not read
	Raw       string          `json:"raw,omitempty"`       // its bytes, as in Reading
	Text      string          `json:"text,omitempty"`      // of a soft error: what happened, shortened
	Cause     Cause           `json:"cause,omitempty"`     // of the verdict that was drawn
}

// ListLook sums up a look at the whole list of a server: at the address whose list was worst.
type ListLook struct {
	At        strictjson.Time `json:"at"`
	Address   string          `json:"address,omitempty"`
	Timestamp int64           `json:"timestamp"` // that its time file said, with whose list it was compared
	Files     int64           `json:"files"`     // on the server
	Bytes     int64           `json:"bytes"`
	Missing   int64           `json:"missing,omitempty"` // counts as in filelist.Diff
	Extra     int64           `json:"extra,omitempty"`
	Different int64           `json:"different,omitempty"`
	Moved     int64           `json:"moved,omitempty"`
	Early     int64           `json:"early,omitempty"`
	First     []string        `json:"first,omitempty"` // a few of these, the worst first, in words
	State     State           `json:"state,omitempty"` // the verdict it led to, where the list was at fault: it stands until the list is looked at again
	Doubt     string          `json:"doubt,omitempty"` // why what was found is not held against it, in words
}

// GuardMemory counts the runs in which the guard held back.
type GuardMemory struct {
	Runs int `json:"runs,omitempty"` // 1 or more: nothing is published until a round that asks all servers has looked
}

// MemorySchema names the state file's format.
const MemorySchema = "tidemark/memory/v1"

// Memory is the one small state file of the deciding: soft counts, recorded anchors, since-when.
type Memory struct {
	Schema  string                             `json:"schema"`
	Trees   map[string]TreeMemory              `json:"trees"`
	Servers map[string]map[string]ServerMemory `json:"servers"` // by server id, then tree
	Guard   GuardMemory                        `json:"guard"`
}

// State is a verdict in one word.
type State string

// The states (DESIGN 7).
const (
	Verified    State = "verified"
	Ahead       State = "ahead"
	Behind      State = "behind"
	Moving      State = "moving"
	Mixed       State = "mixed"
	Wrong       State = "wrong"
	Incomplete  State = "incomplete"
	Busy        State = "busy"
	Unreachable State = "unreachable"
	Refused     State = "refused"
	Unknown     State = "unknown"
	Maintenance State = "maintenance"
)

// Verdict is what was concluded of one server for one tree, with the reason.
type Verdict struct {
	Server    string          `json:"server"`
	Kind      string          `json:"kind"`
	Tree      string          `json:"tree"`
	State     State           `json:"state"`
	Source    bool            `json:"source"` // offered by the manifest
	Counted   bool            `json:"counted,omitempty"`
	Reason    string          `json:"reason"` // one sentence: what was found, what was expected, why it is or is not a source
	URL       rsyncurl.URL    `json:"url"`
	Address   string          `json:"address,omitempty"` // the one that decided
	Raw       string          `json:"raw,omitempty"`
	Timestamp int64           `json:"timestamp,omitempty"` // what its time file says
	Since     strictjson.Time `json:"since,omitzero"`      // in this state since
	Good      strictjson.Time `json:"good,omitzero"`
	Depth     string          `json:"depth,omitempty"`

	Cause  Cause           `json:"cause,omitempty"`  // why this state, where several things lead to it
	Listed strictjson.Time `json:"listed,omitzero"`  // its whole list was looked at last
	List   *ListLook       `json:"list,omitempty"`   // what that look found
	Soft   int             `json:"soft,omitempty"`   // soft errors in a row
	Rested bool            `json:"rested,omitempty"` // not asked in this round, for it failed again and again
	Next   strictjson.Time `json:"next,omitzero"`    // it is asked again at about this time, where that is not the next round
	Unread strictjson.Time `json:"unread,omitzero"`  // its whole list could not be read since
}

// TreePolicy is the operator's settings of one tree.
type TreePolicy struct {
	TimeFile string
	Quorum   inventory.Quorum
	MaxWait  time.Duration // 12 h
	Patterns []string      // that choose the anchors; compared only: when they change, the master may complete what is recorded
	Exclude  []string      // rsync patterns of what is left out of the look at the master, and of every server; when they change, lists are recorded anew
}

// Policy is the operator's settings: plain values, copied by cmd.
type Policy struct {
	Network       string
	Trees         map[string]TreePolicy
	Servers       []inventory.Server
	Settle        time.Duration // between two reads of the master: 1 min
	Recheck       time.Duration // anchors are looked at again after: 6 h
	Sample        int           // anchors sampled of those that did not change: 3
	Validity      time.Duration
	CheckInterval time.Duration
	MaxHold       time.Duration
	Nearby        map[string][]string
	GuardShare    int // percent: 30
	GuardLeast    int // 5
	GuardRuns     int // 3

	Lists     map[string][]int64 // by tree: the timestamps whose file list is at hand, in any order; of others no list is asked
	ListShare int                // percent of the mirrors whose list is looked at when their time file moved; of nodes always
	Spot      int                // servers in a thousand whose content and list are looked at in a round, by chance
	Backoff   time.Duration      // a mirror that failed again and again is asked at least this often; 0: in each round
	Force     bool
	Void      bool // what was published last is accepted by nobody any more: the guard has nothing to protect
}

// Ask is what to ask one server about one tree.
type Ask struct {
	Server    string
	Tree      string
	URL       rsyncurl.URL
	TimeFile  string
	Known     int64    // this time file needs no deeper look ...
	Addresses []string // ... at these addresses (none: at all) ...
	Deep      bool     // ... unless a re-check is due
	Anchors   []string // to fetch when looking deeper
	Largest   int64    // bytes of the largest of them, in any set that is recorded or on the master
	Bytes     int64    // of all of them together, each at its largest
	List      bool     // look at the whole list, too, whenever looking deeper
	Files     int64    // of the longest list that is recorded: a server's may be twice as long
	Exclude   []string // rsync patterns of what is not compared: what the tree leaves out, and what the server does not carry
	Subset    bool     // it carries a part, nobody says which: what is missing is not held against it
	Group     string   // the organisation, "": its own
	First     bool     // a node: its list comes before all mirrors'
	Rest      bool     // it failed again and again, and is not due: not to be asked in this round (Rested, Awake)
}

// TreeReport is the outcome for one tree, for people.
type TreeReport struct {
	Tree      string          `json:"tree"`
	Announced int64           `json:"announced,omitempty"`
	New       bool            `json:"new,omitempty"`     // announced in this run
	Pending   int64           `json:"pending,omitempty"` // newest recorded one that waits for its quorum
	Waiting   strictjson.Time `json:"waiting,omitzero"`  // since the oldest candidate was recorded
	Overdue   bool            `json:"overdue,omitempty"` // longer than max_wait: exit 7
	Nodes     manifest.Nodes  `json:"nodes"`
	Admit     int64           `json:"admit"`
	Note      string          `json:"note"`              // one sentence; for everybody
	Trouble   string          `json:"trouble,omitempty"` // why the master could not be read; for the operator: it may name hosts and paths
}

// GuardReport says what the guard saw.
type GuardReport struct {
	Held   bool   `json:"held"`   // nothing may be published
	Spoke  bool   `json:"spoke"`  // exit 3, held or not
	Lost   int    `json:"lost"`   // sources that turned to errors
	Of     int    `json:"of"`     // sources listed last
	Reason string `json:"reason"` // one sentence
}

// Decision is the outcome of Decide.
type Decision struct {
	Manifest *manifest.Manifest // without serial, issued, expires, trust_version, previous
	Verdicts []Verdict          // sorted by server, tree
	Memory   Memory
	Trees    []TreeReport // sorted by tree
	Guard    GuardReport
}
