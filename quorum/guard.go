package quorum

import (
	"fmt"
	"maps"
	"slices"
	"time"

	"tidemark/manifest"
)

// isError: the states that the guard counts. Older, moving and mixed servers are
// at work; those in maintenance or removed were taken out by the operator.
func (s State) isError() bool {
	switch s {
	case Wrong, Incomplete, Busy, Unreachable, Refused:
		return true
	}
	return false
}

// loss counts sources listed last, and those of them that turned to errors.
type loss struct {
	of, lost int
	where    string // "" or " of tree <name>"
}

// tooMuch: more than the share, and at least so many.
func (l loss) tooMuch(p Policy) bool {
	return l.lost >= p.GuardLeast && l.lost > 0 && l.lost*100 > p.GuardShare*l.of
}

// losses counts in all, where a source is lost with its last tree, and tree by tree: a tree whose sources all fail must
// not hide behind healthy trees.
func losses(previous *manifest.Manifest, states map[place]State) []loss {
	var all loss
	trees := map[string]*loss{}
	for _, source := range previous.Sources {
		failed := 0
		for tree := range source.Trees {
			if trees[tree] == nil {
				trees[tree] = &loss{where: " of tree " + tree}
			}
			trees[tree].of++
			if states[place{source.ID, tree}].isError() {
				failed++
				trees[tree].lost++
			}
		}
		all.of++
		if failed > 0 && failed == len(source.Trees) {
			all.lost++
		}
	}
	list := []loss{all}
	for _, name := range slices.Sorted(maps.Keys(trees)) {
		list = append(list, *trees[name])
	}
	return list
}

// watch is the guard: it compares the states with the sources that previous
// listed, and says whether the new manifest may be published. partial: only some servers were asked, and states has only
// those. Such a round comes at any moment, so it is none of the runs in a row, and no age of the manifest makes it give in:
// what was held back stays so until a full round, or --force, of which the guard then speaks.
func watch(previous *manifest.Manifest, states map[place]State, p Policy, gm GuardMemory, partial bool, now time.Time) (GuardReport, GuardMemory) {
	if previous == nil {
		return GuardReport{Reason: "nothing was published before, so there is nothing to compare with"}, GuardMemory{}
	}
	list := losses(previous, states)
	report := GuardReport{Lost: list[0].lost, Of: list[0].of}
	i := slices.IndexFunc(list, func(l loss) bool { return l.tooMuch(p) })
	standing := partial && gm.Runs > 0 // held back, and nobody has looked at all of it since
	if i < 0 && standing {
		report.Spoke, report.Held = true, !p.Force
		if p.Force {
			report.Reason = "the last run was held back, and not all servers were asked since; published all the same, as asked with --force"
			return report, GuardMemory{}
		}
		report.Reason = "the last run was held back; nothing is published until one that asks all servers has looked again, or with --force"
		return report, gm
	}
	if i < 0 {
		report.Reason = fmt.Sprintf("%d of the %d sources listed last turned to errors", report.Lost, report.Of)
		return report, GuardMemory{}
	}
	report.Lost, report.Of = list[i].lost, list[i].of
	found := fmt.Sprintf("%d of the %d sources%s listed last turned to errors in one go (allowed: %d %%, or fewer than %d)",
		list[i].lost, list[i].of, list[i].where, p.GuardShare, p.GuardLeast)
	switch {
	case p.Force:
		report.Spoke = standing
		report.Reason = found + "; published all the same, as asked with --force"
		return report, GuardMemory{}
	case p.Void && !partial:
		report.Spoke = true
		report.Reason = found + "; published all the same, because no mirror accepts any more what was published last"
		return report, GuardMemory{}
	case !partial && !now.Before(previous.Issued.Add(previous.Expires.Sub(previous.Issued.Time)/2)):
		report.Spoke = true
		report.Reason = found + "; published all the same, because the manifest published last is past half its validity"
		return report, GuardMemory{}
	case gm.Runs >= p.GuardRuns && !partial:
		report.Spoke = true
		report.Reason = fmt.Sprintf("%s; published all the same, after %d runs that were held back", found, gm.Runs)
		return report, GuardMemory{}
	}
	report.Held, report.Spoke = true, true
	runs := gm.Runs + 1
	if partial {
		runs = max(gm.Runs, 1)
	}
	report.Reason = fmt.Sprintf("%s; nothing is published in this run (held back: %d of at most %d): check the network here, or publish with --force",
		found, runs, p.GuardRuns)
	return report, GuardMemory{Runs: runs}
}
