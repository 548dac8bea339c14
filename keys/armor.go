package keys

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"regexp"
	"strings"

	"github.com/ProtonMail/go-crypto/openpgp/armor"
)

// The armor types that we read and write (RFC 4880, 6.2).
const (
	ArmorSignature = "PGP SIGNATURE"
	ArmorPublic    = "PGP PUBLIC KEY BLOCK"
	ArmorPrivate   = "PGP PRIVATE KEY BLOCK"
)

var armorHeader = regexp.MustCompile(`^[A-Za-z]+: [\x20-\x7e]*$`)

// Armor writes body as one armored block with its CRC24 and a final LF. Without
// the checksum every gpg up to 2.4 fails on a third of all bodies.
func Armor(blockType string, body []byte) ([]byte, error) {
	var out bytes.Buffer
	w, err := armor.Encode(&out, blockType, nil)
	if err == nil {
		_, err = w.Write(body)
	}
	if err == nil {
		err = w.Close()
	}
	if err != nil {
		return nil, fmt.Errorf("armor %s: %w", blockType, err)
	}
	out.WriteByte('\n')
	return out.Bytes(), nil
}

// Dearmor reads text that is exactly one armored block of blockType: nothing
// before or after it, LF line ends, a CRC24 that is there and right, a final LF.
func Dearmor(text []byte, blockType string) ([]byte, error) {
	return dearmor(text, blockType, true)
}

func dearmor(text []byte, blockType string, needCRC bool) ([]byte, error) {
	lines, err := armorLines(text, blockType)
	if err != nil {
		return nil, err
	}
	lines, err = skipHeaders(lines)
	if err != nil {
		return nil, err
	}
	var sum string
	if n := len(lines); n > 0 && strings.HasPrefix(lines[n-1], "=") {
		sum, lines = lines[n-1][1:], lines[:n-1]
	}
	body, err := decodeLines(lines)
	if err != nil {
		return nil, err
	}
	if err := checkCRC(body, sum, needCRC); err != nil {
		return nil, err
	}
	return body, nil
}

// armorLines returns the lines between the first and the last.
func armorLines(text []byte, blockType string) ([]string, error) {
	if !bytes.HasSuffix(text, []byte("\n")) {
		return nil, errors.New("armor: does not end in a line feed; it may be cut short")
	}
	lines := strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
	begin, end := "-----BEGIN "+blockType+"-----", "-----END "+blockType+"-----"
	if lines[0] != begin {
		return nil, fmt.Errorf("armor: first line is %.60q, expected %q", lines[0], begin)
	}
	if last := lines[len(lines)-1]; last != end {
		return nil, fmt.Errorf("armor: last line is %.60q, expected %q", last, end)
	}
	return lines[1 : len(lines)-1], nil
}

func skipHeaders(lines []string) ([]string, error) {
	for i, l := range lines {
		if l == "" {
			return lines[i+1:], nil
		}
		if i >= 16 || !armorHeader.MatchString(l) {
			return nil, fmt.Errorf("armor: line %d is %.60q, expected a header or the empty line before the body", i+2, l)
		}
	}
	return nil, errors.New("armor: no empty line between headers and body")
}

func decodeLines(lines []string) ([]byte, error) {
	for i, l := range lines {
		if l == "" || len(l) > 76 {
			return nil, fmt.Errorf("armor: body line %d has %d characters, expected 1 to 76", i+1, len(l))
		}
		if strings.ContainsAny(l, "\r -") {
			return nil, fmt.Errorf("armor: body line %d is %.76q, expected base64 and nothing else", i+1, l)
		}
	}
	body, err := base64.StdEncoding.Strict().DecodeString(strings.Join(lines, ""))
	if err != nil {
		return nil, fmt.Errorf("armor: body: %w", err)
	}
	if len(body) == 0 {
		return nil, errors.New("armor: empty body")
	}
	return body, nil
}

func checkCRC(body []byte, sum string, needed bool) error {
	if sum == "" {
		if needed {
			return errors.New("armor: the CRC24 line (=xxxx) is missing; gpg cannot be relied on to read such a file")
		}
		return nil
	}
	c := crc24(body)
	if want := base64.StdEncoding.EncodeToString([]byte{byte(c >> 16), byte(c >> 8), byte(c)}); sum != want {
		return fmt.Errorf("armor: CRC24 is %.8q, but the body's is %q", sum, want)
	}
	return nil
}

// crc24 is the checksum of RFC 4880, 6.1.
func crc24(b []byte) uint32 {
	const initial, polynomial = 0xb704ce, 0x1864cfb
	c := uint32(initial)
	for _, x := range b {
		c ^= uint32(x) << 16
		for range 8 {
			c <<= 1
			if c&0x1000000 != 0 {
				c ^= polynomial
			}
		}
	}
	return c & 0xffffff
}
