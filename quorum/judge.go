package quorum

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
)

// softLimit is how many soft errors in a row a verification outlives.
const softLimit = 2

// judgeAll concludes from the readings at all addresses of the server: they must agree.
func (j judge) judgeAll(readings []Reading) finding {
	if len(readings) == 0 {
		return finding{state: Unknown, soft: true, text: unasked}
	}
	var firm, soft []finding
	for _, r := range readings {
		if f := j.address(r); f.soft {
			soft = append(soft, f)
		} else {
			firm = append(firm, f)
		}
	}
	f := j.unreadable(j.together(firm, soft, len(readings) > 1))
	f.look = worstLook(firm, soft)
	f.asked = slices.ContainsFunc(readings, func(r Reading) bool { return r.List != nil || r.listFailed() })
	f.readAll = !slices.ContainsFunc(readings, func(r Reading) bool { return r.List == nil || r.Void })
	if f.look.atFault() && (f.state == Mixed || f.state == Wrong || f.state == Incomplete) {
		look := *f.look
		look.State = f.state
		f.look = &look
	}
	return f
}

// together concludes from what was found at the addresses: firm, and soft errors.
func (j judge) together(firm, soft []finding, several bool) finding {
	if len(firm) == 0 {
		return oneOf(soft, several)
	}
	firm = j.reached(firm)
	if f, ok := j.stillAtFault(firm); ok {
		return f
	}
	if f, ok := unproven(firm); ok {
		return f
	}
	if !unanimous(firm) {
		return disagreement(firm)
	}
	f := slices.MinFunc(firm, func(a, b finding) int { return cmp.Compare(deep(a.depth), deep(b.depth)) })
	if f.state != Verified {
		return f.named(several)
	}
	if rest := answerable(soft, firm); len(rest) > 0 {
		return oneOf(rest, several)
	}
	return over(f, firm)
}

// reached leaves out the addresses of a family over which the server is not listed and at
// which its content was not looked at: it stays good over the other.
func (j judge) reached(firm []finding) []finding {
	rest := slices.DeleteFunc(slices.Clone(firm), func(f finding) bool {
		return f.unproven && !slices.Contains(j.server.Families, f.reading.Family)
	})
	if len(rest) == 0 {
		return firm
	}
	return rest
}

// unproven finds an address whose content was not looked at, where nothing else is wrong.
func unproven(firm []finding) (finding, bool) {
	i := slices.IndexFunc(firm, func(f finding) bool { return f.unproven })
	other := func(f finding) bool { return !f.unproven && f.state != Verified || f.said != firm[0].said }
	if i < 0 || slices.ContainsFunc(firm, other) {
		return finding{}, false
	}
	return firm[i].named(len(firm) > 1), true
}

// oneOf picks the soft finding that says most: an answer before silence.
func oneOf(soft []finding, several bool) finding {
	for _, f := range soft {
		if f.state != Unreachable {
			return f.named(several)
		}
	}
	return soft[0].named(several)
}

// named puts the address into the text, where the server has several.
func (f finding) named(several bool) finding {
	if several && f.reading.Address != "" {
		f.text += " (at " + f.reading.Address + ")"
	}
	return f
}

// unanimous: the same state, and the same timestamp where that is what counts.
func unanimous(fs []finding) bool {
	for _, f := range fs[1:] {
		sameTime := f.said == fs[0].said || f.state == Wrong || f.state == Incomplete
		if f.state != fs[0].state || !sameTime {
			return false
		}
	}
	return true
}

func disagreement(fs []finding) finding {
	parts := make([]string, len(fs))
	for i, f := range fs {
		parts[i] = fmt.Sprintf("at %s %s", f.reading.Address, f.text)
	}
	f := fs[0]
	f.state, f.kept, f.cause = Mixed, false, CauseAddresses
	f.text = "its addresses disagree: " + strings.Join(parts, "; ")
	return f
}

// answerable leaves out the families that cannot be reached at all: a server
// that has lost IPv6 is still good over IPv4.
func answerable(soft, firm []finding) []finding {
	var rest []finding
	for _, f := range soft {
		family := func(g finding) bool { return g.reading.Family == f.reading.Family }
		answered := slices.ContainsFunc(firm, family) ||
			slices.ContainsFunc(soft, func(g finding) bool { return family(g) && g.state != Unreachable })
		if answered {
			rest = append(rest, f)
		}
	}
	return rest
}

// over adds the addresses at which the verification holds, and their families.
func over(f finding, firm []finding) finding {
	for _, g := range firm {
		if g.reading.Address != "" {
			f.addresses = append(f.addresses, g.reading.Address)
		}
		if family := g.reading.Family; (family == 4 || family == 6) && !slices.Contains(f.families, family) {
			f.families = append(f.families, family)
		}
		f.kept = f.kept || g.kept // the time of the last look at the content stands
		f.listed, f.tried = f.listed && g.listed, f.tried || g.tried
		f.doubt = cmp.Or(f.doubt, g.doubt)
	}
	slices.Sort(f.families)
	if len(f.families) == 0 {
		f.state, f.kept, f.cause = Unknown, false, CauseUnproven
		f.text += ", but not over the family at which it answers now"
	}
	return f
}

// under is what is remembered of the server under a URL: of another one than before,
// next to nothing, so that what was verified there vouches for nothing here.
func (sm ServerMemory) under(url rsyncurl.URL) ServerMemory {
	if sm.URL == url {
		return sm
	}
	return ServerMemory{URL: url, State: sm.State, StateSince: sm.StateSince, Answered: sm.Answered}
}

// after is the server's memory after a finding.
func (sm ServerMemory) after(f finding, now time.Time) ServerMemory {
	when := at(f.reading.At, now)
	sm.Last = LastReading{At: when, Address: f.reading.Address, Timestamp: f.said, Raw: clean(f.reading.Raw), Cause: f.cause}
	if f.soft {
		sm.Last.Text = shorten(clean(f.text), 200)
	}
	sm = sm.looked(f, when)
	if (f.state != Unreachable || f.cause == CauseList) && f.cause != CauseForbidden && f.reading.Server != "" {
		sm.Answered = when
	}
	if f.said != 0 && (f.said != sm.Seen || sm.SeenSince.IsZero()) {
		sm.Seen, sm.SeenSince = f.said, when
	}
	switch {
	case f.soft:
		sm.Soft++
		sm.Valid = sm.Valid && sm.Soft <= softLimit
	case f.state == Verified:
		sm = sm.verified(f, when)
	default:
		sm.Soft, sm.Valid = 0, false
	}
	return sm
}

func (sm ServerMemory) verified(f finding, when strictjson.Time) ServerMemory {
	if sm.Timestamp != f.said {
		sm.Timestamp, sm.Since = f.said, when
	}
	if sm.Depth = f.depth; !f.kept {
		sm.Deep = when
	}
	sm.Highest = max(sm.Highest, f.said)
	sm.Soft, sm.Valid, sm.Good, sm.Families, sm.Addresses = 0, true, when, f.families, f.addresses
	return sm
}

// standing is the timestamp at which the server counts as verified, 0 for none.
func (sm ServerMemory) standing() int64 {
	if sm.Valid {
		return sm.Timestamp
	}
	return 0
}
