package main

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"unicode"

	"tidemark/internal/console"
	"tidemark/rsync"
	"tidemark/treesync"
)

// screen is where a run's words go: what became of the trees to stdout, all else to stderr. Without a terminal, a run
// that finds nothing to do is silent.
type screen struct {
	call     *console.Call
	terminal bool
	verbose  bool
	drawn    bool // a line of progress stands there
}

func newScreen(c *console.Call) *screen {
	return &screen{call: c, terminal: c.Terminal, verbose: c.Bool("verbose")}
}

// person says a line to somebody who sits there, on stderr.
func (s *screen) person(format string, args ...any) {
	if (s.terminal || s.verbose) && !s.call.Quiet {
		s.progressDone()
		fmt.Fprintf(s.call.Stderr, format+"\n", args...)
	}
}

// stage says what is being done, under --verbose.
func (s *screen) stage(format string, args ...any) {
	if s.verbose {
		s.progressDone()
		s.call.Log.Info(fmt.Sprintf(format, args...))
	}
}

func (s *screen) warn(format string, args ...any) {
	s.progressDone()
	s.call.Warn(format, args...)
}

// event is one of a sync's stages.
func (s *screen) event(tree string, e treesync.Event) {
	where := e.Source.ID
	if where == "" {
		where = e.Source.URL.String()
	}
	s.stage("%s: %s: %s: %s", tree, e.Stage, where, e.Text)
	if e.Command != "" {
		s.stage("%s: %s", tree, e.Command)
	}
}

// progressOf rewrites one line as a transfer goes on; on a terminal only.
func (s *screen) progressOf(tree string) func(rsync.Progress) {
	if !s.terminal || s.call.Quiet {
		return nil
	}
	return func(p rsync.Progress) {
		fmt.Fprintf(s.call.Stderr, "\r\x1b[K%s: %3d %% %10s %10s %s left", tree, p.Percent, size(p.Bytes), p.Rate, p.Left)
		s.drawn = true
	}
}

func (s *screen) progressDone() {
	if s.drawn {
		fmt.Fprint(s.call.Stderr, "\r\x1b[K")
		s.drawn = false
	}
}

// tree says in a line or two what became of a tree.
func (s *screen) tree(r *treeReport) {
	switch r.Action {
	case doneSynced:
		s.call.Say("%-10s synced to %s from %s", r.Tree, console.Stamp(r.To), sourceWords(r.Source))
		s.call.Say("%-10s %s", "", figures(r))
	case doneFallback:
		s.call.Say("%-10s synced without a manifest, unproven, from %s", r.Tree, sourceWords(r.Source))
		s.call.Say("%-10s %s", "", figures(r))
	case doneWould:
		s.would(r)
	case doneWait:
		s.quietly("%-10s waits: every source has moved on, a newer manifest will come", r.Tree)
	case doneFailed, doneLocked: // the error says it, and which sources were left
		return
	default:
		s.quietly("%-10s %s", r.Tree, r.Reason)
	}
	for _, a := range r.Attempts {
		s.left(r, a)
	}
}

// quietly is a line that cron is not to be woken for.
func (s *screen) quietly(format string, args ...any) {
	if s.terminal || s.verbose || s.call.Dry {
		s.call.Say(format, args...)
	}
}

// left says that a source was left, and why: where a sync went well, it is what its operator may want to know.
func (s *screen) left(r *treeReport, a attemptReport) {
	who := a.ID
	if who == "" {
		who = a.URL
	}
	say := s.quietly
	if r.Action == doneSynced || r.Action == doneFallback {
		say = s.call.Say
	}
	say("%-10s left %s at %s: %s", "", who, a.Stage, strings.TrimSuffix(a.Why+": "+a.Detail, ": "))
}

