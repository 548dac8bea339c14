package threats

// otherDefences are those against mirrors that check in, the operator's own mistakes, and other users of a machine.
func otherDefences() []defence {
	const (
		message, receiver, server, take = "checkin/message.go", "checkin/receiver.go", "checkin/server.go", "checkin/take.go"
		push, record                    = "publish/push.go", "quorum/record.go"
		scripts                         = "cmd/tidemark.TestScripts/"
	)
	return []defence{
		{"R1", "quorum.TestAskedOneThatLies", "quorum/address.go", `case c.bad != "":`, "case false:", nil},
		{"R2", "checkin.TestOpen_Refuses/a_payload_that_was_changed", message, "from.role, now); err != nil {", "from.role, now); err != nil && false {", nil},
		{"R2", "checkin.TestOpen_Refuses/a_tree_it_does_not_carry", message, "if !from.trees[tree] {", "if false && (!from.trees[tree]) {", nil},
		{"R2", "checkin.TestNewSenders", message, "if other, twice := holder[name]; twice {", "if other, twice := holder[name]; false && twice {", nil},
		{"R3", "checkin.TestReceiver_Replay", receiver, "if m.At.Before(rec.last) {", "if false && (m.At.Before(rec.last)) {", nil},
		{"R3", "checkin.TestReceiver_Clock", receiver, "m.At.Before(early) || m.At.After(late) {", "m.At.Before(early) && m.At.After(late) {", nil},
		{"R4", "checkin.TestReceiver_LimitOfOne", receiver, "if wait := own.DelayFrom(now); wait > 0 {", "if wait := own.DelayFrom(now); wait < 0 {", nil},
		{"R4", "checkin.TestReceiver_BogusCostsNothing", receiver, `if refused.Mirror == "" || !r.record`, `if !r.record`, nil},
		{"R5", "checkin.TestLimit_PerAddress", server, "l.from[from] >= l.perAddress {", "false {", nil},
		{"R5", "checkin.TestServer_SlowClients", server, "ReadTimeout:       o.Request,", "", nil},
		{"R6", "checkin.TestSpool_Improper", take, "ok && e.Type().IsRegular() &&", "ok &&", []edit{{take, "if !seen.Mode().IsRegular() {", "if false && (!seen.Mode().IsRegular()) {"}}},
		{"R6", "checkin.TestSpool_LinkInsteadOfADirectory", "checkin/spool.go", "if !info.IsDir() {", "if false && (!info.IsDir()) {", nil},
		{"R6", "checkin.TestSpool_FilledWithNames", take, "&& t.known(id) {", "{", nil},
		{"O1", "publish.TestPush_VerifyStopsBeforeTheSwap", push, "if err := verify(o.Data); err != nil {", "if err := verify(o.Data); err != nil && false {", nil},
		{"O2", "publish.TestPush_TwoPublishersOneStandingEach", push, "NewObject(PointerName, b), conditionOf(st.pointerTag))", "NewObject(PointerName, b), Condition{})", []edit{{push, "o, Condition{Absent: true}); err != nil {", "o, Condition{}); err != nil {"}}},
		{"O3", "quorum.TestGuard", "quorum/guard.go", "l.lost >= p.GuardLeast &&", "false &&", nil},
		{"O4", "quorum.TestRecordTwoLooks", record, "if m.At.Sub(first.At.Time) < settle {", "if false && (m.At.Sub(first.At.Time) < settle) {", nil},
		{"O4", "quorum.TestRecordFuture", record, "|| inFuture(m.Timestamp, now) {", "{", nil},
		{"O5", "sign.TestOpenPGPSign_ChecksItself", "sign/pgpsign.go", "made, lifetime); err != nil {", "made, lifetime); err != nil && false {", nil},
		{"O5", "sign/kms.TestKMS_FailingSigner", "sign/pgpsign.go", "made, lifetime); err != nil {", "made, lifetime); err != nil && false {", []edit{
			{"sign/remote.go", "if !ed25519.Verify(h.public, message, sig) {", "if false && (!ed25519.Verify(h.public, message, sig)) {"},
			{"sign/minisig.go", "verifyMinisig(r.Payload, sig.Value, s.Key()); err != nil {", "verifyMinisig(r.Payload, sig.Value, s.Key()); err != nil && false {"}}},
		{"O6", "keys.TestArmor_RoundTrip", "keys/armor.go", "armor.Encode(&out, blockType, nil)", "armor.EncodeWithChecksumOption(&out, blockType, nil, false)", nil},
		{"O6", "sign.TestOpenPGP_200SignaturesInGPGV", "keys/armor.go", "armor.Encode(&out, blockType, nil)", "armor.EncodeWithChecksumOption(&out, blockType, nil, blockType != ArmorSignature)", []edit{
			{"keys/armor.go", "if needed {", "if false && needed {"}}},
		{"O7", "keys.TestReadCertificate_Refused", "keys/certificate.go", "if v := p.Body[0]; v != 4 {", "if v := p.Body[0]; false && v != 4 {", nil},
		{"O7", "keys.TestTrust_Check", "keys/check.go", "} else if threshold > holders {", "} else if false {", nil},
		{"O8", scripts + "clock", "cmd/tidemark/release.go", "ahead := !now.After(prev.manifest.Issued.Time)", "ahead := false", nil},
		{"O8", scripts + "clock", "cmd/tidemark/journey.go", "if !p.ahead(prev) {", "if true {", nil},
		{"O9", scripts + "failures", "cmd/tidemark/predecessor.go", "case theirs != nil && (own == nil || theirs.manifest.Serial > own.manifest.Serial):", "case theirs != nil:", nil},
		{"O10", "treesync.TestRun_NotTheTree", "treesync/identity.go", `if err != nil || other == "" {`, "if true {", nil},
		{"O10", "treesync.TestRun_NotMounted", "treesync/identity.go", "if known && !same && !timed {", "if false && (known && !same && !timed) {", nil},
		{"O11", "publish/s3.TestForeign", "publish/foreign.go", "if len(foreign) == 0 {", "if true {", nil},
		{"O12", "cmd/tidemark.TestGround_FirstOfAll", "cmd/tidemark/ground.go", "if err := p.groundAt(ctx, s, true); err != nil {", "if err := error(nil); err != nil {", nil},
		{"O13", "cmd/tidemark.TestNewestTrust", "cmd/tidemark/trustchain.go", "case held != nil && held.sum != pin.sum:", "case false && held != nil:", nil},
		{"O14", "cmd/tidemark.TestEndings", "cmd/tidemark/cmd_keys_list.go", "case left <= 90*day:", "case left <= 31*day:", nil},
		{"L1", "treesync.TestAcquire_OddLockFiles", "treesync/lock.go", "os.O_RDWR|os.O_CREATE|unix.O_NOFOLLOW|unix.O_NONBLOCK", "os.O_RDWR|os.O_CREATE|unix.O_NONBLOCK", nil},
		{"L2", "client.TestLook_SeenDamaged", "client/seen.go", "s, err := parseSeen(b)\n\tif err != nil {", "s, err := parseSeen(b)\n\tif err != nil {\n\t\treturn nil, nil\n\t}\n\tif err != nil {", nil},
		{"L2", "client.TestLook_SeenPipe", "client/store.go", "if !info.Mode().IsRegular() {", "if false && (!info.Mode().IsRegular()) {", nil},
		{"L3", "cmd/tidemark-mirror.TestRun_StateIsOpenToOthers", "config/mirror_warnings.go", `w.mode(m.State, "state", 0o022, text, chmod)`, "", nil},
		{"L4", "publish.TestZoneFile_RunsNoShell", "publish/reload.go", "exec.CommandContext(limited, program, argv[1:]...)", `exec.CommandContext(limited, "/bin/sh", "-c", program+" "+strings.Join(argv[1:], " "))`, nil},
		{"L5", scripts + "init", "cmd/tidemark/cmd_init.go", `"keys", "ed25519.key"), secret, 0o600)`, `"keys", "ed25519.key"), secret, 0o644)`, nil},
	}
}
