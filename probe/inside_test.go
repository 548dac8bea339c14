package probe

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"io"
	"math/big"
	"math/rand/v2"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"tidemark/internal/rsyncurl"
	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// TestClassify_EveryCode lists the wire client's codes: a new one must get its line in the table.
func TestClassify_EveryCode(t *testing.T) {
	for code, want := range map[rsync.Code]quorum.FailureKind{
		rsync.CodeResolve: quorum.FailUnreachable, rsync.CodeRefused: quorum.FailUnreachable,
		rsync.CodeUnreachable: quorum.FailUnreachable, rsync.CodeTimeout: quorum.FailUnreachable,
		rsync.CodeBusy: quorum.FailBusy, rsync.CodeDenied: quorum.FailRefused,
		rsync.CodeUnknownModule: quorum.FailRefused, rsync.CodeAuth: quorum.FailRefused,
		rsync.CodeNotFound: quorum.FailUnreachable, rsync.CodeNotFile: quorum.FailUnreachable,
		rsync.CodeTooLarge: quorum.FailUnreachable, rsync.CodeIncomplete: quorum.FailUnreachable,
		rsync.CodeCorrupt: quorum.FailUnreachable, rsync.CodeProtocol: quorum.FailUnreachable,
		rsync.CodeServer: quorum.FailUnreachable, rsync.CodeTLS: quorum.FailUnreachable,
	} {
		kind, words := classify(code)
		if kind != want || words == string(code) || words == "" {
			t.Errorf("code %s: %s %q, expected %s with words of its own", code, kind, words, want)
		}
	}
	for code, want := range map[rsync.Code]quorum.FailureKind{
		rsync.CodeNotFound: quorum.FailMissing, rsync.CodeNotFile: quorum.FailMissing, rsync.CodeTooLarge: quorum.FailNotNumber,
	} {
		if f := timeFailure(&rsync.Error{Code: code, Op: "fetch"}, "TIME"); f.Kind != want {
			t.Errorf("time file, code %s: %+v, expected %s", code, f, want)
		}
	}
	if f := timeFailure(&rsync.Error{Code: rsync.CodeTooLarge, Op: "greeting"}, "TIME"); f.Kind != quorum.FailUnreachable {
		t.Errorf("an endless greeting says nothing of the time file: %+v", f)
	}
	if f := failure(context.DeadlineExceeded, ""); f.Text != "no answer in time" {
		t.Errorf("plain deadline: %+v", f)
	}
}

// TestListSum_IsTheSumOfDigests compares with arithmetic done by somebody else, in another order.
func TestListSum_IsTheSumOfDigests(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		items := rapid.SliceOf(rapid.Custom(func(t *rapid.T) item {
			return item{rapid.String().Draw(t, "path"), rapid.Int64Min(0).Draw(t, "size"), time.Unix(rapid.Int64Range(-1<<40, 1<<40).Draw(t, "mtime"), 5)}
		})).Draw(t, "items")
		want := new(big.Int)
		for _, i := range items {
			h := sha256.Sum256([]byte(fmt.Sprint(i.path, "\x00", i.size, "\x00", i.mtime.Unix())))
			want.Add(want, new(big.Int).SetBytes(h[:]))
		}
		want.Mod(want, new(big.Int).Lsh(big.NewInt(1), 256))
		var sum listSum
		sum.add(item{"TIME", 0, time.Unix(1, 0)}, true)
		rand.Shuffle(len(items), func(i, j int) { items[i], items[j] = items[j], items[i] })
		for _, i := range items {
			sum.add(i, false)
		}
		got := sum.result()
		if got.Digest != fmt.Sprintf("%064x", want) || got.Files != int64(len(items))+1 {
			t.Fatalf("digest %s of %d files, expected %064x of %d", got.Digest, got.Files, want, len(items)+1)
		}
	})
}

func TestScaffolding(t *testing.T) {
	for _, tt := range []struct {
		name string
		perm uint32
		want bool
	}{
		{"7/os/.bash.rpm.x4TqWz", 0o600, true},
		{".TIME.aB3dE9", 0o700, true},
		{".treeinfo.sha256", 0o644, false},
		{".treeinfo", 0o600, false},
		{"bash.rpm.x4TqWz", 0o600, false},
		{".a/b.rpm.x4TqWz", 0o600, false},
	} {
		if got := scaffolding(tt.name, tt.perm); got != tt.want {
			t.Errorf("%s %o: %v, expected %v", tt.name, tt.perm, got, tt.want)
		}
	}
}

