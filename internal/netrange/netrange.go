// Package netrange knows which addresses are not of the public internet: a list of servers that others can change must not make
// the prober ask this machine, its own network, or nobody.
//
//	what, ok := Private(netip.MustParseAddr("::ffff:10.0.0.1")) // "private", true
//
// The ranges are those of the IANA registries of special-purpose addresses (RFC 6890) that a server cannot have. Documentation
// ranges (RFC 5737, RFC 3849) are not among them: nobody answers there.
package netrange

import "net/netip"

// Private says what kind of address a is that no public server has, and true; "", false for every other one. An IPv6 address
// that carries an IPv4 address (IPv4-mapped, IPv4-translated of RFC 2765, NAT64 of RFC 6052, 6to4 of RFC 3056) is judged by that one. The zero Addr is
// "invalid".
func Private(a netip.Addr) (what string, ok bool) {
	a = a.WithZone("").Unmap()
	if inner, found := embedded(a); found {
		a = inner
	}
	switch {
	case !a.IsValid():
		return "invalid", true
	case a.IsUnspecified():
		return "unspecified", true
	case a.IsLoopback():
		return "loopback", true
	case a.IsPrivate(): // RFC 1918, RFC 4193
		return "private", true
	case a.IsLinkLocalUnicast():
		return "link-local", true
	case a.IsMulticast():
		return "multicast", true
	}
	for _, r := range ranges {
		if r.prefix.Contains(a) {
			return r.what, true
		}
	}
	return "", false
}

// ranges are those that package netip has no word for.
var ranges = [...]struct {
	prefix netip.Prefix
	what   string
}{
	{netip.MustParsePrefix("0.0.0.0/8"), "unspecified"},   // "this network", RFC 1122 3.2.1.3
	{netip.MustParsePrefix("100.64.0.0/10"), "private"},   // shared behind a carrier's NAT, RFC 6598
	{netip.MustParsePrefix("240.0.0.0/4"), "reserved"},    // RFC 1112 4, and the broadcast address
	{netip.MustParsePrefix("::/96"), "reserved"},          // IPv4-compatible, RFC 4291 2.5.5.1
	{netip.MustParsePrefix("64:ff9b:1::/48"), "private"},  // NAT64 of a network's own, RFC 8215
	{netip.MustParsePrefix("fec0::/10"), "private"},       // site-local, RFC 3879
	{netip.MustParsePrefix("100::/64"), "reserved"},       // discarded, RFC 6666
	{netip.MustParsePrefix("192.0.0.0/24"), "reserved"},   // of protocols, RFC 6890 2.2.2
	{netip.MustParsePrefix("198.18.0.0/15"), "reserved"},  // benchmarks, RFC 2544
	{netip.MustParsePrefix("2001::/32"), "reserved"},      // Teredo, RFC 4380: a host behind a NAT
	{netip.MustParsePrefix("192.88.99.0/24"), "reserved"}, // relays of 6to4, RFC 7526
	{netip.MustParsePrefix("2001:2::/48"), "reserved"},    // benchmarks, RFC 5180
	{netip.MustParsePrefix("5f00::/16"), "reserved"},      // segment routing within a network, RFC 9602
}

// embedded takes the IPv4 address out of a NAT64 or an IPv4-translated address, whose last four bytes it is, and of a 6to4 one, where it follows 2002.
func embedded(a netip.Addr) (netip.Addr, bool) {
	b := a.As16()
	switch {
	case !a.Is6():
		return a, false
	case nat64.Contains(a), translated.Contains(a):
		return netip.AddrFrom4([4]byte(b[12:16])), true
	case sixToFour.Contains(a):
		return netip.AddrFrom4([4]byte(b[2:6])), true
	}
	return a, false
}

var (
	nat64      = netip.MustParsePrefix("64:ff9b::/96")
	translated = netip.MustParsePrefix("::ffff:0:0:0/96")
	sixToFour  = netip.MustParsePrefix("2002::/16")
)
