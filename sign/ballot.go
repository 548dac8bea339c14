package sign

import "tidemark/keys"

// Ballot is how far the signing of a trust document has come.
type Ballot struct {
	Trust    *keys.Trust // the document to be signed
	Old, New Tally       // by the root keys of the version before it (no Role when there is none), and by its own
	Rejected []Rejected  // signatures that count for neither, with the reason
	Complete bool
}

// Tally is one root role's say.
type Tally struct {
	Version   int64
	Threshold int
	Signed    []string // holders, sorted, each once
	Missing   []string // holders who have not signed
}

// Enough says that the threshold is met.
func (t Tally) Enough() bool { return len(t.Signed) >= t.Threshold }

// Count counts the signatures over the payload of a trust document. old is the version before it, nil for a first version or the
// beginning of another chain. The error is for a document that cannot follow old, or cannot be read, whoever signs it.
func Count(old *keys.Trust, payload []byte, sigs []Signature) (*Ballot, error) { panic("stub") }

// Seal makes the trust.json (an envelope) of a payload whose ballot is complete, of the signatures that count, at most MaxSigs; it
// is read back by NextTrust, or by OpenTrust when old is nil.
func Seal(old *keys.Trust, payload []byte, sigs []Signature) ([]byte, error) { panic("stub") }
