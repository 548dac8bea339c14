package rsyncurl

import (
	"errors"
	"net/netip"
	"strings"
	"testing"
)

func TestParse(t *testing.T) {
	for in, want := range map[string]string{
		"rsync://ftp.funet.fi/centos/":                     "",
		"rsync://ftp.funet.fi/centos":                      "rsync://ftp.funet.fi/centos/",
		"rsync://ftp.funet.fi/centos/7/os":                 "",
		"rsync://ftp.funet.fi/centos/7/os/":                "",
		"rsync://FTP.Funet.FI/CentOS/":                     "rsync://ftp.funet.fi/CentOS/",
		"rsync://ftp.funet.fi:873/centos/":                 "rsync://ftp.funet.fi/centos/",
		"rsync://ftp.funet.fi:8730/centos/":                "",
		"rsync://ftp.funet.fi:1/centos/":                   "",
		"rsync://ftp.funet.fi:65535/centos/":               "",
		"rsync://localhost/m/":                             "",
		"rsync://xn--mller-kva.example/m/":                 "",
		"rsync://a.be/m/":                                  "", // hex letters are a name, too
		"rsync://1.2.3.example/m/":                         "",
		"rsync://192.0.2.1/m/":                             "",
		"rsync://192.0.2.1:8730/m/":                        "",
		"rsync://[2001:db8::1]/m/":                         "",
		"rsync://[2001:db8::1]:8730/m/":                    "",
		"rsync://[2001:DB8:0:0::1]:873/m":                  "rsync://[2001:db8::1]/m/",
		"rsync://[::1]/m/":                                 "",
		"rsync://h/m/a.b-c_d~e+f,g;h=i@j:k&l%20m!$()^`{|}": "",
		"rsync://h/m/.hidden/":                             "",
	} {
		if want == "" {
			want = in
		}
		u, err := Parse(in)
		if err != nil {
			t.Error(err)
			continue
		}
		if u.String() != want {
			t.Errorf("%s is rebuilt as %s, expected %s", in, u, want)
		}
		again, err := Parse(u.String())
		if err != nil || again != u {
			t.Errorf("%s is read again as %+v (%v)", u, again, err)
		}
	}
}

