package netrange

import (
	"fmt"
	"net/netip"
	"testing"
)

func TestPrivate(t *testing.T) {
	for text, want := range map[string]string{
		"127.0.0.1": "loopback", "127.255.255.254": "loopback", "::1": "loopback", "::ffff:127.0.0.1": "loopback",
		"10.0.0.1": "private", "172.16.0.1": "private", "172.31.255.255": "private", "192.168.1.1": "private", "100.64.0.1": "private", "100.127.255.255": "private",
		"fc00::1": "private", "fdff::1": "private", "fec0::1": "private", "64:ff9b:1::1": "private",
		"169.254.169.254": "link-local", "fe80::1": "link-local", "fe80::1%eth0": "link-local", "febf::1": "link-local",
		"0.0.0.0": "unspecified", "0.1.2.3": "unspecified", "::": "unspecified", "::ffff:0.0.0.0": "unspecified",
		"224.0.0.1": "multicast", "239.1.2.3": "multicast", "ff02::1": "multicast", "ff0e::1": "multicast",
		"240.0.0.1": "reserved", "255.255.255.255": "reserved", "192.0.0.8": "reserved", "198.19.0.1": "reserved", "100::1": "reserved", "::7f00:1": "reserved", "2001:0:1::1": "reserved",
		"64:ff9b::10.0.0.1": "private", "64:ff9b::127.0.0.1": "loopback", "64:ff9b::a9fe:a9fe": "link-local", "64:ff9b::": "unspecified",
		"2002:7f00:1::": "loopback", "2002:a00:1::1": "private", "2002:c0a8:101::1": "private", "::ffff:169.254.1.1": "link-local", "::ffff:100.64.1.1": "private",
		"::ffff:0:127.0.0.1": "loopback", "::ffff:0:10.0.0.1": "private", "::ffff:0:0:0": "unspecified", "192.88.99.1": "reserved", "2002:c058:6301::": "reserved",
		"2001:2::1": "reserved", "5f00::1": "reserved", "5f00:ffff::": "reserved",

		"192.88.98.255": "", "192.88.100.0": "", "2001:2:1::": "", "5eff::1": "", "5f01::": "", "::ffff:0:8.8.8.8": "", "::fffe:0:7f00:1": "", "2001:20::1": "",
		"192.0.2.1": "", "8.8.8.8": "", "9.255.255.255": "", "11.0.0.0": "", "172.15.255.255": "", "172.32.0.0": "", "192.167.255.255": "", "192.169.0.0": "",
		"100.63.255.255": "", "100.128.0.0": "", "126.255.255.255": "", "128.0.0.1": "", "169.253.255.255": "", "169.255.0.0": "", "1.0.0.0": "", "223.255.255.255": "",
		"2001:db8::1": "", "2a00:1450::1": "", "64:ff9b::8.8.8.8": "", "2002:808:808::1": "", "::ffff:8.8.8.8": "", "2001:1::1": "",
	} {
		what, ok := Private(netip.MustParseAddr(text))
		if what != want || ok != (want != "") {
			t.Errorf("%s: %q, %v, expected %q", text, what, ok, want)
		}
	}
	if what, ok := Private(netip.Addr{}); what != "invalid" || !ok {
		t.Errorf("the zero address: %q, %v", what, ok)
	}
}

func FuzzPrivate(f *testing.F) {
	f.Add([]byte{10, 0, 0, 1})
	f.Add(netip.MustParseAddr("64:ff9b::10.0.0.1").AsSlice())
	f.Fuzz(func(t *testing.T, b []byte) {
		a, ok := netip.AddrFromSlice(b)
		if !ok {
			return
		}
		what, private := Private(a)
		if mapped, p := Private(a.Unmap()); mapped != what || p != private {
			t.Errorf("%v: %q, its own form %q", a, what, mapped)
		}
		if (what == "") == private {
			t.Errorf("%v: %q, %v", a, what, private)
		}
	})
}

func ExamplePrivate() {
	what, ok := Private(netip.MustParseAddr("::ffff:10.0.0.1"))
	fmt.Println(what, ok)
	// Output: private true
}
