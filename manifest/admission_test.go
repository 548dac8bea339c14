package manifest

import (
	"fmt"
	"math"
	"math/big"
	"testing"
	"time"

	"pgregory.net/rapid"
)

var epoch = time.Unix(1795334400, 0)

// exact is the formula of DESIGN 4.1 in integers without bounds.
func exact(h uint32, admit, held, hold int64) bool {
	share := big.NewInt(admit)
	grown := new(big.Int).Mul(big.NewInt(FullAdmission), big.NewInt(held))
	grown.Quo(grown, big.NewInt(hold))
	if grown.Cmp(share) > 0 {
		share = grown
	}
	left := new(big.Int).Mul(big.NewInt(int64(h)), big.NewInt(FullAdmission))
	return left.Cmp(share.Lsh(share, 32)) < 0
}

func TestMayStart_IsTheFormula(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.StringMatching(`[a-z]{1,8}`).Draw(t, "id")
		timestamp := rapid.Int64Range(1, maxTimestamp).Draw(t, "timestamp")
		admit := rapid.Int64Range(0, FullAdmission).Draw(t, "admit")
		hold := rapid.Int64Range(1, maxInterval).Draw(t, "hold")
		held := rapid.Int64Range(0, 2*hold).Draw(t, "held")
		got := MayStart(id, "centos", timestamp, admit, epoch, epoch.Add(time.Duration(held)*time.Second), time.Duration(hold)*time.Second)
		if want := exact(admissionHash(id, "centos", timestamp), admit, held, hold); got != want {
			t.Fatalf("got %v, the formula says %v", got, want)
		}
	})
}

// Never stuck: whatever the publisher says, everyone may start after max_hold.
func TestMayStart_NeverStuck(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		admit := rapid.Int64().Draw(t, "admit")
		hold := time.Duration(rapid.Int64Range(1, math.MaxInt64/int64(time.Second)).Draw(t, "hold")) * time.Second
		behind := time.Unix(rapid.Int64Range(0, maxTimestamp-1).Draw(t, "behind"), 0)
		after := time.Duration(rapid.Int64Range(0, 1<<30).Draw(t, "after")) * time.Second
		if !MayStart(id, "centos", 1, admit, behind, behind.Add(hold).Add(after), hold) {
			t.Fatal("still held")
		}
	})
}

// Once admitted, a mirror stays so while time goes on and admit grows.
func TestMayStart_NeverTakenBack(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		id := rapid.String().Draw(t, "id")
		admit := rapid.Int64Range(0, FullAdmission).Draw(t, "admit")
		held := rapid.Int64Range(0, 7200).Draw(t, "held")
		may := func(admit, held int64) bool {
			return MayStart(id, "centos", 1, admit, epoch, epoch.Add(time.Duration(held)*time.Second), 2*time.Hour)
		}
		more := rapid.Int64Range(admit, FullAdmission).Draw(t, "more")
		longer := rapid.Int64Range(held, 8000).Draw(t, "longer")
		if may(admit, held) && !may(more, longer) {
			t.Fatal("admitted, then held")
		}
	})
}

func TestMayStart_Edges(t *testing.T) {
	may := func(admit int64, behind, now time.Time, hold time.Duration) bool {
		return MayStart("ftp.funet.fi", "centos", 1488372781, admit, behind, now, hold)
	}
	for _, c := range []struct {
		name  string
		admit int64
		since time.Time
		now   time.Time
		hold  time.Duration
		want  bool
	}{
		{"nobody is admitted", 0, epoch, epoch, time.Hour, false},
		{"all are", FullAdmission, epoch, epoch, time.Hour, true},
		{"not behind before now", 0, time.Time{}, epoch, time.Hour, false},
		{"clock moved back", 0, epoch.Add(24 * time.Hour), epoch, time.Hour, false},
		{"clock moved back, all admitted", FullAdmission, epoch.Add(24 * time.Hour), epoch, time.Hour, true},
		{"a second before the end", 0, epoch, epoch.Add(time.Hour - time.Second), time.Hour, true},
		{"clock moved back, admit negative", -5, epoch.Add(time.Hour), epoch, time.Hour, false},
		{"behind since the far future", 0, time.Unix(math.MaxInt64/4, 0), epoch, 1<<63 - 1, false},
		{"held since 1970", 0, time.Unix(0, 0), epoch, time.Hour, true},
		{"no hold at all", 0, epoch, epoch, 0, true},
		{"negative hold", 0, epoch, epoch, -time.Hour, true},
		{"a clock in the far future", 0, epoch, time.Unix(math.MaxInt64/4, 0), 1<<63 - 1, true},
	} {
		if got := may(c.admit, c.since, c.now, c.hold); got != c.want {
			t.Errorf("%s: %v, expected %v", c.name, got, c.want)
		}
	}
}

// One mirror in a million would be held by a share that is not the whole.
func TestHeldShare_Ends(t *testing.T) {
	for held, want := range map[int64]int64{-1: 0, 0: 0, 1: 138, 3600: 500_000, 7199: 999_861, 7200: FullAdmission, 7201: FullAdmission} {
		if got := heldShare(epoch, epoch.Add(time.Duration(held)*time.Second), 2*time.Hour); got != want {
			t.Errorf("held %d s of 7200: share %d, expected %d", held, got, want)
		}
	}
}

// admit is the share of mirrors that may start.
func TestMayStart_Share(t *testing.T) {
	const mirrors = 20000
	for _, admit := range []int64{10_000, 120_000, 500_000} {
		n := int64(0)
		for i := range mirrors {
			if MayStart(fmt.Sprintf("mirror-%d", i), "centos", 1488372781, admit, epoch, epoch, time.Hour) {
				n++
			}
		}
		want := mirrors * admit / FullAdmission
		if n < want*8/10 || n > want*12/10 {
			t.Errorf("admit %d: %d of %d may start, expected about %d", admit, n, mirrors, want)
		}
	}
}
