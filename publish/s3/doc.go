// Package s3 is a publish.Store in a bucket of Amazon S3 or of a server that speaks its protocol.
//
//	store, err := s3.New(ctx, s3.Options{Bucket: "mirrors", Prefix: "centos", Region: "eu-north-1"})
//	standing, err := publish.Look(ctx, store)    // GET centos/latest.json, GET centos/latest.txt
//
// # Requests
//
// Objects are put in one piece with their media type and Cache-Control, never with a Content-Encoding, and with their
// SHA-256 (x-amz-checksum-sha256), which the server compares; Options.Checksum "when_required" leaves the checksum out
// for servers that refuse it. The checksum goes as a header, not as a trailer: some servers keep the trailer's
// "aws-chunked" as the object's encoding. A tag is the ETag as the server gave it.
//
//	Put, Absent             PutObject, If-None-Match: *         412: publish.ErrConflict
//	Put, Match              PutObject, If-Match: <ETag>         412, 404: publish.ErrConflict
//	Get                     GetObject                           404: publish.ErrNotFound
//	List                    ListObjectsV2, all pages
//	Delete                  HeadObject, DeleteObject, If-Match  412: publish.ErrConflict
//
// A server that answers a condition with 501 NotImplemented gives publish.ErrUnconditional; one that ignores conditions
// cannot be told here: package publish finds out.
//
// # Patience
//
// One deadline, Options.Timeout, covers a request with all its retries. Resets, truncated bodies, 408, 429, 5xx, and 409
// ConditionalRequestConflict are tried again after an exponentially growing pause with jitter, or after what the server's
// Retry-After asks for. One try may take a third of the deadline, so that a server that hangs is asked again.
//
// When a conditional Put is refused after an earlier try whose answer never came, the object is read and compared: the
// bytes being there, it was our own.
//
// # Credentials
//
// They come from Options.Credentials or by the SDK's usual chain (environment, ~/.aws, container, instance), and never
// appear in an error. The publisher needs s3:GetObject, s3:PutObject, s3:DeleteObject on the prefix and s3:ListBucket on
// the bucket; without the latter a missing object is answered 403, not 404.
package s3
