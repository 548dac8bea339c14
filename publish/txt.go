package publish

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"github.com/miekg/dns"
)

// RRset are the TXT records at one name, as one place has them. The zero value: none.
type RRset struct {
	TTL     int        // seconds
	Records [][]string // the character-strings of each record, as bytes, at most 255 each
}

// TXT is a place where the TXT records of a name can be replaced: a primary server (RFC 2136), a hosted zone (package
// route53), a fragment of a zone file.
type TXT interface {
	// Get reads what the place itself holds, past every cache.
	Get(ctx context.Context, name string) (RRset, error)
	// Swap puts next in place of old in one step. When the place no longer holds old (TTL aside), nothing is changed and the
	// error wraps ErrConflict; when it holds next already, that is success: an answer may have been lost.
	Swap(ctx context.Context, name string, old, next RRset) error
}

// Same compares the records in any order, TTL aside.
func (s RRset) Same(o RRset) bool {
	return slices.EqualFunc(s.sorted(), o.sorted(), slices.Equal)
}

// sorted are the records in one order, each once: an RRset has no duplicates (RFC 2181, 5).
func (s RRset) sorted() [][]string {
	all := slices.SortedFunc(slices.Values(s.Records), slices.Compare)
	return slices.CompactFunc(all, slices.Equal)
}

const (
	maxString = 255       // RFC 1035, 3.3
	maxRRset  = 32 << 10  // bytes of all strings: far more than a beacon has, and one message holds it twice
	typeTXT   = "TXT"     // as zone files and people write it
	maxTTL    = 1<<31 - 1 // RFC 2181, 8
)

// check refuses what no place could hold.
func (s RRset) check() error {
	if s.TTL < 0 || s.TTL > maxTTL {
		return fmt.Errorf("TTL %d, expected 0 to %d", s.TTL, math.MaxInt32)
	}
	size := 0
	for _, r := range s.Records {
		if len(r) == 0 {
			return errors.New("a TXT record without strings, expected one at least")
		}
		for _, one := range r {
			if len(one) > maxString {
				return fmt.Errorf("a string of %d bytes in a TXT record, expected at most %d", len(one), maxString)
			}
			size += len(one) + 1
		}
	}
	if size > maxRRset {
		return fmt.Errorf("TXT records of %d bytes in all, expected at most %d", size, maxRRset)
	}
	return nil
}

// nameOf is a name as all places here have it: lower case, with the final dot.
func nameOf(name string) (string, error) {
	full := dns.CanonicalName(name)
	if _, ok := dns.IsDomainName(full); !ok || name == "" || strings.Trim(full, "abcdefghijklmnopqrstuvwxyz0123456789._-") != "" {
		return "", fmt.Errorf("%.300q is no name for a TXT record, expected one like _tidemark.example.org", name)
	}
	return full, nil
}

// escape writes a character-string as zone files have it between quotation marks (RFC 1035, 5.1).
func escape(s string) string {
	var b strings.Builder
	for i := range len(s) {
		switch c := s[i]; {
		case c == '"' || c == '\\':
			b.WriteByte('\\')
			b.WriteByte(c)
		case c < ' ' || c > '~':
			fmt.Fprintf(&b, `\%03d`, c)
		default:
			b.WriteByte(c)
		}
	}
	return b.String()
}

// unescape is the inverse of escape; it takes \X for any X that is no digit.
func unescape(s string) (string, error) {
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		if s[i] != '\\' {
			b.WriteByte(s[i])
			continue
		}
		i++
		switch {
		case i == len(s):
			return "", errors.New("a backslash at the end of a string")
		case s[i] < '0' || s[i] > '9':
			b.WriteByte(s[i])
		default:
			n := 0
			for range 3 {
				if i == len(s) || s[i] < '0' || s[i] > '9' {
					return "", errors.New(`a backslash before fewer than three digits, expected \DDD`)
				}
				n = 10*n + int(s[i]-'0')
				i++
			}
			if n > math.MaxUint8 {
				return "", fmt.Errorf(`\%03d in a string, expected at most \255`, n)
			}
			b.WriteByte(byte(n))
			i--
		}
	}
	return b.String(), nil
}
