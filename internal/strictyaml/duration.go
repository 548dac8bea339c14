package strictyaml

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// Duration is a length of time as operators write it: whole numbers with a unit, "10m", "24h", "7d", "1h30m".
// Units: d (24 hours), h, m, s, ms. A number without a unit is refused; a fraction and a sign, too.
type Duration time.Duration

const maxDuration = 3650 * 24 * time.Hour

const durationWanted = "expected a duration such as 10m, 24h or 7d"

// Std is d as the standard library has it.
func (d Duration) Std() time.Duration { return time.Duration(d) }

// String writes d as an operator would: "7d", "1h30m", "0s".
func (d Duration) String() string {
	rest, out := time.Duration(d), ""
	for _, u := range units {
		if n := rest / u.size; n > 0 {
			out += fmt.Sprintf("%d%s", n, u.name)
			rest -= n * u.size
		}
	}
	if out == "" {
		return "0s"
	}
	return out
}

// units from large to small.
var units = [...]struct {
	name string
	size time.Duration
}{{"d", 24 * time.Hour}, {"h", time.Hour}, {"m", time.Minute}, {"s", time.Second}, {"ms", time.Millisecond}}

// UnmarshalText reads the operator's text.
func (d *Duration) UnmarshalText(b []byte) error {
	s := string(b)
	if _, err := strconv.ParseFloat(s, 64); err == nil {
		return hinted{
			fmt.Errorf("found %s without a unit, %s", clip(s), durationWanted),
			fmt.Sprintf("write %[1]ss, %[1]sm, %[1]sh or %[1]sd", clip(s)),
		}
	}
	var sum time.Duration
	rest := s
	for _, u := range units {
		digits := rest[:len(rest)-len(strings.TrimLeft(rest, "0123456789"))]
		after, ok := cutUnit(rest[len(digits):], u.name)
		if digits == "" || !ok {
			continue
		}
		n, err := strconv.ParseInt(digits, 10, 64)
		if err != nil || n > int64(maxDuration/u.size) {
			return fmt.Errorf("found %q, expected at most 3650d", clip(s))
		}
		sum, rest = sum+time.Duration(n)*u.size, after
	}
	if s == "" || rest != "" {
		return fmt.Errorf("found %q, %s", clip(s), durationWanted)
	}
	if sum > maxDuration {
		return fmt.Errorf("found %q, expected at most 3650d", clip(s))
	}
	*d = Duration(sum)
	return nil
}

// cutUnit takes a whole unit from the front: "m" is not the front of "ms".
func cutUnit(s, unit string) (string, bool) {
	after, ok := strings.CutPrefix(s, unit)
	if !ok || (after != "" && (after[0] < '0' || after[0] > '9')) {
		return s, false
	}
	return after, true
}

// hinted is an error with advice.
type hinted struct {
	error
	hint string
}

func (h hinted) Hint() string { return h.hint }
