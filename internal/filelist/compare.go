package filelist

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
)

// Options of a Sorter.
type Options struct {
	Dir      string // for what does not fit in memory; "": the system's directory for temporary files
	Memory   int    // bytes of entries that are held; 0: 4 MiB
	MaxBytes int64  // of temporary files; 0: 2 GiB
}

const (
	minMemory = 64 << 10
	maxMemory = 1 << 30
	fanIn     = 32 // runs of one level that are merged into one of the next
)

// Sorter brings entries into the order of an index. Memory is bounded by Options.Memory (some of it twice, while it grows) whatever
// their number; beyond it sorted runs go to unlinked temporary files.
type Sorter struct {
	options Options
	block   *block
	dir     string // of the last entry
	began   bool   // the block has a group for dir
	levels  []*level
	sorted  bool
	failure error
}

// level is a file of runs. A full one becomes a single run of the next level: every entry is written once a level, and no more than
// fanIn runs of each are open.
type level struct {
	file *os.File
	size int64
	runs []span
}

type span struct{ from, to int64 }

// NewSorter makes an empty one. It must be closed.
func NewSorter(o Options) *Sorter {
	o.Memory = min(max(cmp.Or(o.Memory, 4<<20), minMemory), maxMemory)
	o.MaxBytes = cmp.Or(o.MaxBytes, 2<<30)
	return &Sorter{options: o, block: &block{}}
}

// Add takes an entry, in any order; one directory after the other is fastest. It fails with ErrPath, and as soon as it is seen with
// ErrTwice, ErrTooLarge or what the file system said. The first failure is also that of what follows.
func (s *Sorter) Add(e Entry) error {
	if s.failure != nil {
		return s.failure
	}
	if s.sorted {
		return errors.New("sort a list: added to after it was sorted")
	}
	slash, known := s.split(e.Path)
	if err := checkEntry(e, slash, known); err != nil {
		return s.fail(err)
	}
	for !s.block.room(e.Path, s.options.Memory) {
		if err := s.spill(); err != nil {
			return s.fail(err)
		}
	}
	if !known || !s.began {
		s.dir, s.began = e.Path[:max(slash, 0)], true
		s.block.directory(s.dir)
	}
	s.block.add(e.Path[slash+1:], e.Size, e.MTime)
	return nil
}

func (s *Sorter) fail(err error) error {
	s.failure = fmt.Errorf("sort a list: %w", err)
	return s.failure
}

// split finds the last slash, and whether what is before it is the directory of the entry before.
func (s *Sorter) split(path string) (slash int, known bool) {
	n := len(s.dir)
	if n > 0 && len(path) > n && path[n] == '/' && strings.IndexByte(path[n+1:], '/') < 0 && path[:n] == s.dir {
		return n, true
	}
	slash = strings.LastIndexByte(path, '/')
	return slash, s.began && n == 0 && slash < 0
}

// spill writes the block as a run.
func (s *Sorter) spill() error {
	if err := s.write(0, s.block.sorted()); err != nil {
		return err
	}
	s.block.reset()
	s.began = false
	for i := 0; i < len(s.levels) && len(s.levels[i].runs) >= fanIn; i++ {
		if err := s.write(i+1, newMerge(s.levels[i].cursors())); err != nil {
			return err
		}
		if err := s.levels[i].empty(); err != nil {
			return fmt.Errorf("empty a temporary file: %w", err)
		}
	}
	return nil
}

// write puts what c gives as a run on the n-th level.
func (s *Sorter) write(n int, c cursor) error {
	if n == len(s.levels) {
		f, err := scratch(s.options.Dir)
		if err != nil {
			return err
		}
		s.levels = append(s.levels, &level{file: f})
	}
	l := s.levels[n]
	from := l.size
	if _, err := encodeAll(&runWriter{s, l}, c); err != nil {
		return err
	}
	l.runs = append(l.runs, span{from, l.size})
	return nil
}

// scratch opens a file that nobody sees, and that is gone when it is closed.
func scratch(dir string) (*os.File, error) {
	f, err := os.CreateTemp(dir, "tidemark-list-*")
	if err != nil {
		return nil, fmt.Errorf("make a temporary file: %w", err)
	}
	if err := os.Remove(f.Name()); err != nil {
		return nil, errors.Join(fmt.Errorf("unlink a temporary file: %w", err), f.Close())
	}
	return f, nil
}

// runWriter appends to a level, as long as all of them together have room.
type runWriter struct {
	sorter *Sorter
	level  *level
}

// Write implements io.Writer.
func (w *runWriter) Write(b []byte) (int, error) {
	total := int64(len(b))
	for _, l := range w.sorter.levels {
		total += l.size
	}
	if limit := w.sorter.options.MaxBytes; total > limit {
		return 0, fmt.Errorf("%w: it needs more than %d bytes of scratch space", ErrTooLarge, limit)
	}
	n, err := w.level.file.WriteAt(b, w.level.size)
	w.level.size += int64(n)
	if err != nil {
		return n, fmt.Errorf("write a temporary file: %w", err)
	}
	return n, nil
}

func (l *level) cursors() []cursor {
	var all []cursor
	for _, r := range l.runs {
		all = append(all, &decoder{src: io.ReaderAt(l.file), off: r.from, end: r.to})
	}
	return all
}

func (l *level) empty() error {
	l.runs, l.size = l.runs[:0], 0
	return l.file.Truncate(0)
}

// Sorted ends the adding. An entry whose path was added twice is an error of the source (ErrTwice) if it was not one of Add. There
// is one walk, for as long as the sorter is not closed.
func (s *Sorter) Sorted() (Source, error) {
	if s.failure != nil {
		return nil, s.failure
	}
	if s.sorted {
		return nil, errors.New("sort a list: it was sorted before")
	}
	s.sorted = true
	all := []cursor{s.block.sorted()}
	for _, l := range s.levels {
		all = append(all, l.cursors()...)
	}
	if len(all) == 1 {
		return &walk{cursor: all[0]}, nil
	}
	return &walk{cursor: newMerge(all)}, nil
}

// Close gives back what the sorter holds, at any time.
func (s *Sorter) Close() error {
	var failures []error
	for _, l := range s.levels {
		failures = append(failures, l.file.Close())
	}
	s.levels, s.block, s.sorted = nil, &block{}, true
	return errors.Join(failures...)
}
