package threats

// siteDefences are those against whoever has the site, the way to it, or its names.
func siteDefences() []defence {
	const (
		open, verify, packet, pgp = "client/open.go", "sign/verify.go", "sign/pgppacket.go", "sign/pgpverify.go"
		https, judge              = "client/https.go", "client/beacon_judge.go"
		attack                    = "cmd/tidemark-mirror.TestAttack/"
	)
	return []defence{
		{"B1", "client.TestOpen_UnknownKey", verify, "if r.Holders < r.Threshold || len(r.Missing) > 0 {", "if false && (r.Holders < r.Threshold || len(r.Missing) > 0) {", nil},
		{"B1", attack + "Forged_Exit4/ChangedPayload_Signature", verify, "if r.Holders < r.Threshold || len(r.Missing) > 0 {", "if false && (r.Holders < r.Threshold || len(r.Missing) > 0) {", nil},
		{"B2", "client.TestOpen_Rollback", open, "if next.Serial < o.Seen.Serial {", "if false && (next.Serial < o.Seen.Serial) {", nil},
		{"B3", "client.TestOpen_Expired", open, "case err != nil && !o.AnyAge:", "case err != nil && false:", nil},
		{"B3", "sign.TestOpenPGP_GPGSeesItExpire", "sign/pgpsign.go", "lifetimeSeconds(made, r.Expires)", "lifetimeSeconds(made, time.Time{})", nil},
		{"B3", "client.TestLook_SiteDown", "client/notice.go", "if l.now.After(m.Issued.Add(m.Expires.Sub(m.Issued.Time)/2 + time.Hour)) {", "if false && (l.now.After(m.Issued.Add(m.Expires.Sub(m.Issued.Time)/2 + time.Hour))) {", nil},
		{"B4", "client.TestOpen_SwappedSignature", "sign/minisig.go", "if !ed25519.Verify(public.Public, digest[:], m.sig) {", "if false && !ed25519.Verify(public.Public, digest[:], m.sig) {", nil},
		{"B5", "client.TestOpen_Fork", open, "if next.Serial == o.Seen.Serial && next.SHA256 != o.Seen.SHA256 {", "if false && (next.Serial == o.Seen.Serial && next.SHA256 != o.Seen.SHA256) {", nil},
		{"B5", "client.TestLook_ForkKeepsBoth", "client/keep.go", "if r.Reason == Fork && (l.walked || !r.unsettled) {", "if false && (r.Reason == Fork && (l.walked || !r.unsettled)) {", nil},
		{"B6", "client.TestOpen_OneKindMissing", verify, "if !kinds[k] {", "if false && (!kinds[k]) {", nil},
		{"B7", "client.TestOpen_TextModeSignature", packet, "if b[1] != pgpBinary {", "if false && (b[1] != pgpBinary) {", nil},
		{"B7", "client.TestOpen_SHA1Signature", packet, "s.hash != pgpHash256 && s.hash != pgpHash512 {", "false {", []edit{
			{"keys/certificate.go", "RejectMessageHashAlgorithms: weak,", "RejectMessageHashAlgorithms: map[crypto.Hash]bool{},"}}},
		{"B7", "client.TestOpen_RSA1024Signature", "keys/certificate.go", "MinRSABits:                  rsaBits,", "MinRSABits:                  512,", []edit{
			{"keys/describe.go", "n < rsaBits {", "n < 512 {"}}},
		{"B7", "keys.TestReadCertificate_SHA1Binding", "keys/certificate.go", "RejectHashAlgorithms:        weak,", "", nil},
		{"B7", "sign.TestVerify_MinisigRefused/unknown_algorithm", "sign/minisig.go", `return nil, faultf(Algorithm, "algorithm %.2q, expected \"ED\"", head[:2])`, "", nil},
		{"B8", "client.TestOpen_DuplicateMember", "internal/strictjson/structs.go", "if seen[i] {", "if false && (seen[i]) {", nil},
		{"B8", "internal/strictjson.TestUnmarshal_Refused", "internal/strictjson/structs.go", "if strings.EqualFold(f.name, name) {", "if false && (strings.EqualFold(f.name, name)) {", nil},
		{"B8", "client.TestOpen_TrailingBytes", "internal/strictjson/unmarshal.go", "if d.peek(); d.pos < len(data) {", "if d.peek(); false && (d.pos < len(data)) {", nil},
		{"B9", "client.TestOpen_OneHolderTwice", verify, "holders[v.Holder], kinds[v.Kind] = true, true", "holders[v.Key], kinds[v.Kind] = true, true", nil},
		{"B9", "sign.TestVerify_Policy", verify, "voted[vote.Key] {", "false {", []edit{{verify, "r.Holders = len(holders)", "r.Holders = len(r.Votes)"}}},
		{"B10", "client.TestOpen_JunkAroundArmor", "keys/armor.go", "if needed {", "if false && (needed) {", nil},
		{"B10", "sign.TestVerify_OpenPGPRefused/two_packets", packet, "list, err := keys.SplitPackets(body, 1)", "list, err := keys.SplitPackets(body, 9)", nil},
		{"B10", "sign.TestVerify_StuffedUnhashedArea", packet, "if err := onlyIssuers(unhashed); err != nil {", "if err := onlyIssuers(unhashed); err != nil && false {", nil},
		{"B11", "sign.TestRecovered", pgp, "if r := recover(); r != nil {", "if r := recover(); r != nil && false {", nil},
		{"B12", "sign.TestVerify_IssuerIsNoPolicy", pgp, "if !slices.Contains(k.Signing, signer) {", "if false && (!slices.Contains(k.Signing, signer)) {", nil},
		{"B13", "client.TestOpen_WrongNetwork", open, "if m.Network != o.Network {", "if false && (m.Network != o.Network) {", nil},
		{"B14", "client.TestOpen_FutureDated", "manifest/time.go", "case m.Issued.After(now.Add(Skew)):", "case false && (m.Issued.After(now.Add(Skew))):", []edit{{pgp, "if s.CreationTime.After(j.now.Add(Skew)) {", "if false && (s.CreationTime.After(j.now.Add(Skew))) {"}}},
		{"B15", "client.TestOpen_TrustTooOld", open, "if m.TrustVersion > o.Trust.Version {", "if false && (m.TrustVersion > o.Trust.Version) {", nil},
		{"B15", "client.TestOpen_TrustExpired", open, "if !o.AnyAge && o.Now.After(o.Trust.Expires.Add(sign.Skew)) {", "if false && (!o.AnyAge && o.Now.After(o.Trust.Expires.Add(sign.Skew))) {", nil},
		{"B16", "client.TestTrust_TUFRootRules/5.3.4_signed_by_the_new_only", "sign/trust.go", "if err := verifyRoot(e, old); err != nil {", "if err := verifyRoot(e, old); err != nil && false {", nil},
		{"B16", "client.TestTrust_TUFRootRules/5.3.5_a_version_skipped", "sign/trust.go", "if t.Version != old.Version+1 {", "if false && (t.Version != old.Version+1) {", nil},
		{"B17", "client.TestTrust_TUFRootRules/5.3.3_no_newer_one:_403,_as_a_bare_object_store_says", https, "case http.StatusNotFound, http.StatusForbidden, http.StatusGone:", "case http.StatusNotFound, http.StatusGone:", nil},
		{"B17", "client.TestTrust_TUFRootRules/5.3.3_500_at_the_end", "client/chain.go", `return accepted, fmt.Errorf("fetch the next trust document: %w", err)`, "return accepted, nil", nil},
		{"B18", "client.TestOpen_Oversize", open, "if len(bundle) > sign.MaxBundle {", "if false && (len(bundle) > sign.MaxBundle) {", nil},
		{"B18", "client.TestTrust_TUFRootRules/5.3.3_oversize,_endless", "client/origin.go", "if int64(len(b)) > max {", "if false && int64(len(b)) > max {", nil},
		{"C2", "client.TestHTTPS_Faults", https, "cancel(errDrips)", "before = n", nil},
		{"C3", "client.TestStay", https, "authority(to) == authority(first) &&", "", nil},
		{"C3", "client.TestStay", https, "to.Scheme == first.Scheme &&", "", nil},
		{"C4", "client.TestLook_WhatIsRefused/encoded_body", https, `e != "" && e != "identity" {`, `e != "" && false {`, nil},
		{"B19", "cmd/tidemark.TestScripts/failures", "cmd/tidemark/predecessor.go", "case theirs != nil && (own == nil || theirs.manifest.Serial > own.manifest.Serial):", "case theirs != nil:", nil},
		{"B20", "publish.TestPush_ReadBackFindsEveryFlippedByte", "publish/push.go", "if !bytes.Equal(o.Data, r.content(name)) {", "if false && (!bytes.Equal(o.Data, r.content(name))) {", nil},
		{"B21", "cmd/tidemark.TestGround_ForgedStep", "publish/groundlook.go", "case version > 0 && l.genuine(version, there.Data):", "case version > 0:", nil},
		{"C1", "client.TestLook_StaleEdge", "client/force.go", "return l.now.Before(start.Add(edgesLag)), err", "return l.now.Before(start.Add(edgesLag)) || true, err", nil},
		{"C5", "client.TestLook_NotModified_KeyRevoked", "client/look.go", "if f.unchanged && useless(err) {", "if false && (f.unchanged && useless(err)) {", nil},
		{"C6", "client.TestHTTPS_UnknownAuthority", https, "MinVersion: tls.VersionTLS12}", "MinVersion: tls.VersionTLS12, InsecureSkipVerify: true}", nil},
		{"C7", "client.TestOpen_ClockSetBack", open, "if o.Seen != nil && o.Seen.Issued.After(o.Now) {", "if false && (o.Seen != nil && o.Seen.Issued.After(o.Now)) {", nil},
		{"C8", "client.TestLook_ClockAheadIsNoFallback", "client/notice.go", "m.NothingSince = lasting(nothing, m.NothingSince, l.now)", "m.NothingSince = lasting(nothing, m.NothingSince, l.now.Add(-48*time.Hour))", nil},
		{"D1", "client.TestLookBeacon_Attacks/forged_timestamp", verify, "if !ed25519.Verify(public.Public, message, signature) {", "if false && (!ed25519.Verify(public.Public, message, signature)) {", nil},
		{"D1", "client.TestLookBeacon_Attacks/another_network", judge, "if b.Network != a.Network {", "if false && (b.Network != a.Network) {", nil},
		{"D2", "client.TestLookBeacon_ReplayedOlder", judge, "case b.Serial < a.memory.Serial:", "case false && (b.Serial < a.memory.Serial):", nil},
		{"D2", "client.TestLookBeacon_ReplayedAfterNews", "client/beacon_quiet.go", "case held < known.Announced:", "case false && (held < known.Announced):", nil},
		{"D3", "client.TestLookBeacon_ReplayedForEver", "client/beacon_quiet.go", "case !a.now.Before(due):", "case false && (!a.now.Before(due)):", nil},
		{"D3", "client.TestLookBeacon_Attacks/expired", judge, "case a.now.After(expires.Add(manifest.Skew)):", "case false && (a.now.After(expires.Add(manifest.Skew))):", nil},
		{"D5", "internal/dnstxt.TestJudge", "internal/dnstxt/message.go", "|| !strings.EqualFold(m.Question[0].Name, name) {", "{", nil},
		{"D4", "client.TestLookBeacon_Attacks/several:_genuine_and_another", judge, "case len(answer.Records) > 1:", "case false && (len(answer.Records) > 1):", nil},
	}
}
