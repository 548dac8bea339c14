package threats

// keyDefences are those against whoever has stolen keys.
func keyDefences() []defence {
	const (
		trust, verify, chain, check = "sign/trust.go", "sign/verify.go", "client/chain.go", "keys/check.go"
		url                         = "internal/rsyncurl/url.go"
		attack                      = "cmd/tidemark-mirror.TestAttack/"
	)
	return []defence{
		{"K1", "client.TestOpen_OneKindMissing", verify, "if !kinds[k] {", "if false && (!kinds[k]) {", nil},
		{"K1", "client.TestOpen_BelowThreshold", verify, "if r.Holders < r.Threshold ||", "if r.Holders < 1 ||", nil},
		{"K2", "client.TestOpen_RevokedKey", verify, "return k.Revoked && k.Kind == kind", "return false && k.Kind == kind", nil},
		{"K2", "client.TestLook_TrustWalkedWhenVerificationFails", "client/ask.go", "suspect := r.Reason == Signature ||", "suspect :=", nil},
		{"K3", "client.TestLook_ResetSerial", chain, "if seen != nil && !seen.obeyed(c) {", "if false && (seen != nil && !seen.obeyed(c)) {", nil},
		{"K3", "manifest.TestBadDocuments", "manifest/check.go", `m.Serial, 1, MaxSerial)`, `m.Serial, 1, 1<<62)`, nil},
		{"K3", "cmd/tidemark.TestRecovery", "cmd/tidemark/recovery.go", "!known || slices.Contains(st.ResetBy, sums[len(sums)-1]) {", "!known || true {", nil},
		{"K4", "client.TestLook_ResetSerialPinned", "client/seen.go", "return slices.Contains(s.ResetBy, c.resets[len(c.resets)-1])", "return false", nil},
		{"K5", "sign.TestVerify_KeyEndedSince", "sign/pgpverify.go", "return j.alive(e, signer, s.CreationTime)", "return nil", nil},
		{"K5", "client.TestLookBeacon_Trust", verify, "if k.NotAfter != nil && j.over(&k.NotAfter.Time) {", "if false && (k.NotAfter != nil && j.over(&k.NotAfter.Time)) {", nil},
		{"K6", "sign.TestVerify_RevokedCertificate", "keys/describe.go", "if revokesItself(e) {", "if false && revokesItself(e) {", []edit{
			{"sign/pgpverify.go", "return j.alive(e, signer, s.CreationTime)", "return nil"}}},
		{"K7", "keys.TestTrust_Check", check, "if at, ok := c.seen[m]; ok && at != where {", "if at, ok := c.seen[m]; ok && at == where {", nil},
		{"K8", "keys.TestTrust_Check_SameModulus", check, "c.once(where, k.material()...)", "", nil},
		{"K9", "keys.TestExport_Ended", "keys/export.go", "case k.ended(now):", "case false && k.ended(now):", nil},
		{"K11", "cmd/tidemark.TestAllowed", "cmd/tidemark/signers.go", "case have.Revoked:", "case false && have.Revoked:", nil},
		{"K11", "cmd/tidemark.TestEnough", "cmd/tidemark/signers.go", "if lacks == nil {", "if lacks == nil || true {", nil},
		{"K10", "client.TestLook_TrustWalkedOnceADay", "client/ask.go", "over(l.memory.TrustChecked, day, l.now)", "false", nil},
		{"A1", attack + "SourceURL_Exit4/Newline_AfterModule", url, "c < 0x21 || c > 0x7e ||", "c > 0x7e ||", nil},
		{"A1", "internal/rsyncurl.TestParse_Refused", url, `if strings.Contains(s, "..") {`, "if false {", nil},
		{"A1", "internal/rsyncurl.TestParse_Refused", "internal/rsyncurl/host.go", "if numeric(last) {", "if false && (numeric(last)) {", nil},
		{"A2", "treesync.TestRun_MaxDelete", "treesync/delete.go", "if most := a.mostDeletions(); p.deletions > most {", "if most := a.mostDeletions(); p.deletions > most && false {", nil},
		{"A4", "client.TestOpen_RevokedKey", verify, "return k.Revoked && k.Kind == kind", "return false && k.Kind == kind", nil},
		{"A3", "rsync.TestArgs", "rsync/args.go", `return append(args, "--", j.url(),`, `return append(args, j.url(),`, nil},
		{"A3", "rsync.TestArgsRefuses", "rsync/args.go", "if err := CheckOption(o); err != nil {", "if err := CheckOption(o); err != nil && false {", nil},
		{"T1", "sign.TestOpenTrust", trust, "Threshold: t.Root.Threshold,", "Threshold: 1,", nil},
		{"T2", "sign.TestNextTrust", trust, "Holder: k.Holder, Kind: keys.Minisign,", "Holder: k.Key, Kind: keys.Minisign,", nil},
		{"T3", "client.TestUpdateTrust_Expiry", chain, "if l.now.After(t.Expires.Add(sign.Skew)) {", "if false && (l.now.After(t.Expires.Add(sign.Skew))) {", nil},
		{"T4", "cmd/tidemark.TestScripts/trust_refused", "cmd/tidemark/cmd_trust.go", "case f.hidden:", "case false && (f.hidden):", nil},
		{"T5", "sign.TestCount", "sign/minisig.go", "if !ed25519.Verify(public.Public, digest[:], m.sig) {", "if false && !ed25519.Verify(public.Public, digest[:], m.sig) {", nil},
		{"T5", "sign.TestSeal_Incomplete", "sign/ballot_seal.go", "if !b.Complete {", "if false && (!b.Complete) {", nil},
		{"U3", "client.TestTrust_TUFRootRules/a_chain_that_forks", chain, "manifest.SHA256(e.Payload) == l.chain.sum {", `manifest.SHA256(e.Payload) != "" {`, nil},
		{"U1", "client.TestTrust_TUFRootRules/5.3.4_all_root_keys_replaced,_signed_by_old_and_new", "client/ask.go", "if len(accepted) > 0 {", "if false && (len(accepted) > 0) {", nil},
		{"U2", "client.TestLook_PinnedReplaced", trust, "if err := verifyRoot(e, old); err != nil {", "if err := verifyRoot(e, old); err != nil && false {", nil},
	}
}
