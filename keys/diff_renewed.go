package keys

import (
	"cmp"
	"fmt"
	"slices"
)

// keyRenewed tells a certificate that was extended from another key under the same id.
func (d *differ) keyRenewed(o, n ManifestKey) {
	text, alarm := fmt.Sprintf("%s comes with another public part", upper(n.name())), d.strange(n)
	before, after := o.material(), n.material()
	switch {
	case n.Revoked && n.revocation() != nil:
		text += ", which carries its own revocation: it stays revoked."
	case n.Revoked:
		text += "; it stays revoked."
	default:
		text += fmt.Sprintf(": it may sign%s (by the old one%s).", until(n.End()), until(o.End()))
	}
	switch {
	case n.Kind == Minisign:
		alarm = "ids do not collide by chance: somebody made this key to look like the old one"
	case n.Revoked:
	case len(n.signingKeys()) == 0:
		alarm = "it cannot be read"
	default:
		if !slices.Equal(before, after) {
			text += fmt.Sprintf(" It has %d signing keys, %d of them new.", len(n.Signing), len(without(after, before)))
		}
		alarm = cmp.Or(alarm, d.future(n), d.shorter(o, n))
	}
	d.alarm("key-renewed", text, alarm)
}

// shorter says that a renewed key ends at once, or soon and not later than the old one did.
func (d *differ) shorter(o, n ManifestKey) string {
	end, was := n.End(), o.End()
	switch {
	case o.live(d.now) && n.ended(d.now):
		return refusedAtOnce
	case end == nil || !end.Before(d.now.Add(soon)) || was != nil && !end.Before(*was):
		return ""
	case n.NotAfter != nil && n.NotAfter.Equal(*end): // meant so, and told as key-end
		return ""
	}
	return "it ends within 90 days, before the old one did"
}

// future says that a signing key of the entry begins later than now, "" if none does.
func (d *differ) future(k ManifestKey) string {
	for _, s := range k.signingKeys() {
		if tooEarly(&s.Begin, d.now) {
			return fmt.Sprintf("its certificate is dated %s, in the future (the key %s): every mirror refuses what it signs until then; was the clock of the machine that made it right?", date(s.Begin), s.Fingerprint)
		}
	}
	return ""
}
