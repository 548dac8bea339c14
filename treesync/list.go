package treesync

import (
	"context"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"tidemark/rsync"
)

// list is the dry run: the one full list that is asked of the source. It says what would come and what is gone, and
// whether the source has all of the tree. It is always one with deletions, whoever may delete: without, rsync takes a
// directory in the place of something else for an error.
func (a *attempt) list(ctx context.Context) error {
	p, err := a.newPlan()
	if err != nil {
		return err
	}
	a.plan = p
	j := a.job(a.source, a.path)
	j.DryRun, j.Itemize, j.Delete = true, true, true
	if err := setRules(&j, a.rules.whole(), a.staging.file(contentRules)); err != nil {
		return err
	}
	a.out.Lists++
	p.result, err = a.listRun(ctx, j)
	if closeErr := p.close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return a.kindProblem(err)
	}
	if p.result.Unreadable > 0 {
		p.deletions = max(p.deletions, int(p.result.Stats.Deleted))
	}
	if err := a.complete(ctx, p.result.Stats); err != nil {
		return err
	}
	a.say(StageList, a.source, a.listed(), "")
	return a.roomFor(p)
}

// inItsPlace is what rsync says of a directory that it cannot replace.
var inItsPlace = regexp.MustCompile(`could not make way for new [a-z ]+: ([^;]+)`)

// kindProblem tells what no other source would mend: a directory that must give way, and holds what is kept. A server can
// say the same, so it is looked at.
func (a *attempt) kindProblem(err error) error {
	var exit *rsync.ExitError
	if !errors.As(err, &exit) || exit.Code != rsync.ExitPartial {
		return err
	}
	m := inItsPlace.FindStringSubmatch(exit.Text)
	if m == nil {
		return err
	}
	if info, statErr := a.root.Lstat(strings.TrimSpace(m[1])); statErr != nil || !info.IsDir() || !a.full(strings.TrimSpace(m[1])) {
		return err
	}
	return fmt.Errorf("the source has something else where this mirror has a directory with excluded or kept files in it: move them away, or exclude that name: %s", exit.Text)
}

// A list may be that much larger than what is announced.
const (
	moreNames = 100_000
	moreBytes = 1 << 30
)

var errTooMany = errors.New("the list is far too long")

// listRun asks for the list, and ends it when it has far more names than the tree.
func (a *attempt) listRun(ctx context.Context, j rsync.Job) (rsync.Result, error) {
	within, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	p := a.plan
	res, err := a.exec(within, StageList, "asking "+a.source.name()+" for its list, and what differs here", j, rsync.Watch{Item: func(i rsync.Item) {
		if p.add(i); a.tree.Files > 0 && p.changes > 2*a.tree.Files+moreNames {
			cancel(errTooMany)
		}
	}})
	if err != nil && errors.Is(context.Cause(within), errTooMany) {
		return res, leave(StageList, WhyWrong, "its list has more than %d new names, the tree has %d files", 2*a.tree.Files+moreNames, a.tree.Files)
	}
	return res, err
}

func (a *attempt) mayDelete() bool { return a.source.MayDelete && !a.o.Fallback }

func (a *attempt) newPlan() (*plan, error) {
	p := &plan{rules: a.rules, anchors: map[string]bool{}, look: a.root.Lstat, full: a.full, maxDoomed: max(minDoomed, a.mostDeletions()), links: map[string][]string{}}
	for _, path := range a.target.paths() {
		p.anchors[path] = true
	}
	for _, l := range []struct {
		to   **nameList
		file string
	}{{&p.content, contentFile}, {&p.metadata, metadataFile}, {&p.coming, comingFile}} {
		var err error
		if *l.to, err = newNameList(a.staging.file(l.file)); err != nil {
			p.close()
			return nil, err
		}
	}
	return p, nil
}

func (p *plan) close() error {
	var errs []error
	for _, l := range []*nameList{p.content, p.metadata, p.coming} {
		if l != nil {
			errs = append(errs, l.close())
		}
	}
	return errors.Join(errs...)
}

