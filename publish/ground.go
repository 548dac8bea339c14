package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strconv"
)

const maxGround = 8 << 20

// putGround puts trust and keys where they are new or differ: step 0. Immutable trust/<N>.json go first, so that
// trust.json never names a version that cannot be had.
func putGround(ctx context.Context, s Store, st *Standing, objects []Object) error {
	var due []Object
	var newest int64 // trust version among objects
	replaceTrust := false
	for _, o := range objects {
		version := trustVersion(o.Name)
		newest = max(newest, version)
		there, err := s.Get(ctx, o.Name, maxGround)
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
		switch {
		case err == nil && bytes.Equal(there.Data, o.Data):
			continue
		case err == nil && version > 0:
			return fmt.Errorf("%s at the site has other content, and a trust version never changes: "+
				"install the site's, or sign your change as version %d", o.Name, version+1)
		}
		replaceTrust = replaceTrust || o.Name == "trust.json" && err == nil
		o.Tag = there.Tag
		due = append(due, o)
	}
	if len(due) == 0 {
		return nil
	}
	if replaceTrust && newest > 0 {
		if err := noNewerTrust(ctx, s, newest); err != nil {
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
func noNewerTrust(ctx context.Context, s Store, newest int64) error {
	name := fmt.Sprintf("trust/%d.json", newest+1)
	_, err := s.Get(ctx, name, maxGround)
	if errors.Is(err, ErrNotFound) {
		return nil
	}
	if err == nil {
		err = fmt.Errorf("the site has %s already, this publisher only version %d: install the newest trust.json", name, newest)
	}
	return err
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