// The corpus of what rsync takes for something else than the URL it looks like.
func TestParse_Refused(t *testing.T) {
	for name, in := range map[string]string{
		"empty":                    "",
		"an option that runs":      "--rsh=sh",
		"a short option":           "-e sh",
		"an ssh option":            "-oProxyCommand=sh:x",
		"an ssh option as host":    "rsync://-oProxyCommand=sh/m",
		"daemon syntax":            "h::m",
		"ssh syntax":               "h:m",
		"a local path":             "/srv/mirror",
		"one slash: ssh":           "rsync:/h/m",
		"no slashes":               "rsync:h/m",
		"three slashes":            "rsync:///m",
		"scheme in capitals":       "RSYNC://h/m",
		"scheme in mixed case":     "Rsync://h/m",
		"another scheme":           "https://h/m",
		"TLS":                      "rsync+tls://h/m",
		"leading space: ssh":       " rsync://h/m",
		"leading newline":          "\nrsync://h/m",
		"trailing space":           "rsync://h/m ",
		"trailing newline":         "rsync://h/m\n",
		"option stream":            "rsync://h/m\n--config=/tmp/x",
		"carriage return":          "rsync://h/m\r",
		"NUL":                      "rsync://h/m\x00/x",
		"tab":                      "rsync://h/m\t",
		"DEL":                      "rsync://h/m\x7f",
		"not ASCII":                "rsync://h/m\u00e9",
		"not ASCII in the host":    "rsync://h\u00e9/m",
		"not UTF-8":                "rsync://h/m\xff",
		"space in the host":        "rsync://h h/m",
		"newline in the host":      "rsync://h\n/m",
		"no module":                "rsync://h",
		"no module but a slash":    "rsync://h/",
		"empty module":             "rsync://h//m",
		"module list":              "rsync://h/#list",
		"early input":              "rsync://h/#early_input=9",
		"module like an option":    "rsync://h/-m",
		"no host":                  "rsync:///m",
		"no host but a port":       "rsync://:873/m",
		"user":                     "rsync://u@h/m",
		"user and password":        "rsync://u:p@h/m",
		"user, password and port":  "rsync://u:1@h:873/m",
		"empty user":               "rsync://@h/m",
		"port 0":                   "rsync://h:0/m",
		"port 65536":               "rsync://h:65536/m",
		"port 65537, which is 1":   "rsync://h:65537/m",
		"port in hex: ssh":         "rsync://h:0x50/m",
		"port with a plus":         "rsync://h:+873/m",
		"port with a minus":        "rsync://h:-1/m",
		"port with a zero":         "rsync://h:0873/m",
		"port with a space":        "rsync://h: 873/m",
		"empty port":               "rsync://h:/m",
		"two ports":                "rsync://h:1:2/m",
		"port of 40 digits":        "rsync://h:" + strings.Repeat("1", 40) + "/m",
		"all-numeric host":         "rsync://2130706433/m",
		"short dotted quad":        "rsync://127.1/m",
		"hex host":                 "rsync://0x7f.1/m",
		"hex last label":           "rsync://127.0.0.0x1/m",
		"hex alone":                "rsync://0x7f000001/m",
		"hex in capitals":          "rsync://0X7F000001/m",
		"octal quad":               "rsync://0177.0.0.1/m",
		"quad with a zero":         "rsync://127.0.0.01/m",
		"quad too large":           "rsync://256.0.0.1/m",
		"five parts":               "rsync://1.2.3.4.5/m",
		"numeric last label":       "rsync://example.123/m",
		"trailing dot":             "rsync://example.org./m",
		"leading dot":              "rsync://.example.org/m",
		"two dots":                 "rsync://example..org/m",
		"underscore":               "rsync://a_b.example/m",
		"label starts with -":      "rsync://a.-b.example/m",
		"label ends with -":        "rsync://a-.example/m",
		"label of 64":              "rsync://" + strings.Repeat("a", 64) + ".example/m",
		"host of 254":              "rsync://" + strings.Repeat("a.", 126) + "ab/m",
		"IPv6 without brackets":    "rsync://2001:db8::1/m",
		"IPv6 with a zone":         "rsync://[fe80::1%eth0]/m",
		"IPv6 with an escaped one": "rsync://[fe80::1%25eth0]/m",
		"IPv4 in IPv6":             "rsync://[::ffff:127.0.0.1]/m",
		"IPv4 in brackets":         "rsync://[127.0.0.1]/m",
		"name in brackets":         "rsync://[h]/m",
		"empty brackets":           "rsync://[]/m",
		"bracket not closed":       "rsync://[::1/m",
		"text after brackets":      "rsync://[::1]x/m",
		"port without a colon":     "rsync://[::1]873/m",
		"empty port after it":      "rsync://[::1]:/m",
		"bracket closed twice":     "rsync://[::1]]/m",
		"parent":                   "rsync://h/m/../x",
		"parent at the end":        "rsync://h/m/..",
		"parent as module":         "rsync://h/../x",
		"two dots in a name":       "rsync://h/m/a..b",
		"this directory":           "rsync://h/m/./x",
		"this directory at end":    "rsync://h/m/.",
		"dot as module":            "rsync://h/./x",
		"double slash":             "rsync://h/m//x",
		"double slash at the end":  "rsync://h/m//",
		"star":                     "rsync://h/m/*",
		"question mark":            "rsync://h/m?x",
		"bracket":                  "rsync://h/m/[a]",
		"backslash":                `rsync://h/m\x`,
		"double quote":             `rsync://h/m"x`,
		"single quote":             "rsync://h/m'x",
		"less than":                "rsync://h/m<x",
		"greater than":             "rsync://h/m>x",
		"too long":                 "rsync://h/" + strings.Repeat("m", MaxLength),
	} {
		u, err := Parse(in)
		if err == nil {
			t.Errorf("%s: %q is accepted as %s", name, in, u)
		} else if !u.IsZero() || strings.ContainsAny(err.Error(), "\n\x00\x7f") {
			t.Errorf("%s: got %+v and %q", name, u, err)
		}
	}
}

