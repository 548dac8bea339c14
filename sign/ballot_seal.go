package sign

import (
	"fmt"
	"slices"
	"strings"

	"tidemark/keys"
)

// Seal makes the trust.json (an envelope) of a payload whose ballot is complete, of the signatures that count, at most MaxSigs; it
// is read back by NextTrust, or by OpenTrust when old is nil.
func Seal(old *keys.Trust, payload []byte, sigs []Signature) ([]byte, error) {
	b, err := Count(old, payload, sigs)
	if err != nil {
		return nil, err
	}
	if !b.Complete {
		return nil, fmt.Errorf("seal version %d of the trust document: %s", b.Trust.Version, b.lacks())
	}
	chosen := b.good
	if len(chosen) > MaxSigs {
		chosen = b.fewest()
	}
	if len(chosen) > MaxSigs {
		return nil, fmt.Errorf("seal version %d of the trust document: the thresholds of both versions need %d signatures, at most %d are read: replace fewer root keys in one step", b.Trust.Version, len(chosen), MaxSigs)
	}
	e := &Envelope{Payload: payload}
	for _, s := range chosen {
		e.Signatures = append(e.Signatures, s.Signature)
	}
	out, err := e.Encode()
	if err != nil {
		return nil, err
	}
	if old == nil {
		_, err = OpenTrust(out)
	} else {
		_, err = NextTrust(old, out)
	}
	if err != nil {
		return nil, fmt.Errorf("read back what was sealed: %w", err)
	}
	return out, nil
}

// lacks says in words whose signatures an incomplete ballot waits for.
func (b *Ballot) lacks() string {
	var list []string
	for _, t := range []Tally{b.Old, b.New} {
		if !t.Enough() {
			list = append(list, fmt.Sprintf("by the root keys of version %d, %d of %d needed holders signed (not yet: %s)", t.Version, len(t.Signed), t.Threshold, strings.Join(t.Missing, ", ")))
		}
	}
	for _, x := range b.Rejected {
		list = append(list, fmt.Sprintf("%s %.40s does not count: %s", x.Kind, x.Key, x.Detail))
	}
	return strings.Join(list, "; ")
}

// fewest is the smallest set that meets both thresholds. A signature that counts for a holder of each version saves one:
// as many as can be paired, no holder twice (a maximum matching of old holders and new ones); then whoever is missing.
func (b *Ballot) fewest() []ballotSignature {
	pairs := b.pair()
	if most := min(b.Old.Threshold, b.New.Threshold); len(pairs) > most {
		pairs = pairs[:most]
	}
	oldSeen, newSeen := map[string]bool{}, map[string]bool{}
	var chosen []ballotSignature
	for _, i := range pairs {
		s := b.good[i]
		oldSeen[s.old], newSeen[s.new] = true, true
		chosen = append(chosen, s)
	}
	for i, s := range b.good {
		wanted := s.old != "" && !oldSeen[s.old] && len(oldSeen) < b.Old.Threshold
		wanted = wanted || s.new != "" && !newSeen[s.new] && len(newSeen) < b.New.Threshold
		if !wanted || slices.Contains(pairs, i) {
			continue
		}
		if s.old != "" {
			oldSeen[s.old] = true
		}
		if s.new != "" {
			newSeen[s.new] = true
		}
		chosen = append(chosen, s)
	}
	return chosen
}

// pair gives the signatures of a maximum matching, by augmenting paths (Kuhn); there are few holders.
func (b *Ballot) pair() []int {
	of := map[string]int{} // new holder to the signature that pairs it
	var try func(old string, seen map[string]bool) bool
	try = func(old string, seen map[string]bool) bool {
		for i, s := range b.good {
			if s.old != old || s.new == "" || seen[s.new] {
				continue
			}
			seen[s.new] = true
			at, taken := of[s.new]
			if !taken || try(b.good[at].old, seen) {
				of[s.new] = i
				return true
			}
		}
		return false
	}
	for _, holder := range b.Old.Signed {
		try(holder, map[string]bool{})
	}
	var list []int
	for _, i := range of {
		list = append(list, i)
	}
	slices.Sort(list)
	return list
}
