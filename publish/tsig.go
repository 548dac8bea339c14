package publish

import (
	"crypto/hmac"
	"crypto/sha1"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"strings"

	"github.com/miekg/dns"

	"tidemark/internal/strictyaml"
)

// TSIG is a key shared with a primary server (RFC 8945).
type TSIG struct {
	Name      string // of the key, lower case, with the final dot
	Algorithm string // hmac-sha256, …
	Secret    string // base64
}

const (
	maxKeyFile = 4 << 10
	maxSecret  = 512 // bytes, decoded
)

// ParseTSIG reads a key file: named's `key "name" { algorithm …; secret "…"; };` as tsig-keygen writes it, knot's as keymgr
// writes it, or one line algorithm:name:secret as nsupdate -y has it. No error quotes the file.
func ParseTSIG(b []byte) (TSIG, error) {
	k, err := parseTSIG(b)
	if err != nil {
		return TSIG{}, fmt.Errorf("TSIG key: %w (make one with tsig-keygen, or with keymgr -t NAME)", err)
	}
	return k, nil
}

func parseTSIG(b []byte) (TSIG, error) {
	if len(b) > maxKeyFile {
		return TSIG{}, fmt.Errorf("%d bytes, expected at most %d", len(b), maxKeyFile)
	}
	for _, c := range b {
		if c > '~' || c < ' ' && c != '\n' && c != '\r' && c != '\t' {
			return TSIG{}, errors.New("found a byte that is not ASCII text")
		}
	}
	words, err := keyWords(string(b))
	if err != nil {
		return TSIG{}, err
	}
	var k TSIG
	switch {
	case len(words) > 0 && words[0] == "key":
		k, err = namedKey(words[1:])
	case len(words) == 1:
		k, err = keyLine(words[0])
	default:
		k, err = knotKey(b)
	}
	if err != nil {
		return TSIG{}, err
	}
	return k.checked()
}

// checked is the key with its name and algorithm as they go into a message.
func (k TSIG) checked() (TSIG, error) {
	name, err := nameOf(k.Name)
	if err != nil || name == "." {
		return TSIG{}, errors.New("the key's name is not a domain name")
	}
	k.Name, k.Algorithm = name, strings.ToLower(strings.TrimSuffix(k.Algorithm, "."))
	if hashOf(k.Algorithm) == nil {
		return TSIG{}, errors.New("the algorithm is not known, expected hmac-sha256, or hmac-sha1, -sha224, -sha384, -sha512")
	}
	if n, err := k.bytes(); err != nil || len(n) == 0 || len(n) > maxSecret {
		return TSIG{}, fmt.Errorf("the secret is not base64 of 1 to %d bytes", maxSecret)
	}
	return k, nil
}

func (k TSIG) bytes() ([]byte, error) {
	if strings.ContainsAny(k.Secret, "\r\n") {
		return nil, errors.New("line ends in base64") // which the decoder would skip
	}
	return base64.StdEncoding.Strict().DecodeString(k.Secret)
}

// keyWords splits named's format: words, strings without their quotation marks, braces and semicolons; comments of all
// three kinds are left out.
func keyWords(s string) (words []string, err error) {
	for s != "" {
		n := 1
		switch {
		case strings.ContainsRune(" \t\r\n", rune(s[0])):
		case s[0] == '#', strings.HasPrefix(s, "//"):
			n = upTo(s, "\n")
		case strings.HasPrefix(s, "/*"):
			if n = strings.Index(s, "*/") + 2; n < 4 {
				return nil, errors.New("a comment does not end")
			}
		case s[0] == '"':
			end := strings.IndexByte(s[1:], '"')
			if end < 0 {
				return nil, errors.New("a quotation mark without its other one")
			}
			n = end + 2
			words = append(words, s[1:end+1])
		case strings.ContainsRune("{};", rune(s[0])):
			words = append(words, s[:1])
		default:
			n = upTo(s, " \t\r\n\"{};")
			words = append(words, s[:n])
		}
		s = s[n:]
	}
	return words, nil
}

func upTo(s, ends string) int {
	if i := strings.IndexAny(s, ends); i >= 0 {
		return i
	}
	return len(s)
}

// namedKey reads what follows the word key.
func namedKey(w []string) (k TSIG, err error) {
	bad := errors.New(`expected one key "name" { algorithm hmac-sha256; secret "…"; };`)
	if len(w) != 10 || w[1] != "{" || w[4] != ";" || w[7] != ";" || w[8] != "}" || w[9] != ";" {
		return k, bad
	}
	k.Name = w[0]
	switch {
	case w[2] == "algorithm" && w[5] == "secret":
		k.Algorithm, k.Secret = w[3], w[6]
	case w[2] == "secret" && w[5] == "algorithm":
		k.Algorithm, k.Secret = w[6], w[3]
	default:
		return k, bad
	}
	return k, nil
}

func keyLine(line string) (TSIG, error) {
	parts := strings.Split(line, ":")
	if len(parts) != 3 {
		return TSIG{}, errors.New("expected algorithm:name:secret, or a file as tsig-keygen or keymgr writes it")
	}
	return TSIG{Algorithm: parts[0], Name: parts[1], Secret: parts[2]}, nil
}

// knotFile is knot's key section.
type knotFile struct {
	Key []struct {
		ID        string `yaml:"id,required"`
		Algorithm string `yaml:"algorithm,required"`
		Secret    string `yaml:"secret,required"`
	} `yaml:"key,required"`
}

func knotKey(b []byte) (TSIG, error) {
	var f knotFile
	if problems := strictyaml.Decode("key file", b, &f); len(problems) > 0 || len(f.Key) != 1 {
		return TSIG{}, errors.New("expected one key, as tsig-keygen or keymgr writes it, or a line algorithm:name:secret")
	}
	return TSIG{Name: f.Key[0].ID, Algorithm: f.Key[0].Algorithm, Secret: f.Key[0].Secret}, nil
}

func hashOf(algorithm string) func() hash.Hash {
	switch algorithm {
	case "hmac-sha1":
		return sha1.New
	case "hmac-sha224":
		return sha256.New224
	case "hmac-sha256":
		return sha256.New
	case "hmac-sha384":
		return sha512.New384
	case "hmac-sha512":
		return sha512.New
	}
	return nil
}

// tsigProvider signs and verifies with one key, and no other (dns.TsigProvider).
type tsigProvider TSIG

// Generate is the signature of a message.
func (k tsigProvider) Generate(msg []byte, _ *dns.TSIG) ([]byte, error) {
	secret, err := TSIG(k).bytes()
	if err != nil {
		return nil, dns.ErrKey
	}
	h := hmac.New(hashOf(k.Algorithm), secret)
	h.Write(msg)
	return h.Sum(nil), nil
}

// Verify wants this very key, and its signature in full length.
func (k tsigProvider) Verify(msg []byte, t *dns.TSIG) error {
	if dns.CanonicalName(t.Hdr.Name) != k.Name || dns.CanonicalName(t.Algorithm) != k.Algorithm+"." {
		return dns.ErrSecret
	}
	want, err := k.Generate(msg, t)
	if err != nil {
		return err
	}
	if mac, err := hex.DecodeString(t.MAC); err != nil || !hmac.Equal(mac, want) {
		return dns.ErrSig
	}
	return nil
}
