package publish

import (
	"context"
	"errors"
	"slices"
	"strings"
)

// groundLook is how a ground was found, and what is to be done.
type groundLook struct {
	GroundFiles
	newest  int64             // trust version among the objects
	listed  map[string]string // tags by name, of a Remote; nil elsewhere
	tags    GroundTags        // of those that are in order
	due     []Object          // to be put, with the tag that is to be replaced
	gone    []string
	trouble []error // what hinders single objects
}

// look compares every object with what lies there.
func (g GroundFiles) look(ctx context.Context, s Store) (*groundLook, error) {
	l := &groundLook{GroundFiles: g, tags: GroundTags{}}
	for _, o := range g.Objects {
		l.newest = max(l.newest, trustVersion(o.Name))
	}
	if err := l.list(ctx, s); err != nil {
		return nil, err
	}
	if err := l.noNewer(ctx, s); err != nil {
		return nil, err
	}
	_, remote := s.(Remote)
	for _, o := range g.Objects {
		err := l.at(ctx, s, o)
		newer, fork := (*NewerTrustError)(nil), (*TrustForkError)(nil)
		switch {
		case errors.As(err, &newer), errors.As(err, &fork) && fork.Version == l.newest:
			return nil, err
		case err != nil && fork == nil && (remote || ctx.Err() != nil): // a server that fails does so for the others, too
			return nil, err
		case err != nil:
			l.trouble = append(l.trouble, err)
		}
	}
	return l, nil
}

// list asks a Remote for all tags, and any Cleaner for what is to go.
func (l *groundLook) list(ctx context.Context, s Store) error {
	c, ok := s.(Cleaner)
	if !ok {
		return nil
	}
	var prefixes []string
	_, remote := s.(Remote)
	if l.Stray != nil {
		prefixes = append(prefixes, "keys/")
	}
	if remote {
		l.listed = map[string]string{}
		for _, o := range l.Objects {
			prefixes = append(prefixes, groundPrefix(o.Name))
		}
		slices.Sort(prefixes)
	}
	gone := slices.Clone(l.Gone)
	for _, prefix := range slices.Compact(prefixes) {
		all, err := c.List(ctx, prefix)
		if err != nil {
			return err
		}
		for _, found := range all {
			if remote {
				l.listed[found.Name] = found.Tag
			}
			if l.Stray != nil && strings.HasPrefix(found.Name, "keys/") && l.Stray(found.Name) {
				gone = append(gone, found.Name)
			}
		}
	}
	slices.Sort(gone)
	for _, name := range slices.Compact(gone) {
		ours := slices.ContainsFunc(l.Objects, func(o Object) bool { return o.Name == name })
		if removable.MatchString(name) && !ours && (!remote || !listable(name, prefixes) || l.listed[name] != "") {
			l.gone = append(l.gone, name)
		}
	}
	return nil
}

// groundPrefix is what is listed to see an object: "trust" for trust.json and trust/<N>.json.
func groundPrefix(name string) string {
	if isTrust(name) {
		return "trust"
	}
	dir, _, inDir := strings.Cut(name, "/")
	if !inDir {
		return name
	}
	return dir + "/"
}

func listable(name string, prefixes []string) bool {
	return slices.ContainsFunc(prefixes, func(p string) bool { return strings.HasPrefix(name, p) })
}

// at compares one object.
func (l *groundLook) at(ctx context.Context, s Store, o Object) error {
	if l.listed != nil {
		tag := l.listed[o.Name]
		if tag == "" {
			o.Tag = ""
			l.due = append(l.due, o)
			return nil
		}
		if l.Known[o.Name] == (GroundTag{tag, groundHash(o)}) {
			l.keep(o, tag)
			return nil
		}
	}
	version := trustVersion(o.Name)
	there, err := s.Get(ctx, o.Name, maxGround)
	switch {
	case errors.Is(err, ErrTooLarge): // it is not ours, whatever it is
		if there.Tag, err = tagOf(ctx, s, o.Name); err != nil {
			return err
		}
	case errors.Is(err, ErrNotFound):
	case err != nil:
		return err
	case l.same(o, there.Data):
		l.keep(o, there.Tag)
		return nil
	case version > 0 && l.genuine(version, there.Data):
		return &TrustForkError{o.Name, version}
	case o.Name == trustFile && l.newest > 0:
		if err := l.newerThan(there.Data); err != nil {
			return err
		}
	}
	o.Tag = there.Tag
	l.due = append(l.due, o)
	return nil
}

func (l *groundLook) keep(o Object, tag string) { l.tags[o.Name] = GroundTag{tag, groundHash(o)} }
