package publish

import (
	"encoding/binary"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/miekg/dns"
)

// AdvisedError is what a primary or a fragment is in the way with, in words that say what to mend.
type AdvisedError struct{ error }

func (e AdvisedError) Unwrap() error { return e.error }

// refusal says what an answer other than NOERROR means, and what to check. Only a signed one can be a conflict.
func (p *primary) refusal(r *dns.Msg, zone string) error {
	signed := r.IsTsig() != nil
	code := dns.RcodeToString[r.Rcode]
	if code == "" {
		code = fmt.Sprintf("RCODE%d", r.Rcode)
	}
	switch r.Rcode {
	case dns.RcodeNXRrset, dns.RcodeYXRrset, dns.RcodeNameError, dns.RcodeYXDomain: // a prerequisite
		if signed {
			return fmt.Errorf("it holds other records (%s): %w", code, ErrConflict)
		}
		return lostError{fmt.Errorf("it answers %s without a signature", code)}
	case dns.RcodeRefused:
		if zone == "" {
			return fmt.Errorf("it answers %s: the key %s may not ask it, or it does not serve that zone (check allow-query in named)", code, p.keyName())
		}
		return fmt.Errorf("it answers %s: the key %s may not update the zone %s there (check allow-update or update-policy in named, "+
			"an acl with action update in knot), or it is a secondary", code, p.keyName(), zone)
	case dns.RcodeNotAuth:
		return fmt.Errorf("it answers %s: it is not the primary of the zone %s (check server and zone)", code, zone)
	case dns.RcodeNotZone:
		return fmt.Errorf("it answers %s: the name is not in the zone %s (check zone)", code, zone)
	case dns.RcodeNotImplemented:
		return fmt.Errorf("it answers %s: it takes no dynamic updates", code)
	case dns.RcodeServerFailure:
		return fmt.Errorf("it answers %s: see its log (named: may it write its journal beside the zone file?)", code)
	}
	return fmt.Errorf("it answers %s", code)
}

// keyName is the name as people write it.
func (p *primary) keyName() string { return strings.TrimSuffix(p.Key.Name, ".") }

// keyTrouble says what the primary has against the signature (RFC 8945, 5.2 and 5.3).
func (p *primary) keyTrouble(t *dns.TSIG, verify error) error {
	switch t.Error {
	case dns.RcodeBadKey:
		return fmt.Errorf("it knows no key %s with %s (BADKEY): check the key's name and algorithm there", p.keyName(), p.Key.Algorithm)
	case dns.RcodeBadSig:
		return fmt.Errorf("the secret of the key %s is not the one the server has (BADSIG): copy the key file anew", p.keyName())
	case dns.RcodeBadTime:
		return fmt.Errorf("the clocks differ too much, its own says %s (BADTIME): set the clock of this machine or of the primary", serverTime(t))
	}
	return errors.Join(fmt.Errorf("it does not take the signature (TSIG error %d)", t.Error), verify)
}

// serverTime is the other clock in a BADTIME answer: 48 bits of seconds.
func serverTime(t *dns.TSIG) string {
	b, err := hex.DecodeString(t.OtherData)
	if err != nil || len(b) != 6 {
		return "another time"
	}
	seconds := binary.BigEndian.Uint64(append([]byte{0, 0}, b...))
	return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339)
}
