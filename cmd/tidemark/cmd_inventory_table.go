package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"tidemark/internal/console"
)

// widthOf is how many letters a line of the terminal has that w is; 0: w is none.
func widthOf(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !term.IsTerminal(int(f.Fd())) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil || width <= 0 {
		return 80
	}
	return width
}

// inventoryTable draws rows of which the last column is text: in a pipe (width 0) each row is one whole line, for grep; on a terminal the
// text is folded beside the other columns, or below them where these leave no room.
func inventoryTable(width int, header []string, rows [][]string) string {
	last := len(header) - 1
	taken := 2
	for i := range last {
		widest := utf8.RuneCountInString(header[i])
		for _, r := range rows {
			widest = max(widest, utf8.RuneCountInString(r[i]))
		}
		taken += widest + 2
	}
	below := width > 0 && width-taken < least
	cells := table.Row{}
	for i, h := range header {
		if !below || i < last {
			cells = append(cells, h)
		}
	}
	w := console.Table(cells...)
	if !below && width > 0 {
		w.SetColumnConfigs([]table.ColumnConfig{{Number: last + 1, WidthMax: width - taken, WidthMaxEnforcer: text.WrapSoft}})
	}
	if below {
		return stacked(width, rows)
	}
	for _, r := range rows {
		cells := table.Row{}
		for _, cell := range r {
			cells = append(cells, cell)
		}
		w.AppendRow(cells)
	}
	return console.Render(w)
}

// stacked puts the text of each row below its other cells.
func stacked(width int, rows [][]string) string {
	out := ""
	for i, r := range rows {
		if i > 0 {
			out += "\n"
		}
		head := ""
		for _, cell := range r[:len(r)-1] {
			if cell != "" {
				head += " " + cell
			}
		}
		out += folded(head, "", width) + "\n" + folded(r[len(r)-1], "    ", width)
	}
	return out
}

// folded breaks a text between words where it can, every line behind indent.
func folded(s, indent string, width int) string {
	lines := strings.Split(text.WrapSoft(s, max(width-len(indent), 10)), "\n")
	for i := range lines {
		lines[i] = indent + strings.TrimRight(lines[i], " ")
	}
	return strings.Join(lines, "\n")
}

// lineAt is ":3" behind a file's name, "" where no line is known.
func lineAt(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf(":%d", n)
}
