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
	p, err := time.Parse(timeLayout, string(b))
	if err != nil || p.Format(timeLayout) != string(b) {
		return fmt.Errorf("time %q: expected RFC 3339 in UTC and whole seconds, like 2026-11-22T08:00:00Z", b)
	}
	t.Time = p
	return nil
}

// UnmarshalJSON accepts a JSON string that UnmarshalText accepts.
func (t *Time) UnmarshalJSON(b []byte) error {
	if len(b) < 2 || b[0] != '"' || b[len(b)-1] != '"' {
		return fmt.Errorf("time %s: expected a string", b)
	}
	return t.UnmarshalText(b[1 : len(b)-1])
}
