package client

import (
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// Opened is a manifest that was verified; only Open and OpenFiles make one.
type Opened struct {
	Manifest *manifest.Manifest
	Payload  []byte
	Votes    []sign.Vote // with the signatures that were accepted, in the order of the bundle
	Bundle   []byte      // as it was served; of OpenFiles: payload and accepted signatures
}

// Files gives what other tools verify, by name: manifest.json, the first accepted .asc and .minisig, and those of
// further signers as manifest.json.<KEY>.asc and .minisig. A signature that did not count is not among them.
func (o *Opened) Files() map[string][]byte {
	files := map[string][]byte{ManifestFile: o.Payload}
	for _, v := range o.Votes {
		name := ManifestFile + suffix(v.Kind)
		if _, taken := files[name]; taken {
			name = ManifestFile + "." + v.Key + suffix(v.Kind)
		}
		files[name] = []byte(v.Signature.Value)
	}
	return files
}

func suffix(k keys.Kind) string {
	if k == keys.OpenPGP {
		return ascSuffix
	}
	return minisigSuffix
}

// Options say how to open.
type Options struct {
	Network string
	Trust   *keys.Trust
	Seen    *Seen // nil: nothing seen yet
	Now     time.Time
	// AnyAge leaves out the expiry of the document and of the trust (a publisher opening its own predecessor).
	AnyAge bool
}

// Open is the only door from bytes to manifest: verify, then parse, then network, serial, issued, expires.
// It returns what to remember. Every refusal is a *Refused. Signatures beside those that the trust document asks for are
// tolerated if they can be read: one that is in no known form is refused with the whole bundle, as it could never count and
// stock tools stumble over it.
func Open(bundle []byte, o Options) (*Opened, Seen, error) {
	if o.Trust == nil {
		return nil, Seen{}, errors.New("open a manifest: no trust document")
	}
	if len(bundle) > sign.MaxBundle {
		return nil, Seen{}, refused(TooLarge, "the bundle has %d bytes, at most %d are read", len(bundle), sign.MaxBundle)
	}
	e, err := sign.ParseEnvelope(bundle, sign.MaxBundle)
	if err != nil {
		return nil, Seen{}, &Refused{Reason: Malformed, Err: err}
	}
	opened, next, err := o.open(e)
	if err != nil {
		return nil, Seen{}, err
	}
	opened.Bundle = bundle
	return opened, next, nil
}

func (o Options) open(e *sign.Envelope) (*Opened, Seen, error) {
	o.Now = o.floor()
	if o.Trust.Network != o.Network {
		return nil, Seen{}, refused(WrongNetwork, "the trust document is of network %q, expected %q", o.Trust.Network, o.Network)
	}
	if !o.AnyAge && o.Now.After(o.Trust.Expires.Add(sign.Skew)) {
		return nil, Seen{}, refused(TrustExpired, "version %d of the trust document ended at %s, and no newer one is held", o.Trust.Version, stamp(o.Trust.Expires.Time))
	}
	votes, err := verify(e, o)
	if err != nil {
		return nil, Seen{}, err
	}
	m, err := manifest.Parse(e.Payload)
	if err != nil {
		return nil, Seen{}, &Refused{Reason: Malformed, Err: err}
	}
	next, err := o.judge(m, e.Payload, votes)
	if err != nil {
		return nil, Seen{}, err
	}
	return &Opened{Manifest: m, Payload: e.Payload, Votes: votes}, next, nil
}

// floor is the later of the clock and the newest document seen: a clock set back
// (a machine that starts in 1970) must not bring an expired one back to life.
func (o Options) floor() time.Time {
	if o.Seen != nil && o.Seen.Issued.After(o.Now) {
		return o.Seen.Issued.Time
	}
	return o.Now
}

func stamp(t time.Time) string { return t.UTC().Format(time.RFC3339) }

func verify(e *sign.Envelope, o Options) ([]sign.Vote, error) {
	if len(e.Payload) > manifest.MaxSize {
		return nil, refused(TooLarge, "the manifest has %d bytes, at most %d are read", len(e.Payload), manifest.MaxSize)
	}
	check := sign.Verify
	if o.AnyAge {
		check = sign.VerifyAnyAge
	}
	votes, err := check(e.Payload, e.Signatures, o.Trust.Manifest, o.Now)
	if err != nil {
		r := &Refused{Reason: signatureReason(e, o, err), Err: err}
		if r.Reason == Signature { // a key is revoked, or not named, by one version, and good by another
			r.Detail = fmt.Sprintf("by version %d of the trust document", o.Trust.Version)
		}
		return nil, r
	}
	for i, s := range e.Signatures {
		if err := s.Check(); err != nil {
			return nil, &Refused{Reason: Signature, Detail: fmt.Sprintf("signature %d (%s %s) cannot be read", i+1, s.Kind, s.Key), Err: err}
		}
	}
	return votes, nil
}

// signatureReason tells a genuine document at the wrong time from a false one: an
// OpenPGP signature ends with the document, so it is the first to refuse.
func signatureReason(e *sign.Envelope, o Options, err error) Reason {
	var r *sign.Refusal
	if !errors.As(err, &r) {
		return Signature
	}
	genuine := func(at time.Time) bool {
		_, err := sign.VerifyAnyAge(e.Payload, e.Signatures, o.Trust.Manifest, at)
		return err == nil
	}
	const longAfter = 200 * 365 * 24 * time.Hour
	if r.Has(sign.FutureDated) && genuine(o.Now.Add(longAfter)) {
		return FutureDated
	}
	if r.Has(sign.Expired) && genuine(o.Now) {
		return Expired
	}
	return Signature
}

// judge applies the rules of order to a document whose signatures are good.
func (o Options) judge(m *manifest.Manifest, payload []byte, votes []sign.Vote) (Seen, error) {
	if m.Network != o.Network {
		return Seen{}, refused(WrongNetwork, "the manifest is of network %q, expected %q", m.Network, o.Network)
	}
	want := m.Comment(payload)
	for _, v := range votes {
		if v.Kind == keys.Minisign && v.Comment != want {
			return Seen{}, refused(Malformed, "the trusted comment of key %s is %.300q, but the document's is %q", v.Key, v.Comment, want)
		}
	}
	sum := sha256.Sum256(payload)
	next := Seen{Serial: m.Serial, SHA256: hex.EncodeToString(sum[:]), Issued: m.Issued}
	var newer error
	if m.TrustVersion > o.Trust.Version {
		newer = refused(TrustTooOld, "the manifest names version %d of the trust document, version %d is held; get the newer one first", m.TrustVersion, o.Trust.Version)
	}
	if r := o.order(next, payload); r != nil {
		// The newer trust document may start the serials anew; but what is a fork by the one held is not hidden by naming another.
		if newer != nil && r.Reason != Fork {
			return Seen{}, newer
		}
		r.unsettled = newer != nil
		return Seen{}, r
	}
	if err := o.age(m); err != nil {
		return Seen{}, err
	}
	if newer != nil {
		return Seen{}, newer
	}
	return next, nil
}

// order is nil when nothing speaks against the document by the serials.
func (o Options) order(next Seen, payload []byte) *Refused {
	if next.Serial < o.Trust.MinSerial {
		return refused(Rollback, "serial %d is below %d, the least that version %d of the trust document allows", next.Serial, o.Trust.MinSerial, o.Trust.Version)
	}
	if o.Seen == nil {
		return nil
	}
	if next.Serial < o.Seen.Serial {
		return refused(Rollback, "serial %d of %s is older than serial %d of %s, seen before", next.Serial, stamp(next.Issued.Time), o.Seen.Serial, stamp(o.Seen.Issued.Time))
	}
	if next.Serial == o.Seen.Serial && next.SHA256 != o.Seen.SHA256 {
		return &Refused{Reason: Fork, Payload: payload, Detail: "serial " + strconv.FormatInt(next.Serial, 10) + " was seen with SHA-256 " + o.Seen.SHA256 + ", and now comes with " + next.SHA256 + "; keep both documents and tell the operator"}
	}
	return nil
}

func (o Options) age(m *manifest.Manifest) error {
	err := m.CheckTime(o.Now)
	switch {
	case errors.Is(err, manifest.ErrFutureDated):
		return &Refused{Reason: FutureDated, Err: err}
	case err != nil && !o.AnyAge:
		return &Refused{Reason: Expired, Err: err}
	}
	return nil
}
