package quorum

import (
	"fmt"
	"strings"
	"time"
	"unicode"
)

// stamp writes a timestamp for people: the number that the time file holds, and what it means.
func stamp(timestamp int64) string {
	if timestamp <= 0 || timestamp > 253402300799 { // the year 9999
		return fmt.Sprint(timestamp)
	}
	return fmt.Sprintf("%d (%s)", timestamp, time.Unix(timestamp, 0).UTC().Format("2006-01-02 15:04:05 UTC"))
}

// span writes a number of seconds in its two largest units.
func span(seconds int64) string {
	units := []struct {
		name   string
		length int64
	}{{"d", 86400}, {"h", 3600}, {"min", 60}, {"s", 1}}
	for i, u := range units {
		if seconds < u.length {
			continue
		}
		text := fmt.Sprintf("%d %s", seconds/u.length, u.name)
		if i+1 < len(units) {
			if rest := seconds % u.length / units[i+1].length; rest > 0 {
				text += fmt.Sprintf(" %d %s", rest, units[i+1].name)
			}
		}
		return text
	}
	return "0 s"
}

// plural: "1 anchor", "2 anchors".
func plural(n int, what string) string { return plural64(int64(n), what) }

func plural64(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// shorten keeps the beginning of a text, at most n bytes of it and whole characters.
func shorten(text string, n int) string {
	if len(text) <= n {
		return text
	}
	return strings.ToValidUTF8(text[:n-3], "") + "..."
}

// when writes a time of last change for people.
func when(mtime int64) string { return time.Unix(mtime, 0).UTC().Format("2006-01-02 15:04:05 UTC") }

// clean makes text that a server had a hand in safe to keep and to print.
func clean(text string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsPrint(r) {
			return r
		}
		return unicode.ReplacementChar
	}, text)
}
