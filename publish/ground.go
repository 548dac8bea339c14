package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"strconv"

	"tidemark/sign"
)

const maxGround = 8 << 20

// GroundFiles is what lies below every publication: the trust chain, the public keys, the schemas.
type GroundFiles struct {
	Objects []Object

	// Gone are names below keys/ and .well-known/openpgpkey/ that were there before and are to be no more: of revoked keys.
	Gone []string

	// Genuine judges what lies at the site as trust/<version>.json with another payload than ours, or as the version after
	// our newest: nil when the root holders made it. Such a one stays; anything else is overwritten. A nil func takes all
	// for genuine.
	Genuine func(version int64, data []byte) error
}

// NewerTrustError says that the site's trust chain goes on beyond the newest version that was to be put.
type NewerTrustError struct{ Version int64 }

func (e *NewerTrustError) Error() string {
	return fmt.Sprintf("the site has trust/%d.json already, this publisher only version %d: install the newest trust.json", e.Version, e.Version-1)
}

// TrustForkError says that the site has another document of a version than is to be put.
type TrustForkError struct {
	Name    string // trust/<N>.json
	Version int64
}

func (e *TrustForkError) Error() string {
	return fmt.Sprintf("%s at the site has other content, and a trust version never changes: "+
		"install the site's, or sign your change as version %d", e.Name, e.Version+1)
}

// PutGround puts trust and keys where they are new or differ, and removes what is gone: step 0, also without a publication. Push
// does the first by itself. A trust version with the same payload stays as it is, whoever of the root holders signed it.
func PutGround(ctx context.Context, s Store, st *Standing, g GroundFiles) error {
	for _, o := range g.Objects {
		if err := checkGround(o.Name); err != nil {
			return &StepError{Ground, err}
		}
	}
	err := st.within(ctx, s, 0, func(s Store) error {
		if err := st.ground(ctx, s, g); err != nil {
			return err
		}
		return g.removeGone(ctx, s)
	})
	if err != nil {
		return &StepError{Ground, err}
	}
	return nil
}

var removable = regexp.MustCompile(`^(keys|\.well-known/openpgpkey)/.`)

func (g GroundFiles) removeGone(ctx context.Context, s Store) error {
	c, ok := s.(Cleaner)
	if !ok {
		return nil
	}
	for _, name := range g.Gone {
		if !removable.MatchString(name) || slices.ContainsFunc(g.Objects, func(o Object) bool { return o.Name == name }) {
			continue
		}
		o, err := s.Get(ctx, name, maxGround)
		if errors.Is(err, ErrNotFound) {
			continue
		} else if err != nil {
			return err
		}
		if err := c.Delete(ctx, name, o.Tag); err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// putGround puts the objects that are new or differ. Immutable trust/<N>.json go first, so that trust.json never names a version
// that cannot be had.
func putGround(ctx context.Context, s Store, st *Standing, g GroundFiles) error {
	var due []Object
	var newest int64 // trust version among objects
	replaceTrust := false
	for _, o := range g.Objects {
		version := trustVersion(o.Name)
		newest = max(newest, version)
		there, err := s.Get(ctx, o.Name, maxGround)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		switch {
		case err == nil && sameGround(o, there.Data):
			continue
		case err == nil && version > 0 && g.genuine(version, there.Data):
			return &TrustForkError{o.Name, version}
		}
		replaceTrust = replaceTrust || o.Name == trustFile && err == nil
		o.Tag = there.Tag
		due = append(due, o)
	}
	if len(due) == 0 {
		return nil
	}
	if replaceTrust && newest > 0 {
		if err := g.noNewerTrust(ctx, s, newest); err != nil {
			return err
		}
	}
	if err := st.unmoved(ctx, s); err != nil {
		return err
	}
	return putDue(ctx, s, due)
}

func putDue(ctx context.Context, s Store, due []Object) error {
	for _, immutable := range []bool{true, false} {
		for _, o := range due {
			if (trustVersion(o.Name) > 0) != immutable {
				continue
			}
			if _, err := putOrSame(ctx, s, o, conditionOf(o.Tag)); err != nil {
				return err
			}
		}
	}
	return nil
}

// noNewerTrust keeps a publisher with an old trust.json from setting the site back.
func (g GroundFiles) noNewerTrust(ctx context.Context, s Store, newest int64) error {
	o, err := s.Get(ctx, fmt.Sprintf("trust/%d.json", newest+1), maxGround)
	if errors.Is(err, ErrNotFound) || err == nil && !g.genuine(newest+1, o.Data) {
		return nil
	}
	if err == nil {
		err = &NewerTrustError{newest + 1}
	}
	return err
}

func (g GroundFiles) genuine(version int64, data []byte) bool {
	return g.Genuine == nil || g.Genuine(version, data) == nil
}

const trustFile = "trust.json"

// sameGround compares the payloads of trust documents: the signatures beside those that are needed may be others on another host.
func sameGround(o Object, there []byte) bool {
	return bytes.Equal(there, o.Data) || isTrust(o.Name) && bytes.Equal(trustPayload(there), trustPayload(o.Data))
}

func isTrust(name string) bool { return name == trustFile || trustVersion(name) > 0 }

// trustPayload is what was signed, or all of it where that cannot be read.
func trustPayload(b []byte) []byte {
	e, err := sign.ParseEnvelope(b, sign.MaxTrustFile)
	if err != nil {
		return b
	}
	return e.Payload
}

// trustVersion is N of trust/<N>.json, 0 for any other name.
func trustVersion(name string) int64 {
	m := trustName.FindStringSubmatch(name)
	if m == nil {
		return 0
	}
	n, _ := strconv.ParseInt(m[1], 10, 64)
	return n
}
