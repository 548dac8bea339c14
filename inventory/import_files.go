package inventory

import (
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
)

// listFile is one file of a foreign list.
type listFile struct {
	name string
	data []byte
	err  error // it could not be read: of one file in a directory

	alone bool // it is the whole list
}

// listFiles reads what is at path. Only AlmaLinux's list is a directory; a file that cannot be read there is an entry, too.
func listFiles(f Format, path string) ([]listFile, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.IsDir() {
		data, err := readList(path, maxListSize)
		if err != nil {
			return nil, err
		}
		return []listFile{{name: path, data: data, alone: true}}, nil
	}
	if f != AlmaLinux {
		return nil, fmt.Errorf("%s is a directory, expected a file: only almalinux lists are directories", path)
	}
	entries, err := os.ReadDir(path) // sorted by name
	if err != nil {
		return nil, err
	}
	var files []listFile
	for _, e := range entries {
		if ext := filepath.Ext(e.Name()); ext != ".yml" && ext != ".yaml" || strings.HasPrefix(e.Name(), ".") {
			continue
		}
		if len(files) == maxListEntries {
			return nil, errTooMany
		}
		file := listFile{name: filepath.Join(path, e.Name())}
		if info, err := os.Stat(file.name); err == nil && !info.Mode().IsRegular() { // a FIFO would wait for ever
			file.err = fmt.Errorf("no regular file (%s)", info.Mode().Type())
		} else {
			file.data, file.err = readList(file.name, maxEntrySize)
		}
		files = append(files, file)
	}
	if len(files) == 0 {
		return nil, fmt.Errorf("%s has no *.yml file", path)
	}
	return files, nil
}

// maxEntrySize bounds a file that holds one mirror, in bytes.
const maxEntrySize = 64 << 10

// readList reads a file of at most most bytes; a larger one is refused, not cut.
func readList(name string, most int64) ([]byte, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, most+1))
	if err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	if int64(len(data)) > most {
		return nil, fmt.Errorf("%s: larger than %d bytes", name, most)
	}
	return data, nil
}
