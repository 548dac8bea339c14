// Package client is the reader's side.
//
// [Open] is the only door from bytes to a manifest: size, envelope, signatures
// by the trust document, and only then the document itself: network, serial
// against what was seen, issued, expires. What comes out was verified; every
// refusal is a [*Refused] with a [Reason], which a program maps to exit code 4.
//
//	seen, err := client.LoadSeen(state)
//	opened, next, err := client.Open(bundle, client.Options{Network: "centos", Trust: trust, Seen: seen, Now: now})
//	if err != nil {
//		return err // *Refused: rollback, fork, expired, signature, …
//	}
//	err = client.SaveSeen(state, next) // after verifying, before acting
//
// [Unpack] gives the files of a bundle that stock tools verify, [OpenFiles] opens them again.
package client
