package publish

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"
)

var copyName = regexp.MustCompile(`^m/([1-9][0-9]{0,15})/[^/]+$`)

// Clean removes m/<serial>/ older than keep (never the pointer's own), with If-Match, where the store can. Serials
// above the pointer are left alone: they may be a run at work. It does nothing while Heal is due.
//
// The age is that of the newest of the copies. The bundle goes last, and so the serial stays taken to the end.
func Clean(ctx context.Context, s Store, st *Standing, keep time.Duration, now time.Time) (removed []int64, err error) {
	c, ok := s.(Cleaner)
	if !ok || st.Pointer == nil || !st.Complete() {
		return nil, nil
	}
	all, err := c.List(ctx, "m/")
	if err != nil {
		return nil, fmt.Errorf("clean: %w", err)
	}
	old := map[int64][]Listed{}
	young := map[int64]bool{}
	for _, l := range all {
		m := copyName.FindStringSubmatch(l.Name)
		if m == nil {
			continue
		}
		n, _ := strconv.ParseInt(m[1], 10, 64)
		young[n] = young[n] || now.Sub(l.Modified) <= keep
		old[n] = append(old[n], l)
	}
	for n, copies := range old {
		if n >= st.Pointer.Serial || young[n] {
			continue
		}
		if err := remove(ctx, s, c, copies); err != nil {
			return removed, fmt.Errorf("clean serial %d: %w", n, err)
		}
		removed = append(removed, n)
	}
	slices.Sort(removed)
	return removed, nil
}

func remove(ctx context.Context, s Store, c Cleaner, copies []Listed) error {
	slices.SortFunc(copies, func(a, b Listed) int {
		if x, y := strings.HasSuffix(a.Name, BundleName), strings.HasSuffix(b.Name, BundleName); x != y {
			if x {
				return 1
			}
			return -1
		}
		return strings.Compare(a.Name, b.Name)
	})
	for _, l := range copies {
		if l.Tag == "" {
			tag, err := tagOf(ctx, s, l.Name)
			if errors.Is(err, ErrNotFound) {
				continue
			} else if err != nil {
				return err
			}
			l.Tag = tag
		}
		if err := c.Delete(ctx, l.Name, l.Tag); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}
