package treesync

import (
	"context"
	"errors"
	"fmt"
	"path"
	"slices"
	"strings"

	"tidemark/rsync"
)

// maxDoomedRules is how many names a run is told to delete one by one; for more it compares the whole tree again.
const maxDoomedRules = 2000

// deletion is the run that deletes; nil when there is nothing to do, or nothing may be done.
func (a *attempt) deletion() (*stage, error) {
	p := a.plan
	if !a.mayDelete() {
		a.owed = true // even when none was seen: this source may have what the tree lost
		return nil, nil
	}
	if p.deletions == 0 && len(p.inTheWay) == 0 {
		return nil, nil
	}
	if most := a.mostDeletions(); p.deletions > most {
		p.refused = p.deletions
		a.say(StageDelete, a.source, fmt.Sprintf("%d names are gone at %s, at most %d may be deleted: none is", p.deletions, a.source.name(), most), "")
		return nil, nil
	}
	j := a.job(a.source, a.path)
	j.Delete, j.DeleteOnly, j.Itemize = true, true, true
	rules, ok := a.rules.doomed(p)
	if ok {
		j.MaxDelete = p.deletions + len(p.inTheWay)
	} else {
		rules, j.MaxDelete = a.rules.metadata(nil), a.mostDeletions()
	}
	err := setRules(&j, rules, a.staging.file(deleteRules))
	return &stage{name: StageDelete, text: fmt.Sprintf("deleting %d names that are gone at %s", p.deletions, a.source.name()), job: j, whole: !ok}, err
}

// delete deletes what the list showed to be gone, after the new metadata was proven: none of what that names is among it.
// What goes wrong here leaves a good tree with some files too many: they are owed, and the sync goes on.
func (a *attempt) delete(ctx context.Context) error {
	d, err := a.deletion()
	if err != nil || d == nil {
		return err
	}
	if d.whole {
		a.out.Lists++
	}
	res, err := a.exec(ctx, StageDelete, d.text, d.job, rsync.Watch{})
	a.out.Deleted += res.Stats.Deleted
	if err == nil {
		err = a.makeWay(ctx)
	}
	var l *left
	if errors.As(err, &l) {
		a.owed = true
		a.say(StageDelete, a.source, "deletions are left for the next sync: "+l.detail, "")
		return nil
	}
	return err
}

// makeWay brings the names in whose place there was a directory, now that it is empty or gone.
func (a *attempt) makeWay(ctx context.Context) error {
	var names []string
	for _, name := range a.plan.inTheWay {
		if !listable(name) {
			continue // now that the way is free, the next sync brings it
		}
		if info, err := a.root.Lstat(name); err == nil && info.IsDir() && a.full(name) {
			a.say(StageDelete, a.source, fmt.Sprintf("%s stays a directory: something in it is excluded or kept", name), "")
			continue
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return nil
	}
	j := a.job(a.source, a.path)
	j.FilesFrom = a.staging.file(inTheWayFile)
	if err := writeNames(j.FilesFrom, names); err != nil {
		return err
	}
	_, err := a.bring(ctx, stage{name: StageDelete, text: fmt.Sprintf("fetching %d names in the place of directories", len(names)), job: j})
	return err
}

// doomed are the rules of a run that deletes these names and looks at nothing else: it costs the source no full list, and
// what the source lost since the list was made stays. ok is false when there are too many, or not all are known by name.
func (r ruler) doomed(p *plan) (rules []rsync.Rule, ok bool) {
	if p.result.Unreadable > 0 || p.deletions > len(p.doomed) {
		return nil, false
	}
	gone := map[string]bool{} // directories that go with all that is in them
	for _, name := range p.inTheWay {
		gone[name] = true
	}
	for _, i := range p.doomed {
		if i.Dir {
			gone[i.Name] = true
		}
	}
	var dirs, files []string
	for name := range gone {
		if !underGone(gone, name) {
			dirs = append(dirs, name)
		}
	}
	for _, i := range p.doomed {
		if !i.Dir && !underGone(gone, i.Name) {
			files = append(files, i.Name)
		}
	}
	if len(dirs)+len(files) > maxDoomedRules {
		return nil, false
	}
	rules = r.metadata(nil)
	slices.Sort(dirs)
	for _, d := range dirs {
		rules = append(rules, including(rules, []string{d})...)
		rules[len(rules)-1].Pattern = literalBelow(d)
	}
	return append(append(rules, including(rules, files)...), rsync.Rule{Pattern: "*"}), true
}

// underGone reports whether a directory above name goes as a whole.
func underGone(gone map[string]bool, name string) bool {
	for dir := path.Dir(name); dir != "."; dir = path.Dir(dir) {
		if gone[dir] {
			return true
		}
	}
	return false
}

// literalBelow is a pattern for a directory and all that is in it. It has wildcards, so backslashes quote in it.
func literalBelow(dir string) string {
	return "/" + strings.NewReplacer(`\`, `\\`, "*", `\*`, "?", `\?`, "[", `\[`).Replace(dir) + "/***"
}
