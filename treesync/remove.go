package treesync

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path"
	"slices"
	"strings"
)

// doomedName is a name that the list showed to be gone at the source.
type doomedName struct {
	name string
	dir  bool
}

// remover deletes names in a tree: those very names, as what they were, below directories that are directories. It follows
// no link, and removes no directory that holds something.
type remover struct {
	keeper
	real    map[string]bool // directories, and whether they are such, without a link on the way
	removed int64
	gone    int   // names that were not there any more
	first   error // what went wrong first
}

func newRemover(root *os.Root) *remover {
	return &remover{keeper: newKeeper(root), real: map[string]bool{".": true}}
}

// all removes files first, then directories, the deepest first; in the end what holds them has its time and its
// permissions again. The error is the context's alone.
func (r *remover) all(ctx context.Context, names []doomedName) error {
	sorted := slices.Clone(names)
	slices.SortStableFunc(sorted, func(a, b doomedName) int {
		if a.dir != b.dir {
			if b.dir {
				return -1
			}
			return 1
		}
		if !a.dir {
			return 0
		}
		return cmp.Compare(strings.Count(b.name, "/"), strings.Count(a.name, "/"))
	})
	defer r.restore()
	for _, d := range sorted {
		if err := ctx.Err(); err != nil {
			return err
		}
		r.remove(d)
	}
	return nil
}

func (r *remover) remove(d doomedName) {
	if !r.isReal(path.Dir(d.name)) {
		return
	}
	info, err := r.root.Lstat(d.name)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		r.gone++
		return
	case err == nil && info.IsDir() != d.dir:
		return
	}
	if err == nil {
		err = r.open(path.Dir(d.name))
	}
	if err == nil {
		err = r.root.Remove(d.name)
	}
	switch {
	case err == nil:
		r.removed++
		delete(r.before, d.name)
		delete(r.real, d.name)
	case r.first == nil:
		r.first = fmt.Errorf("delete %s: %w", d.name, err)
	}
}

// isReal reports a directory that is one, and whose parents are.
func (r *remover) isReal(dir string) bool {
	known, ok := r.real[dir]
	if !ok {
		info, err := r.root.Lstat(dir)
		known = err == nil && info.IsDir() && r.isReal(path.Dir(dir))
		r.real[dir] = known
	}
	return known
}
