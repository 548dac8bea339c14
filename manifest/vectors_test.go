package manifest

import (
	"bytes"
	"compress/gzip"
	"flag"
	"fmt"
	"io"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/geo"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
)

var update = flag.Bool("update", false, "write ../testdata/good and ../testdata/bad anew")

const vectors = "../testdata"

func instant(s string) strictjson.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return strictjson.At(t)
}

func rsyncURL(s string) rsyncurl.URL {
	u, err := rsyncurl.Parse(s)
	if err != nil {
		panic(err)
	}
	return u
}

func anchor(path string, size int64) Anchor {
	return Anchor{Path: path, Size: size, SHA256: SHA256([]byte(path))}
}

// minimal is a network at its first serial: nothing was announced yet.
func minimal() *Manifest {
	return &Manifest{
		Schema: Schema, Network: "centos", Serial: 1,
		Issued: instant("2026-11-22T08:00:00Z"), Expires: instant("2026-11-23T08:00:00Z"), TrustVersion: 1,
		Trees: map[string]Tree{}, Sources: []Source{},
		Policy: Policy{CheckInterval: 300, MaxHold: 7200, Nearby: map[string][]string{}},
	}
}

// small has one of everything.
func small() *Manifest {
	m := minimal()
	m.Serial, m.TrustVersion, m.Previous = 4127, 3, SHA256([]byte("4126"))
	m.Trees["centos"] = Tree{
		Timestamp: 1488372781, Announced: instant("2026-11-22T07:55:00Z"), TimeFile: "TIME", Files: 240201, Bytes: 118111600640,
		Nodes: Nodes{Verified: 12, Counted: 13, Quorum: 11}, Admit: 120000,
		Anchors: []Anchor{anchor("7/os/x86_64/repodata/repomd.xml", 3735)},
	}
	m.Sources = []Source{
		{ID: "eu-msync-1", Kind: KindNode, Country: "DE", Continent: "EU", Slots: 4, Trees: map[string]SourceTree{
			"centos": {URL: rsyncURL("rsync://eu-msync.example.org/CentOS/"), Timestamp: 1488372781, Since: instant("2026-11-22T07:54:31Z"), Depth: DepthListing, Families: []int{4, 6}}}},
		{ID: "ftp.funet.fi", Kind: KindMirror, Country: "FI", Continent: "EU", ASN: 1741, Slots: 2, Trees: map[string]SourceTree{
			"centos": {URL: rsyncURL("rsync://ftp.funet.fi/centos/"), Timestamp: 1488372781, Since: instant("2026-11-22T07:58:02Z"), Depth: DepthAnchors, Families: []int{4}}}},
	}
	m.Policy.Nearby["FI"] = []string{"SE", "DK", "NO", "DE", "NL", "EE"}
	return m
}

// later is small, with two newer timestamps recorded and a node that is at the first of them.
func later() *Manifest {
	m := small()
	t := m.Trees["centos"]
	t.Later = []Later{
		{Timestamp: 1488376381, Anchors: []Anchor{{Path: t.Anchors[0].Path, Size: 3741, SHA256: SHA256([]byte("b"))}}},
		{Timestamp: 1488379981, Anchors: []Anchor{{Path: t.Anchors[0].Path, Size: 3750, SHA256: SHA256([]byte("c"))}}},
	}
	m.Trees["centos"] = t
	st := m.Sources[0].Trees["centos"]
	st.Timestamp = 1488376381
	m.Sources[0].Trees["centos"] = st
	return m
}