func TestURL_Parts(t *testing.T) {
	u, err := Parse("rsync://[2001:db8::1]:8730/CentOS/7/os/")
	if err != nil {
		t.Fatal(err)
	}
	if u.Host() != "2001:db8::1" || u.Port() != 8730 || u.Module() != "CentOS" || u.Path() != "7/os/" || u.HostPort() != "[2001:db8::1]:8730" {
		t.Errorf("parts of %s: %q %d %q %q %q", u, u.Host(), u.Port(), u.Module(), u.Path(), u.HostPort())
	}
	if a, ok := u.Addr(); !ok || a != netip.MustParseAddr("2001:db8::1") {
		t.Errorf("address %v, %v", a, ok)
	}
	named, err := Parse("rsync://h/m")
	if err != nil {
		t.Fatal(err)
	}
	if _, ok := named.Addr(); ok || named.Port() != DefaultPort || named.HostPort() != "h:873" || named.Path() != "" {
		t.Errorf("parts of %s: %+v", named, named)
	}
}

func TestURL_At(t *testing.T) {
	u, err := Parse("rsync://ftp.example.org:8730/m/a")
	if err != nil {
		t.Fatal(err)
	}
	for addr, want := range map[string]string{
		"192.0.2.7":        "rsync://192.0.2.7:8730/m/a",
		"2001:db8::7":      "rsync://[2001:db8::7]:8730/m/a",
		"::ffff:192.0.2.7": "rsync://192.0.2.7:8730/m/a",
		"fe80::1%eth0":     "rsync://[fe80::1]:8730/m/a",
	} {
		got := u.At(netip.MustParseAddr(addr))
		if got.String() != want {
			t.Errorf("at %s: %s, expected %s", addr, got, want)
		}
		if again, err := Parse(want); err != nil || again != got {
			t.Errorf("at %s: not what Parse makes of %s: %v", addr, want, err)
		}
	}
	if u.Host() != "ftp.example.org" {
		t.Error("At changed its receiver")
	}
	if got := u.At(netip.Addr{}); !got.IsZero() {
		t.Errorf("at no address: %s, expected no URL", got)
	}
}

func TestURL_Text(t *testing.T) {
	var u URL
	if err := u.UnmarshalText(nil); err == nil {
		t.Error("empty text is accepted")
	}
	if b, err := u.MarshalText(); err == nil {
		t.Errorf("the zero URL is written as %q", b)
	}
	if u.String() != "" || !u.IsZero() {
		t.Errorf("the zero URL is %q", u)
	}
	if err := u.UnmarshalText([]byte("rsync://H/m")); err != nil {
		t.Fatal(err)
	}
	if b, err := u.MarshalText(); err != nil || string(b) != "rsync://h/m/" {
		t.Errorf("%q, %v", b, err)
	}
	before := u
	if err := u.UnmarshalText([]byte("rsync://H")); err == nil || u != before {
		t.Errorf("after a refusal (%v) the URL is %s", err, u)
	}
}

func TestParseAny(t *testing.T) {
	for in, want := range map[string]string{
		"rsync+tls://ftp.funet.fi/centos/":      "",
		"rsync+tls://FTP.funet.fi:874/centos":   "rsync+tls://ftp.funet.fi/centos/",
		"rsync+tls://ftp.funet.fi:873/centos/":  "",
		"rsync+tls://[2001:db8::1]:8740/m/a":    "",
		"rsync://ftp.funet.fi:874/centos/":      "",
		"rsync://ftp.funet.fi:873/centos/7/os/": "rsync://ftp.funet.fi/centos/7/os/",
	} {
		if want == "" {
			want = in
		}
		u, err := ParseAny(in)
		if err != nil || u.String() != want || u.TLS() != strings.HasPrefix(in, "rsync+tls:") {
			t.Errorf("%s is rebuilt as %s (TLS %t, %v), expected %s", in, u, u.TLS(), err, want)
		}
		var again URL
		text, err := u.MarshalText()
		if err == nil {
			err = again.UnmarshalText(text)
		}
		if err != nil || again != u {
			t.Errorf("%s: written and read again it is %s (%v)", in, again, err)
		}
		if at := u.At(netip.MustParseAddr("192.0.2.7")); at.TLS() != u.TLS() || at.Port() != u.Port() {
			t.Errorf("%s at an address is %s", in, at)
		}
	}
	plain, _ := ParseAny("rsync://h/m")
	secure, err := ParseAny("rsync+tls://h/m")
	if err != nil || plain == secure || plain.Port() != DefaultPort || secure.Port() != DefaultTLSPort || secure.HostPort() != "h:874" {
		t.Errorf("%s has port %d, %s has port %d (%v)", plain, plain.Port(), secure, secure.Port(), err)
	}
}

