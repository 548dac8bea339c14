package publish

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"regexp"
	"strconv"

	"tidemark/sign"
)

const maxGround = 8 << 20

// GroundFiles is what lies below every publication: the trust chain, the public keys, the schemas.
type GroundFiles struct {
	Objects []Object

	// Gone are names below keys/ and .well-known/openpgpkey/ that were there before and are to be no more: of revoked keys.
	// Stray tells further ones by what lies below keys/; it may be nil.
	Gone  []string
	Stray func(name string) bool

	// Genuine judges a trust document that lies at the site, by the version that it should be: nil when the root holders made
	// it. Such a one stays, whatever signatures it has beside ours; anything else is overwritten. A nil func takes all for genuine.
	Genuine func(version int64, data []byte) error

	// Known is what PutGround returned the last time: what still has its tag at a Remote is not read again.
	Known GroundTags
}

// GroundTags are the objects of a ground as they lie at a Remote, by name. Only the memory of who put or read them is worth
// anything: whoever can write to the store can write any note there.
type GroundTags map[string]GroundTag

// GroundTag is one of them.
type GroundTag struct {
	Tag    string `json:"tag"`    // the store's ETag
	SHA256 string `json:"sha256"` // of ours, hex; of a trust document, of its payload
}

// NewerTrustError says that the site's trust chain goes on beyond the newest version that was to be put.
type NewerTrustError struct {
	Version int64
	Name    string // where it lies: trust/<Version>.json, or trust.json
	Data    []byte // what Genuine has judged
}

func (e *NewerTrustError) Error() string {
	if e.Name == trustFile {
		return fmt.Sprintf("the site's trust.json is version %d, newer than this publisher's: install the newest trust.json", e.Version)
	}
	return fmt.Sprintf("the site has %s already, this publisher only version %d: install the newest trust.json", e.Name, e.Version-1)
}

// TrustForkError says that the site has another document of a version than is to be put, made by the root holders, too.
type TrustForkError struct {
	Name    string // trust/<N>.json
	Version int64
}

func (e *TrustForkError) Error() string {
	return fmt.Sprintf("%s at the site has other content, signed by the root holders, too, and a trust version never changes: "+
		"install the site's, or sign your change as version %d", e.Name, e.Version+1)
}

// PutGround looks at trust and keys, puts them where they are missing or differ, and removes what is gone: step 0, also without a
// publication. At a Remote it lists, and reads only what has another tag than Known says. A trust version that is signed by the
// root holders and has the same payload stays as it is.
//
// What hinders one object holds no other back: the error comes when the rest is in order, with a *TrustForkError among others.
// Only where the newest version itself is forked, or the site's is newer, nothing that readers follow is touched.
func PutGround(ctx context.Context, s Store, st *Standing, g GroundFiles) (GroundTags, error) {
	for _, o := range g.Objects {
		if err := checkGround(o.Name); err != nil {
			return nil, &StepError{Ground, err}
		}
	}
	var tags GroundTags
	err := st.within(ctx, s, 0, func(s Store) (err error) {
		tags, err = st.putGround(ctx, s, g)
		return err
	})
	if err != nil {
		return nil, &StepError{Ground, err}
	}
	return tags, nil
}

// ground is step 0 of a publication. At a Remote it believes the note there, unless PutGround has looked at these very objects
// with the same Standing: a publisher that minds who can write to the store calls that before.
func (st *Standing) ground(ctx context.Context, s Store, g GroundFiles) error {
	sum := GroundSum(g.Objects)
	if st.grounded == sum || st.note != nil && st.note.Ground == sum {
		return nil
	}
	_, err := st.putGround(ctx, s, g)
	return err
}