// three is a network like CentOS's, with the whole table of neighbours.
func three() *Manifest {
	m := later()
	m.Policy.Nearby = geo.Nearby()
	for i, name := range []string{"altarch", "vault"} {
		t := m.Trees["centos"]
		t.Timestamp -= int64(i+1) * 302400
		t.Later = nil
		t.Anchors = []Anchor{anchor(name+"/7/os/aarch64/repodata/repomd.xml", 3001), anchor(name+"/7/updates/aarch64/repodata/repomd.xml", 2950)}
		m.Trees[name] = t
		m.Sources[0].Trees[name] = SourceTree{URL: rsyncURL("rsync://eu-msync.example.org/" + name), Timestamp: t.Timestamp,
			Since: instant("2026-11-21T18:00:09Z"), Depth: DepthListing, Families: []int{4, 6}}
	}
	for i, host := range []string{"mirror.example.br", "mirror.example.jp", "mirror.example.se", "mirror.example.za"} {
		country := []string{"BR", "JP", "SE", "ZA"}[i]
		m.Sources = append(m.Sources, Source{ID: host, Kind: KindMirror, Country: country, Continent: geo.Continent(country), Slots: i + 1, Trees: map[string]SourceTree{
			"centos": {URL: rsyncURL("rsync://" + host + ":8730/pub/linux/centos"), Timestamp: 1488372781, Since: instant("2026-11-22T07:59:00Z"), Depth: DepthTime, Families: []int{6}}}})
	}
	return m
}

// escapes has what is easily written in two ways.
func escapes() *Manifest {
	m := small()
	t := m.Trees["centos"]
	t.TimeFile = "état/ZEIT Ω"
	t.Anchors = []Anchor{
		anchor("a <b> & 'c' \"d\"", 0), anchor("astral \U0001F30A", 1), anchor("bmp \u00e9 \uffee \u0416", 2), anchor("quote\"and/slash", MaxSerial),
	}
	m.Trees["centos"] = t
	m.Sources[1].Trees["centos"] = SourceTree{URL: rsyncURL("rsync://[2001:db8::1]:8730/a&b/"), Timestamp: t.Timestamp, Since: instant("2026-11-22T07:58:02Z"), Depth: DepthTime, Families: []int{6}}
	return m
}

func goodDocuments(t *testing.T) map[string][]byte {
	docs := make(map[string][]byte)
	for name, m := range map[string]*Manifest{"minimal": minimal(), "small": small(), "later": later(), "three-trees": three(), "escapes": escapes()} {
		b, err := Encode(m)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		docs[name+".json"] = b
	}
	base := string(docs["small.json"])
	docs["foreign-unknown-members.json"] = []byte(edit(base, `"serial": 4127,`, `"serial": 4127,
  "advice": {"text": "a later minor version says more", "weight": -1.5e3, "nothing": null},`, `"admit": 120000,`, `"admit": 120000, "hold": [true, []],`))
	docs["foreign-spelling.json"] = []byte(strings.ReplaceAll(edit(base, `"network": "centos"`, `"net\u0077ork":"cent\u006fs"`, "\n}\n", "}"), "\n", "\r\n\t"))
	return docs
}

// edit replaces pairs of old and new, each of which must be there.
func edit(s string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(s, pairs[i]) {
			panic("not in the document: " + pairs[i])
		}
		s = strings.Replace(s, pairs[i], pairs[i+1], 1)
	}
	return s
}

// big documents are kept packed.
func fileName(name string, b []byte) string {
	if len(b) > 64<<10 {
		return name + ".gz"
	}
	return name
}

