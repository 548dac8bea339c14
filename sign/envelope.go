package sign

import (
	"errors"
	"fmt"
	"strings"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// Envelope is a payload with its signatures: manifest.bundle.json, trust.json.
type Envelope struct {
	Payload    []byte      `json:"payload"`
	Signatures []Signature `json:"signatures"`
}

// ParseEnvelope reads strictly; max is the size limit in bytes.
func ParseEnvelope(b []byte, max int) (*Envelope, error) {
	if len(b) > max {
		return nil, fmt.Errorf("envelope: %d bytes, at most %d are read", len(b), max)
	}
	var raw struct {
		Payload    []byte      `json:"payload"`
		Signatures []Signature `json:"signatures"`
	}
	if err := strictjson.Unmarshal(b, &raw); err != nil {
		if bad := (*strictjson.Error)(nil); errors.As(err, &bad) && bad.Kind == strictjson.BadValue && bad.Path == "payload" {
			return nil, errors.New("envelope: payload is not base64 in its one spelling")
		}
		return nil, fmt.Errorf("envelope: %w", err)
	}
	e := &Envelope{Payload: raw.Payload, Signatures: raw.Signatures}
	if err := e.check(); err != nil {
		return nil, err
	}
	return e, nil
}

func (e *Envelope) check() error {
	if len(e.Payload) == 0 {
		return errors.New("envelope: no payload")
	}
	if n := len(e.Signatures); n == 0 || n > MaxSigs {
		return fmt.Errorf("envelope: %d signatures, expected 1 to %d", n, MaxSigs)
	}
	for i, s := range e.Signatures {
		if err := s.checkEntry(); err != nil {
			return fmt.Errorf("envelope: signature %d: %w", i+1, err)
		}
	}
	return nil
}

// keyDigits is how long a key's name is: an OpenPGP fingerprint, a minisign key id.
var keyDigits = map[keys.Kind]int{keys.OpenPGP: 40, keys.Minisign: 16}

func (s Signature) checkEntry() error {
	digits, known := keyDigits[s.Kind]
	switch {
	case !known:
		return fmt.Errorf("kind %.40q is unknown, expected %q or %q", s.Kind, keys.OpenPGP, keys.Minisign)
	case len(s.Value) == 0 || len(s.Value) > MaxSignature:
		return fmt.Errorf("%d bytes, expected 1 to %d", len(s.Value), MaxSignature)
	case len(s.Key) != digits || strings.Trim(s.Key, "0123456789ABCDEF") != "":
		return fmt.Errorf("key %.50q of kind %s, expected %d hex digits in capitals", s.Key, s.Kind, digits)
	}
	return nil
}

// Encode writes the envelope: two-space indent, final LF.
func (e *Envelope) Encode() ([]byte, error) {
	if err := e.check(); err != nil {
		return nil, err
	}
	b, err := strictjson.Marshal(e)
	if err != nil {
		return nil, fmt.Errorf("write the envelope: %w", err)
	}
	return b, nil
}

// extension is what the file of a signature is called, behind the payload's name.
var extension = map[keys.Kind]string{keys.OpenPGP: ".asc", keys.Minisign: ".minisig"}

// Unpack gives the files that an envelope holds: the payload under name, the first signature of a kind as <name>.asc or
// <name>.minisig, further ones as <name>.<KEY>.asc or .minisig. It verifies nothing: for bundles of one's own, that were
// opened before; of others, take the files of the votes (client.Opened.Files).
func Unpack(envelope []byte, name string) (map[string][]byte, error) {
	e, err := ParseEnvelope(envelope, MaxBundle)
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", name, err)
	}
	files := map[string][]byte{name: e.Payload}
	for _, s := range e.Signatures {
		file := name + extension[s.Kind]
		if _, taken := files[file]; taken {
			file = name + "." + s.Key + extension[s.Kind]
		}
		if _, taken := files[file]; taken {
			return nil, fmt.Errorf("unpack %s: more than one signature would be %s", name, file)
		}
		files[file] = []byte(s.Value)
	}
	return files, nil
}
