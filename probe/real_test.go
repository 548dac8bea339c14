package probe_test

import (
	"context"
	"crypto/sha256"
	"fmt"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/rsync"
)

const start = 1488372781

// needRsync skips, or under CI fails, where there is no rsync.
func needRsync(t testing.TB) {
	t.Helper()
	if _, err := exec.LookPath("rsync"); err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("rsync is missing: apt-get install -y rsync")
		}
		t.Skip("rsync is missing: apt-get install -y rsync")
	}
}

// newTree makes a lab tree.
func newTree(t testing.TB) *lab.Tree {
	t.Helper()
	tree, err := lab.NewTree(filepath.Join(t.TempDir(), "centos"), "centos", 1, start)
	if err != nil {
		t.Fatal(err)
	}
	return tree
}

// serve starts a daemon with the directory as module centos.
func serve(t testing.TB, dir string, d lab.Daemon) *lab.Running {
	t.Helper()
	needRsync(t)
	d.Dir, d.Modules = t.TempDir(), map[string]string{"centos": dir}
	if d.Address == "" {
		d.Address = "127.0.0.1"
	}
	r, err := lab.StartDaemon(t.Context(), d)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := r.Stop(); err != nil {
			t.Error(err)
		}
	})
	return r
}

// askOf is an ask that looks deep.
func askOf(t testing.TB, url string, anchors ...string) quorum.Ask {
	t.Helper()
	return quorum.Ask{Server: "s", Tree: "centos", URL: mustURL(t, url), TimeFile: "TIME", Anchors: anchors}
}

func one(t testing.TB, ask quorum.Ask, o probe.Options) quorum.Reading {
	t.Helper()
	o.Now, o.AllowPrivate = time.Now, true
	if o.Timeout == 0 {
		o.Timeout = 20 * time.Second
	}
	got := probe.All(t.Context(), []quorum.Ask{ask}, o)
	if len(got) != 1 {
		t.Fatalf("%d readings, expected 1: %+v", len(got), got)
	}
	return got[0]
}

const (
	osAnchor      = "7/os/x86_64/repodata/repomd.xml"
	updatesAnchor = "7/updates/x86_64/repodata/repomd.xml"
)

func seen(t testing.TB, dir, path string) quorum.AnchorSeen {
	t.Helper()
	data, err := os.ReadFile(filepath.Join(dir, path))
	if err != nil {
		t.Fatal(err)
	}
	return quorum.AnchorSeen{Path: path, Size: int64(len(data)), SHA256: fmt.Sprintf("%x", sha256.Sum256(data))}
}

func TestAll_DeeperOnlyWhenThereIsAReason(t *testing.T) {
	tree := newTree(t)
	daemon := serve(t, tree.Dir, lab.Daemon{Motd: "welcome\n@RSYNCD is a nice protocol\n"})
	for _, tt := range []struct {
		name    string
		known   int64
		deep    bool
		anchors []string
		depth   string
		want    []quorum.AnchorSeen
	}{
		{"moved", start - 1, false, []string{updatesAnchor, "no/such/repomd.xml", osAnchor}, "anchors",
			[]quorum.AnchorSeen{seen(t, tree.Dir, osAnchor), seen(t, tree.Dir, updatesAnchor), {Path: "no/such/repomd.xml", Missing: true}}},
		{"moved back", start + 1, false, []string{osAnchor}, "anchors", []quorum.AnchorSeen{seen(t, tree.Dir, osAnchor)}},
		{"known", start, false, []string{osAnchor}, "time", nil},
		{"known, but due", start, true, []string{osAnchor}, "anchors", []quorum.AnchorSeen{seen(t, tree.Dir, osAnchor)}},
		{"nothing to look at", 0, true, nil, "time", nil},
		{"known here", start, false, []string{osAnchor}, "time", nil},
		{"known elsewhere", start, false, []string{osAnchor}, "anchors", []quorum.AnchorSeen{seen(t, tree.Dir, osAnchor)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask := askOf(t, daemon.URL("centos"), tt.anchors...)
			ask.Known, ask.Deep = tt.known, tt.deep
			ask.Addresses = map[string][]string{"known here": {"192.0.2.1", "127.0.0.1"}, "known elsewhere": {"192.0.2.1"}}[tt.name]
			got := one(t, ask, probe.Options{})
			want := quorum.Reading{
				Server: "s", Tree: "centos", URL: ask.URL, Address: "127.0.0.1", Family: 4, At: got.At,
				Depth: tt.depth, Timestamp: start, Raw: "1488372781", Anchors: tt.want,
			}
			if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b quorum.Reading) bool { return fmt.Sprintf("%+v", a) == fmt.Sprintf("%+v", b) })); diff != "" {
				t.Errorf("reading (-want +got):\n%s", diff)
			}
		})
	}
}

