package main

import (
	"os"
	"slices"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"tidemark/internal/console"
	"tidemark/quorum"
)

// screen is what a table is drawn on: width 0 is no terminal, where every row is one line, whole, for grep and awk.
type screen struct {
	width  int
	colour bool
}

// screenOf looks at where the program's words go.
func screenOf(c *console.Call) screen {
	f, ok := c.Stdout.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return screen{}
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		width = 80
	}
	return screen{width: width, colour: c.Getenv("NO_COLOR") == "" && c.Getenv("TERM") != "dumb"}
}

// column of a table; the last one is cut where the screen is narrow.
type column[R any] struct {
	name  string
	cell  func(R) string
	paint func(string) string // nil: no colour
	drop  int                 // where the screen is narrow, the highest goes first; 0: it stays
	num   bool                // to the right
}

// least is how much of the last column is worth showing.
const least = 30

// draw draws a table. On a terminal it fits: the last column is cut, and the least important ones go.
func draw[R any](list []column[R], rows []R, on screen) string {
	list, room := fit(list, rows, on)
	header, configs := []any{}, []table.ColumnConfig{}
	for i, c := range list {
		header = append(header, c.name)
		if c.num {
			configs = append(configs, table.ColumnConfig{Number: i + 1, Align: text.AlignRight, AlignHeader: text.AlignRight})
		}
	}
	w := console.Table(header...)
	w.SetColumnConfigs(configs)
	for _, r := range rows {
		cells := table.Row{}
		for i, c := range list {
			cell := c.cell(r)
			if i == len(list)-1 && on.width > 0 {
				cell = atMost(cell, max(room, 10))
			}
			if c.paint != nil && on.colour {
				cell = c.paint(cell)
			}
			cells = append(cells, cell)
		}
		w.AppendRow(cells)
	}
	return console.Render(w)
}

// fit leaves out columns until enough room is left for the last one.
func fit[R any](list []column[R], rows []R, on screen) (left []column[R], room int) {
	left = slices.Clone(list)
	for on.width > 0 {
		if room = on.width - taken(left, rows); room >= least {
			break
		}
		least := slices.MaxFunc(left, func(a, b column[R]) int { return a.drop - b.drop })
		if least.drop == 0 {
			break
		}
		left = slices.DeleteFunc(left, func(c column[R]) bool { return c.name == least.name })
	}
	return left, room
}

// taken is the width of all columns but the last, with the blanks about each.
func taken[R any](list []column[R], rows []R) int {
	sum := 2 // about the last
	for _, c := range list[:len(list)-1] {
		widest := utf8.RuneCountInString(c.name)
		for _, r := range rows {
			widest = max(widest, utf8.RuneCountInString(c.cell(r)))
		}
		sum += widest + 2
	}
	return sum
}

// atMost shortens a text to n letters.
func atMost(s string, n int) string {
	letters := []rune(s)
	if len(letters) <= n {
		return s
	}
	return string(letters[:n-1]) + "…"
}

// paintState colours a state: red for what is bad, yellow for what passes, green for what is good.
func paintState(cell string) string {
	code := "31"
	switch quorum.State(cell) {
	case quorum.Verified, quorum.Ahead:
		code = "32"
	case quorum.Behind, quorum.Moving, quorum.Busy, quorum.Maintenance, quorum.Unknown:
		code = "33"
	}
	return "\x1b[" + code + "m" + cell + "\x1b[0m"
}
