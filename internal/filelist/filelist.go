package filelist

// Entry is one regular file of a tree.
type Entry struct {
	Path  string // relative to the tree, raw bytes, slashes, no leading one
	Size  int64  // bytes
	MTime int64  // Unix seconds
}

// Source gives entries in the order of an index, each path once, until it has no more or failed.
type Source interface {
	Next() (Entry, bool)
	Err() error // why Next gave no more, nil at the list's end
	Close() error
}

// Options of a Sorter.
type Options struct {
	Dir    string // for what does not fit in memory; "": the system's directory for temporary files
	Memory int    // bytes of entries that are held; 0: 4 MiB
}

// Sorter brings entries into the order of an index. Memory is bounded by Options.Memory whatever their number; beyond it sorted
// runs go to an unlinked temporary file.
type Sorter struct{}

// NewSorter makes an empty one. It must be closed.
func NewSorter(o Options) *Sorter { panic("stub") }

// Add takes an entry, in any order.
func (s *Sorter) Add(e Entry) error { panic("stub") }

// Sorted ends the adding. An entry whose path was added twice is an error of the source.
func (s *Sorter) Sorted() (Source, error) { panic("stub") }

// Close gives back what the sorter holds, at any time.
func (s *Sorter) Close() error { panic("stub") }

// Head is what an index says of itself.
type Head struct {
	Tree      string
	Timestamp int64  // of the tree
	Files     int64  // entries of the index; the time file is not among them
	Bytes     int64  // of all entries together
	Digest    string // quorum.ListSum.Digest of the look that made it
}

// Write makes the index file name atomically from sorted entries. Head.Files and Head.Bytes are filled in by it.
func Write(name string, h Head, from Source) (Head, error) { panic("stub") }

// Index is an index file that is open for reading. Its methods may be used by several goroutines at a time.
type Index struct{ Head Head }

// Open reads an index's head; the checksum of the rest is proven by reading it to its end (Source.Err).
func Open(name string) (*Index, error) { panic("stub") }

// Entries walks the index from its beginning; each walk is independent of the others.
func (x *Index) Entries() Source { panic("stub") }

// Close closes the file.
func (x *Index) Close() error { panic("stub") }

// Shown is how many paths of each kind a Diff keeps.
const Shown = 20

// Diff is how a server's list differs from the master's.
type Diff struct {
	Files     int64 `json:"files"` // regular files in the server's list, the time file left out
	Bytes     int64 `json:"bytes"`
	Missing   int64 `json:"missing,omitempty"`   // the master's, not the server's
	Extra     int64 `json:"extra,omitempty"`     // the server's, not the master's
	Different int64 `json:"different,omitempty"` // size or mtime is another one
	Moved     int64 `json:"moved,omitempty"`     // missing, extra or different, but as at another recorded timestamp

	MissingFirst   []Odd `json:"missing_first,omitempty"` // at most Shown of each, the first in the order of the list
	ExtraFirst     []Odd `json:"extra_first,omitempty"`
	DifferentFirst []Odd `json:"different_first,omitempty"`
	MovedFirst     []Odd `json:"moved_first,omitempty"`
}

// Odd is a file that is not as on the master. A side on which it is absent has no size and no mtime.
type Odd struct {
	Path        string `json:"path"` // in Go's quotes where it is not printable ASCII
	Size        int64  `json:"size,omitempty"`
	MTime       int64  `json:"mtime,omitempty"`
	MasterSize  int64  `json:"master_size,omitempty"`
	MasterMTime int64  `json:"master_mtime,omitempty"`
}

// Equal reports that nothing is missing, extra, different or moved.
func (d Diff) Equal() bool { return d.Missing == 0 && d.Extra == 0 && d.Different == 0 && d.Moved == 0 }

// Rules of a comparison.
type Rules struct {
	Skip   func(path string) bool // what neither list is judged on: the time file, what the server excludes; nil: nothing
	Subset bool                   // the server need not carry everything: what is missing is not counted
}

// Other is the master's list at another recorded timestamp.
type Other struct {
	Source
	Newer bool // than the timestamp that the server claims
}

// Compare walks seen beside want, the master's list at the timestamp that the server claims, and others, those of other recorded
// timestamps: what differs from want but is as one of these is Moved. What the master has deleted, and what it does not have yet,
// belongs to newer timestamps only. Sources are not closed.
func Compare(seen, want Source, others []Other, r Rules) (Diff, error) { panic("stub") }