// still is a master that shows the given time files one after the other.
type still struct {
	times []timeRead
	files []item
}

func (s *still) timeFile(context.Context) timeRead {
	t := s.times[0]
	s.times = s.times[1:]
	return t
}

func (s *still) walk(_ context.Context, visit func(item) error) *quorum.Failure {
	for _, f := range s.files {
		if err := visit(f); err != nil {
			return unread("%v", err)
		}
	}
	return nil
}

func (s *still) hash(context.Context, []manifest.Anchor) *quorum.Failure { return nil }
func (s *still) close()                                                  {}

func TestLook_MasterInMotion(t *testing.T) {
	files := []item{{path: "os/repodata/repomd.xml", size: 9}, {path: "TIME", size: 2}}
	m := MasterAsk{Tree: "centos", TimeFile: "TIME", Anchors: []string{"**/repomd.xml", "TIME"}}
	for _, tt := range []struct {
		again timeRead
		text  string
	}{
		{parseTime([]byte("8\n"), "TIME"), ""},
		{parseTime([]byte("9\n"), "TIME"), `the master is being written: TIME held "8" before the look and "9" after it; look again when it is at rest`},
		{parseTime([]byte(""), "TIME"), `the master is being written: TIME held "8" before the look and "" after it`},
		{timeRead{fail: unread("connection refused")}, `could not be read (connection refused)`},
	} {
		r := quorum.MasterReading{}
		look(t.Context(), &still{[]timeRead{parseTime([]byte("8\n"), "TIME"), tt.again}, files}, m, Options{}, &r)
		if tt.text == "" {
			if r.Failure != nil || len(r.Anchors) != 1 || r.List.Files != 2 || r.List.Bytes != 11 {
				t.Errorf("a master at rest: %+v, failure %+v", r, r.Failure)
			}
			continue
		}
		if r.Failure == nil || !strings.Contains(r.Failure.Text, tt.text) || r.Anchors != nil || r.List != nil || r.Timestamp != 8 {
			t.Errorf("reading %+v, failure %+v, expected %q and nothing recorded", r, r.Failure, tt.text)
		}
	}
}

func TestLook_RefusesWhatNoManifestCarries(t *testing.T) {
	var many []item
	for i := range maxAnchors + 1 {
		many = append(many, item{path: fmt.Sprintf("%d/repomd.xml", i)})
	}
	for _, tt := range []struct {
		files   []item
		anchors []string
		text    string
	}{
		{many, []string{"*/repomd.xml"}, "the patterns match more than 4000 files: a manifest carries no more; check `anchors:`"},
		{[]item{{path: "a.iso", size: maxAnchor + 1}}, []string{"*"}, "anchor \"a.iso\" has 16777217 bytes: at most 16777216 are read; check `anchors:`"},
		{many[:3], []string{"**/Release"}, "none of the 3 files of the tree matches the patterns [\"**/Release\"]: check `anchors:` of tree centos"},
		{many[:3], []string{"[z-"}, "the pattern \"[z-\" is malformed: check `anchors:`"},
		{many[:3], nil, "none of the 3 files of the tree matches the patterns []: check `anchors:` of tree centos"},
	} {
		r := quorum.MasterReading{}
		m := MasterAsk{Tree: "centos", TimeFile: "TIME", Anchors: tt.anchors}
		look(t.Context(), &still{[]timeRead{parseTime([]byte("8\n"), "TIME")}, tt.files}, m, Options{}, &r)
		if r.Failure == nil || r.Failure.Text != tt.text {
			t.Errorf("failure %+v, expected %q", r.Failure, tt.text)
		}
	}
	r := quorum.MasterReading{}
	if look(t.Context(), &still{[]timeRead{parseTime([]byte("8\n"), "TIME"), parseTime([]byte("8\n"), "TIME")}, many[:maxAnchors]}, MasterAsk{Anchors: []string{"**"}}, Options{}, &r); r.Failure != nil || len(r.Anchors) != maxAnchors {
		t.Errorf("exactly %d anchors: failure %+v", maxAnchors, r.Failure)
	}
}

