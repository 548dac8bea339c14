package ceremony

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
)

// section is one heading of the page with what is typed below it, down to the next heading.
type section struct {
	title string
	steps []step
}

// step is a command, a change of the configuration, or another section at this place.
type step struct {
	at      int      // line of the page
	machine string   // of a command; "" otherwise
	text    string   // the command, or the yaml
	want    []string // what it prints
	code    int
	include string // anchor of the section
}

const signing = "signing-a-draft"

var (
	heading   = regexp.MustCompile(`^#{2,3} (.+)$`)
	prompt    = regexp.MustCompile(`^([a-z]+)\$ (.+)$`)
	exitCode  = regexp.MustCompile(`^\(exit code (\d+)\)$`)
	notAnchor = regexp.MustCompile(`[^a-z0-9 -]`)
)

// anchor is the heading's name in a link, as GitHub makes it.
func anchor(title string) string {
	return strings.ReplaceAll(notAnchor.ReplaceAllString(strings.ToLower(title), ""), " ", "-")
}

// readPage takes the page apart; the key is the section's anchor.
func readPage(t testing.TB, file string) map[string]*section {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	page, err := parsePage(string(b))
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	return page
}

func parsePage(text string) (map[string]*section, error) {
	page, now := map[string]*section{}, &section{}
	block, begun := "", 0 // the language and where it began; 0: prose
	var inside []string
	for n, line := range strings.Split(text, "\n") {
		switch fence, is := strings.CutPrefix(line, "```"); {
		case is && begun == 0:
			block, begun, inside = fence, n+1, nil
		case is:
			steps, err := parseBlock(block, begun, inside)
			if err != nil {
				return nil, err
			}
			now.steps, begun = append(now.steps, steps...), 0
		case begun != 0:
			inside = append(inside, line)
		case heading.MatchString(line):
			now = &section{title: heading.FindStringSubmatch(line)[1]}
			page[anchor(now.title)] = now
		case strings.Contains(line, "[have it signed](#"+signing+")"):
			now.steps = append(now.steps, step{at: n + 1, include: signing})
		}
	}
	if begun != 0 {
		return nil, fmt.Errorf("line %d: the block does not end", begun)
	}
	return page, nil
}

func parseBlock(language string, at int, lines []string) ([]step, error) {
	switch language {
	case "yaml":
		if len(lines) < 2 || lines[0] != "# tidemark.yaml" {
			return nil, fmt.Errorf("line %d: a yaml block begins with the name of its file, # tidemark.yaml", at)
		}
		return []step{{at: at, text: strings.Join(lines[1:], "\n") + "\n"}}, nil
	case "console":
		return parseConsole(at, lines)
	}
	return nil, fmt.Errorf("line %d: a block of %q cannot be run: expected console or yaml", at, language)
}

func parseConsole(at int, lines []string) (steps []step, err error) {
	for n, line := range lines {
		if m := prompt.FindStringSubmatch(line); m != nil {
			steps = append(steps, step{at: at + n + 1, machine: m[1], text: m[2]})
			continue
		}
		if len(steps) == 0 {
			return nil, fmt.Errorf("line %d: a console block begins with a command: found %q", at, line)
		}
		last := &steps[len(steps)-1]
		if m := exitCode.FindStringSubmatch(line); m != nil {
			fmt.Sscan(m[1], &last.code)
			continue
		}
		last.want = append(last.want, line)
	}
	return steps, nil
}
