package main

import (
	"fmt"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// beaconStatus is what is remembered of the beacon.
type beaconStatus struct {
	Name     string          `json:"name"`
	Serial   int64           `json:"serial,omitempty"`    // the newest seen; absent: none yet
	HTTPSDue strictjson.Time `json:"https_due,omitzero"`  // absent: at the next look
	Answered strictjson.Time `json:"https_last,omitzero"` // when it answered last

	why string // HTTPS is asked at the next look although it is not due
}

// beaconStatus is nil where none is configured.
func (m *mirror) beaconStatus() *beaconStatus {
	if m.cfg.Beacon == nil {
		return nil
	}
	seen := client.BeaconSeen(m.cfg.State, m.Now())
	b := &beaconStatus{Name: m.cfg.Beacon.Name, Serial: seen.Serial, Answered: at(seen.Answered)}
	if b.why = m.memory.unsettled(sortedNames(m.cfg)); b.why == "" && seen.Due.After(m.Now()) {
		b.HTTPSDue = at(seen.Due)
	}
	return b
}

func at(t time.Time) strictjson.Time {
	if t.IsZero() {
		return strictjson.Time{}
	}
	return strictjson.At(t)
}

// String is that in words.
func (b *beaconStatus) String() string {
	seen, asked := "none seen yet", "HTTPS is asked at the next look"
	if b.Serial > 0 {
		seen = fmt.Sprintf("serial %d seen", b.Serial)
	}
	switch {
	case b.why != "":
		asked += ": " + b.why
	case !b.HTTPSDue.IsZero():
		asked = "HTTPS is asked at " + console.Clock(b.HTTPSDue.Time) + " at the latest"
	}
	return seen + "; " + asked
}

// explains says that the manifest was young when the site was asked last, and that nobody has asked for a newer one since:
// its age is then the beacon's doing, not the publisher's.
func (b *beaconStatus) explains(m *manifest.Manifest) bool {
	half := m.Issued.Add(m.Expires.Sub(m.Issued.Time) / 2)
	return !b.HTTPSDue.IsZero() && !b.Answered.IsZero() && b.Answered.Before(half)
}
