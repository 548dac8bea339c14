package sign

import (
	"fmt"
	"slices"

	"tidemark/keys"
)

// Ballot is how far the signing of a trust document has come.
type Ballot struct {
	Trust    *keys.Trust // the document to be signed
	Old, New Tally       // by the root keys of the version before it (zero when there is none), and by its own
	Rejected []Rejected  // signatures that count for neither, with the reason
	Complete bool

	good []ballotSignature
}

// ballotSignature is a signature that counts, and whose vote it is: "" where it counts for nobody.
type ballotSignature struct {
	Signature
	old, new string // holders
}

// Tally is one root role's say.
type Tally struct {
	Version   int64
	Threshold int
	Signed    []string // holders, sorted, each once
	Missing   []string // holders who have not signed, sorted
}

// Enough says that the threshold is met.
func (t Tally) Enough() bool { return len(t.Signed) >= t.Threshold }

// Count counts the signatures over the payload of a trust document, by the rules of NextTrust: any number of them may be
// offered. old is the version before it, nil for a first version or the
// beginning of another chain. The error is for a document that cannot follow old, or cannot be read, whoever signs it.
func Count(old *keys.Trust, payload []byte, sigs []Signature) (*Ballot, error) {
	t, err := keys.ParseTrust(payload)
	if err != nil {
		return nil, err
	}
	if err := votable(old, t); err != nil {
		return nil, err
	}
	b := &Ballot{Trust: t}
	byNew := judge{anyAge: true}.ballots(payload, sigs, t)
	b.New = tallyOf(t, byNew)
	byOld := make([]ballotResult, len(sigs))
	if old != nil {
		byOld = judge{anyAge: true}.ballots(payload, sigs, old)
		b.Old = tallyOf(old, byOld)
	}
	for i, s := range sigs {
		if byOld[i].holder != "" || byNew[i].holder != "" {
			b.good = append(b.good, ballotSignature{s, byOld[i].holder, byNew[i].holder})
			continue
		}
		b.Rejected = append(b.Rejected, rejected(s, telling(byOld[i].err, byNew[i].err)))
	}
	b.Complete = b.New.Enough() && (old == nil || b.Old.Enough())
	return b, nil
}

// votable refuses a document that no signatures could make valid.
func votable(old, t *keys.Trust) error {
	if t.Root.Threshold > MaxSigs {
		return fmt.Errorf("trust document: a root threshold of %d can never be met: a trust.json has at most %d signatures", t.Root.Threshold, MaxSigs)
	}
	if t.Manifest.Threshold > MaxSigs {
		return fmt.Errorf("trust document: a manifest threshold of %d can never be met: a manifest has at most %d signatures", t.Manifest.Threshold, MaxSigs)
	}
	if old == nil {
		return nil
	}
	return follows(old, t)
}

// ballotResult is what one signature is for one root role: the vote of a holder, or worth nothing.
type ballotResult struct {
	holder string
	err    error
}

func (j judge) ballots(payload []byte, sigs []Signature, t *keys.Trust) []ballotResult {
	list := make([]ballotResult, len(sigs))
	voted := map[string]bool{}
	role := rootRole(t)
	for i, s := range sigs {
		vote, err := j.voteOnce(payload, s, role, voted)
		list[i] = ballotResult{vote.Holder, err}
		if err != nil {
			list[i].holder = ""
		}
	}
	return list
}

func tallyOf(t *keys.Trust, results []ballotResult) Tally {
	c := Tally{Version: t.Version, Threshold: t.Root.Threshold}
	for _, r := range results {
		if r.holder != "" {
			c.Signed = append(c.Signed, r.holder)
		}
	}
	for _, k := range t.Root.Keys {
		if !slices.Contains(c.Signed, k.Holder) {
			c.Missing = append(c.Missing, k.Holder)
		}
	}
	slices.Sort(c.Signed)
	slices.Sort(c.Missing)
	c.Signed, c.Missing = slices.Compact(c.Signed), slices.Compact(c.Missing)
	return c
}

// telling prefers the reason of the role that knows the key.
func telling(old, new error) error {
	if old == nil || rejected(Signature{}, old).Cause == UnknownKey {
		return new
	}
	return old
}
