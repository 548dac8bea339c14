package strictyaml

import (
	"errors"
	"fmt"
	"io"
	"os"
)

// MaxSize of a file in bytes.
const MaxSize = 1 << 20

// ReadFile returns the bytes of a regular file, at most one more than [MaxSize]: [Read] then refuses it as too large.
func ReadFile(file string) ([]byte, error) {
	info, err := os.Stat(file) // before opening: a FIFO would wait for ever
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	if !info.Mode().IsRegular() {
		return nil, &os.PathError{Op: "read configuration", Path: file, Err: errors.New("found no regular file")}
	}
	f, err := os.Open(file)
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	defer f.Close()
	data, err := io.ReadAll(io.LimitReader(f, MaxSize+1))
	if err != nil {
		return nil, fmt.Errorf("read configuration: %w", err)
	}
	return data, nil
}
