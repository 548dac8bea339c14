package inventory

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestQuorumNeed(t *testing.T) {
	tests := []struct {
		text string
		n    int
		want int
	}{
		{"all", 0, 1}, {"all", 1, 1}, {"all", 13, 13},
		{"majority", 0, 1}, {"majority", 1, 1}, {"majority", 2, 2}, {"majority", 3, 2}, {"majority", 4, 3}, {"majority", 13, 7},
		{"80%", 0, 1}, {"80%", 1, 1}, {"80%", 5, 4}, {"80%", 6, 5}, {"80%", 13, 11}, {"100%", 13, 13}, {"1%", 13, 1}, {"50%", 13, 7},
		{"3", 3, 3}, {"3", 13, 3}, {"1", 1, 1},
	}
	for _, tt := range tests {
		q, err := ParseQuorum(tt.text)
		if err != nil {
			t.Fatalf("ParseQuorum(%q): %v", tt.text, err)
		}
		got, err := q.Need(tt.n)
		if err != nil || got != tt.want {
			t.Errorf("%s of %d nodes: got %d, %v; want %d", tt.text, tt.n, got, err, tt.want)
		}
		if q.String() != tt.text {
			t.Errorf("String() = %q, want %q", q, tt.text)
		}
	}
}

func TestQuorumMoreThanThereAre(t *testing.T) {
	q, err := ParseQuorum("3")
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []int{0, 1, 2} {
		need, err := q.Need(n)
		if err == nil || need != 3 {
			t.Errorf("3 of %d nodes: got %d, %v; want 3 and an error", n, need, err)
		} else if !strings.Contains(err.Error(), fmt.Sprintf("only %d nodes count", n)) {
			t.Errorf("3 of %d nodes: the refusal does not say what was found: %v", n, err)
		}
	}
}

func TestQuorumRefused(t *testing.T) {
	for _, s := range []string{"", "0", "0%", "101%", "-1", "+3", "03", " 3", "3 ", "80 %", "80%%", "Most", "ALL", "1.5", "999999", "٣", "all\n"} {
		if q, err := ParseQuorum(s); err == nil {
			t.Errorf("ParseQuorum(%q) = %v, want a refusal", s, q)
		}
	}
}

func TestQuorumZeroValueIsMajority(t *testing.T) {
	q, err := ParseQuorum("majority")
	if err != nil || q != (Quorum{}) {
		t.Errorf("majority parsed as %#v, %v; want the zero value", q, err)
	}
}

// Whatever is asked for: between 1 and n, and one node more never lowers it.
func TestQuorumNeedProperties(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.Just("all"), rapid.Just("majority"),
			rapid.Map(rapid.IntRange(1, 100), func(v int) string { return fmt.Sprintf("%d%%", v) })).Draw(t, "quorum")
		n := rapid.IntRange(1, 5000).Draw(t, "n")
		q, err := ParseQuorum(text)
		if err != nil {
			t.Fatal(err)
		}
		need, err := q.Need(n)
		if err != nil || need < 1 || need > n {
			t.Fatalf("%s of %d: %d, %v", text, n, need, err)
		}
		if more, _ := q.Need(n + 1); more < need {
			t.Fatalf("%s: %d of %d but %d of %d", text, need, n, more, n+1)
		}
	})
}

func FuzzParseQuorum(f *testing.F) {
	for _, s := range []string{"all", "majority", "80%", "3", "0", "101%", "", "00001"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		q, err := ParseQuorum(s)
		if err != nil {
			return
		}
		if q.String() != s {
			t.Errorf("ParseQuorum(%q).String() = %q", s, q)
		}
	})
}
