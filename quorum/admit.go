package quorum

import "tidemark/manifest"

// fleet is what admission counts of one tree.
type fleet struct {
	verified int64 // V: mirrors verified at the announced timestamp or later ...
	able     int64 // Nv: ... of those that can be: rsync URL, answered within 24 h, not refused
	slots    int64 // S: all slots of the listed sources
	mirrors  int64 // N: mirrors not in maintenance
}

// admission is min(10^6, 10^6 x V/Nv + 10^6 x S/N) in parts per million, each
// share rounded down; a zero divisor admits everybody.
func (f fleet) admission() int64 {
	return min(manifest.FullAdmission, perMillion(f.verified, f.able)+perMillion(f.slots, f.mirrors))
}

func perMillion(part, of int64) int64 {
	if of == 0 {
		return manifest.FullAdmission
	}
	return manifest.FullAdmission * part / of
}

// admit never lowers what was admitted before at the same timestamp: a mirror
// that was let in must not find the door closed.
func admit(f fleet, timestamp int64, before manifest.Tree) int64 {
	if before.Timestamp == timestamp {
		return max(f.admission(), before.Admit)
	}
	return f.admission()
}
