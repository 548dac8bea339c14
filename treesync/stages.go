package treesync

import (
	"context"
	"fmt"
	"slices"

	"tidemark/rsync"
)

// stage is one run that brings a part of the tree.
type stage struct {
	name  Stage
	text  string
	job   rsync.Job
	whole bool // it asks for the full list
}

// A tree of which nearly all is new is asked for as a whole: naming each file would cost more than a list.
const (
	nearlyAllNames = 1000
	nearlyAllShare = 0.8
)

func (p *plan) nearlyAll() bool {
	return p.changes > nearlyAllNames && float64(p.changes) > nearlyAllShare*float64(p.result.Stats.Files)
}

// stages are the runs that bring what is new and replaces no metadata, in their order. A stage without names is left out.
func (a *attempt) stages() ([]stage, error) {
	var all []stage
	for _, add := range []func() (stage, error){a.contentStage, a.metadataStage} {
		st, err := add()
		if err != nil {
			return nil, err
		}
		if st.name != "" {
			all = append(all, st)
		}
	}
	return all, nil
}

// contentStage brings what names nothing else: packages, images.
func (a *attempt) contentStage() (stage, error) {
	p := a.plan
	j := a.job(a.source, a.path)
	j.Progress = a.o.Progress != nil
	if !p.byName() || p.nearlyAll() {
		err := setRules(&j, a.rules.content(slices.Concat(a.earlyAnchors(), p.inTheWay)), a.staging.file(contentRules))
		return stage{StageContent, "fetching all content from " + a.source.name(), j, true}, err
	}
	if p.content.names == 0 {
		return stage{}, nil
	}
	j.FilesFrom = p.content.path
	return stage{StageContent, fmt.Sprintf("fetching content from %s: %d names", a.source.name(), p.content.names), j, false}, nil
}

// earlyAnchors are those that no late pattern holds back anyway.
func (a *attempt) earlyAnchors() (paths []string) {
	for _, path := range a.target.paths() {
		if !a.rules.isLate(path, false) {
			paths = append(paths, path)
		}
	}
	return paths
}

// metadataStage brings what names content, each file in its place only when all have arrived.
func (a *attempt) metadataStage() (stage, error) {
	p := a.plan
	j := a.job(a.source, a.path)
	j.DelayUpdates = true
	j.Progress = a.o.Progress != nil
	if !p.byName() {
		err := setRules(&j, a.rules.metadata(slices.Concat(a.target.paths(), p.inTheWay)), a.staging.file(metadataRules))
		return stage{StageMetadata, "fetching all metadata from " + a.source.name(), j, true}, err
	}
	if p.metadata.names == 0 {
		return stage{}, nil
	}
	j.FilesFrom = p.metadata.path
	return stage{StageMetadata, fmt.Sprintf("fetching metadata from %s: %d names", a.source.name(), p.metadata.names), j, false}, nil
}

// replacingStage brings metadata that replaces other of the same name. Readers find it by the anchors, which come with it.
func (a *attempt) replacingStage() (stage, error) {
	with := map[string]bool{} // put in its place together with an anchor, since it is a hard link of it
	for _, names := range a.plan.linked() {
		for _, name := range names {
			with[name] = true
		}
	}
	names := slices.DeleteFunc(slices.Clone(a.plan.replacing), func(name string) bool { return with[name] })
	if len(names) == 0 {
		return stage{}, nil
	}
	j := a.job(a.source, a.path)
	j.DelayUpdates = true
	j.FilesFrom = a.staging.file(replacingFile)
	return stage{StageMetadata, fmt.Sprintf("fetching metadata that replaces other from %s: %d names", a.source.name(), len(names)), j, false}, writeNames(j.FilesFrom, names)
}

func (a *attempt) bring(ctx context.Context, st stage) (rsync.Result, error) {
	if st.whole {
		a.out.Lists++
	}
	if err := a.writable("."); err != nil {
		return rsync.Result{}, err
	}
	st.job.LeastRate = a.rateFor(a.plan.result.Stats.Literal)
	res, err := a.exec(ctx, st.name, st.text, st.job, rsync.Watch{Progress: a.o.Progress})
	a.out.Files += res.Stats.Transferred
	a.out.Bytes += res.Stats.Literal
	return res, err
}

// writable lets us make files in a directory whose permissions came from a source where its owner may not: rsync changes
// that for itself in the directories that it lists, and the top is in no list of names.
func (s *syncer) writable(dir string) error {
	info, err := s.root.Stat(dir)
	if err == nil && info.Mode().Perm()&0o300 != 0o300 {
		err = s.root.Chmod(dir, info.Mode().Perm()|0o300)
	}
	if err != nil {
		return fmt.Errorf("make %s of the tree writable: %w", dir, err)
	}
	return nil
}

// compose says what a sync would do, as the end of a dry run.
func (a *attempt) compose(stages []stage) error {
	replacing, err := a.replacingStage()
	if err != nil {
		return err
	}
	if replacing.name != "" {
		stages = append(stages, replacing)
	}
	for _, st := range stages {
		command := st.job.Command(a.program())
		a.out.Commands = append(a.out.Commands, command)
		a.say(st.name, a.source, "would be "+st.text, command)
	}
	if n := len(a.target.anchors); n > 0 {
		a.say(StageAnchors, a.source, fmt.Sprintf("would be fetching %d anchors again, and putting them in their places", n), "")
	}
	a.out.Files, a.out.Bytes = a.plan.result.Stats.Transferred, a.plan.result.Stats.Literal
	a.out.Deleted = int64(a.plan.deletions)
	if a.doom() {
		a.say(StageDelete, a.source, fmt.Sprintf("would be deleting %d names that are gone at %s: %s", a.plan.deletions, a.source.name(), a.plan.firstNames()), "")
	}
	return nil
}
