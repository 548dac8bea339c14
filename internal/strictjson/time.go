package strictjson

import (
	"fmt"
	"time"
)

// Time is an instant as our documents write it: RFC 3339, UTC with the letter Z,
// whole seconds, e.g. "2026-11-22T08:00:00Z". Any other spelling is refused, so
// that an instant has exactly one text.
type Time struct{ time.Time }

const timeLayout = "2006-01-02T15:04:05Z"

// At returns t in UTC, cut to whole seconds.
func At(t time.Time) Time { return Time{t.UTC().Truncate(time.Second)} }

// MarshalText writes the one spelling; it refuses years outside 0000-9999.
func (t Time) MarshalText() ([]byte, error) {
	u := t.UTC()
	if y := u.Year(); y < 0 || y > 9999 {
		return nil, fmt.Errorf("year %d cannot be written in RFC 3339", y)
	}
	return []byte(u.Format(timeLayout)), nil
}

// MarshalJSON is MarshalText in quotes; without it the embedded time.Time's method would win.
func (t Time) MarshalJSON() ([]byte, error) {
	b, err := t.MarshalText()
	if err != nil {
		return nil, err
	}
	return []byte(`"` + string(b) + `"`), nil
}

// UnmarshalText accepts only what MarshalText writes.
func (t *Time) UnmarshalText(b []byte) error {
	p, ok := parseTime(b)
	if !ok {
		return fmt.Errorf("time %q: expected RFC 3339 in UTC and whole seconds, like 2026-11-22T08:00:00Z", b)
	}
	t.Time = p
	return nil
}

// parseTime reads timeLayout, and nothing that is near it. A manifest has a time for each source: time.Parse takes five
// times as long.
func parseTime(b []byte) (time.Time, bool) {
	if len(b) != len(timeLayout) {
		return time.Time{}, false
	}
	for i := range b {
		digit := '0' <= timeLayout[i] && timeLayout[i] <= '9'
		if digit != ('0' <= b[i] && b[i] <= '9') || !digit && b[i] != timeLayout[i] {
			return time.Time{}, false
		}
	}
	two := func(i int) int { return int(b[i]-'0')*10 + int(b[i+1]-'0') }
	month, day, hour, minute, second := two(5), two(8), two(11), two(14), two(17)
	t := time.Date(two(0)*100+two(2), time.Month(month), day, hour, minute, second, 0, time.UTC)
	return t, int(t.Month()) == month && t.Day() == day && hour < 24 && minute < 60 && second < 60 // no 31st of June, no month 13
}

// UnmarshalJSON accepts a JSON string that UnmarshalText accepts.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("time %s: expected a string", b)
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}
