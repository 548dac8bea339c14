package treesync

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tidemark/rsync"
)

// doom decides what of the names that the list showed to be gone is deleted. ok is false when nothing may be.
func (a *attempt) doom() (ok bool) {
	p := a.plan
	if !a.mayDelete() {
		// Even when none was seen: this source may have what the tree lost. Not when it has all of the tree and no more.
		a.owed = p.deletions > 0 || len(p.inTheWay) > 0 || p.result.Unreadable > 0 || !a.exact(p.result.Stats)
		return false
	}
	if most := a.mostDeletions(); p.deletions > most {
		p.refused = p.deletions
		a.say(StageDelete, a.source, fmt.Sprintf("%d names are gone at %s, at most %d may be deleted: none is", p.deletions, a.source.name(), most), "")
		return false
	}
	if most := a.mostBytes(); most > 0 && p.doomedBytes > most {
		p.refused, p.refusedBytes = p.deletions, p.doomedBytes
		a.say(StageDelete, a.source, fmt.Sprintf("%d names with %d bytes are gone at %s, which cannot be compared with the whole tree: at most %d bytes may be deleted so, none is",
			p.deletions, p.doomedBytes, a.source.name(), most), "")
		return false
	}
	return p.deletions > 0 || len(p.inTheWay) > 0
}

// mostBytes is how much may be deleted at most on the word of a source of which nobody can say that it has all of the tree;
// 0: no bound, which --max-delete gives once. A quarter of a tree is seldom gone between two timestamps, and a half empty source looks like that.
func (a *attempt) mostBytes() int64 {
	if a.comparable() || a.o.MaxDelete > 0 || a.tree.Bytes == 0 {
		return 0
	}
	return max(1, a.tree.Bytes/4)
}

// exact reports that the source has the very files and bytes of the whole tree.
func (a *attempt) exact(s rsync.Stats) bool {
	return a.comparable() && s.Regular == a.tree.Files && s.Bytes == a.tree.Bytes
}

// delete removes what the list showed to be gone, after the new metadata was proven: none of what that names is among it.
// Nobody is asked again, so what the source loses meanwhile stays. What goes wrong here leaves a good tree with some files
// too many: they are owed, and the sync goes on.
func (a *attempt) delete(ctx context.Context) error {
	if !a.doom() {
		return nil
	}
	p := a.plan
	a.say(StageDelete, a.source, fmt.Sprintf("deleting %d names that are gone at %s", p.deletions, a.source.name()), "")
	if err := p.spare(a.staging.file(comingFile)); err != nil {
		return err
	}
	r := newRemover(a.root)
	err := r.all(ctx, p.doomed)
	a.out.Deleted += r.removed
	if err != nil {
		return err
	}
	if left := p.deletions - int(r.removed) - r.gone; left > 0 {
		a.owed, a.owes = true, left
		a.say(StageDelete, a.source, fmt.Sprintf("%d of %d names stay for the next sync: %s", left, p.deletions, p.whyLeft(r)), "")
	}
	err = a.makeWay(ctx)
	var l *left
	if errors.As(err, &l) {
		a.owed = true
		a.say(StageDelete, a.source, "names in the place of directories are left for the next sync: "+l.detail, "")
		return nil
	}
	return err
}

// whyLeft words why not all is deleted.
func (p *plan) whyLeft(r *remover) string {
	if r.first != nil {
		return r.first.Error()
	}
	if p.result.Unreadable > 0 || p.deletions > len(p.doomed) {
		return "their names could not be read back, or are too many to be kept"
	}
	return "they are not what the list showed, or hold what is kept"
}

// spare takes from the doomed what the same list showed to be coming.
func (p *plan) spare(coming string) error {
	gone := make(map[string]bool, len(p.doomed))
	for _, d := range p.doomed {
		gone[d.name] = true
	}
	spared := map[string]bool{}
	err := eachName(coming, func(name string) {
		if gone[name] {
			spared[name] = true
		}
	})
	if err != nil || len(spared) == 0 {
		return err
	}
	var still []doomedName
	for _, d := range p.doomed {
		if !spared[d.name] {
			still = append(still, d)
		}
	}
	p.doomed = still
	return nil
}

// doomedNames are the names that would go, for who asked what would be done.
func (p *plan) doomedNames(may bool) (names []string) {
	if !may {
		return nil
	}
	for _, d := range p.doomed {
		if d.dir {
			d.name += "/"
		}
		names = append(names, d.name)
	}
	slices.Sort(names)
	return names
}

// firstNames shows some of what would be deleted.
func (p *plan) firstNames() string {
	const some = 10
	var names []string
	for _, d := range p.doomed[:min(some, len(p.doomed))] {
		names = append(names, fmt.Sprintf("%q", d.name))
	}
	text := strings.Join(names, ", ")
	if p.deletions > len(names) {
		text += ", …"
	}
	return text
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
