package console

import (
	"fmt"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
)

// Clock is an instant as people read it.
func Clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// Stamp is a tree's timestamp as people read it: the number, and what it means.
func Stamp(ts int64) string {
	if ts == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", ts, Clock(time.Unix(ts, 0)))
}

// When is an instant, or "never".
func When(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Clock(t)
}

// Ago is how long ago t was, as an operator reads it: 40s, 12m, 5h, 3d.
func Ago(t, now time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return Span(now.Sub(t))
}

// Span is a duration as an operator reads it: 40s, 12m, 5h, 3d.
func Span(d time.Duration) string {
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%ds", int(d.Seconds()))
	case d < 2*time.Hour:
		return fmt.Sprintf("%dm", int(d.Minutes()))
	case d < 48*time.Hour:
		return fmt.Sprintf("%dh", int(d.Hours()))
	}
	return fmt.Sprintf("%dd", int(d.Hours()/24))
}

// Table is an empty table in the style of all programs.
func Table(header ...any) table.Writer {
	w := table.NewWriter()
	w.SetStyle(table.StyleLight)
	w.Style().Options = table.OptionsNoBordersAndSeparators
	w.AppendHeader(header)
	return w
}

// Render is the table as text, without blanks at the ends of its lines.
func Render(w table.Writer) string {
	lines := strings.Split(w.Render(), "\n")
	for i := range lines {
		lines[i] = strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}
