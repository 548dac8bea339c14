// Package dnstxt asks DNS servers for the TXT records of one name: over UDP, over TCP when the answer was truncated, with
// one more try (RFC 1035, RFC 6891, RFC 7766).
package dnstxt
