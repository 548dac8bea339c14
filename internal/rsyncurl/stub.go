package rsyncurl

import "net/netip"

// URL is an rsync daemon URL: parsed, checked and rebuilt from its parts, never passed through. The zero value is "no URL". Comparable.
type URL struct {
	host   string // lower-case LDH name or canonical IP literal without brackets
	port   uint16 // 0 = 873
	module string
	path   string // "" or "a/b" or "a/b/"; never a leading slash
}

// Parse reads rsync://host[:port]/module[/path].
func Parse(s string) (URL, error) { panic("stub") }

func (u URL) String() string                { panic("stub") }
func (u URL) Host() string                  { return u.host }
func (u URL) Port() int                     { panic("stub") } // 873 when none was given
func (u URL) Module() string                { return u.module }
func (u URL) Path() string                  { return u.path }
func (u URL) IsZero() bool                  { return u == URL{} }
func (u URL) Addr() (netip.Addr, bool)      { panic("stub") } // when the host is an IP literal
func (u URL) MarshalText() ([]byte, error)  { panic("stub") }
func (u *URL) UnmarshalText(b []byte) error { panic("stub") }