func (s *screen) would(r *treeReport) {
	s.call.Say("%-10s would be synced to %s from %s", r.Tree, console.Stamp(r.To), sourceWords(r.Source))
	s.call.Say("%-10s %s of %s to fetch, %s to delete (asking took %s and %s)", "", count(r.Files, "file"), size(r.Bytes),
		count(r.Deleted, "name"), size(r.Received), count(int64(r.Lists), "full list"))
	s.call.Say("%-10s %s", "", r.Reason)
	s.doomed(r)
	for _, c := range r.Commands {
		s.call.Say("  %s", c)
	}
}

// doomed shows the names that a dry run found to go.
func (s *screen) doomed(r *treeReport) {
	const some = 20
	shown := r.Doomed
	if len(shown) > some && !s.verbose {
		shown = shown[:some]
	}
	for _, name := range shown {
		s.call.Say("  delete %s", printable(name))
	}
	switch all := max(r.Refused, int(r.Deleted), len(r.Doomed)); {
	case len(shown) < len(r.Doomed):
		s.call.Say("  … and %d more; -v lists all", all-len(shown))
	case len(shown) < all && len(shown) > 0:
		s.call.Say("  … and %d more", all-len(shown))
	}
	if r.Refused > r.most {
		s.call.Say("%-10s more than max_delete (%d): a run would delete nothing and exit 1", "", r.most)
	} else if r.Refused > 0 {
		s.call.Say("%-10s more than a quarter of the tree's bytes, from a source that cannot be compared with it: a run would delete nothing and exit 1", "")
	}
}

// printable is a foreign name on a line of a terminal: quoted where it has what a terminal might obey.
func printable(name string) string {
	if strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) }) || strings.Contains(name, "\ufffd") {
		return strconv.Quote(name)
	}
	return name
}

// sourceWords is a source with the reason for its place.
func sourceWords(s *sourceReport) string {
	switch {
	case s == nil:
		return "nowhere"
	case s.ID == "":
		return s.URL
	case s.Reason == "":
		return s.ID + ", " + s.URL
	}
	return fmt.Sprintf("%s (%s), %s", s.ID, s.Reason, s.URL)
}

// figures of a sync, in words.
func figures(r *treeReport) string {
	words := []string{fmt.Sprintf("%s of %s", count(r.Files, "file"), size(r.Bytes)), size(r.Received) + " received", count(int64(r.Lists), "full list")}
	if r.Deleted > 0 {
		words = append(words, fmt.Sprintf("%d deleted", r.Deleted))
	}
	switch {
	case r.Owed > 0:
		words = append(words, count(int64(r.Owed), "deletion")+" owed")
	case !r.Since.IsZero():
		words = append(words, "deletions owed since "+console.Clock(r.Since.Time))
	}
	return strings.Join(words, ", ")
}

func count(n int64, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}

// size is a number of bytes for people, in powers of 1000.
func size(n int64) string {
	const units = "kMGTPE"
	if n < 1000 {
		return fmt.Sprintf("%d B", n)
	}
	v, i := float64(n)/1000, 0
	for v >= 999.95 && i < len(units)-1 {
		v, i = v/1000, i+1
	}
	return fmt.Sprintf("%.1f %cB", v, units[i])
}

// verdict prints all errors but the gravest, which the program prints as it ends.
func (s *screen) verdict(errs []error) error {
	s.progressDone()
	errs = slices.DeleteFunc(errs, func(err error) bool { return err == nil })
	if len(errs) == 0 {
		return nil
	}
	worst := 0
	for i, err := range errs {
		if s.gravity(err) < s.gravity(errs[worst]) {
			worst = i
		}
	}
	for i, err := range errs {
		if i != worst {
			s.call.Report(err)
		}
	}
	return errs[worst]
}

// gravity orders errors by their exit codes, gravest first.
func (s *screen) gravity(err error) int {
	order := []int{console.Refused, console.Misuse, console.Failed, console.NoSource, console.Locked}
	return slices.Index(order, s.call.Code(err))
}