// TestLook_ListThatCannotBeSorted has a walk give a path that no list may hold: told once, no index, and the look is good.
func TestLook_ListThatCannotBeSorted(t *testing.T) {
	name := filepath.Join(t.TempDir(), "list")
	m := MasterAsk{Tree: "centos", TimeFile: "TIME", Anchors: []string{"**"}, Index: func(int64) string { return name }}
	var told []string
	o := Options{Trouble: func(err error) { told = append(told, err.Error()) }}
	var r quorum.MasterReading
	look(t.Context(), &still{[]timeRead{parseTime([]byte("8\n"), "TIME"), parseTime([]byte("8\n"), "TIME")}, []item{{path: "a"}, {path: "b//c"}, {path: "d//e"}}}, m, o, &r)
	if r.Failure != nil || r.List == nil || r.List.Files != 3 || len(told) != 1 || !strings.HasPrefix(told[0], "keeping the list of tree centos at 8: ") {
		t.Errorf("reading %+v, failure %+v, told %q", r, r.Failure, told)
	}
	if _, err := os.Stat(name); err == nil {
		t.Error("an index was written of half a list")
	}
}

func TestFitting(t *testing.T) {
	found := []manifest.Anchor{{Size: 9}, {Size: 4}, {Size: 4}, {Size: 1}}
	var sizes []int
	for len(found) > 0 {
		n := fitting(found, 8)
		sizes, found = append(sizes, n), found[n:]
	}
	if fmt.Sprint(sizes) != "[1 2 1]" {
		t.Errorf("batches %v, expected 1 (alone too large), 2 (8 in all) and 1", sizes)
	}
}

func TestRawText(t *testing.T) {
	for in, want := range map[string]string{
		"1488372781\n": "1488372781", "": "", "a\"b": `"a\"b"`, "\x1b[31m": `"\x1b[31m"`, "é\n": `"\u00e9"`,
		"1\n\n": `"1\n"`, strings.Repeat("7", 99): strings.Repeat("7", 64),
	} {
		if got := rawText([]byte(in)); got != want {
			t.Errorf("%q: %s, expected %s", in, got, want)
		}
	}
}

// TestDirMaster_ChangesBetweenListAndReading has a directory change after it was walked.
func TestDirMaster_ChangesBetweenListAndReading(t *testing.T) {
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "repomd.xml"), []byte("<repomd/>"), 0o644); err != nil {
		t.Fatal(err)
	}
	tree, fail := openDir(MasterAsk{Dir: dir, TimeFile: "TIME"}, rsync.NewMatcher(nil))
	if fail != nil {
		t.Fatal(fail)
	}
	defer tree.close()
	for _, tt := range []struct {
		listed manifest.Anchor
		text   string
	}{
		{manifest.Anchor{Path: "repomd.xml", Size: 9}, ""},
		{manifest.Anchor{Path: "repomd.xml", Size: 8}, `the master is being written: "repomd.xml" had 8 bytes in the list and 9 when it was read; look again when it is at rest`},
		{manifest.Anchor{Path: "gone.xml", Size: 9}, `the master is being written: "gone.xml" vanished while we looked; look again when it is at rest`},
	} {
		fail := tree.hash(t.Context(), []manifest.Anchor{tt.listed})
		if (fail == nil) != (tt.text == "") || fail != nil && fail.Text != tt.text {
			t.Errorf("%+v: failure %+v, expected %q", tt.listed, fail, tt.text)
		}
	}
}

// TestTimeFile_SessionIsShort has a server that keeps talking and never sends the time file.
func TestTimeFile_SessionIsShort(t *testing.T) {
	sent := make(chan int, 1)
	dial := func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		go func() {
			n, _ := theirs.Write([]byte("@RSYNCD: 31.0 md5 md4\n@RSYNCD: OK\n\x00\x07\x00\x00\x00"))
			frames := bytes.Repeat([]byte{0, 0, 0, 7}, 1024) // data without any
			for {
				m, err := theirs.Write(frames)
				n += m
				if err != nil {
					sent <- n
					return
				}
			}
		}()
		return ours, nil
	}
	url, err := rsyncurl.Parse("rsync://mirror.example.org/centos/")
	if err != nil {
		t.Fatal(err)
	}
	got := target{client: &rsync.Client{Dial: dial}, addr: netip.MustParseAddr("192.0.2.1"), url: url}.timeFile(t.Context(), "TIME")
	if got.fail == nil {
		t.Error("read, expected a failure")
	}
	if n := <-sent; n < maxTimeSession/2 || n > 2*maxTimeSession {
		t.Errorf("%d bytes were taken from a server that never ends (%v), expected about %d", n, got.fail, maxTimeSession)
	}
}
