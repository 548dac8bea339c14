package keys

import "time"

// Change is one difference between two trust documents, for people who are asked to sign the newer one.
type Change struct {
	// Code is stable: e.g. key-added, key-removed, key-revoked, key-renewed, key-end, key-signing, root-added, root-removed,
	// root-threshold, threshold, required, expires, min-serial, reset-serial, network, version.
	Code string `json:"code"`
	Text string `json:"text"` // one sentence
	// Alarm is why one should think twice, "" where there is nothing to be said: e.g. one holder alone can now sign the next
	// version; the new document ends before the old one; every mirror forgets what it has seen.
	Alarm string `json:"alarm,omitempty"`
}

// Diff says in words what changes from old to next, the weighty first. old nil: a first version, all of which is new.
func Diff(old, next *Trust, now time.Time) []Change { panic("stub") }
