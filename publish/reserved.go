package publish

import (
	"context"
	"errors"
	"fmt"
	"strconv"

	"tidemark/manifest"
)

// How far Reservations looks: past so many absent serials, and for so many reserved ones in all.
const (
	maxGap      = int64(3)
	maxReserved = 1000
	keptBundles = 8 // the newest; memory is to be bounded
)

// ErrReserved: more serials are reserved than are looked at one by one. FirstFree finds one beyond.
var ErrReserved = errors.New("serials are reserved")

// Reserved is a serial that was reserved and not pointed to.
type Reserved struct {
	Serial int64
	Bundle []byte // nil when it is too large to be one, or long passed by newer ones
}

// Reservations lists reserved serials above the pointer and above floor, by looking at serial after serial. A run
// takes the next serial after all it knows, so they lie close above the one or the other; three absent ones in a row
// end the search: three requests where nothing is reserved.
func Reservations(ctx context.Context, s Store, st *Standing, floor int64) ([]Reserved, error) {
	found, last, err := scan(ctx, s, st.Serial(), 0)
	if err != nil || floor <= st.Serial() {
		return found, err
	}
	// What the first scan saw above floor, at its end, was absent.
	more, _, err := scan(ctx, s, max(floor, last), max(0, last-floor))
	return append(found, more...), err
}

// scan looks upwards from the serial after n, with gap absent ones behind it; last is the highest it looked at.
func scan(ctx context.Context, s Store, n, gap int64) (found []Reserved, last int64, err error) {
	for gap < maxGap && n < manifest.MaxSerial {
		n++
		o, err := s.Get(ctx, manifest.SerialPath(n)+BundleName, limitOf(BundleName))
		switch {
		case errors.Is(err, ErrNotFound):
			gap++
			continue
		case err != nil && !errors.Is(err, ErrTooLarge):
			return nil, n, fmt.Errorf("look for reserved serials: %w", err)
		}
		if len(found) == maxReserved {
			return nil, n, fmt.Errorf("more than %d %w above %s: "+
				"look for a publisher that fails again and again, then remove those m/<serial>/ by hand", maxReserved, ErrReserved, PointerName)
		}
		gap = 0
		found = append(found, Reserved{n, o.Data})
		if old := len(found) - 1 - keptBundles; old >= 0 {
			found[old].Bundle = nil
		}
	}
	return found, n, nil
}

// FirstFree is the lowest serial from n on of which nothing at all lies at the store.
func FirstFree(ctx context.Context, s Store, n int64) (int64, error) {
	taken := map[int64]bool{}
	if c, ok := s.(Cleaner); ok {
		all, err := c.List(ctx, "m/")
		if err != nil {
			return 0, fmt.Errorf("look for a free serial: %w", err)
		}
		for _, l := range all {
			if m := copyName.FindStringSubmatch(l.Name); m != nil {
				serial, _ := strconv.ParseInt(m[1], 10, 64)
				taken[serial] = true
			}
		}
	}
	for n = max(n, 1); n <= manifest.MaxSerial; n++ {
		if taken[n] {
			continue
		}
		_, err := s.Get(ctx, manifest.SerialPath(n)+BundleName, limitOf(BundleName))
		if errors.Is(err, ErrNotFound) {
			return n, nil
		} else if err != nil && !errors.Is(err, ErrTooLarge) {
			return 0, fmt.Errorf("look for a free serial: %w", err)
		}
	}
	return 0, errors.New("no serial left: the largest is 2^53-1")
}

// NextSerial is 1 + the highest of the pointer's serial, the publisher's own state's, trust's min_serial and all
// reserved ones (DESIGN 4.5). It refuses beyond 2^53-1, the largest integer that every JSON reader keeps.
func NextSerial(pointer, state, minSerial int64, reserved ...Reserved) (int64, error) {
	n := max(pointer, state, minSerial, 0)
	for _, r := range reserved {
		n = max(n, r.Serial)
	}
	if n >= manifest.MaxSerial {
		return 0, fmt.Errorf("no serial left after %d: the largest is 2^53-1", n)
	}
	return n + 1, nil
}
