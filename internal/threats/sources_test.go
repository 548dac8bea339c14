package threats

// sourceDefences are those against servers that mirrors sync from, and that the publisher looks at.
func sourceDefences() []defence {
	const (
		judge, list, args = "treesync/judge.go", "treesync/list.go", "rsync/args.go"
		address, listing  = "quorum/address.go", "probe/listing.go"
	)
	return []defence{
		{"M1", "treesync.TestRun_FreshTimeAndWrongContent", judge, "if missing == \"\" && other == \"\" {\n\t\t\treturn s, nil", "if true {\n\t\t\treturn s, nil", nil},
		{"M1", "quorum.TestTimeFileAlone", address, "f.state, f.cause, f.text = Unknown, CauseUnproven, f.text+\", but its content was not looked at, and", "f.text = f.text + \", but its content was not looked at, and", nil},
		{"M1", "quorum.TestAskedOneThatLies", address, `case c.bad != "":`, "case false:", nil},
		{"M2", "treesync.TestRun_Behind", judge, "if f.timestamp < announced.timestamp {", "if false && (f.timestamp < announced.timestamp) {", nil},
		{"M3", "treesync.TestRun_MissingPackage", list, "if s.Regular >= a.tree.Files && s.Bytes >= a.tree.Bytes {", "if true {", nil},
		{"M3", "quorum.TestList", address, "case f.look.atFault():", "case false && (f.look.atFault()):", nil},
		{"M4", "treesync.TestRun_LacksISOs", list, "return a.source.MayDelete && !a.o.Fallback", "return !a.o.Fallback", nil},
		{"M4", "treesync.TestRun_DeletesWhatWasListedAlone", "treesync/remove.go", "if !r.isReal(path.Dir(d.name)) {", "if false && (!r.isReal(path.Dir(d.name))) {", nil},
		{"M5", "treesync.TestRun_ProofReadsTheTree", "treesync/attempt.go", "if err := a.prove(); err != nil {", "if err := a.prove(); err != nil && false {", nil},
		{"M5", "treesync.TestRun_FailedProof", "treesync/attempt.go", "found{timestamp: again.time.timestamp, anchors: again.anchors}", "found{timestamp: again.time.timestamp, anchors: a.target.anchors}", nil},
		{"M6", "treesync.TestRun_HugeFile", list, "a.tree.Bytes > 0 && s.Bytes > 2*a.tree.Bytes+moreBytes {", "false {", nil},
		{"M7", "rsync.TestExecLinks", args, `"--safe-links", `, "", nil},
		{"M9", "rsync.TestExecDrippingSource", "rsync/child.go", "if c.silence > 0 {", "if false && (c.silence > 0) {", nil},
		{"M9", "rsync.TestExecEnvironment", "rsync/exec.go", `env := []string{"PATH=" + x.path(), "LC_ALL=C", "TZ=UTC", "RSYNC_PASSWORD="}`, `env := append(os.Environ(), "PATH="+x.path())`, nil},
		{"M8", "rsync.TestForgedOutput", "rsync/exec.go", "rand.Read(b) // never fails (crypto/rand)", "_, _ = rand.Read, b", nil},
		{"M8", "rsync.TestForgedDeletions", "rsync/itemize.go", `if part == "" || part == "." || part == ".." {`, `if false && part == "" {`, nil},
		{"M10", "rsync.TestAttacks/endless_list/list", "rsync/flist.go", "if d.count++; d.count > d.in.limits.Entries {", "if d.count++; false && (d.count > d.in.limits.Entries) {", nil},
		{"M10", "rsync.TestAttacks/negative_size/list", "rsync/flist.go", "if e.Size < 0 {", "if false && (e.Size < 0) {", nil},
		{"M10", "rsync.TestAttacks/endless_message_of_the_day/list", "rsync/limits.go", "l.Greeting = orDefault(l.Greeting, 64<<10)", "l.Greeting = 1 << 30", nil},
		{"M11", "rsync.TestAttack_SlowLoris/list/list", "rsync/session.go", "conn.SetDeadline(deadline)", "_ = deadline", []edit{{"rsync/session.go", "conn.SetDeadline(time.Unix(1, 0)); conn.Close()", "_ = time.Unix"}}},
		{"M12", "probe.TestAttack_EndlessList", listing, "if c.files++; c.files > c.most {", "if c.files++; false && (c.files > c.most) {", nil},
		{"M12", "probe.TestAttack_NamesMadeForPatterns", listing, "if c.odd != nil && c.odd(e.Name) {", "if false && (c.odd != nil && c.odd(e.Name)) {", nil},
		{"M13", "quorum.TestTwoAddresses", "quorum/judge.go", "if !unanimous(firm) {", "if false && (!unanimous(firm)) {", nil},
		{"M14", "probe.TestAttack_PrivateAddresses", "probe/resolve.go", "if !private {", "if !private || true {", nil},
		{"M14", "probe.TestAttack_Rebinding", "probe/resolve.go", "found[ask.URL.Host()]; !seen {", "found[ask.URL.Host()]; !seen || true {", nil},
		{"M15", "quorum.TestPartial", "quorum/sources.go", "&& !e.server.Partial &&", "&&", nil},
		{"N1", "quorum.TestAnnounceQuorum", "quorum/announce.go", "b.reached(timestamp) >= need", "b.reached(timestamp) >= min(need, 1)", nil},
		{"N2", "quorum.TestListOfNodes", address, "case f.look.atFault():", "case false && (f.look.atFault()):", nil},
		{"N4", "quorum.TestNeverBackwards", address, "case said < j.server.Highest:", "case false && (said < j.server.Highest):", nil},
		{"N3", "quorum.TestAnnounceQuorum", "quorum/announce.go", "need, err := q.Need(b.counted)\n\treturn", "need, err := b.counted, error(nil)\n\treturn", nil},
	}
}
