// Package signtest is what every signer must pass, wherever its key lies: its signatures are read by the programs that admins
// have, and one that fails gives nothing.
//
//	func TestMine(t *testing.T) {
//		signtest.Accepted(t, signer, signtest.Request(time.Now()))
//		token.PullOut()
//		signtest.Fails(t.Context(), t, signer, signtest.Request(time.Now()), "pulled out")
//	}
//
// For tests only.
package signtest
