package rsync

import (
	"context"
	"net"
	"net/netip"
	"time"

	"tidemark/internal/rsyncurl"
)

// Code classes what went wrong; the probe and the verdicts build on it.
type Code string

// The codes.
const (
	CodeResolve       Code = "resolve"        // no address
	CodeRefused       Code = "refused"        // TCP connection refused or reset before the greeting
	CodeUnreachable   Code = "unreachable"    // no route, network down
	CodeTimeout       Code = "timeout"        // deadline
	CodeBusy          Code = "busy"           // @ERROR: max connections
	CodeDenied        Code = "denied"         // @ERROR: access denied
	CodeUnknownModule Code = "unknown-module" // @ERROR: Unknown module
	CodeAuth          Code = "auth"           // password asked for or wrong
	CodeNotFound      Code = "not-found"      // the file is not there
	CodeNotFile       Code = "not-file"       // a directory or something else where a file was expected
	CodeTooLarge      Code = "too-large"      // one of our caps was passed
	CodeIncomplete    Code = "incomplete"     // the server said its list is not whole (io_error)
	CodeCorrupt       Code = "corrupt"        // checksum of a transferred file is wrong
	CodeProtocol      Code = "protocol"       // not rsync, or not as the protocol says
	CodeServer        Code = "server"         // any other @ERROR or error message
)

// Error is a typed failure of the wire client.
type Error struct {
	Code Code
	Op   string // what was being done: "connect", "greeting", "module", "list", "fetch"
	Text string // what the server said, cleaned and cut to 300 bytes
	Err  error
}

func (e *Error) Error() string { panic("stub") }
func (e *Error) Unwrap() error { return e.Err }

// Limits cap everything that a server can send. Zero fields take the defaults.
type Limits struct {
	Greeting int   // bytes before OK, MOTD included (64 KiB)
	Line     int   // longest line (4 KiB)
	Entries  int64 // list entries (10,000,000)
	Name     int   // longest path (4096)
	Message  int   // log messages in all (64 KiB)
	File     int64 // largest file fetched (16 MiB)
	Bytes    int64 // bytes read in one session (4 GiB)
}

// Client talks to rsync daemons over TCP. The zero value works. Total time comes from the context's deadline.
type Client struct {
	Dial     func(ctx context.Context, network, address string) (net.Conn, error) // nil: net.Dialer
	Limits   Limits
	User     string // for modules with auth users
	Password string
	Protocol int // highest protocol offered: 31 (default) or 27..31
}

// Entry is one item of a file list.
type Entry struct {
	Name  string // path relative to the URL, raw bytes, no leading slash; "." is the top
	Size  int64
	MTime time.Time
	Mode  uint32 // POSIX mode bits with the file type (S_IFMT)
}

// File is one fetched file.
type File struct {
	Entry
	Data []byte
}

// FetchFile fetches the one file at path below u, from addr (the resolved address of u's host).
func (c *Client) FetchFile(ctx context.Context, addr netip.Addr, u rsyncurl.URL, path string) (File, error) {
	panic("stub")
}

// Fetch fetches several files below u in one session, by filters; files that are not there are absent from the result.
func (c *Client) Fetch(ctx context.Context, addr netip.Addr, u rsyncurl.URL, paths []string) (map[string]File, error) {
	panic("stub")
}

// List streams the recursive file list below u, calling visit for each entry in the order sent; visit's error ends it.
// exclude are rsync exclude patterns.
func (c *Client) List(ctx context.Context, addr netip.Addr, u rsyncurl.URL, exclude []string, visit func(Entry) error) error {
	panic("stub")
}
