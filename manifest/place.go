package manifest

import "time"

// Place is a mirror's place in the queue of a timestamp, 0 to FullAdmission-1, in parts per million: with h as in
// [MayStart], h x 10^6 / 2^32 without its fraction.
func Place(mirrorID, tree string, timestamp int64) int64 {
	return int64(uint64(admissionHash(mirrorID, tree, timestamp)) * FullAdmission >> 32)
}

// Admitted is the share of the mirrors held as long as this one that may start now, 0 to FullAdmission, in parts per
// million. MayStart is Place < Admitted; this is for telling people.
func Admitted(admit int64, behindSince, now time.Time, maxHold time.Duration) int64 {
	return min(max(admit, heldShare(behindSince, now, maxHold)), FullAdmission)
}
