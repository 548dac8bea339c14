package sign

import (
	"bytes"
	"encoding/binary"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

// OpenPGP numbers (RFC 4880, 5.2.1, 9.1, 9.4).
const (
	pgpVersion   = 4
	pgpBinary    = 0x00
	pgpRSA       = 1
	pgpEdDSA     = 22
	pgpHash256   = 8
	pgpHash512   = 10
	onePassSize  = 13
	onePassV3    = 3
	literalFixed = 6 // format, length of the name, date

	subIssuer            = 16
	subIssuerFingerprint = 33
)

// pgpSignature is one signature packet whose every byte was accounted for.
type pgpSignature struct {
	raw  []byte
	algo byte
	hash byte
	*packet.Signature
}

// dearmorSignature reads the text of an .asc: one armored block with one packet.
func dearmorSignature(text string) (*pgpSignature, error) {
	body, err := keys.Dearmor([]byte(text), keys.ArmorSignature)
	if err != nil {
		return nil, faultf(Malformed, "%v", err)
	}
	list, err := keys.SplitPackets(body, 1)
	if err != nil {
		return nil, faultf(Malformed, "%v; expected exactly one signature", err)
	}
	return parsePGPSignature(list[0])
}

func parsePGPSignature(p keys.Packet) (*pgpSignature, error) {
	if p.Tag != keys.TagSignature {
		return nil, faultf(Malformed, "packet of tag %d, expected a signature", p.Tag)
	}
	s := &pgpSignature{raw: p.Raw}
	if err := s.walk(p.Body); err != nil {
		return nil, err
	}
	parsed, err := packet.Read(bytes.NewReader(p.Raw))
	if err != nil {
		return nil, faultf(Malformed, "%v", err)
	}
	var ok bool
	if s.Signature, ok = parsed.(*packet.Signature); !ok {
		return nil, faultf(Malformed, "cannot be read as a signature")
	}
	if s.IssuerKeyId == nil {
		return nil, faultf(Malformed, "does not say which key made it")
	}
	return s, nil
}

// walk checks version, type and algorithms, and that the packet ends where its last number does.
func (s *pgpSignature) walk(b []byte) error {
	short := faultf(Malformed, "the signature packet is cut short")
	if len(b) < 6 {
		return short
	}
	if b[0] != pgpVersion {
		return faultf(Algorithm, "a signature of version %d, expected %d", b[0], pgpVersion)
	}
	if b[1] != pgpBinary {
		return faultf(Algorithm, "a signature of type 0x%02x, expected 0x00 (binary): text mode lets line ends change", b[1])
	}
	if s.algo = b[2]; s.algo != pgpRSA && s.algo != pgpEdDSA {
		return faultf(Algorithm, "public key algorithm %d, expected RSA (1) or EdDSA legacy (22)", s.algo)
	}
	if s.hash = b[3]; s.hash != pgpHash256 && s.hash != pgpHash512 {
		return faultf(Algorithm, "hash algorithm %d, expected SHA-256 (8) or SHA-512 (10)", s.hash)
	}
	b = b[4:]
	var unhashed []byte
	for range 2 { // hashed and unhashed subpackets
		if len(b) < 2 || len(b)-2 < int(binary.BigEndian.Uint16(b)) {
			return short
		}
		end := 2 + int(binary.BigEndian.Uint16(b))
		unhashed, b = b[2:end], b[end:]
	}
	if err := onlyIssuers(unhashed); err != nil {
		return err
	}
	numbers := 1
	if s.algo == pgpEdDSA {
		numbers = 2
	}
	if len(b) < 2 {
		return short
	}
	b = b[2:] // the hash's first bytes
	for range numbers {
		if len(b) < 2 || len(b)-2 < (int(binary.BigEndian.Uint16(b))+7)/8 {
			return short
		}
		b = b[2+(int(binary.BigEndian.Uint16(b))+7)/8:]
	}
	if len(b) != 0 {
		return faultf(Malformed, "%d bytes follow inside the signature packet", len(b))
	}
	return nil
}

// onlyIssuers refuses an unhashed area with anything but what gpg, sq and others put there: who made the signature, by
// key id and by fingerprint, each once. Nobody signed the area: whatever else it holds was put there by anybody.
func onlyIssuers(b []byte) error {
	length := map[byte]int{subIssuer: 1 + 8, subIssuerFingerprint: 1 + 1 + 20}
	for len(b) > 0 {
		n := int(b[0])
		if n == 0 || len(b) < 1+n {
			return faultf(Malformed, "the unhashed subpackets are cut short, or longer than an issuer is")
		}
		if length[b[1]] != n {
			return faultf(Malformed, "an unhashed subpacket of type %d and %d bytes, expected only the issuer (16) and its fingerprint (33), once each", b[1], n)
		}
		delete(length, b[1])
		b = b[1+n:]
	}
	return nil
}
