package inventory

import (
	"fmt"
	"regexp"
	"strconv"
)

// Quorum says how many nodes must be verified: all, majority, "80%" or "3".
// The zero value is majority. Comparable.
type Quorum struct {
	kind  byte // one of the constants below
	value int  // percent, or number of nodes
}

const (
	quorumMajority byte = 0
	quorumAll      byte = 'a'
	quorumPercent  byte = '%'
	quorumNumber   byte = 'n'
)

var quorumForm = regexp.MustCompile(`^([1-9][0-9]{0,4})(%?)$`)

// ParseQuorum reads the operator's text: "all", "majority", "N%" with N of 1 to
// 100, or a number of nodes of 1 to 99999. Nothing else, no blanks, no leading
// zeros: a quorum that was misread would announce what few nodes have.
func ParseQuorum(s string) (Quorum, error) {
	switch s {
	case "all":
		return Quorum{kind: quorumAll}, nil
	case "majority":
		return Quorum{kind: quorumMajority}, nil
	}
	m := quorumForm.FindStringSubmatch(s)
	if m == nil {
		return Quorum{}, fmt.Errorf("quorum %.40q: expected all, majority, a share like 80%%, or a number of nodes like 3", s)
	}
	value, err := strconv.Atoi(m[1])
	if err != nil {
		return Quorum{}, fmt.Errorf("quorum %.40q: %w", s, err)
	}
	if m[2] == "" {
		return Quorum{kind: quorumNumber, value: value}, nil
	}
	if value > 100 {
		return Quorum{}, fmt.Errorf("quorum %.40q: expected a share of 1%% to 100%%", s)
	}
	return Quorum{kind: quorumPercent, value: value}, nil
}

// Need is how many of n counted nodes must be verified: all of them, floor(n/2)+1,
// the share rounded up, or the number itself. Never below 1, so that no nodes
// never make a quorum. A number above n is an error; the number is returned with it.
func (q Quorum) Need(n int) (int, error) {
	n = max(n, 0)
	switch q.kind {
	case quorumAll:
		return max(n, 1), nil
	case quorumPercent:
		return max((n*q.value+99)/100, 1), nil
	case quorumNumber:
		if q.value > n {
			return q.value, fmt.Errorf("quorum of %d cannot be met: only %d nodes count; lower it or add nodes", q.value, n)
		}
		return q.value, nil
	default:
		return n/2 + 1, nil
	}
}

// String is the text that ParseQuorum reads.
func (q Quorum) String() string {
	switch q.kind {
	case quorumAll:
		return "all"
	case quorumPercent:
		return strconv.Itoa(q.value) + "%"
	case quorumNumber:
		return strconv.Itoa(q.value)
	default:
		return "majority"
	}
}
