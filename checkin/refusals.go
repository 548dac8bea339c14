package checkin

import (
	"maps"
	"slices"
)

// mostClaimed is how many unproven names are kept: anybody can send them.
const mostClaimed = 3

// Refusals are those of one reason, in some time.
type Refusals struct {
	Count   int64
	Mirrors []string // whose signature was verified, sorted
	Claimed []string // whom others said they are, sorted: of the inventory, and the first three at most
}

// refusals are being counted.
type refusals struct {
	count            int64
	mirrors, claimed map[string]bool
}

// note counts one; r.mu is held. Names that are not in the inventory are not kept.
func (r *Receiver) note(refused *Refused) {
	n := r.recent[refused.Reason]
	if n == nil {
		n = &refusals{mirrors: map[string]bool{}, claimed: map[string]bool{}}
		r.recent[refused.Reason] = n
	}
	n.count++
	if refused.Mirror != "" {
		n.mirrors[refused.Mirror] = true
	}
	if refused.claimed != "" && len(n.claimed) < mostClaimed {
		n.claimed[refused.claimed] = true
	}
}

// Refusals gives what was refused since the last call, by reason.
func (r *Receiver) Refusals() map[Reason]Refusals {
	r.mu.Lock()
	defer r.mu.Unlock()
	out := map[Reason]Refusals{}
	for reason, n := range r.recent {
		out[reason] = Refusals{Count: n.count, Mirrors: slices.Sorted(maps.Keys(n.mirrors)), Claimed: slices.Sorted(maps.Keys(n.claimed))}
	}
	r.recent = map[Reason]*refusals{}
	return out
}
