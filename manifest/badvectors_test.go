package manifest

import (
	"fmt"
	"strings"
	"testing"

	"tidemark/internal/strictjson"
)

// badDocuments makes one document or more for every rule: <rule>.json, <rule>.<variant>.json.
func badDocuments(t *testing.T) map[string][]byte {
	docs := make(map[string][]byte)
	for name, b := range badTexts(t) {
		docs[name+".json"] = []byte(b)
	}
	for name, spoil := range badValues() {
		m := small()
		spoil(m)
		b, err := strictjson.Marshal(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		docs[name+".json"] = b
	}
	return docs
}

// badTexts break a rule of the text, or hold what no value of Manifest can.
func badTexts(t *testing.T) map[string]string {
	b, err := Encode(small())
	if err != nil {
		t.Fatal(err)
	}
	base := string(b)
	with := func(pairs ...string) string { return edit(base, pairs...) }
	return map[string]string{
		"size":                           base + strings.Repeat(" ", MaxSize+1-len(base)),
		"utf-8":                          with("TIME", "TIM\xc9"),
		"utf-8.latin1-outside":           with(`"schema"`, "\xa0\"schema\""),
		"utf-8.surrogate":                with("TIME", "TIM\xed\xa0\x80"),
		"bom":                            "\uFEFF" + base,
		"syntax":                         strings.TrimSuffix(base, "}\n"),
		"syntax.comment":                 with(`"schema"`, `/* no */ "schema"`),
		"syntax.empty":                   "",
		"syntax.escape":                  with("TIME", `TIM\x45`),
		"syntax.leading-zero":            with(`"serial": 4127`, `"serial": 04127`),
		"syntax.trailing-comma":          with(`"quorum": 11`, `"quorum": 11,`),
		"control":                        with(`"TIME"`, "\"TI\tME\""),
		"control.nul":                    with("TIME", `TIM\u0000`),
		"surrogate":                      with("TIME", `TIM\ud800`),
		"surrogate.low":                  with("TIME", `TIM\udc00`),
		"surrogate.swapped":              with("TIME", `TIM\udf0a\ud83c`),
		"duplicate-member":               with(`"serial": 4127,`, `"serial": 4127, "serial": 4128,`),
		"duplicate-member.escaped":       with(`"trust_version": 3,`, `"trust_version": 3, "trust\u005fversion": 4,`),
		"duplicate-member.in-unknown":    with(`"serial": 4127,`, `"serial": 4127, "x": {"y": 1, "y": 2},`),
		"duplicate-member.tree":          with(`"trees": {`, `"trees": {"centos": {}, `, `"centos": {}`, `"centos": `+treeText(base)),
		"duplicate-member.unknown":       with(`"serial": 4127,`, `"serial": 4127, "x": 1, "x": 2,`),
		"member-case":                    with(`"serial": 4127,`, `"serial": 4127, "SERIAL": 4128,`),
		"member-case.alone":              with(`"serial": 4127,`, `"Serial": 4127,`),
		"member-case.kelvin-sign":        with(`"check_interval": 300,`, `"check_interval": 300, "chec\u212a_interval": 1,`),
		"member-case.long-s":             with(`"serial": 4127,`, `"serial": 4127, "\u017ferial": 4128,`),
		"trailing":                       base + "{}",
		"trailing.nul":                   base + "\x00",
		"nesting":                        with(`"serial": 4127,`, `"serial": 4127, "x": `+strings.Repeat("[", 100)+strings.Repeat("]", 100)+`,`),
		"type":                           with(`"serial": 4127`, `"serial": "4127"`),
		"type.document":                  "[]",
		"type.trees":                     with(`"nodes": {`, `"nodes": [], "x": {`),
		"null":                           with(`"serial": 4127`, `"serial": null`),
		"null.document":                  "null",
		"null.list":                      with(`"nearby": {`, `"nearby": null, "x": {`),
		"null.optional":                  with(`"asn": 1741`, `"asn": null`),
		"null.time":                      with(`"issued": "2026-11-22T08:00:00Z"`, `"issued": null`),
		"missing-member":                 with(`  "serial": 4127,`+"\n", ""),
		"missing-member.all":             "{}",
		"missing-member.deep":            with(`"admit": 120000,`, ``),
		"integer":                        with(`"serial": 4127`, `"serial": 4127.0`),
		"integer.exponent":               with(`"serial": 4127`, `"serial": 4e3`),
		"integer.minus-zero":             with(`"files": 240201`, `"files": -0`),
		"integer.range":                  with(`"serial": 4127`, `"serial": 9223372036854775808`),
		"schema.later-major-other-shape": `{"schema": "tidemark/manifest/v3", "serial": "one"}`,
		"time":                           with("2026-11-22T08:00:00Z", "2026-11-22T08:00:00+00:00"),
		"time.fraction":                  with("2026-11-22T08:00:00Z", "2026-11-22T08:00:00.0Z"),
		"time.number":                    with(`"2026-11-22T08:00:00Z"`, `1795334400`),
		"time.no-such-day":               with("2026-11-22T07:54:31Z", "2026-02-29T07:54:31Z"),
		"previous.empty":                 with(`"previous": "`, `"previous": "", "x": "`),
		"country.empty":                  with(`"country": "`, `"country": "", "x": "`),
		"continent.empty":                with(`"continent": "`, `"continent": "", "x": "`),
		"later-count.empty":              with(`"admit": 120000,`, `"admit": 120000, "later": [],`),
		"url":                            with("rsync://ftp.funet.fi/centos/", "--rsh=sh"),
		"url.empty":                      with("rsync://ftp.funet.fi/centos/", ""),
		"url.newline":                    with("rsync://ftp.funet.fi/centos/", `rsync://ftp.funet.fi/centos/\n--config=x`),
		"url.user":                       with("rsync://ftp.funet.fi/centos/", "rsync://u:p@ftp.funet.fi/centos/"),
		"url.port":                       with("rsync://ftp.funet.fi/centos/", "rsync://ftp.funet.fi:65537/centos/"),
		"url.ssh":                        with("rsync://ftp.funet.fi/centos/", "ftp.funet.fi::centos"),
		"url.tls":                        with("rsync://ftp.funet.fi/centos/", "rsync+tls://ftp.funet.fi/centos/"),
		"url.number":                     with("rsync://ftp.funet.fi/centos/", "rsync://2130706433/centos/"),
		"url.dotdot":                     with("rsync://ftp.funet.fi/centos/", "rsync://ftp.funet.fi/centos/../x"),
		"url.wildcard":                   with("rsync://ftp.funet.fi/centos/", "rsync://ftp.funet.fi/cent*/"),
	}
}

// treeText cuts the text of the tree centos out of a document.
func treeText(base string) string {
	_, rest, _ := strings.Cut(base, `"centos": `)
	text, _, _ := strings.Cut(rest, "\n    }\n")
	return text + "}"
}

// badValues spoil a good manifest.
func badValues() map[string]func(*Manifest) {
	return map[string]func(*Manifest){
		"schema":                     func(m *Manifest) { m.Schema = "tidemark/manifest/v2" },
		"schema.other":               func(m *Manifest) { m.Schema = "tidemark/trust/v1" },
		"network":                    func(m *Manifest) { m.Network = "CentOS" },
		"network.path":               func(m *Manifest) { m.Network = "../centos" },
		"serial":                     func(m *Manifest) { m.Serial = 1 << 53 },
		"serial.zero":                func(m *Manifest) { m.Serial = 0 },
		"expires":                    func(m *Manifest) { m.Expires = m.Issued },
		"trust-version":              func(m *Manifest) { m.TrustVersion = 0 },
		"previous":                   func(m *Manifest) { m.Previous = strings.ToUpper(m.Previous) },
		"previous.short":             func(m *Manifest) { m.Previous = m.Previous[:63] },
		"tree-count":                 manyTrees,
		"tree-name":                  func(m *Manifest) { m.Trees["-centos"] = m.Trees["centos"] },
		"timestamp":                  tree(func(t *Tree) { t.Timestamp = 0 }),
		"timestamp.milliseconds":     tree(func(t *Tree) { t.Timestamp *= 1000 }),
		"timestamp.later":            tree(func(t *Tree) { t.Later = []Later{{Timestamp: -1, Anchors: []Anchor{}}} }),
		"time-file":                  tree(func(t *Tree) { t.TimeFile = "/TIME" }),
		"time-file.empty":            tree(func(t *Tree) { t.TimeFile = "" }),
		"files":                      tree(func(t *Tree) { t.Files = -1 }),
		"bytes":                      tree(func(t *Tree) { t.Bytes = 1 << 53 }),
		"nodes":                      tree(func(t *Tree) { t.Nodes.Verified = 14 }),
		"nodes.negative":             tree(func(t *Tree) { t.Nodes.Quorum = -1 }),
		"admit":                      tree(func(t *Tree) { t.Admit = 1_000_001 }),
		"admit.negative":             tree(func(t *Tree) { t.Admit = -1 }),
		"anchor-count":               tree(manyAnchors),
		"anchor-path":                tree(func(t *Tree) { t.Anchors[0].Path = "/etc/passwd" }),
		"anchor-path.backslash":      tree(func(t *Tree) { t.Anchors[0].Path = `a\b` }),
		"anchor-path.c1-control":     tree(func(t *Tree) { t.Anchors[0].Path = "a\u0085b" }),
		"anchor-path.dot":            tree(func(t *Tree) { t.Anchors[0].Path = "./a" }),
		"anchor-path.dotdot":         tree(func(t *Tree) { t.Anchors[0].Path = "a/../../b" }),
		"anchor-path.double-slash":   tree(func(t *Tree) { t.Anchors[0].Path = "a//b" }),
		"anchor-path.later":          tree(func(t *Tree) { t.Later = []Later{{Timestamp: t.Timestamp + 1, Anchors: []Anchor{anchor("a\n", 1)}}} }),
		"anchor-path.long":           tree(func(t *Tree) { t.Anchors[0].Path = strings.Repeat("a", MaxPath+1) }),
		"anchor-path.option":         tree(func(t *Tree) { t.Anchors[0].Path = "-e sh" }),
		"anchor-path.trailing-slash": tree(func(t *Tree) { t.Anchors[0].Path = "a/" }),
		"anchor-path.wildcard":       tree(func(t *Tree) { t.Anchors[0].Path = "a/[b]*" }),
		"anchor-twice":               tree(func(t *Tree) { t.Anchors = append(t.Anchors, t.Anchors[0]) }),
		"anchor-size":                tree(func(t *Tree) { t.Anchors[0].Size = -1 }),
		"anchor-hash":                tree(func(t *Tree) { t.Anchors[0].SHA256 = strings.Repeat("g", 64) }),
		"anchor-hash.md5":            tree(func(t *Tree) { t.Anchors[0].SHA256 = strings.Repeat("0", 32) }),
		"later-count":                tree(manyLater),
		"later-order":                tree(func(t *Tree) { t.Later = []Later{{Timestamp: t.Timestamp, Anchors: []Anchor{}}} }),
		"later-order.descending": tree(func(t *Tree) {
			t.Later = []Later{{Timestamp: t.Timestamp + 2, Anchors: []Anchor{}}, {Timestamp: t.Timestamp + 1, Anchors: []Anchor{}}}
		}),
		"entry-count":               manySources,
		"source-id":                 source(func(s *Source) { s.ID = "FTP.funet.fi" }),
		"source-id.long":            source(func(s *Source) { s.ID = strings.Repeat("z", 101) }),
		"source-order":              func(m *Manifest) { m.Sources[0], m.Sources[1] = m.Sources[1], m.Sources[0] },
		"source-twice":              source(func(s *Source) { s.ID = "eu-msync-1" }),
		"kind":                      source(func(s *Source) { s.Kind = "master" }),
		"country":                   source(func(s *Source) { s.Country = "UK" }),
		"country.lower-case":        source(func(s *Source) { s.Country = "fi" }),
		"continent":                 source(func(s *Source) { s.Continent = "XX" }),
		"asn":                       source(func(s *Source) { s.ASN = 1 << 32 }),
		"asn.negative":              source(func(s *Source) { s.ASN = -1 }),
		"slots":                     source(func(s *Source) { s.Slots = 9 }),
		"slots.negative":            source(func(s *Source) { s.Slots = -1 }),
		"source-trees":              source(func(s *Source) { s.Trees = nil }),
		"source-tree":               source(func(s *Source) { s.Trees["vault"] = s.Trees["centos"] }),
		"source-timestamp":          entry(func(st *SourceTree) { st.Timestamp-- }),
		"source-timestamp.unlisted": entry(func(st *SourceTree) { st.Timestamp += 3600 }),
		"depth":                     entry(func(st *SourceTree) { st.Depth = "deep" }),
		"families":                  entry(func(st *SourceTree) { st.Families = []int{6, 4} }),
		"families.empty":            entry(func(st *SourceTree) { st.Families = nil }),
		"families.other":            entry(func(st *SourceTree) { st.Families = []int{5} }),
		"families.twice":            entry(func(st *SourceTree) { st.Families = []int{4, 4} }),
		"check-interval":            func(m *Manifest) { m.Policy.CheckInterval = 0 },
		"max-hold":                  func(m *Manifest) { m.Policy.MaxHold = 366*86400 + 1 },
		"nearby":                    func(m *Manifest) { m.Policy.Nearby["XX"] = []string{"FI"} },
		"nearby.itself":             func(m *Manifest) { m.Policy.Nearby["SE"] = []string{"SE"} },
		"nearby.twice":              func(m *Manifest) { m.Policy.Nearby["SE"] = []string{"FI", "NO", "FI"} },
		"nearby.unknown":            func(m *Manifest) { m.Policy.Nearby["SE"] = []string{"EU"} },
	}
}

func tree(spoil func(*Tree)) func(*Manifest) {
	return func(m *Manifest) {
		t := m.Trees["centos"]
		spoil(&t)
		m.Trees["centos"] = t
	}
}

func source(spoil func(*Source)) func(*Manifest) {
	return func(m *Manifest) { spoil(&m.Sources[1]) }
}

func entry(spoil func(*SourceTree)) func(*Manifest) {
	return source(func(s *Source) {
		st := s.Trees["centos"]
		spoil(&st)
		s.Trees["centos"] = st
	})
}

func manyTrees(m *Manifest) {
	for i := range MaxTrees {
		t := m.Trees["centos"]
		t.Anchors = nil
		m.Trees[fmt.Sprintf("tree-%02d", i)] = t
	}
}

func manyAnchors(t *Tree) {
	for i := range MaxAnchors / 2 {
		t.Anchors = append(t.Anchors, Anchor{Path: fmt.Sprintf("p%04d/repomd.xml", i), SHA256: SHA256(nil)})
	}
	t.Later = []Later{{Timestamp: t.Timestamp + 60, Anchors: t.Anchors[1:]}}
}

func manyLater(t *Tree) {
	for i := range int64(MaxLater + 1) {
		t.Later = append(t.Later, Later{Timestamp: t.Timestamp + 1 + i, Anchors: []Anchor{}})
	}
}

// manySources are one entry too many. Two trees a source, so that the size is not the
// first limit to be met.
func manySources(m *Manifest) {
	m.Trees["b"] = m.Trees["centos"]
	u := rsyncURL("rsync://a.example/b/")
	since := instant("2026-11-22T07:58:02Z")
	for i := range MaxEntries / 2 {
		s := Source{ID: fmt.Sprintf("m%05d", i), Kind: KindMirror, Trees: map[string]SourceTree{}}
		for _, name := range []string{"b", "centos"} {
			s.Trees[name] = SourceTree{URL: u, Timestamp: 1488372781, Since: since, Depth: DepthTime, Families: []int{4}}
		}
		m.Sources = append(m.Sources, s)
	}
}