func TestParseAny_Refused(t *testing.T) {
	for _, in := range []string{"", "rsync+tls:", "rsync+tls:/h/m", "rsync+tls://h", "rsync+tls://h/", "RSYNC+TLS://h/m", "rsync+ssl://h/m", "rsyncs://h/m", "tls://h/m",
		"rsync+tls://u@h/m", "rsync+tls://h:0/m", "rsync+tls://h/m/..", "rsync+tls://h/-m", "rsync+tls://rsync://h/m", " rsync+tls://h/m", "rsync+tls://-h/m", "rsync+tls://h/m\n"} {
		if u, err := ParseAny(in); err == nil || !u.IsZero() {
			t.Errorf("%q is accepted as %s (%v)", in, u, err)
		}
	}
}

func FuzzURL(f *testing.F) {
	for _, s := range []string{"rsync://h/m", "rsync://[2001:db8::1]:8730/m/a/", "rsync://192.0.2.1:1/m", "rsync://0x7f.1/m", "rsync://h/m/../x", "rsync://[::ffff:1.2.3.4]/m", "rsync://u:p@h:0/m\n",
		"rsync+tls://h/m", "rsync+tls://h:874/m/", "rsync+tls://[2001:db8::1]:873/m/a", "rsync+tls://rsync+tls://h/m", "rsync+tls:/h/m"} {
		f.Add(s)
	}
	f.Fuzz(func(t *testing.T, s string) {
		u, err := ParseAny(s)
		plain, plainErr := Parse(s)
		if (err == nil && !u.TLS()) != (plainErr == nil) || plain.TLS() || plainErr == nil && plain != u {
			t.Fatalf("%q is %s (%v) with TLS, and %s (%v) without", s, u, err, plain, plainErr)
		}
		if err != nil {
			return
		}
		text := u.String()
		if again, err := ParseAny(text); err != nil || again != u {
			t.Fatalf("%q gives %q, which gives %+v (%v)", s, text, again, err)
		}
		if err := unsafe(text); err != nil {
			t.Fatalf("%q gives %q: %v", s, text, err)
		}
	})
}

// unsafe repeats the rule in other words.
func unsafe(text string) error {
	rest, ok := strings.CutPrefix(strings.Replace(text, "rsync+tls:", "rsync:", 1), "rsync://")
	if !ok || strings.HasPrefix(rest, "-") || strings.Contains(text, "..") || strings.Contains(rest, "//") {
		return errors.New("not of the form")
	}
	authority, path, _ := strings.Cut(rest, "/")
	for _, r := range path {
		if r < 0x21 || r > 0x7e || strings.ContainsRune(`*?[]\"'<>`, r) {
			return errors.New("a forbidden byte")
		}
	}
	if strings.Trim(authority, "abcdefghijklmnopqrstuvwxyz0123456789.-:[]") != "" {
		return errors.New("a forbidden byte in the authority")
	}
	return nil
}

func TestParse_HidesPasswords(t *testing.T) {
	for _, s := range []string{"rsync://bob:s3cret@host/module", "bob:s3cret@host::module", "rsync://bob:s3cret@[::1]/m"} {
		_, err := Parse(s)
		if err == nil || strings.Contains(err.Error(), "s3cret") || !strings.Contains(err.Error(), "bob:***@") {
			t.Errorf("%s: %v", s, err)
		}
	}
}
