package sign

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"golang.org/x/crypto/ed25519"

	"tidemark/keys"
)

// judge is the verifier's clock. With anyAge nothing is refused for having ended.
type judge struct {
	now    time.Time
	anyAge bool
}

// over reports whether end has passed, clock skew granted; nil never does.
func (j judge) over(end *time.Time) bool {
	return !j.anyAge && end != nil && j.now.Add(-Skew).After(*end)
}

// Verify checks signatures over payload against a role: thresholds count distinct holders, every required kind must be there.
// Unknown keys and bad signatures of known keys do not count; the error, a *Refusal, lists each with its reason. now: the verifier's clock.
func Verify(payload []byte, sigs []Signature, role keys.ManifestRole, now time.Time) ([]Vote, error) {
	return judge{now: now}.verify("manifest", payload, sigs, role)
}

// VerifyAnyAge is Verify for one's own predecessor: a signature or key that has
// ended since does not matter; one that is revoked does.
func VerifyAnyAge(payload []byte, sigs []Signature, role keys.ManifestRole, now time.Time) ([]Vote, error) {
	return judge{now: now, anyAge: true}.verify("manifest", payload, sigs, role)
}

func (j judge) verify(of string, payload []byte, sigs []Signature, role keys.ManifestRole) ([]Vote, error) {
	if len(sigs) > MaxSigs {
		return nil, fmt.Errorf("%d signatures, at most %d are read", len(sigs), MaxSigs)
	}
	r := &Refusal{Of: of, Threshold: max(role.Threshold, 1)}
	voted := map[string]bool{}
	for _, s := range sigs {
		vote, err := j.voteOnce(payload, s, role, voted)
		if err != nil {
			r.Rejected = append(r.Rejected, rejected(s, err))
			continue
		}
		r.Votes = append(r.Votes, vote)
	}
	r.count(role)
	if r.Holders < r.Threshold || len(r.Missing) > 0 {
		return nil, r
	}
	return r.Votes, nil
}

// count gives each holder one vote, however many keys and kinds signed.
func (r *Refusal) count(role keys.ManifestRole) {
	holders, kinds := map[string]bool{}, map[keys.Kind]bool{}
	for _, v := range r.Votes {
		holders[v.Holder], kinds[v.Kind] = true, true
	}
	r.Holders = len(holders)
	for _, k := range role.Required {
		if !kinds[k] {
			r.Missing = append(r.Missing, k)
		}
	}
}

func rejected(s Signature, err error) Rejected {
	x := Rejected{Kind: s.Kind, Key: s.Key, Cause: BadSignature, Detail: err.Error()}
	var f *fault
	if errors.As(err, &f) {
		x.Cause = f.cause
	}
	return x
}

// voteOnce is vote, but a key has one: voted remembers them.
func (j judge) voteOnce(payload []byte, s Signature, role keys.ManifestRole, voted map[string]bool) (Vote, error) {
	vote, err := j.vote(payload, s, role)
	if err != nil {
		return Vote{}, err
	}
	if voted[vote.Key] {
		return Vote{}, faultf(Repeated, "a second signature of this key adds nothing")
	}
	voted[vote.Key] = true
	return vote, nil
}

func (j judge) vote(payload []byte, s Signature, role keys.ManifestRole) (Vote, error) {
	if len(s.Value) > MaxSignature {
		return Vote{}, faultf(Malformed, "%d bytes, at most %d are read", len(s.Value), MaxSignature)
	}
	k, err := j.find(role, s.Kind, s.Key)
	if err != nil {
		return Vote{}, err
	}
	v := Vote{Holder: k.Holder, Kind: k.Kind, Key: k.Key, Signature: s}
	if k.Kind == keys.OpenPGP {
		return v, j.openpgp(payload, s.Value, k)
	}
	v.Comment, err = verifyMinisig(payload, s.Value, k)
	return v, err
}

// find returns the role's key if it may still sign.
func (j judge) find(role keys.ManifestRole, kind keys.Kind, id string) (keys.ManifestKey, error) {
	i := slices.IndexFunc(role.Keys, func(k keys.ManifestKey) bool { return k.Kind == kind && k.Key == id })
	if i < 0 {
		return keys.ManifestKey{}, faultf(UnknownKey, "the trust document does not name this key")
	}
	k := role.Keys[i]
	if slices.ContainsFunc(role.Keys[i:], func(k keys.ManifestKey) bool { return k.Revoked && k.Kind == kind && k.Key == id }) {
		return k, faultf(RevokedKey, "the trust document revokes this key") // whatever another entry says
	}
	if k.NotAfter != nil && j.over(&k.NotAfter.Time) {
		return k, faultf(EndedKey, "the trust document lets this key sign until %s only", k.NotAfter.Format(time.RFC3339))
	}
	return k, nil
}

// VerifyRaw checks a beacon's signature by a minisign key of the role (neither revoked nor past not_after).
func VerifyRaw(message, signature []byte, keyID string, role keys.ManifestRole, now time.Time) error {
	if err := checkRaw(message); err != nil {
		return err
	}
	k, err := judge{now: now}.find(role, keys.Minisign, keyID)
	if err != nil {
		return fmt.Errorf("key %.40q: %w", keyID, err)
	}
	public, err := keys.ParseMinisign(k.Public)
	if err != nil {
		return err
	}
	if !ed25519.Verify(public.Public, message, signature) {
		return fmt.Errorf("key %s: %w", keyID, faultf(BadSignature, "the signature is not of this key over this text"))
	}
	return nil
}

// checkRaw keeps raw signatures apart from minisign's, which are over hashes:
// a text that could be either is neither signed nor accepted.
func checkRaw(message []byte) error {
	if len(message) == 0 || len(message) > MaxSignature {
		return fmt.Errorf("raw text of %d bytes, expected 1 to %d", len(message), MaxSignature)
	}
	for _, c := range message {
		if c < 0x20 || c > 0x7e {
			return fmt.Errorf("raw text has byte 0x%02x, expected printable ASCII", c)
		}
	}
	return nil
}
