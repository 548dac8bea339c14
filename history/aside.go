package history

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"time"
)

// setAside moves a damaged history away, with what belongs to it, so that a new one can be begun, and says where to.
//
// The file must still be the one that was found damaged: when two processes find it, the second must not move the first one's new history.
func setAside(file string, damaged fs.FileInfo, now time.Time) (string, error) {
	info, err := os.Lstat(file)
	if err != nil {
		return "", fmt.Errorf("setting the damaged history aside: %w", err)
	}
	if !os.SameFile(info, damaged) {
		return "it was moved away by another process, and a new history is begun", nil
	}
	to, err := freeName(file + ".damaged-" + now.UTC().Format("20060102T150405Z"))
	if err != nil {
		return "", fmt.Errorf("setting the damaged history aside: %w", err)
	}
	// The companions first: left beside a new history, SQLite would take them for that one's.
	for _, suffix := range []string{"-wal", "-journal", "-shm", ""} {
		if err := os.Rename(file+suffix, to+suffix); err != nil && (suffix == "" || !errors.Is(err, fs.ErrNotExist)) {
			return "", fmt.Errorf("setting the damaged history aside: %w", err)
		}
	}
	return fmt.Sprintf("it was moved to %s, and a new history is begun: nothing depends on the old one, delete it when you have looked into it", to), nil
}

// freeName adds a number when the name is taken.
func freeName(name string) (string, error) {
	for i := range 1000 {
		try := name
		if i > 0 {
			try = fmt.Sprintf("%s.%d", name, i)
		}
		if _, err := os.Lstat(try); errors.Is(err, fs.ErrNotExist) {
			return try, nil
		}
	}
	return "", fmt.Errorf("%s and 999 other names are taken: delete some", name)
}
