package keys

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"testing"
)

func TestWords(t *testing.T) {
	b, err := hex.DecodeString("E58294F2E9A227486E8B061B31CC528FD7FA3F19")
	if err != nil {
		t.Fatal(err)
	}
	want := "topmost Istanbul Pluto vagabond treadmill Pacific brackish dictator goldfish Medusa afflict bravado chatter revolver Dupont midsummer stopwatch whimsical cowbell bottomless"
	if got := strings.Join(Words(b), " "); got != want {
		t.Errorf("%s, expected %s", got, want)
	}
	if got := Words(nil); len(got) != 0 {
		t.Errorf("%q of nothing", got)
	}
}

// The list as it is printed everywhere: the sum is of the 512 words, one a line, the two-syllable ones first.
func TestWords_List(t *testing.T) {
	even, odd := strings.Fields(twoSyllables), strings.Fields(threeSyllables)
	all := slices.Concat(even, odd)
	slices.Sort(all)
	if len(even) != 256 || len(odd) != 256 || len(slices.Compact(all)) != 512 {
		t.Errorf("%d and %d words", len(even), len(odd))
	}
	for _, column := range [][]string{even, odd} {
		for i, w := range column[1:] {
			if before := column[i]; strings.ToLower(before) > strings.ToLower(w) && w != "Apollo" { // where the original is out of order
				t.Errorf("%s stands before %s", before, w)
			}
		}
	}
	sum := sha256.Sum256([]byte(strings.Join(slices.Concat(even, odd), "\n")))
	if got := fmt.Sprintf("%x", sum); got != "e9b7b0052233a74aa56724ed3f79c272036aed68d8f4c0856e833c8043b9ac62" {
		t.Errorf("another list: %s", got)
	}
}
