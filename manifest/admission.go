package manifest

import (
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"time"
)

// MayStart is the admission test of DESIGN 4.1: may this mirror start on this timestamp
// now? admit is the tree's, in parts per million; maxHold is policy.max_hold;
// behindSince is when the mirror first saw a timestamp newer than its tree, zero when
// that is now. With h, the first four bytes, big-endian, of SHA-256("<mirror id> <tree>
// <timestamp>"), it may when
//
//	h x 10^6 < max(admit, 10^6 x (now - behindSince) / maxHold) x 2^32
//
// in 64-bit integers and whole seconds. So every mirror may at behindSince + maxHold at
// the latest, whatever the publisher does. A behindSince after now counts as now; a
// caller whose clock moved back should store now in its place. A mirror without a time
// file may always start: the caller does not ask.
func MayStart(mirrorID, tree string, timestamp, admit int64, behindSince, now time.Time, maxHold time.Duration) bool {
	share := max(admit, heldShare(behindSince, now, maxHold))
	if share >= FullAdmission {
		return true
	}
	h := uint64(admissionHash(mirrorID, tree, timestamp))
	// h < 2^32 and 0 <= share < 10^6 < 2^20: neither product leaves 52 bits.
	return h*FullAdmission < uint64(share)<<32
}

// heldShare grows from 0 to FullAdmission while a mirror is held.
func heldShare(behindSince, now time.Time, maxHold time.Duration) int64 {
	hold := int64(maxHold / time.Second)
	if hold <= 0 {
		return FullAdmission
	}
	if behindSince.IsZero() {
		return 0
	}
	held := now.Unix() - behindSince.Unix()
	switch {
	case held <= 0:
		return 0
	case held >= hold:
		return FullAdmission
	}
	return FullAdmission * held / hold // held < 2^63 / 10^9: no overflow
}

func admissionHash(mirrorID, tree string, timestamp int64) uint32 {
	sum := sha256.Sum256(fmt.Appendf(nil, "%s %s %d", mirrorID, tree, timestamp))
	return binary.BigEndian.Uint32(sum[:4])
}
