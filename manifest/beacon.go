package manifest

import (
	"encoding/base64"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"

	"tidemark/internal/ident"
)

// MaxBeacon is the longest beacon that is read, in bytes: MaxTrees of the longest names fit.
const MaxBeacon = 8192

const (
	maxTXTString   = 255 // RFC 1035, 3.3
	signatureBytes = 64  // Ed25519, RFC 8032
	beaconFields   = 7
)

// Beacon is the TXT record of DESIGN 4.4.
type Beacon struct {
	Network   string
	Serial    int64
	Expires   int64 // Unix seconds
	Trees     map[string]int64
	Key       string // minisign key id
	Signature []byte // Ed25519 over Signed()
}

// BeaconOf makes the unsigned beacon of m for a key.
func BeaconOf(m *Manifest, key string) Beacon {
	trees := make(map[string]int64, len(m.Trees))
	for name, t := range m.Trees {
		trees[name] = t.Timestamp
	}
	return Beacon{Network: m.Network, Serial: m.Serial, Expires: m.Expires.Unix(), Trees: trees, Key: key}
}

// Signed is the text that is signed: all before " g=".
func (b Beacon) Signed() string {
	trees := make([]string, 0, len(b.Trees))
	for _, name := range slices.Sorted(maps.Keys(b.Trees)) {
		trees = append(trees, name+":"+strconv.FormatInt(b.Trees[name], 10))
	}
	return fmt.Sprintf("v=tm1 n=%s s=%d e=%d t=%s k=%s", b.Network, b.Serial, b.Expires, strings.Join(trees, ","), b.Key)
}

// Text is the whole record.
func (b Beacon) Text() string {
	return b.Signed() + " g=" + base64.RawURLEncoding.EncodeToString(b.Signature)
}

// Strings is the record as the character-strings of one TXT record, each of at most 255
// bytes; readers join them with nothing between.
func (b Beacon) Strings() []string {
	var parts []string
	for chunk := range slices.Chunk([]byte(b.Text()), maxTXTString) {
		parts = append(parts, string(chunk))
	}
	return parts
}

// ParseBeacon is the inverse of Text, strictly: what it accepts, Text writes again. It
// verifies nothing.
func ParseBeacon(s string) (Beacon, error) {
	b, err := parseBeacon(s)
	if err != nil {
		return Beacon{}, fmt.Errorf("beacon %.80q: %w", s, err)
	}
	return b, nil
}

func parseBeacon(s string) (Beacon, error) {
	var b Beacon
	if len(s) > MaxBeacon {
		return b, fmt.Errorf("%d bytes, expected at most %d", len(s), MaxBeacon)
	}
	fields := strings.Split(s, " ")
	if fields[0] != "v=tm1" {
		return b, errors.New("expected v=tm1 at the start")
	}
	if len(fields) != beaconFields {
		return b, fmt.Errorf("%d fields, expected v= n= s= e= t= k= g= with single spaces", len(fields))
	}
	readers := []struct {
		name string
		read func(string) error
	}{
		{"n=", func(v string) error { b.Network = v; return ident.Check(v) }},
		{"s=", func(v string) (err error) { b.Serial, err = decimal(v, MaxSerial); return err }},
		{"e=", func(v string) (err error) { b.Expires, err = decimal(v, maxTimestamp); return err }},
		{"t=", func(v string) (err error) { b.Trees, err = beaconTrees(v); return err }},
		{"k=", func(v string) error { b.Key = v; return checkKeyID(v) }},
		{"g=", func(v string) (err error) { b.Signature, err = beaconSignature(v); return err }},
	}
	for i, r := range readers {
		v, ok := strings.CutPrefix(fields[i+1], r.name)
		if !ok {
			return b, fmt.Errorf("field %.40q, expected %s", fields[i+1], r.name)
		}
		if err := r.read(v); err != nil {
			return b, fmt.Errorf("field %s: %w", r.name, err)
		}
	}
	return b, nil
}

// decimal reads 1 to most in its one spelling.
func decimal(s string, most int64) (int64, error) {
	n, err := strconv.ParseInt(s, 10, 64)
	if err != nil || n < 1 || n > most || strconv.FormatInt(n, 10) != s {
		return 0, fmt.Errorf("found %.40q, expected 1 to %d in digits", s, most)
	}
	return n, nil
}

func beaconTrees(s string) (map[string]int64, error) {
	trees := make(map[string]int64)
	if s == "" {
		return trees, nil
	}
	items := strings.Split(s, ",")
	if len(items) > MaxTrees {
		return nil, fmt.Errorf("%d trees, expected at most %d", len(items), MaxTrees)
	}
	before := ""
	for _, item := range items {
		name, timestamp, _ := strings.Cut(item, ":")
		if err := ident.Check(name); err != nil {
			return nil, err
		}
		if name <= before {
			return nil, fmt.Errorf("tree %s after %s, expected each once, in order", name, before)
		}
		before = name
		t, err := decimal(timestamp, maxTimestamp)
		if err != nil {
			return nil, fmt.Errorf("tree %s: %w", name, err)
		}
		trees[name] = t
	}
	return trees, nil
}

func checkKeyID(s string) error {
	if len(s) != 16 || strings.Trim(s, "0123456789ABCDEF") != "" {
		return fmt.Errorf("found %.40q, expected a minisign key id, 16 hex digits in capitals", s)
	}
	return nil
}

func beaconSignature(s string) ([]byte, error) {
	sig, err := base64.RawURLEncoding.Strict().DecodeString(s)
	// The decoder skips line ends, which would be a second spelling.
	if err != nil || len(sig) != signatureBytes || strings.ContainsAny(s, "\r\n") {
		return nil, fmt.Errorf("found %.100q, expected %d bytes in base64url without padding", s, signatureBytes)
	}
	return sig, nil
}
