package lab

import (
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"time"

	"golang.org/x/sys/unix"
)

// Bulk makes a tree of many files below dir: names as long as a distribution's, 500 in each directory, sizes up to
// maxSize (holes: they take no room) and mtimes over two years before ts. The same for the same seed.
func Bulk(dir string, files, maxSize int, seed uint64, ts int64) error {
	rnd := rand.New(rand.NewPCG(seed, 0))
	names := packageNames()
	const each = 500
	for i := range files {
		sub := filepath.Join(dir, fmt.Sprintf("%d.%d", 7+i/each/100, i/each%100), "x86_64", "Packages")
		if i%each == 0 {
			if err := os.MkdirAll(sub, 0o755); err != nil {
				return fmt.Errorf("making many files: %w", err)
			}
		}
		name := fmt.Sprintf("%s-libs-%d.%d.%d-%d.el7_9.x86_64.rpm", names[rnd.IntN(len(names))], i%10, rnd.IntN(40), i%each, rnd.IntN(30))
		if err := hole(filepath.Join(sub, name), int64(rnd.IntN(maxSize)), ts-rnd.Int64N(2*365*86400)); err != nil {
			return fmt.Errorf("making many files: %w", err)
		}
	}
	return nil
}

// hole makes a file of that size without writing it.
func hole(file string, size, ts int64) error {
	f, err := os.OpenFile(file, os.O_CREATE|os.O_WRONLY, 0o644)
	if err != nil {
		return err
	}
	if err := f.Truncate(size); err != nil {
		f.Close()
		return err
	}
	if err := f.Close(); err != nil {
		return err
	}
	return os.Chtimes(file, time.Unix(ts, 0), time.Unix(ts, 0))
}

// InMemory mounts an empty file system in memory over dir, which is made when missing: only within the namespaces of
// [Isolate], with whose end it goes.
func InMemory(dir string) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	if err := unix.Mount("tmpfs", dir, "tmpfs", 0, "size=1g,nr_inodes=2m,mode=755"); err != nil {
		return fmt.Errorf("mounting a file system in memory: %w", err)
	}
	return nil
}