// TestAll_AnchorsAreBoundedByWhatTheMasterHas has a server with anchors far larger than any that is recorded: 64 such
// servers at a time must not fill the memory.
func TestAll_AnchorsAreBoundedByWhatTheMasterHas(t *testing.T) {
	tree := newTree(t)
	write := func(path string, size int) {
		if err := os.WriteFile(filepath.Join(tree.Dir, path), make([]byte, size), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	daemon := serve(t, tree.Dir, lab.Daemon{})
	for _, tt := range []struct {
		name           string
		largest, bytes int64
		each           int
		says           string // "": read
	}{
		{"small ones have 1 MiB each", 3735, 3 * 3735, 1 << 20, ""},
		{"and no more", 3735, 3 * 3735, 1<<20 + 1, "expected at most 1048576"},
		{"twice the largest", 3 << 20, 4 << 20, 5 << 20, ""},
		{"and no more", 3 << 20, 4 << 20, 6<<20 + 1, "expected at most 6291456"},
		{"twice of all, and 8 MiB", 3 << 20, 1 << 20, 4 << 20, "the server sent more than 10485760 bytes"},
		{"16 MiB whatever is recorded", 1 << 40, 1 << 40, 16<<20 + 1, "expected at most 16777216"},
	} {
		ask := askOf(t, daemon.URL("centos"), osAnchor, updatesAnchor, "7/extras/x86_64/repodata/repomd.xml")
		ask.Largest, ask.Bytes = tt.largest, tt.bytes
		for _, path := range ask.Anchors {
			write(path, tt.each)
		}
		switch got := one(t, ask, probe.Options{}); {
		case tt.says == "" && (got.Failure != nil || len(got.Anchors) != 3):
			t.Errorf("%s: failure %+v", tt.name, got.Failure)
		case tt.says != "" && (got.Failure == nil || !strings.Contains(got.Failure.Text, tt.says)):
			t.Errorf("%s: failure %+v, expected %q", tt.name, got.Failure, tt.says)
		}
	}
}

// TestAll_NameWithTwoAddressesThatDisagree is a name with two back-ends, one of which is behind.
func TestAll_NameWithTwoAddressesThatDisagree(t *testing.T) {
	tree := newTree(t)
	old := t.TempDir()
	if err := tree.CopyTo(old); err != nil {
		t.Fatal(err)
	}
	if err := tree.Move(start + 3600); err != nil {
		t.Fatal(err)
	}
	first := serve(t, tree.Dir, lab.Daemon{Address: "127.0.0.2"})
	serve(t, old, lab.Daemon{Address: "127.0.0.3", Port: int(first.Addr.Port())})
	ask := askOf(t, fmt.Sprintf("rsync://mirror.example.org:%d/centos/", first.Addr.Port()), updatesAnchor)
	got := probe.All(t.Context(), []quorum.Ask{ask}, probe.Options{
		Now: time.Now, AllowPrivate: true, Resolve: names(map[string][]netip.Addr{"mirror.example.org": addrs("127.0.0.3", "127.0.0.2")}),
	})
	if len(got) != 2 || got[0].Address != "127.0.0.2" || got[1].Address != "127.0.0.3" {
		t.Fatalf("readings %+v, expected one for each address", got)
	}
	if got[0].Timestamp != start+3600 || got[1].Timestamp != start {
		t.Errorf("timestamps %d and %d", got[0].Timestamp, got[1].Timestamp)
	}
	want := [][]quorum.AnchorSeen{{seen(t, tree.Dir, updatesAnchor)}, {seen(t, old, updatesAnchor)}}
	if diff := cmp.Diff(want, [][]quorum.AnchorSeen{got[0].Anchors, got[1].Anchors}); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
}

// onDial runs do just before the n-th connection.
func onDial(n int64, do func()) *rsync.Client {
	var count atomic.Int64
	return &rsync.Client{Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
		if count.Add(1) == n {
			do()
		}
		return (&net.Dialer{}).DialContext(ctx, network, address)
	}}
}

func TestAll_TimeFileThatChangesMeanwhile(t *testing.T) {
	for _, tt := range []struct {
		name string
		do   func(t *testing.T, tree *lab.Tree)
	}{
		{"moves", func(t *testing.T, tree *lab.Tree) { tree.SetTime(start + 60) }},
		{"vanishes", func(t *testing.T, tree *lab.Tree) { os.Remove(filepath.Join(tree.Dir, "TIME")) }},
		{"is emptied", func(t *testing.T, tree *lab.Tree) { os.Truncate(filepath.Join(tree.Dir, "TIME"), 0) }},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := newTree(t)
			daemon := serve(t, tree.Dir, lab.Daemon{})
			// The first connection is for the time file, the second for the anchors, the third for the time file.
			client := onDial(3, func() { tt.do(t, tree) })
			got := one(t, askOf(t, daemon.URL("centos"), osAnchor), probe.Options{Client: client})
			if !got.Void || got.Failure != nil || got.Timestamp != start || got.Raw != "1488372781" {
				t.Errorf("reading %+v, expected it void, with the first timestamp", got)
			}
		})
	}
}