func writeVectors(t *testing.T, dir string, docs map[string][]byte) {
	t.Helper()
	old, err := filepath.Glob(filepath.Join(dir, "*.json*"))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range old {
		if err := os.Remove(name); err != nil {
			t.Fatal(err)
		}
	}
	for name, b := range docs {
		path := filepath.Join(dir, fileName(name, b))
		if strings.HasSuffix(path, ".gz") {
			var packed bytes.Buffer
			w, _ := gzip.NewWriterLevel(&packed, gzip.BestCompression)
			if _, err := w.Write(b); err != nil {
				t.Fatal(err)
			}
			if err := w.Close(); err != nil {
				t.Fatal(err)
			}
			b = packed.Bytes()
		}
		if err := os.WriteFile(path, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

func readVectors(t testing.TB, dir string) map[string][]byte {
	t.Helper()
	paths, err := filepath.Glob(filepath.Join(vectors, dir, "*.json*"))
	if err != nil || len(paths) == 0 {
		t.Fatalf("no documents in %s: %v", dir, err)
	}
	docs := make(map[string][]byte)
	for _, path := range paths {
		b, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		if strings.HasSuffix(path, ".gz") {
			r, err := gzip.NewReader(bytes.NewReader(b))
			if err != nil {
				t.Fatal(err)
			}
			if b, err = io.ReadAll(r); err != nil {
				t.Fatal(err)
			}
		}
		docs[strings.TrimSuffix(filepath.Base(path), ".gz")] = b
	}
	return docs
}

// TestVectors keeps the files in step with this page; -update writes them.
func TestVectors(t *testing.T) {
	for dir, docs := range map[string]map[string][]byte{"good": goodDocuments(t), "bad": badDocuments(t)} {
		if *update {
			writeVectors(t, filepath.Join(vectors, dir), docs)
		}
		onDisk := readVectors(t, dir)
		if got, want := slices.Sorted(maps.Keys(onDisk)), slices.Sorted(maps.Keys(docs)); !slices.Equal(got, want) {
			t.Errorf("testdata/%s has\n%v\nexpected\n%v\n(go test ./manifest -run TestVectors -update)", dir, got, want)
		}
		for name, b := range docs {
			if !bytes.Equal(onDisk[name], b) {
				t.Errorf("testdata/%s/%s is not what the test makes (go test ./manifest -run TestVectors -update)", dir, name)
			}
		}
	}
	if *update {
		if err := os.WriteFile(filepath.Join(vectors, "bad", "messages.txt"), messages(t), 0o644); err != nil {
			t.Fatal(err)
		}
	}
}

// messages is what each bad document is refused with, a line each.
func messages(t *testing.T) []byte {
	t.Helper()
	var out bytes.Buffer
	docs := readVectors(t, "bad")
	for _, name := range slices.Sorted(maps.Keys(docs)) {
		_, err := Parse(docs[name])
		fmt.Fprintf(&out, "%s: %v\n", name, err)
	}
	return out.Bytes()
}

func TestGoodDocuments(t *testing.T) {
	for name, b := range readVectors(t, "good") {
		m, err := Parse(b)
		if err != nil {
			t.Errorf("%s: %v", name, err)
			continue
		}
		again, err := Encode(m)
		if err != nil {
			t.Errorf("%s: encode: %v", name, err)
			continue
		}
		if foreign := strings.HasPrefix(name, "foreign-"); bytes.Equal(again, b) == foreign {
			t.Errorf("%s: Encode(Parse(b)) == b is %v, expected %v", name, !foreign == foreign, !foreign)
		}
		if strings.HasPrefix(name, "foreign-") && !bytes.Equal(again, goodDocuments(t)["small.json"]) {
			t.Errorf("%s: is not read as small.json is", name)
		}
	}
}

func TestBadDocuments(t *testing.T) {
	docs := readVectors(t, "bad")
	said := make(map[string]string)
	for name, b := range docs {
		rule, _, _ := strings.Cut(name, ".")
		m, err := Parse(b)
		e, ok := err.(*RuleError)
		if !ok || m != nil {
			t.Errorf("%s: got %v, %v, expected a *RuleError and no manifest", name, m, err)
			continue
		}
		if e.Rule != Rule(rule) {
			t.Errorf("%s: refused by rule %s: %v", name, e.Rule, err)
		}
		if other := said[err.Error()]; other != "" {
			t.Errorf("%s and %s are refused with the same message: %v", name, other, err)
		}
		said[err.Error()] = name
		if len(err.Error()) > 500 || strings.ContainsFunc(err.Error(), func(r rune) bool { return r < 0x20 || r > 0x7e }) {
			t.Errorf("%s: the message is long or not plain ASCII: %q", name, err)
		}
	}
	for _, r := range Rules() {
		if docs[string(r)+".json"] == nil {
			t.Errorf("rule %s has no document testdata/bad/%s.json", r, r)
		}
	}
	want, err := os.ReadFile(filepath.Join(vectors, "bad", "messages.txt"))
	if err != nil {
		t.Fatal(err)
	}
	if got := messages(t); !bytes.Equal(got, want) {
		t.Errorf("the messages are not those of testdata/bad/messages.txt (-update writes it):\n%s", got)
	}
}
