package publish

import (
	"context"
	"time"

	"tidemark/internal/dnstxt"
)

// NameServer is one address of one authoritative server.
type NameServer struct {
	Name    string // of the server, as the NS record has it; "" when it was given as an address
	Address string // "address:port"
}

// NameServersOptions say how the authoritative servers of a zone are found.
type NameServersOptions struct {
	Zone  string   // "": found by asking for the SOA record
	Ask   []string // servers to ask, "address:port": the primary, or resolvers
	Port  string   // of the authoritative servers; "": 53
	Given []string // "host" or "host:port": these instead of the zone's NS records
}

// NameServers lists every address (A and AAAA) of every authoritative server of the zone that holds name.
func NameServers(ctx context.Context, name string, o NameServersOptions) ([]NameServer, error) {
	panic("stub")
}

// Said is what one authoritative server said of a name.
type Said struct {
	NameServer
	Answer *dnstxt.Answer
	Err    error // it could not be asked, or is not authoritative
}

// AskAll asks every server once, at the same time; sorted as servers is.
func AskAll(ctx context.Context, name string, servers []NameServer, timeout time.Duration) []Said {
	panic("stub")
}

// AwaitTXT asks all servers until each holds want, or patience is over, and returns what each said last.
func AwaitTXT(ctx context.Context, name string, want RRset, servers []NameServer, patience time.Duration) []Said {
	panic("stub")
}
