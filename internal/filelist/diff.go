package filelist

// Shown is how many paths of each kind a Diff keeps.
const Shown = 20

// Diff is how a server's list differs from the master's.
type Diff struct {
	Files     int64 `json:"files"` // regular files in the server's list, the time file left out
	Bytes     int64 `json:"bytes"`
	Missing   int64 `json:"missing,omitempty"`   // the master's, not the server's
	Extra     int64 `json:"extra,omitempty"`     // the server's, not the master's
	Different int64 `json:"different,omitempty"` // size or mtime is another one
	Moved     int64 `json:"moved,omitempty"`     // missing or different, but as at another recorded timestamp
	Early     int64 `json:"early,omitempty"`     // extra, but as at a newer recorded timestamp: there before its time

	MissingFirst   []Odd `json:"missing_first,omitempty"` // at most Shown of each, the first in the order of the list
	ExtraFirst     []Odd `json:"extra_first,omitempty"`
	DifferentFirst []Odd `json:"different_first,omitempty"`
	MovedFirst     []Odd `json:"moved_first,omitempty"`
	EarlyFirst     []Odd `json:"early_first,omitempty"`
}

// Odd is a file that is not as on the master. A side on which it is absent has no size and no mtime.
type Odd struct {
	Path        string `json:"path"` // in Go's quotes where it is not printable ASCII; cut in the middle beyond 243 bytes
	Size        int64  `json:"size,omitempty"`
	MTime       int64  `json:"mtime,omitempty"`
	MasterSize  int64  `json:"master_size,omitempty"`
	MasterMTime int64  `json:"master_mtime,omitempty"`
}

// Equal reports that nothing is missing, extra, different, moved or early.
func (d Diff) Equal() bool {
	return d.Missing == 0 && d.Extra == 0 && d.Different == 0 && d.Moved == 0 && d.Early == 0
}

// Rules of a comparison.
type Rules struct {
	Skip   func(path string) bool // what neither list is judged on: the time file, what the server excludes; nil: nothing
	Subset bool                   // the server need not carry everything: what is missing is not counted
	Stop   func() error           // asked every 1024 entries: an error ends the comparison with it (a deadline); nil: never
}

// Other is the master's list at another recorded timestamp.
type Other struct {
	Source
	Newer bool // than the timestamp that the server claims
}

// odd counts a file; at least one of seen and want is there.
func odd(count *int64, first *[]Odd, seen, want *item) {
	if *count++; *count > Shown {
		return
	}
	o := Odd{}
	if seen != nil {
		o.Path, o.Size, o.MTime = shown(seen.path()), seen.size, seen.mtime
	}
	if want != nil {
		o.Path, o.MasterSize, o.MasterMTime = shown(want.path()), want.size, want.mtime
	}
	*first = append(*first, o)
}
