package client

import (
	"context"
	"time"

	"tidemark/internal/dnstxt"
	"tidemark/manifest"
)

// BeaconOptions say how to ask the beacon (DESIGN 4.4).
type BeaconOptions struct {
	Name    string                                                         // of the TXT record
	Ask     func(ctx context.Context, name string) (*dnstxt.Answer, error) // one question to DNS
	State   string                                                         // directory: beacon.json, and the trust chain
	Network string                                                         //
	Trust   []byte                                                         // the pinned trust.json, as LookOptions has it
	Pinned  string                                                         // its file's name
	Now     func() time.Time                                               //
	Random  func(time.Duration) time.Duration                              // uniform in [0, d): when HTTPS is asked next
	Held    func(tree, timeFile string) (timestamp int64, err error)       // what this mirror's own time file says; 0: none
}

// BeaconLook is what one question to the beacon came to.
type BeaconLook struct {
	Beacon  *manifest.Beacon // genuine, in force, not older than seen; nil: nothing to go by
	Quiet   bool             // nothing new in it, and HTTPS need not be asked now: the check ends here
	Why     string           // a sentence: why the check ends here, or why HTTPS decides
	Ignored *Notice          // the record is not used, and why (kind "beacon"); nil: nothing wrong
	Due     time.Time        // when HTTPS is asked at the latest, whatever the beacon says
	Answer  *dnstxt.Answer   // nil: nobody answered
}

// LookBeacon asks the beacon whether any of the trees has something new. It never fails: whatever is wrong leads to HTTPS.
func LookBeacon(ctx context.Context, o BeaconOptions, trees []string) BeaconLook { panic("stub") }

// Answered remembers what a Look brought, when the origin answered (View.Fresh): what is announced of each tree, and when
// HTTPS is to be asked next. Without it LookBeacon is never quiet.
func Answered(o BeaconOptions, v *View) error { panic("stub") }
