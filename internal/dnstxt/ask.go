package dnstxt

import (
	"context"
	"time"
)

// Question is what is asked, and where.
type Question struct {
	Name    string        // fully qualified, with or without the final dot
	Servers []string      // "address:port"; the second try goes to the second one, where there is one
	Recurse bool          // wants recursion: a resolver is asked, not an authoritative server
	Timeout time.Duration // of one try; 0: 2 s
}

// Answer is what a server said. A name that does not exist, or has no TXT records, is an answer without records.
type Answer struct {
	Server        string     // that gave it, "address:port"
	Records       [][]string // the character-strings of each TXT record, in the order given
	TTL           uint32     // seconds
	Authoritative bool
	TCP           bool // the last exchange was over TCP
	Exchanges     int  // questions sent
	Sent          int  // bytes, all exchanges together
	Received      int
}

// Ask asks. The error tells which servers were asked, and what each did: no answer in time, refused, failed.
func Ask(ctx context.Context, q Question) (*Answer, error) { panic("stub") }

// System lists the resolvers of a file like /etc/resolv.conf, as "address:port".
func System(file string) ([]string, error) { panic("stub") }
