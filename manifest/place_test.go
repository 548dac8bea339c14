package manifest

import (
	"testing"
	"time"

	"pgregory.net/rapid"
)

// What people are told is what is decided.
func TestPlace_IsMayStart(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "id")
		timestamp := rapid.Int64Range(1, maxTimestamp).Draw(t, "timestamp")
		place := Place(id, "centos", timestamp)
		admit := rapid.OneOf(rapid.Int64Range(0, FullAdmission), rapid.Int64Range(max(place-1, 0), min(place+1, FullAdmission))).Draw(t, "admit")
		hold := time.Duration(rapid.Int64Range(1, 7200).Draw(t, "hold")) * time.Second
		now := epoch.Add(time.Duration(rapid.Int64Range(-10, 8000).Draw(t, "held")) * time.Second)
		admitted := Admitted(admit, epoch, now, hold)
		if place < 0 || place >= FullAdmission || admitted < 0 || admitted > FullAdmission {
			t.Fatalf("place %d, admitted %d", place, admitted)
		}
		if got, want := place < admitted, MayStart(id, "centos", timestamp, admit, epoch, now, hold); got != want {
			t.Fatalf("place %d, admitted %d: told %v, decided %v", place, admitted, got, want)
		}
	})
}
