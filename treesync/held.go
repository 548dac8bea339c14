package treesync

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"tidemark/internal/timefile"
)

// skew is how far another clock may be ahead of ours.
const skew = 5 * time.Minute

// Held is what a tree's time file says.
type Held struct {
	Timestamp int64  // 0: none, or damaged
	Damaged   string // why what is there does not count: not a time, or in the future
}

// Read reads the time file of the tree at path. More than skew (5 minutes) in the future is damaged. A directory that is
// not there is a *NotTheTree.
func Read(path, timeFile string, now time.Time) (Held, error) {
	root, err := openTree(path)
	if err != nil {
		return Held{}, err
	}
	defer root.Close()
	return readHeld(root, timeFile, now)
}

func readHeld(root *os.Root, timeFile string, now time.Time) (Held, error) {
	data, err := readSmall(root, timeFile, timefile.MaxSize)
	var odd *notRegular
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return Held{}, nil
	case errors.As(err, &odd):
		return Held{Damaged: odd.Error()}, nil
	case err != nil:
		return Held{}, fmt.Errorf("read the tree's time file: %w", err)
	}
	t, err := timefile.Parse(data)
	if err != nil {
		return Held{Damaged: err.Error()}, nil
	}
	if at := time.Unix(t, 0).UTC(); at.After(now.Add(skew)) {
		return Held{Damaged: fmt.Sprintf("time file says %s, which is in the future: it is %s here",
			at.Format(time.RFC3339), now.UTC().Format(time.RFC3339))}, nil
	}
	return Held{Timestamp: t}, nil
}

// notRegular is a name that is not a plain file.
type notRegular struct {
	name string
	mode fs.FileMode
}

func (e *notRegular) Error() string {
	return fmt.Sprintf("%s is no regular file (%s)", e.name, e.mode)
}

// openFile opens a regular file below root for reading: never through a symbolic link as its last name, never out of
// root, and never waiting for the other end of a pipe.
func openFile(root *os.Root, name string) (*os.File, fs.FileInfo, error) {
	seen, err := root.Lstat(name)
	if err != nil {
		return nil, nil, err
	}
	if !seen.Mode().IsRegular() {
		return nil, nil, &notRegular{name, seen.Mode()}
	}
	f, err := root.OpenFile(name, os.O_RDONLY|unix.O_NOFOLLOW|unix.O_NONBLOCK, 0)
	if err != nil {
		return nil, nil, err
	}
	info, err := f.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &notRegular{name, info.Mode()}
	}
	if err != nil {
		f.Close()
		return nil, nil, err
	}
	return f, info, nil
}

// readSmall reads a file of which one byte more than most is already too much to be told apart.
func readSmall(root *os.Root, name string, most int64) ([]byte, error) {
	f, _, err := openFile(root, name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, most+1))
}