// putGround puts the objects that are new or differ, and keeps the note.
func (st *Standing) putGround(ctx context.Context, s Store, g GroundFiles) (GroundTags, error) {
	look, err := g.look(ctx, s)
	if err != nil {
		return nil, err
	}
	sum := GroundSum(g.Objects)
	if len(look.due)+len(look.gone) > 0 {
		if err := st.noteGround(ctx, s, ""); err != nil { // until all are put, nobody may rely on it
			return nil, err
		}
		if err := st.unmoved(ctx, s); err != nil {
			return nil, err
		}
		if err := look.put(ctx, s); err != nil {
			return nil, errors.Join(append(look.trouble, err)...)
		}
		if err := removeGone(ctx, s, look.gone); err != nil {
			return nil, errors.Join(append(look.trouble, err)...)
		}
	}
	if err := errors.Join(look.trouble...); err != nil {
		return nil, err
	}
	st.grounded = sum
	return look.tags, st.noteGround(ctx, s, sum)
}

// noteGround says in the note of a Remote what lies there: "" while that is changing.
func (st *Standing) noteGround(ctx context.Context, s Store, sum string) error {
	if _, is := s.(Remote); !is || st.note == nil || st.note.Ground == sum {
		return nil
	}
	st.note.Ground = sum
	return st.note.save(ctx, s)
}

// put puts what is due. Immutable trust/<N>.json go first, so that trust.json never names a version that cannot be had.
func (l *groundLook) put(ctx context.Context, s Store) error {
	for _, immutable := range []bool{true, false} {
		for _, o := range l.due {
			if (trustVersion(o.Name) > 0) != immutable {
				continue
			}
			tag, err := putOrSame(ctx, s, o, conditionOf(o.Tag))
			if err != nil {
				return err
			}
			l.keep(o, tag)
		}
	}
	return nil
}

var removable = regexp.MustCompile(`^(keys|\.well-known/openpgpkey)/.`)

func removeGone(ctx context.Context, s Store, names []string) error {
	c, ok := s.(Cleaner)
	if !ok {
		return nil
	}
	for _, name := range names {
		tag, err := tagOf(ctx, s, name)
		if err == nil {
			err = c.Delete(ctx, name, tag)
		}
		if err != nil && !errors.Is(err, ErrNotFound) {
			return err
		}
	}
	return nil
}

// noNewer refuses to judge by an old trust where the root holders have made a newer one: as the next version, or as trust.json.
func (l *groundLook) noNewer(ctx context.Context, s Store) error {
	next := fmt.Sprintf("trust/%d.json", l.newest+1)
	if l.newest == 0 || l.listed != nil && l.listed[next] == "" {
		return nil
	}
	o, err := s.Get(ctx, next, maxGround)
	switch {
	case errors.Is(err, ErrNotFound), errors.Is(err, ErrTooLarge): // the latter is nobody's trust
		return nil
	case err != nil:
		return err
	case l.genuine(l.newest+1, o.Data):
		return &NewerTrustError{l.newest + 1, next, o.Data}
	}
	return nil
}

// newerThan is noNewer of the trust.json that is to be replaced.
func (l *groundLook) newerThan(there []byte) error {
	t, err := sign.OpenTrust(there)
	if err != nil || t.Version <= l.newest || !l.genuine(t.Version, there) {
		return nil
	}
	return &NewerTrustError{t.Version, trustFile, there}
}

func (g GroundFiles) genuine(version int64, data []byte) bool {
	return g.Genuine == nil || g.Genuine(version, data) == nil
}

const trustFile = "trust.json"

// same compares the payloads of trust documents: the signatures beside those that are needed may be others on another host. Those
// that are needed must be there, or no reader takes it.
func (l *groundLook) same(o Object, there []byte) bool {
	if bytes.Equal(there, o.Data) {
		return true
	}
	version := trustVersion(o.Name)
	if o.Name == trustFile {
		version = l.newest
	}
	return isTrust(o.Name) && bytes.Equal(trustPayload(there), trustPayload(o.Data)) && l.genuine(version, there)
}

func isTrust(name string) bool { return name == trustFile || trustVersion(name) > 0 }

// groundHash is the SHA-256 of an object, of a trust document that of its payload: publishers whose copies have other signatures
// must not take turns.
func groundHash(o Object) string {
	if isTrust(o.Name) {
		return sumOf(trustPayload(o.Data))
	}
	return sumOf(o.Data)
}

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
