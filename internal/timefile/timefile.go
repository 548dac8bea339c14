package timefile

import (
	"bytes"
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// MaxSize is the largest time file that is read, in bytes.
const MaxSize = 4096

// maxSeconds is the end of the year 9999; what is beyond is in milliseconds, or no time at all.
const maxSeconds = 253402300799

// Parse returns the Unix seconds in a time file's bytes. The error quotes what was found.
func Parse(data []byte) (int64, error) {
	if len(data) > MaxSize {
		return 0, fmt.Errorf("time file of more than %d bytes: %s", MaxSize, quote(data))
	}
	t, ok := parse(string(data))
	if !ok {
		return 0, fmt.Errorf("time file has no time in it: %s: expected Unix seconds, RFC 3339, the output of date -u, or a Debian trace", quote(data))
	}
	if t < 1 || t > maxSeconds {
		return 0, fmt.Errorf("time file is not a time from 1970 to 9999 in seconds: %s", quote(data))
	}
	return t, nil
}

// quote shows what was found, cut at 64 bytes.
func quote(data []byte) string {
	if len(data) == 0 {
		return "it is empty"
	}
	if len(data) > 64 {
		return fmt.Sprintf("found %q...", data[:64])
	}
	return fmt.Sprintf("found %q", data)
}

func parse(s string) (int64, bool) {
	first, rest, _ := strings.Cut(s, "\n")
	first = strings.TrimSpace(first)
	if t, ok := parseEpoch(first); ok {
		return t, true
	}
	// A Debian trace says the time twice: its Date line is in one fixed form.
	if t, ok := parseTrace(rest); ok && isDate(first) {
		return t, true
	}
	if date, ok := strings.CutPrefix(first, "Date:"); ok {
		first = strings.TrimSpace(date)
	}
	return parseDate(first)
}

// parseEpoch reads a line whose first word is a number, as mirmon does.
func parseEpoch(line string) (int64, bool) {
	word := line
	if i := strings.IndexAny(line, " \t"); i >= 0 {
		word = line[:i]
	}
	if word == "" || strings.Trim(word, "0123456789") != "" {
		return 0, false
	}
	t, err := strconv.ParseInt(word, 10, 64)
	if errors.Is(err, strconv.ErrRange) {
		return maxSeconds + 1, true // a number, but no time
	}
	return t, err == nil
}

func parseTrace(rest string) (int64, bool) {
	for line := range bytes.Lines([]byte(rest)) {
		if date, ok := strings.CutPrefix(string(line), "Date:"); ok {
			return parseDate(strings.TrimSpace(date))
		}
	}
	return 0, false
}

func isDate(s string) bool {
	_, ok := parseDate(s)
	return ok
}

// layouts are the forms of a date; a zone is written as an offset or is UTC by one of its names.
func layouts() []string {
	return []string{
		time.RFC3339,
		"2006-01-02 15:04:05Z07:00",       // date --rfc-3339=seconds
		"2006-01-02 15:04:05 UTC",         //
		"Mon, _2 Jan 2006 15:04:05 -0700", // RFC 5322, date -R, a trace's Date line
		"Mon, _2 Jan 2006 15:04:05 UTC",   // RFC 9110
		"Mon Jan _2 15:04:05 UTC 2006",    // date -u in the C locale, a trace's first line
		"Mon Jan _2 15:04:05 -0700 2006",  //
		"Mon _2 Jan 2006 03:04:05 PM UTC", // date -u in the locale en_US
		"Mon _2 Jan 15:04:05 UTC 2006",    // date -u in the locale en_GB
	}
}

func parseDate(s string) (int64, bool) {
	if len(s) > 64 {
		return 0, false
	}
	// Only names of UTC are read: Go takes an unknown abbreviation for an offset of 0.
	s = strings.ReplaceAll(s, "GMT", "UTC")
	for _, layout := range layouts() {
		if t, err := time.Parse(layout, s); err == nil {
			return t.Unix(), true
		}
	}
	return 0, false
}
