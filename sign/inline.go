package sign

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

func strictTime(t time.Time) strictjson.Time { return strictjson.At(t) }

// Inline wraps payload and a detached OpenPGP signature over it into one inline-signed message, not compressed: one-pass
// packet, literal data, signature (RFC 4880, 11.3). A detached binary signature is over the same bytes, so any signer's will do.
func Inline(payload []byte, sig Signature) (msg []byte, err error) {
	defer recovered(&err)
	if sig.Kind != keys.OpenPGP {
		return nil, fmt.Errorf("inline message: a %s signature, expected %s", sig.Kind, keys.OpenPGP)
	}
	s, err := dearmorSignature(sig.Value)
	if err != nil {
		return nil, fmt.Errorf("inline message: %w", err)
	}
	msg = keys.AppendPacket(nil, keys.TagOnePass, onePass(s))
	literal := append([]byte{'b', 0, 0, 0, 0, 0}, payload...) // binary, no name, no date
	msg = keys.AppendPacket(msg, keys.TagLiteral, literal)
	return append(msg, s.raw...), nil
}

func onePass(s *pgpSignature) []byte {
	b := []byte{onePassV3, pgpBinary, s.hash, s.algo}
	b = binary.BigEndian.AppendUint64(b, *s.IssuerKeyId)
	return append(b, 1) // the last one
}

// OpenInline returns the payload of an inline-signed OpenPGP message signed by a key of the role.
func OpenInline(msg []byte, role keys.ManifestRole, now time.Time) (payload []byte, err error) {
	defer recovered(&err)
	if len(msg) > MaxBundle {
		return nil, fmt.Errorf("inline message: %d bytes, at most %d are read", len(msg), MaxBundle)
	}
	payload, s, err := splitInline(msg)
	if err != nil {
		return nil, fmt.Errorf("inline message: %w", err)
	}
	if err := (judge{now: now}).byAnyKey(payload, s, role); err != nil {
		return nil, err
	}
	return payload, nil
}

// splitInline wants exactly the three packets that Inline writes.
func splitInline(msg []byte) ([]byte, *pgpSignature, error) {
	list, err := keys.SplitPackets(msg, 3)
	if err != nil {
		return nil, nil, faultf(Malformed, "%v", err)
	}
	if len(list) != 3 || list[0].Tag != keys.TagOnePass || list[1].Tag != keys.TagLiteral {
		return nil, nil, faultf(Malformed, "expected a one-pass packet, literal data and a signature, not compressed")
	}
	s, err := parsePGPSignature(list[2])
	if err != nil {
		return nil, nil, err
	}
	if len(list[0].Body) != onePassSize || !bytes.Equal(list[0].Body, onePass(s)) {
		return nil, nil, faultf(Malformed, "the one-pass packet does not announce the signature that follows")
	}
	literal := list[1].Body
	if len(literal) < literalFixed || literal[0] != 'b' || len(literal) < literalFixed+int(literal[1]) {
		return nil, nil, faultf(Malformed, "the literal data is not binary, or cut short")
	}
	return literal[literalFixed+int(literal[1]):], s, nil
}

// byAnyKey wants one good signature of an OpenPGP key of the role: the form holds no more.
func (j judge) byAnyKey(payload []byte, s *pgpSignature, role keys.ManifestRole) error {
	r := &Refusal{Of: "inline message", Threshold: 1}
	for _, k := range role.Keys {
		if k.Kind != keys.OpenPGP {
			continue
		}
		_, err := j.find(role, k.Kind, k.Key)
		if err == nil {
			err = j.pgpSignature(payload, s, k)
		}
		if err == nil {
			return nil
		}
		r.Rejected = append(r.Rejected, rejected(Signature{Kind: k.Kind, Key: k.Key}, err))
	}
	return r
}
