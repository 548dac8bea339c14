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
// Every signature in the bundle must be one that can be read, and the trusted comment of every minisign signature that counts
// must be the document's (manifest.Comment). [Opened.Files] gives the files that stock tools verify, of the accepted
// signatures only; [OpenFiles] opens them again by the same rules. [Unpack] is for one's own bundles: it verifies nothing.
package client
