package main

import (
	"fmt"
	"os"
	"strconv"
	"strings"
	"unicode/utf8"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"
	"golang.org/x/term"

	"tidemark/internal/console"
)

const (
	plainWidth = 100 // where there is no terminal
	leastBar   = 10
	mostBar    = 60
	fullBar    = 4 // mirrors a slot, at least: where all have few, no bar looks like much
	shownMoves = 6
	busiest    = 30 // sources that are listed without --all
)

// sayTree prints the table with its bars, and what it comes to.
func sayTree(c *console.Call, t simulatedTree, serial int64) {
	by := "as if every server were verified now"
	if serial > 0 {
		by = fmt.Sprintf("by serial %d", serial)
	}
	c.Say("tree %s: where %s would go first, %s", t.Tree, counted(t.Mirrors, "mirror"), by)
	if t.Mirrors == 0 {
		c.Say("no mirror of the inventory carries it")
		return
	}
	shown, rest := t.Sources, ""
	if !c.Bool("all") {
		shown, rest = cut(t.Sources)
	}
	if len(shown) > 0 {
		c.Say("\n%s", chart(shown, screenWidth(c), blocks(c.Getenv)))
	}
	if rest != "" {
		c.Say("%s: --all lists them", rest)
	}
	c.Say("\n%s", summary(t))
	if t.Failure != nil {
		c.Say("%s", t.Failure)
	}
}

// cut leaves the busiest, and says what is left out.
func cut(sources []simulatedSource) (shown []simulatedSource, rest string) {
	used := 0
	for _, s := range sources {
		if s.Mirrors > 0 {
			used++
		}
	}
	shown = sources[:min(used, busiest)]
	var left []string
	if n := used - len(shown); n > 0 {
		few := sources[used-1].perSlot()
		if most := sources[len(shown)].perSlot(); most != few {
			few += " to " + most
		}
		left = append(left, fmt.Sprintf("the %d busiest; %d more with %s a slot", len(shown), n, few))
	}
	if n := len(sources) - used; n > 0 {
		left = append(left, fmt.Sprintf("%s to which nobody would go first", counted(n, "source")))
	}
	if len(left) == 0 {
		return shown, ""
	}
	if used > len(shown) {
		left[0] = " " + left[0]
	} else if used > 0 {
		left[0] = " and " + left[0]
	}
	return shown, strings.Join(left, ", ")
}

// chart is the table, a bar behind each line: how many mirrors a slot, on a scale that fills what is left of the width.
func chart(sources []simulatedSource, width int, blocks bool) string {
	w := console.Table("source", "kind", "country", "slots", "mirrors", "a slot")
	w.SetColumnConfigs([]table.ColumnConfig{{Number: 6, Align: text.AlignRight}})
	most := fullBar * 100
	for _, s := range sources {
		w.AppendRow([]any{s.ID, s.Kind, s.Country, s.Slots, s.Mirrors, s.perSlot()})
		most = max(most, s.Mirrors*100/s.Slots)
	}
	lines := strings.Split(console.Render(w), "\n")
	longest := 0
	for _, l := range lines {
		longest = max(longest, utf8.RuneCountInString(l))
	}
	room := min(max(width-longest-3, leastBar), mostBar)
	for i, s := range sources { // the header comes first
		l := &lines[i+len(lines)-len(sources)]
		if b := bar(s.Mirrors*100/s.Slots, most, room, blocks); b != "" {
			*l += strings.Repeat(" ", longest-utf8.RuneCountInString(*l)+2) + b
		}
	}
	return strings.Join(lines, "\n")
}

// bar is n of most on a scale of so many columns: eighths of a column with blocks, whole ones without. What is there is seen.
func bar(n, most, columns int, blocks bool) string {
	if n <= 0 || most <= 0 {
		return ""
	}
	if !blocks {
		return strings.Repeat("#", max(1, (n*columns+most/2)/most))
	}
	eighths := max(1, (n*columns*8+most/2)/most)
	s := strings.Repeat("█", eighths/8)
	if rest := eighths % 8; rest > 0 {
		s += string([]rune("▏▎▍▌▋▊▉")[rest-1])
	}
	return s
}

// blocks says whether the locale can show them (locale(7): the first that is set decides).
func blocks(getenv func(string) string) bool {
	for _, name := range []string{"LC_ALL", "LC_CTYPE", "LANG"} {
		if v := strings.ToLower(getenv(name)); v != "" {
			return strings.Contains(v, "utf-8") || strings.Contains(v, "utf8")
		}
	}
	return false
}

// screenWidth in columns: the terminal's, or what COLUMNS says.
func screenWidth(c *console.Call) int {
	if f, ok := c.Stdout.(*os.File); ok {
		if w, _, err := term.GetSize(int(f.Fd())); err == nil && w > 0 {
			return w
		}
	}
	if w, err := strconv.Atoi(c.Getenv("COLUMNS")); err == nil && w > 0 && w < 1000 {
		return w
	}
	return plainWidth
}

func summary(t simulatedTree) string {
	s := fmt.Sprintf("%s: %d without any source, %s on nodes, %s in the same country, %s on the same continent", counted(t.Mirrors, "mirror"), len(t.Unserved),
		percent(t.OnNodes, t.Mirrors), percent(t.SameCountry, t.Mirrors), percent(t.SameContinent, t.Mirrors))
	if t.NoCountry > 0 {
		s += fmt.Sprintf("\nwithout a country in the inventory, so that nothing is near: %s", counted(t.NoCountry, "mirror"))
	}
	if t.Busiest != nil {
		s += "\nbusiest: " + t.Busiest.load()
	}
	return s
}

func (s simulatedSource) load() string {
	return fmt.Sprintf("%s, %s on %s", s.ID, counted(s.Mirrors, "mirror"), counted(s.Slots, "slot"))
}

// perSlot is the load with one decimal.
func (s simulatedSource) perSlot() string {
	tenths := (s.Mirrors*100/s.Slots + 5) / 10
	return fmt.Sprintf("%d.%d", tenths/10, tenths%10)
}

// String tells what would happen.
func (f simulatedFailure) String() string {
	if len(f.To) == 0 {
		return fmt.Sprintf("were %s to fail, its %s would have no source", f.ID, counted(f.Mirrors, "mirror"))
	}
	var to []string
	for i, s := range f.To {
		if i == shownMoves {
			to = append(to, fmt.Sprintf("and %d more", len(f.To)-i))
			break
		}
		to = append(to, fmt.Sprintf("%s %d", s.ID, s.Mirrors))
	}
	out := fmt.Sprintf("were %s to fail, its %s would go to %s:\n  %s", f.ID, counted(f.Mirrors, "mirror"), counted(len(f.To), "other"), strings.Join(to, ", "))
	if f.Unserved > 0 {
		out += fmt.Sprintf("; %d would have no source", f.Unserved)
	}
	return out + "\n  busiest then: " + f.Busiest.load()
}

func percent(n, of int) string { return fmt.Sprintf("%d %%", (n*100+of/2)/max(of, 1)) }

func counted(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