// full reports a directory of the tree that holds something.
func (a *attempt) full(dir string) bool {
	f, err := a.root.Open(dir)
	if err != nil {
		return true // to be on the safe side
	}
	defer f.Close()
	names, _ := f.Readdirnames(1)
	return len(names) > 0
}

// listed says in a sentence what the dry run found.
func (a *attempt) listed() string {
	p := a.plan
	text := fmt.Sprintf("%d names of %d are new or changed, %d files with %d bytes to come", p.changes, p.result.Stats.Files, p.result.Stats.Transferred, p.result.Stats.Literal)
	text += fmt.Sprintf("; %d are gone", p.deletions)
	if n := len(p.inTheWay); n > 0 {
		text += fmt.Sprintf("; %d stand where this mirror has a directory", n)
	}
	return text
}

// comparable reports whether the source must have the very files of the tree that is announced.
func (a *attempt) comparable() bool {
	return !a.o.Fallback && a.target.timestamp == a.tree.Timestamp && len(a.o.Spec.Exclude) == 0
}

// complete compares what the source has with what the tree has: only at the announced timestamp, and only when this mirror
// takes the whole tree, are the two comparable.
func (a *attempt) complete(ctx context.Context, s rsync.Stats) error {
	c := a.o.Spec
	if !a.o.Fallback && a.target.timestamp == a.tree.Timestamp && a.tree.Bytes > 0 && s.Bytes > 2*a.tree.Bytes+moreBytes {
		return leave(StageList, WhyWrong, "it has %d bytes, the tree %d", s.Bytes, a.tree.Bytes)
	}
	if !a.comparable() {
		return nil
	}
	if s.Regular >= a.tree.Files && s.Bytes >= a.tree.Bytes {
		return nil
	}
	kept := rsync.Stats{}
	if len(c.Keep) > 0 {
		var err error
		if kept, err = a.keptAtSource(ctx); err != nil {
			return err
		}
	}
	if s.Regular+kept.Regular >= a.tree.Files && s.Bytes+kept.Bytes >= a.tree.Bytes {
		return nil
	}
	return leave(StageList, WhyIncomplete, "it has %d files with %d bytes, the tree %d with %d",
		s.Regular+kept.Regular, s.Bytes+kept.Bytes, a.tree.Files, a.tree.Bytes)
}

// keptAtSource counts what this mirror's keep patterns hide at the source, which the list did not show.
func (a *attempt) keptAtSource(ctx context.Context) (rsync.Stats, error) {
	j := a.job(a.source, a.path)
	j.DryRun = true
	rules, whole := a.rules.kept(a.o.Spec.Keep)
	if err := setRules(&j, rules, a.staging.file(keptRules)); err != nil {
		return rsync.Stats{}, err
	}
	if whole {
		a.out.Lists++
	}
	res, err := a.exec(ctx, StageList, "counting what is kept here and not taken from "+a.source.name(), j, rsync.Watch{})
	return res.Stats, err
}

// kept are the rules of a run that sees what the keep patterns hide, and nothing else. whole: every directory must be
// looked into for it.
func (r ruler) kept(keep []rsync.Pattern) (rules []rsync.Rule, whole bool) {
	rules = excludes(ownPatterns())
	for _, k := range keep {
		text := strings.TrimSuffix(k.String(), "/")
		if rest, anchored := strings.CutPrefix(text, "/"); anchored && !strings.Contains(rest, "**") {
			rules = append(rules, parents(rest)...)
		} else {
			whole = true
		}
		rules = append(rules, rsync.Rule{Include: true, Pattern: k.String()}, rsync.Rule{Include: true, Pattern: text + "/**"})
	}
	if whole {
		rules = append(rules, rsync.Rule{Include: true, Pattern: "*/"})
	}
	return append(rules, rsync.Rule{Pattern: "*"}), whole
}

// parents are includes of the directories above an anchored pattern's last part.
func parents(pattern string) (rules []rsync.Rule) {
	for i := range len(pattern) {
		if pattern[i] == '/' {
			rules = append(rules, rsync.Rule{Include: true, Pattern: "/" + pattern[:i] + "/"})
		}
	}
	return rules
}
