// Package dnstxt asks DNS servers for the TXT records of one name (RFC 1035, RFC 6891, RFC 7766):
//
//	servers, err := dnstxt.System("/etc/resolv.conf")
//	answer, err := dnstxt.Ask(ctx, dnstxt.Question{Name: "_tidemark.centos.example.org", Servers: servers, Recurse: true})
//	for _, record := range answer.Records {
//		fmt.Println(strings.Join(record, ""))
//	}
//
// The question goes out over UDP with EDNS0, offering 1232 bytes (what passes everywhere unfragmented). A server that does
// not know EDNS0 (FORMERR, NOTIMP, BADVERS) is asked once more without. A truncated answer is not looked at: the same
// server is asked over TCP. A try that fails (no answer in time, SERVFAIL, REFUSED, any other error, a server that cannot
// be reached) is followed by one other, at the second server where there is one. A third server is never asked: who looks at
// a beacon has HTTPS, and that is sooner.
//
// Only an answer with the question's own number, name and type counts; anything else is dropped and counted as received,
// and cannot make a try longer than its time. A message of more than [MaxMessage] bytes is not read. Aliases (CNAME) are
// followed inside the answer, at most 8; records of other names are not looked at.
package dnstxt
