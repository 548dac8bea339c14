// Package route53 keeps TXT records in a hosted zone of Amazon Route 53: the adapter behind a configuration's
// beacon.route53. Only cmd/tidemark imports it.
//
//	place, err := route53.New(ctx, route53.Options{Zone: "Z0123456789EXAMPLE"})
//	old, err := place.Get(ctx, "_tidemark.centos.example.org")
//	next := publish.RRset{TTL: 60, Records: [][]string{{text}}}
//	err = place.Swap(ctx, "_tidemark.centos.example.org", old, next)
//
// A Swap reads the record set again, compares it with the old one, and sends one change batch that deletes exactly what was
// read and creates the next one. Route 53 takes a batch whole or not at all, and a DELETE only with the values and the TTL
// that the set has (API reference, ChangeResourceRecordSets): a publisher that was faster makes the batch fail. Whether it
// was another one, or this one whose first answer was lost, a further reading tells: publish.ErrConflict, or success.
//
// Route 53 answers before its name servers have the change, which takes up to a minute: asking them is publish.AwaitTXT's
// job. A set with a routing policy, or an alias, is refused: it has no one answer that could be replaced.
//
// Names and values go through Route 53's presentation form (developer guide, "DNS domain name format" and "TXT record
// type"): names come back with a final dot and odd bytes as \ooo, octal; a TXT value is a sequence of quoted strings of at
// most 255 bytes, in which \", \\ and \ooo stand for bytes.
//
// A call is bounded in time, with its retries (the SDK's standard: throttling and server errors, three tries). Credentials
// come by the AWS SDK's usual chain. They need route53:ListResourceRecordSets and route53:ChangeResourceRecordSets on
// arn:aws:route53:::hostedzone/ZONE.
//
// The tests run against a server that speaks the documented XML; Amazon's own was not available to them.
package route53
