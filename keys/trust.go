package keys

import (
	"fmt"

	"tidemark/internal/strictjson"
)

// MaxTrust is the largest trust document in bytes; the trust.json around it may be larger (sign.MaxTrustFile).
const MaxTrust = 1 << 20

// ParseTrust reads a trust document strictly and checks it. The caller has
// verified the payload, or pins it.
func ParseTrust(payload []byte) (*Trust, error) {
	if len(payload) > MaxTrust {
		return nil, fmt.Errorf("trust document: %d bytes, at most %d are read", len(payload), MaxTrust)
	}
	var t Trust
	if err := strictjson.Unmarshal(payload, &t); err != nil {
		return nil, fmt.Errorf("trust document: %w", err)
	}
	if err := t.Check(); err != nil {
		return nil, err
	}
	return &t, nil
}

// Encode writes the document's one text: members in order, two-space indent,
// a final LF. It refuses what ParseTrust would refuse.
func (t *Trust) Encode() ([]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	b, err := strictjson.Marshal(t)
	if err != nil {
		return nil, fmt.Errorf("write the trust document: %w", err)
	}
	if len(b) > MaxTrust {
		return nil, fmt.Errorf("trust document: %d bytes, at most %d are read", len(b), MaxTrust)
	}
	return b, nil
}
