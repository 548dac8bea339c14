package rsync

import (
	"context"
	"crypto/tls"
	"net"
	"time"
)

// Client talks to rsync daemons over TCP. The zero value works, and is safe for concurrent use. The total time of a call
// is the context's deadline; without one a silent server is waited for until the context is cancelled.
type Client struct {
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
	Limits   Limits
	User     string // for modules with auth users
	Password string
	Protocol int         // highest protocol offered: 31 (default) or 27..31
	TLS      *tls.Config // for rsync+tls URLs: authorities, a client certificate; nil: the system's authorities. Verified is always the URL's host
}

// Entry is one item of a file list.
type Entry struct {
	Name  string    // path relative to the URL, raw bytes, no leading slash; "." is the top. Shares up to 4 KiB of memory with its neighbours' names: who keeps one of many should clone it
	Size  int64     // bytes
	MTime time.Time // UTC; whole seconds below protocol 31, and 32 bits of them below 30
	Mode  uint32    // POSIX mode bits with the file type (S_IFMT)
}

// The file types of Entry.Mode (POSIX sys/stat.h; rsync sends these values from every system).
const (
	typeMask      = 0o170000
	typeDirectory = 0o040000
	typeRegular   = 0o100000
)

// IsRegular reports whether e is a regular file.
func (e Entry) IsRegular() bool { return e.Mode&typeMask == typeRegular }

// IsDir reports whether e is a directory.
func (e Entry) IsDir() bool { return e.Mode&typeMask == typeDirectory }

// File is one fetched file. Its Size is the length of Data, also when the file grew after it was listed.
type File struct {
	Entry
	Data []byte
}