func TestAll_FailureAfterAGoodTimeFileKeepsIt(t *testing.T) {
	for n, want := range map[int64]string{
		2: "fetching the anchors: ",
		3: "fetching the time file a second time: ",
	} {
		tree := newTree(t)
		daemon := serve(t, tree.Dir, lab.Daemon{})
		client := onDial(n, func() { daemon.Stop() })
		got := one(t, askOf(t, daemon.URL("centos"), osAnchor), probe.Options{Client: client})
		// A connection may still have been accepted by the system, on behalf of the daemon that is ending.
		if got.Failure == nil || got.Failure.Text != want+"connection refused" && got.Failure.Text != want+"closed before the greeting" || got.Failure.Kind != quorum.FailUnreachable || got.Timestamp != start || got.Raw != "1488372781" || got.Depth != "time" {
			t.Errorf("connection %d refused: reading %+v, failure %+v, expected %q", n, got, got.Failure, want)
		}
	}
}

func TestAll_FailuresInWords(t *testing.T) {
	timeFile := func(content string) func(t *testing.T) string {
		return func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.WriteFile(filepath.Join(dir, "TIME"), []byte(content), 0o644); err != nil {
				t.Fatal(err)
			}
			return serve(t, dir, lab.Daemon{}).URL("centos")
		}
	}
	daemon := func(d lab.Daemon) func(t *testing.T) string {
		return func(t *testing.T) string { return serve(t, newTree(t).Dir, d).URL("centos") }
	}
	for _, tt := range []struct {
		name string
		url  func(t *testing.T) string
		kind quorum.FailureKind
		text string // part of the sentence
		raw  string
	}{
		{"dead", func(t *testing.T) string {
			d, err := lab.NewDead("127.0.0.1", 0)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { d.Close() })
			return d.URL("centos")
		}, quorum.FailUnreachable, "connection refused", ""},
		{"busy", func(t *testing.T) string {
			r := serve(t, newTree(t).Dir, lab.Daemon{MaxConnections: 1})
			if err := r.Hold(t.Context(), "centos"); err != nil {
				t.Fatal(err)
			}
			return r.URL("centos")
		}, quorum.FailBusy, "max connections (1) reached -- try again later", ""},
		{"denied", daemon(lab.Daemon{Deny: true}), quorum.FailRefused, "access denied to centos from", ""},
		{"unknown module", func(t *testing.T) string { return serve(t, newTree(t).Dir, lab.Daemon{}).URL("CentOS") },
			quorum.FailRefused, "Unknown module 'CentOS'", ""},
		{"password", daemon(lab.Daemon{AuthUsers: map[string]string{"u": "p"}}), quorum.FailRefused, "the server asks for a password", ""},
		{"no time file", func(t *testing.T) string { return serve(t, t.TempDir(), lab.Daemon{}).URL("centos") },
			quorum.FailMissing, "there is no file TIME", ""},
		{"time file is a directory", func(t *testing.T) string {
			dir := t.TempDir()
			if err := os.Mkdir(filepath.Join(dir, "TIME"), 0o755); err != nil {
				t.Fatal(err)
			}
			return serve(t, dir, lab.Daemon{}).URL("centos")
		}, quorum.FailMissing, "TIME is not a regular file", ""},
		{"a page", timeFile("<!DOCTYPE html>\n<title>It works</title>\n"), quorum.FailNotNumber, "TIME: time file has no time in it", `"<!DOCTYPE html>\n<title>It works</title>"`},
		{"empty", timeFile(""), quorum.FailNotNumber, "TIME: time file has no time in it", ""},
		{"4097 bytes", timeFile("1488372781\n" + strings.Repeat(" ", 4086)), quorum.FailNotNumber, "TIME: time file of more than 4096 bytes", `"1488372781\n` + strings.Repeat(" ", 53) + `"`},
		{"a megabyte", timeFile(strings.Repeat("1", 1<<20)), quorum.FailNotNumber, "TIME has more than 65536 bytes", ""},
		{"silent", raw(func(c net.Conn) { time.Sleep(3 * time.Second) }), quorum.FailUnreachable, "no answer in time (at: greeting)", ""},
		{"hangs up", raw(func(c net.Conn) { c.Close() }), quorum.FailUnreachable, "closed before the greeting", ""},
		{"web server", raw(func(c net.Conn) { fmt.Fprint(c, "HTTP/1.1 400 Bad Request\r\n\r\n") }), quorum.FailUnreachable, "the server does not speak the rsync protocol", ""},
		{"trickling", raw(func(c net.Conn) {
			for fmt.Fprint(c, "@RSYNCD: 31.0 md5\n"); ; time.Sleep(20 * time.Millisecond) {
				if _, err := fmt.Fprint(c, "still here\n"); err != nil {
					return
				}
			}
		}), quorum.FailUnreachable, "no answer in time", ""},
		{"endless greeting", raw(func(c net.Conn) {
			for fmt.Fprint(c, "@RSYNCD: 31.0 md5\n"); ; {
				if _, err := fmt.Fprintln(c, strings.Repeat("x", 4000)); err != nil {
					return
				}
			}
		}), quorum.FailUnreachable, "the server sent more than a probe reads: more than 65536 bytes of text", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			o := probe.Options{}
			if strings.HasPrefix(tt.text, "no answer") {
				o.Timeout = 300 * time.Millisecond
			}
			got := one(t, askOf(t, tt.url(t), osAnchor), o)
			if got.Failure == nil || got.Failure.Kind != tt.kind || !strings.Contains(got.Failure.Text, tt.text) {
				t.Errorf("failure %+v, expected %s: %q...", got.Failure, tt.kind, tt.text)
			}
			if got.Raw != tt.raw || got.Timestamp != 0 || got.Depth != "time" {
				t.Errorf("reading %+v, expected the bytes %s", got, tt.raw)
			}
		})
	}
}

// raw is a server that does something else than rsync.
func raw(serve func(net.Conn)) func(t *testing.T) string {
	return func(t *testing.T) string {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { l.Close() })
		go func() {
			for {
				c, err := l.Accept()
				if err != nil {
					return
				}
				go func() { defer c.Close(); serve(c) }()
			}
		}()
		return fmt.Sprintf("rsync://%s/centos/", l.Addr())
	}
}

func TestAll_HiddenModuleIsNoObstacle(t *testing.T) {
	daemon := serve(t, newTree(t).Dir, lab.Daemon{Hidden: true})
	if got := one(t, askOf(t, daemon.URL("centos")), probe.Options{}); got.Failure != nil || got.Timestamp != start {
		t.Errorf("reading %+v, failure %+v", got, got.Failure)
	}
}
