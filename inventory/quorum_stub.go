package inventory

// Quorum says how many nodes must be verified: all, majority, "80%" or "3". The zero value is majority.
type Quorum struct {
	kind  byte // 0 majority, 'a' all, '%', 'n'
	value int
}

// ParseQuorum reads the operator's text.
func ParseQuorum(s string) (Quorum, error) { panic("stub") }

// Need is the number for n counted nodes: never below 1. An absolute number above n is an error.
func (q Quorum) Need(n int) (int, error) { panic("stub") }

func (q Quorum) String() string { panic("stub") }
