package rsyncurl

import (
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
)

// DefaultPort is rsyncd's port (IANA "rsync"); DefaultTLSPort is where rsync-ssl(1) looks for one behind TLS.
const (
	DefaultPort    = 873
	DefaultTLSPort = 874
)

// MaxLength is the longest URL that is read, in bytes.
const MaxLength = 1024

const (
	scheme    = "rsync://"
	schemeTLS = "rsync+tls://"
)

// URL is an rsync daemon URL: parsed, checked and rebuilt from its parts, never passed
// through. The zero value is "no URL". Comparable.
type URL struct {
	host   string // lower-case LDH name or canonical IP literal without brackets
	port   uint16 // 0 = the scheme's own
	tls    bool
	module string
	path   string // "" or "a/b" or "a/b/"; never a leading slash
}

// Parse reads rsync://host[:port]/module[/path] and refuses all else.
func Parse(s string) (URL, error) {
	if strings.HasPrefix(s, schemeTLS) {
		return URL{}, refused(s, errors.New("rsync over TLS is not possible here, since rsync itself does not speak it: expected rsync://host/module/path"))
	}
	return ParseAny(s)
}

func refused(s string, why error) error { return fmt.Errorf("rsync URL %.120q: %w", redacted(s), why) }

func parse(s string) (u URL, err error) {
	if len(s) > MaxLength {
		return u, fmt.Errorf("%d bytes, expected at most %d", len(s), MaxLength)
	}
	rest, ok := strings.CutPrefix(s, scheme)
	if !ok {
		if rest, u.tls = strings.CutPrefix(s, schemeTLS); !u.tls {
			return u, errors.New("expected rsync://host/module/path")
		}
	}
	authority, path, ok := strings.Cut(rest, "/")
	if !ok || path == "" {
		return u, errors.New("no module, expected rsync://host/module/path")
	}
	if u.host, u.port, err = parseAuthority(authority); err != nil {
		return u, err
	}
	if u.port == u.defaultPort() { // so that one URL has one value
		u.port = 0
	}
	if err = checkPath(path); err != nil {
		return u, err
	}
	u.module, u.path, _ = strings.Cut(path, "/")
	return u, nil
}

func parseAuthority(s string) (host string, port uint16, err error) {
	if strings.Contains(s, "@") {
		return "", 0, errors.New("a user name or password is not allowed")
	}
	host, portText, hasPort := s, "", false
	if strings.HasPrefix(s, "[") {
		end := strings.IndexByte(s, ']')
		if end < 0 {
			return "", 0, errors.New("[ without ]")
		}
		host, portText, hasPort = s[:end+1], s[end+1:], end+1 < len(s)
		if hasPort && portText[0] != ':' {
			return "", 0, fmt.Errorf("%q after the address, expected a colon and a port, or a slash", portText)
		}
		portText = strings.TrimPrefix(portText, ":")
	} else {
		host, portText, hasPort = strings.Cut(s, ":")
	}
	if hasPort {
		if port, err = parsePort(portText); err != nil {
			return "", 0, err
		}
	}
	host, err = parseHost(host)
	return host, port, err
}

func parsePort(s string) (uint16, error) {
	n, err := strconv.ParseUint(s, 10, 16)
	if err != nil || n == 0 || strconv.FormatUint(n, 10) != s {
		return 0, fmt.Errorf("port %q, expected a number from 1 to 65535", s)
	}
	return uint16(n), nil
}

// checkPath admits what is after the slash of the authority: non-empty segments of
// printable ASCII. A newline here would reach the daemon's option stream, and the
// server expands wildcards.
func checkPath(s string) error {
	for i := 0; i < len(s); i++ {
		if c := s[i]; c < 0x21 || c > 0x7e || strings.IndexByte(`*?[]\"'<>`, c) >= 0 {
			return fmt.Errorf("byte %q in the path, expected printable ASCII without spaces and without any of %s", c, `*?[]\"'<>`)
		}
	}
	if strings.Contains(s, "..") {
		return errors.New(`".." in the path is not allowed`)
	}
	// "#list" and "#early_input" are commands of the daemon's protocol, not modules.
	if s[0] == '#' || s[0] == '-' {
		return fmt.Errorf("the module begins with %q, which is not allowed", s[0])
	}
	for seg := range strings.SplitSeq(strings.TrimSuffix(s, "/"), "/") {
		if seg == "" || seg == "." {
			return fmt.Errorf("an empty or %q segment in the path, expected names between single slashes", ".")
		}
	}
	return nil
}

// String returns the canonical text: lower-case host, no default port, and a slash
// after a module that stands alone. The zero URL gives "".
func (u URL) String() string {
	if u.IsZero() {
		return ""
	}
	host := u.host
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if u.port != 0 {
		host += ":" + strconv.Itoa(int(u.port))
	}
	return u.scheme() + host + "/" + u.module + "/" + u.path
}

func (u URL) scheme() string {
	if u.tls {
		return schemeTLS
	}
	return scheme
}

// Host returns the name or the IP literal, without brackets.
func (u URL) Host() string { return u.host }

// Port returns the TCP port: when none was given 873, and 874 for TLS.
func (u URL) Port() int {
	if u.port == 0 {
		return int(u.defaultPort())
	}
	return int(u.port)
}

func (u URL) defaultPort() uint16 {
	if u.tls {
		return DefaultTLSPort
	}
	return DefaultPort
}

// HostPort returns host:port as net.Dial takes it, with brackets where they are needed.
func (u URL) HostPort() string { return net.JoinHostPort(u.host, strconv.Itoa(u.Port())) }

// Module returns the first segment of the path.
func (u URL) Module() string { return u.module }

// Path returns what follows the module, without a leading slash.
func (u URL) Path() string { return u.path }

// IsZero reports whether u is "no URL".
func (u URL) IsZero() bool { return u == URL{} }

// Addr returns the host when it is an IP literal.
func (u URL) Addr() (netip.Addr, bool) {
	a, err := netip.ParseAddr(u.host)
	return a, err == nil
}

// At returns the same URL with the host replaced by an address, so that what was
// resolved and vetted once is what is asked. A zone is dropped, IPv4 in IPv6 is IPv4.
func (u URL) At(addr netip.Addr) URL {
	if u.IsZero() || !addr.IsValid() {
		return URL{}
	}
	u.host = addr.Unmap().WithZone("").String()
	return u
}

// MarshalText returns String; the zero URL is refused.
func (u URL) MarshalText() ([]byte, error) {
	if u.IsZero() {
		return nil, errors.New("no rsync URL where one is required")
	}
	return []byte(u.String()), nil
}

// UnmarshalText is ParseAny; empty text is refused. A document for programs that run rsync looks at TLS as well.
func (u *URL) UnmarshalText(b []byte) error {
	p, err := ParseAny(string(b))
	if err != nil {
		return err
	}
	*u = p
	return nil
}

// redacted hides a password: refusals are logged and mailed.
func redacted(s string) string {
	start := 0
	if i := strings.Index(s, "://"); i >= 0 {
		start = i + 3
	}
	user, rest, found := strings.Cut(s[start:], "@")
	if name, _, secret := strings.Cut(user, ":"); found && secret {
		return s[:start] + name + ":***@" + rest
	}
	return s
}
