package treesync

import (
	"fmt"
	"os"
	"slices"
	"strings"

	"tidemark/rsync"
)

// LatePatterns are the names that come after all else: metadata that names other files (DESIGN 6). Of a pattern with a
// wildcard and without a slash at its end, files alone are meant: Packages* is Packages.gz, but not the directory Packages
// in which the packages of an RPM repository are.
func LatePatterns() []rsync.Pattern {
	return patterns("repodata/", "dists/", "Release*", "InRelease", "Packages*", "Sources*", "*.db", "*.files")
}

// ownPatterns are never synced and never deleted: fsck's directory at the top of a tree that is a file system of its own,
// and the names under which time file and anchors are written.
func ownPatterns() []rsync.Pattern {
	return patterns("/lost+found/", ".*"+tempMark+strings.Repeat("?", tempRandom))
}

// patterns parses what is known to be right.
func patterns(texts ...string) []rsync.Pattern {
	var all []rsync.Pattern
	for _, t := range texts {
		p, err := rsync.ParsePattern(t)
		if err != nil {
			panic(err)
		}
		all = append(all, p)
	}
	return all
}

// ruler makes the filter rules of the stages' runs.
type ruler struct {
	hidden   []rsync.Pattern // the admin's excludes, keeps, and our own: at the source they are not there, here they stay
	late     []rsync.Pattern
	timeFile string
}

func newRuler(s Spec, timeFile string) ruler {
	r := ruler{late: s.Late, timeFile: timeFile}
	r.hidden = slices.Concat(s.Exclude, s.Keep, ownPatterns())
	if r.late == nil {
		r.late = LatePatterns()
	}
	return r
}

// hides reports whether this mirror does not have that file, or has its own in its place.
func (r ruler) hides(name string) bool { return rsync.Hidden(r.hidden, name, false) }

// visible are those of the files that this mirror has from the tree.
func (r ruler) visible(paths []string) []string {
	return slices.DeleteFunc(slices.Clone(paths), r.hides)
}

// whole are the rules of a run over the whole tree.
func (r ruler) whole() []rsync.Rule { return excludes(r.hidden) }

// few are the rules of a run that asks for the time file and these paths, and for nothing else. The time file's rules come
// first: no exclude may hide it.
func (r ruler) few(paths []string) []rsync.Rule {
	rules := including(nil, []string{r.timeFile})
	rules = append(rules, excludes(r.hidden)...)
	rules = append(rules, including(rules, paths)...)
	return append(rules, rsync.Rule{Pattern: "*"})
}

// content are the rules of a run over all that is not late, without these names either.
func (r ruler) content(without []string) []rsync.Rule {
	rules := r.metadata(without)
	for _, p := range r.late {
		if !filesOnly(p) {
			rules = append(rules, rsync.Rule{Pattern: p.String()})
		}
	}
	for _, p := range r.late {
		if filesOnly(p) {
			rules = append(rules, rsync.Rule{Include: true, Pattern: p.String() + "/"}, rsync.Rule{Pattern: p.String()})
		}
	}
	return rules
}

// filesOnly reports a late pattern that means no directories.
func filesOnly(p rsync.Pattern) bool {
	text := p.String()
	return strings.ContainsAny(text, "*?[") && !strings.HasSuffix(text, "/")
}

// isLate reports whether a name is metadata.
func (r ruler) isLate(name string, dir bool) bool {
	for _, p := range r.late {
		switch {
		case !filesOnly(p) && rsync.Hidden([]rsync.Pattern{p}, name, dir),
			filesOnly(p) && !dir && p.Match(name, false):
			return true
		}
	}
	return false
}

// metadata are the rules of a run over all but the time file and these names.
func (r ruler) metadata(without []string) []rsync.Rule {
	rules := r.whole()
	for _, name := range slices.Concat([]string{r.timeFile}, without) {
		rules = append(rules, rsync.Rule{Pattern: rsync.Literal(name)})
	}
	return rules
}

func excludes(patterns []rsync.Pattern) []rsync.Rule {
	var rules []rsync.Rule
	for _, p := range patterns {
		rules = append(rules, rsync.Rule{Pattern: p.String()})
	}
	return rules
}

// including are includes of paths, each after the directories above it; what is in have already is not said again.
func including(have []rsync.Rule, paths []string) []rsync.Rule {
	said := map[string]bool{}
	for _, r := range have {
		if r.Include {
			said[r.Pattern] = true
		}
	}
	var rules []rsync.Rule
	say := func(pattern string) {
		if !said[pattern] {
			said[pattern] = true
			rules = append(rules, rsync.Rule{Include: true, Pattern: pattern})
		}
	}
	for _, p := range paths {
		for i := range len(p) {
			if p[i] == '/' {
				say(rsync.Literal(p[:i]) + "/")
			}
		}
		say(rsync.Literal(p))
	}
	return rules
}

// maxRuleBytes is how much of rules goes into the argument list; more goes into a file.
const maxRuleBytes = 60 << 10

// setRules gives the job its rules: as arguments, or, where there are too many or one has a control character, in a file.
func setRules(j *rsync.Job, rules []rsync.Rule, file string) error {
	var b strings.Builder
	plain := true
	for _, r := range rules {
		sign := "- "
		if r.Include {
			sign = "+ "
		}
		b.WriteString(sign + r.Pattern + "\x00")
		plain = plain && !strings.ContainsFunc(r.Pattern, func(c rune) bool { return c < 0x20 || c == 0x7f || c == 0xFFFD })
	}
	if plain && b.Len() <= maxRuleBytes {
		j.Rules = rules
		return nil
	}
	j.RulesFile = file
	if err := os.WriteFile(file, []byte(b.String()), 0o600); err != nil {
		return fmt.Errorf("write the filter rules: %w", err)
	}
	return nil
}
