package quorum

import (
	"fmt"
	"net/netip"
	"slices"
)

// atFault reports whether the list was not the master's when it was looked at last. What that led to stands at the
// same timestamp until the list is looked at again: a look at the anchors alone does not clear it.
func (l *ListLook) atFault() bool { return l != nil && l.State != "" }

func (l *ListLook) check() error {
	if l == nil {
		return nil
	}
	for _, n := range []int64{l.Timestamp, l.Files, l.Bytes, l.Missing, l.Extra, l.Different, l.Moved} {
		if n < 0 {
			return fmt.Errorf("look at the list: %d: expected 0 or more", n)
		}
	}
	if l.State != "" && !slices.Contains([]State{Wrong, Incomplete, Mixed, Moving}, l.State) {
		return fmt.Errorf("look at the list: state %.40q: expected wrong, incomplete, mixed or moving", l.State)
	}
	if l.Address != "" {
		if _, err := netip.ParseAddr(l.Address); err != nil {
			return fmt.Errorf("look at the list: address %.60q: expected an IP address", l.Address)
		}
	}
	return nil
}
