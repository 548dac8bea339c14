package rsyncurl

import (
	"errors"
	"fmt"
	"net/netip"
	"strings"
)

// parseHost returns the canonical host: an IP literal as netip writes it, without
// brackets, or a lower-case name.
func parseHost(s string) (string, error) {
	if strings.HasPrefix(s, "[") {
		return parseIPv6(s[1 : len(s)-1])
	}
	if s != "" && digit(s[len(s)-1]) { // all others are names: a failing ParseAddr is not cheap
		if a, err := netip.ParseAddr(s); err == nil && a.Is4() {
			return a.String(), nil
		}
	}
	return parseName(strings.ToLower(s))
}

func parseIPv6(s string) (string, error) {
	a, err := netip.ParseAddr(s)
	switch {
	case err != nil || !a.Is6():
		return "", fmt.Errorf("[%s]: expected an IPv6 address between the brackets", s)
	case a.Zone() != "":
		return "", fmt.Errorf("[%s]: a zone is not allowed", s)
	case a.Is4In6():
		return "", fmt.Errorf("[%s]: expected the IPv4 address %s", s, a.Unmap())
	}
	return a.String(), nil
}

// parseName admits LDH names (RFC 952, RFC 1123). A last label that is a number would
// be taken for an IPv4 address by the system's resolver: 2130706433 is 127.0.0.1.
func parseName(s string) (string, error) {
	if s == "" {
		return "", errors.New("no host, expected rsync://host/module/path")
	}
	if len(s) > 253 {
		return "", fmt.Errorf("a host of %d bytes, expected at most 253", len(s))
	}
	last := ""
	for label := range strings.SplitSeq(s, ".") {
		if last = label; !ldh(label) {
			return "", fmt.Errorf("host %q, expected labels of a-z 0-9 and - (not first, not last), or an IP address", s)
		}
	}
	if numeric(last) {
		return "", fmt.Errorf("host %q ends in a number, expected a name or an IP address in full", s)
	}
	return s, nil
}

func ldh(label string) bool {
	if label == "" || len(label) > 63 || label[0] == '-' || label[len(label)-1] == '-' {
		return false
	}
	return only(label, func(c byte) bool { return 'a' <= c && c <= 'z' || digit(c) || c == '-' })
}

func numeric(label string) bool {
	if hex, ok := strings.CutPrefix(label, "0x"); ok {
		return only(hex, func(c byte) bool { return digit(c) || 'a' <= c && c <= 'f' })
	}
	return only(label, digit)
}

func digit(c byte) bool { return '0' <= c && c <= '9' }

func only(s string, set func(byte) bool) bool {
	for i := range len(s) {
		if !set(s[i]) {
			return false
		}
	}
	return true
}
