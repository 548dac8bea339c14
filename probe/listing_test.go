package probe_test

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/filelist"
	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/rsync"
)

// shelf holds the lists of one tree, as files.
type shelf map[int64]string

func (s shelf) Open(_ string, timestamp int64) (want *filelist.Index, others []*filelist.Index, err error) {
	for at, name := range s {
		x, err := filelist.Open(name)
		if err != nil {
			return want, others, err
		}
		if at == timestamp {
			want = x
		} else {
			others = append(others, x)
		}
	}
	if want == nil {
		for _, x := range others {
			x.Close()
		}
		return nil, nil, nil
	}
	return want, others, nil
}

// keep looks at the master and puts its list on the shelf.
func (s shelf) keep(t testing.TB, dir string) quorum.MasterReading {
	t.Helper()
	m := probe.MasterAsk{Tree: "centos", Dir: dir, TimeFile: "TIME", Anchors: lab.Anchors()}
	var at int64
	name := filepath.Join(t.TempDir(), "list")
	m.Index = func(timestamp int64) string { at = timestamp; return name }
	r := probe.Master(t.Context(), m, probe.Options{Now: time.Now, Trouble: func(err error) { t.Error(err) }})
	if r.Failure != nil {
		t.Fatal(r.Failure)
	}
	s[at] = name
	return r
}

// copyOf makes what a mirror of the tree serves. The files are the tree's own: they are replaced, never written to.
func copyOf(t testing.TB, tree *lab.Tree) string {
	t.Helper()
	dir := t.TempDir()
	if err := tree.CopyTo(dir); err != nil {
		t.Fatal(err)
	}
	return dir
}

func change(t testing.TB, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t testing.TB, dir, path, data string, mode os.FileMode) {
	t.Helper()
	change(t, os.MkdirAll(filepath.Join(dir, filepath.Dir(path)), 0o755))
	os.Remove(filepath.Join(dir, path))
	change(t, os.WriteFile(filepath.Join(dir, path), []byte(data), mode))
}

// paths are those of a kind, in a line.
func paths(odd []filelist.Odd) string {
	var list []string
	for _, o := range odd {
		list = append(list, o.Path)
	}
	return strings.Join(list, " ")
}

const iso = "7/isos/x86_64/CentOS-x86_64-DVD.iso"

// listed is askOf with a look at the whole list.
func listed(t testing.TB, url string, anchors ...string) quorum.Ask {
	t.Helper()
	ask := askOf(t, url, anchors...)
	ask.List, ask.Deep = true, true
	return ask
}

func TestAll_Listing(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	old := copyOf(t, tree)
	lists.keep(t, tree.Dir)
	change(t, tree.Move(start+3600))
	look := lists.keep(t, tree.Dir)
	same := filelist.Diff{Files: look.List.Files - 1, Bytes: look.List.Bytes - int64(len("1488376381\n"))}
	stamp := func(dir, path string, at time.Time) { change(t, os.Chtimes(filepath.Join(dir, path), at, at)) }
	later := func(path string) filelist.Odd {
		info, err := os.Stat(filepath.Join(tree.Dir, path))
		change(t, err)
		return filelist.Odd{Path: path, MasterSize: info.Size(), MasterMTime: info.ModTime().Unix()}
	}
	for _, tt := range []struct {
		name string
		do   func(dir string, ask *quorum.Ask)
		want func(d *filelist.Diff)
	}{
		{"as the master", func(string, *quorum.Ask) {}, func(*filelist.Diff) {}},
		{"a file is missing", func(dir string, _ *quorum.Ask) { change(t, os.Remove(filepath.Join(dir, iso))) }, func(d *filelist.Diff) {
			odd := later(iso)
			d.Files, d.Bytes, d.Missing, d.MissingFirst = d.Files-1, d.Bytes-odd.MasterSize, 1, []filelist.Odd{odd}
		}},
		{"of a subset nothing is missing", func(dir string, ask *quorum.Ask) {
			ask.Subset = true
			change(t, os.Remove(filepath.Join(dir, iso)))
		}, func(d *filelist.Diff) { d.Files, d.Bytes = d.Files-1, d.Bytes-later(iso).MasterSize }},
		{"excluded, and not there", func(dir string, ask *quorum.Ask) {
			ask.Exclude = []string{"/7/isos/"}
			change(t, os.RemoveAll(filepath.Join(dir, "7/isos")))
		}, func(d *filelist.Diff) { d.Files, d.Bytes = -1, -1 }},
		{"excluded, and others than the master's", func(dir string, ask *quorum.Ask) {
			ask.Exclude = []string{"*.iso", "isos/**SUM*"}
			put(t, dir, iso, "another one", 0o644)
			put(t, dir, "extra.iso", "", 0o644)
		}, func(d *filelist.Diff) { d.Files, d.Bytes = -1, -1 }},
		{"another size", func(dir string, _ *quorum.Ask) {
			put(t, dir, iso, strings.Repeat("x", int(later(iso).MasterSize-1)), 0o644)
			stamp(dir, iso, time.Unix(later(iso).MasterMTime, 0))
		}, func(d *filelist.Diff) {
			odd := later(iso)
			odd.Size, odd.MTime = odd.MasterSize-1, odd.MasterMTime
			d.Bytes, d.Different, d.DifferentFirst = d.Bytes-1, 1, []filelist.Odd{odd}
		}},
		{"another mtime", func(dir string, _ *quorum.Ask) {
			put(t, dir, iso, strings.Repeat("x", int(later(iso).MasterSize)), 0o644)
			stamp(dir, iso, time.Unix(start+1, 7))
		}, func(d *filelist.Diff) {
			odd := later(iso)
			odd.Size, odd.MTime = odd.MasterSize, start+1
			d.Different, d.DifferentFirst = 1, []filelist.Odd{odd}
		}},
		{"one too many, with a name that is no text", func(dir string, _ *quorum.Ask) { put(t, dir, "a\nb\xff", "12345", 0o644) }, func(d *filelist.Diff) {
			d.Files, d.Bytes, d.Extra = d.Files+1, d.Bytes+5, 1
			d.ExtraFirst = []filelist.Odd{{Path: `"a\nb\xff"`, Size: 5, MTime: -1}}
		}},
		{"as rsync leaves a tree in which it is at work", func(dir string, _ *quorum.Ask) {
			put(t, dir, "7/os/.~tmp~/new.rpm", "x", 0o644)
			put(t, dir, "7/os/.bash.rpm.x4TqWz", "x", 0o600)
			put(t, dir, "lost+found/#1", "x", 0o644)
		}, func(*filelist.Diff) {}},
		{"the time file is not compared", func(dir string, _ *quorum.Ask) {
			put(t, dir, "TIME", "1488376381\n", 0o644)
		}, func(*filelist.Diff) {}},
		{"links and directories are not counted", func(dir string, _ *quorum.Ask) {
			change(t, os.Symlink("7", filepath.Join(dir, "latest")))
			change(t, os.Mkdir(filepath.Join(dir, "empty"), 0o755))
		}, func(*filelist.Diff) {}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			dir := copyOf(t, tree)
			ask := listed(t, serve(t, dir, lab.Daemon{}).URL("centos"), osAnchor)
			tt.do(dir, &ask)
			got := one(t, ask, probe.Options{Lists: lists, Trouble: func(err error) { t.Error(err) }})
			if got.Failure != nil || got.Depth != "listing" || got.List == nil || got.Void || got.Timestamp != start+3600 || len(got.Anchors) != 1 {
				t.Fatalf("reading %+v, failure %+v", got, got.Failure)
			}
			want := same
			tt.want(&want)
			if want.Files < 0 {
				want.Files, want.Bytes = got.List.Files, got.List.Bytes
				if want.Files >= same.Files {
					t.Errorf("%d files, expected fewer than all %d", want.Files, same.Files)
				}
			}
			for i := range got.List.ExtraFirst {
				got.List.ExtraFirst[i].MTime = -1
			}
			if diff := cmp.Diff(want, *got.List); diff != "" {
				t.Errorf("difference (-want +got):\n%s", diff)
			}
		})
	}
	t.Run("an older time file is held against its own list", func(t *testing.T) {
		got := one(t, listed(t, serve(t, old, lab.Daemon{}).URL("centos"), osAnchor), probe.Options{Lists: lists})
		if got.Timestamp != start || got.List == nil || !got.List.Equal() || !slices.Equal(got.Beside, []int64{start + 3600}) {
			t.Errorf("reading %+v, %+v", got, got.List)
		}
	})
	t.Run("files of another timestamp", func(t *testing.T) {
		dir := copyOf(t, tree)
		change(t, lab.WriteTime(dir, start))
		got := one(t, listed(t, serve(t, dir, lab.Daemon{}).URL("centos"), osAnchor), probe.Options{Lists: lists})
		if d := got.List; d == nil || d.Moved == 0 || d.Missing+d.Extra+d.Different != 0 {
			t.Errorf("reading %+v, %+v", got, got.List)
		}
	})
}

// TestAll_ListingOnlyWhenAskedFor counts connections: three for time file, anchors, time file, and two more for list, time file.
func TestAll_ListingOnlyWhenAskedFor(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	for _, tt := range []struct {
		name        string
		ask         func(*quorum.Ask)
		lists       probe.Lists
		connections int64
		depth       string
	}{
		{"asked", func(a *quorum.Ask) {}, lists, 5, "listing"},
		{"moved", func(a *quorum.Ask) { a.Deep, a.Known = false, start-1 }, lists, 5, "listing"},
		{"known elsewhere", func(a *quorum.Ask) { a.Deep, a.Known, a.Addresses = false, start, []string{"192.0.2.1"} }, lists, 5, "listing"},
		{"known", func(a *quorum.Ask) { a.Deep, a.Known = false, start }, lists, 1, "time"},
		{"not asked for", func(a *quorum.Ask) { a.List = false }, lists, 3, "anchors"},
		{"no list of that timestamp", func(a *quorum.Ask) {}, shelf{}, 3, "anchors"},
		{"no lists", func(a *quorum.Ask) {}, nil, 3, "anchors"},
		{"no anchor is carried", func(a *quorum.Ask) { a.Exclude = []string{"repodata/"} }, lists, 3, "listing"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			ask := listed(t, daemon.URL("centos"), osAnchor)
			tt.ask(&ask)
			var count atomic.Int64
			client := dialing(func(ctx context.Context, address string) (net.Conn, error) {
				count.Add(1)
				return (&net.Dialer{}).DialContext(ctx, "tcp", address)
			})
			got := one(t, ask, probe.Options{Client: client, Lists: tt.lists})
			if got.Failure != nil || got.Depth != tt.depth || (got.List != nil) != (tt.depth == "listing") || count.Load() != tt.connections {
				t.Errorf("depth %s, list %v, %d connections, failure %+v; expected %s and %d", got.Depth, got.List, count.Load(), got.Failure, tt.depth, tt.connections)
			}
			if strings.HasPrefix(tt.name, "no anchor") && len(got.Anchors) != 0 {
				t.Errorf("asked for %+v, which it does not carry", got.Anchors)
			}
		})
	}
}

func dialing(dial func(ctx context.Context, address string) (net.Conn, error)) *rsync.Client {
	return &rsync.Client{Dial: func(ctx context.Context, _, address string) (net.Conn, error) { return dial(ctx, address) }}
}

// instead leads the n-th connection to another server.
func instead(n int64, address string) *rsync.Client {
	var count atomic.Int64
	return dialing(func(ctx context.Context, a string) (net.Conn, error) {
		if count.Add(1) == n {
			a = address
		}
		return (&net.Dialer{}).DialContext(ctx, "tcp", a)
	})
}

func TestAll_ListThatFailsLeavesTheAnchors(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	fake := func(kind lab.FakeKind) string {
		f, err := lab.StartFake(t.Context(), kind)
		change(t, err)
		t.Cleanup(func() { f.Close() })
		return f.Addr.String()
	}
	busy := serve(t, tree.Dir, lab.Daemon{MaxConnections: 1})
	change(t, busy.Hold(t.Context(), "centos"))
	dead, err := lab.NewDead("127.0.0.1", 0)
	change(t, err)
	defer dead.Close()
	odd := func(entries ...listEntry) string {
		return netip.MustParseAddrPort(strings.TrimSuffix(strings.TrimPrefix(raw(sendList(entries, 0))(t), "rsync://"), "/centos/")).String()
	}
	for _, tt := range []struct {
		name string
		n    int64 // the connection that goes elsewhere: the 4th lists, the 5th reads the time file again
		to   string
		kind quorum.FailureKind
		text string
	}{
		{"silent", 4, fake(lab.FakeSilent), quorum.FailUnreachable, "listing the tree: no answer in time (at: greeting)"},
		{"stuck", 4, fake(lab.FakeStuck), quorum.FailUnreachable, "listing the tree: no answer in time (at: list)"},
		{"garbage", 4, fake(lab.FakeGarbage), quorum.FailUnreachable, "listing the tree: "},
		{"busy", 4, busy.Addr.String(), quorum.FailBusy, "listing the tree: max connections (1) reached"},
		{"dead", 4, dead.Addr.String(), quorum.FailUnreachable, "listing the tree: connection refused"},
		{"refuses", 4, serve(t, tree.Dir, lab.Daemon{Extra: "refuse options = recursive"}).Addr.String(), quorum.FailUnreachable, "listing the tree: the server reported an error: "},
		{"the same path twice", 4, odd(file("a"), file("b"), file("a")), quorum.FailList, "listing the tree: the server's list cannot be judged: "},
		{"a path that leads out", 4, odd(file("../a")), quorum.FailUnreachable, "listing the tree: the server does not speak the rsync protocol: "},
		{"not whole", 4, raw(sendList([]listEntry{file("a")}, 1))(t), quorum.FailUnreachable, "listing the tree: the server could not read all of its files"},
		{"dead after the list", 5, dead.Addr.String(), quorum.FailUnreachable, "fetching the time file a second time: connection refused"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			to := strings.TrimSuffix(strings.TrimPrefix(tt.to, "rsync://"), "/centos/")
			got := one(t, listed(t, daemon.URL("centos"), osAnchor), probe.Options{Client: instead(tt.n, to), Lists: lists, ListTimeout: 300 * time.Millisecond})
			if got.Failure == nil || got.Failure.Kind != tt.kind || !strings.HasPrefix(got.Failure.Text, tt.text) {
				t.Errorf("failure %+v, expected %s: %q...", got.Failure, tt.kind, tt.text)
			}
			if got.Depth != "anchors" || len(got.Anchors) != 1 || got.List != nil || got.Timestamp != start || got.Void {
				t.Errorf("reading %+v, expected the anchors", got)
			}
		})
	}
}

func TestAll_TimeFileThatChangesDuringTheList(t *testing.T) {
	for name, do := range map[string]func(*lab.Tree) error{
		"moves":    func(tree *lab.Tree) error { return tree.SetTime(start + 60) },
		"vanishes": func(tree *lab.Tree) error { return os.Remove(filepath.Join(tree.Dir, "TIME")) },
	} {
		t.Run(name, func(t *testing.T) {
			tree := newTree(t)
			lists := shelf{}
			lists.keep(t, tree.Dir)
			client := onDial(5, func() { change(t, do(tree)) })
			got := one(t, listed(t, serve(t, tree.Dir, lab.Daemon{}).URL("centos"), osAnchor), probe.Options{Client: client, Lists: lists})
			if !got.Void || got.Failure != nil || got.Timestamp != start || got.Depth != "listing" {
				t.Errorf("reading %+v, failure %+v, expected it void", got, got.Failure)
			}
		})
	}
}

// TestAll_TroubleOfOurs spoils no reading: the list is as if it had not been asked for, and the operator is told once.
func TestAll_TroubleOfOurs(t *testing.T) {
	tree := newTree(t)
	lists := shelf{}
	lists.keep(t, tree.Dir)
	daemon := serve(t, tree.Dir, lab.Daemon{})
	data, err := os.ReadFile(lists[start])
	change(t, err)
	damaged := shelf{start: filepath.Join(t.TempDir(), "damaged")}
	data[len(data)/2] ^= 1
	change(t, os.WriteFile(damaged[start], data, 0o644))
	for name, lists := range map[string]shelf{"gone": {start: "/no/such/list"}, "damaged": damaged} {
		var asks []quorum.Ask
		for i := range 3 {
			ask := listed(t, daemon.URL("centos"), osAnchor)
			ask.Server = fmt.Sprint("s", i)
			asks = append(asks, ask)
		}
		var told []string
		got := probe.All(t.Context(), asks, probe.Options{Now: time.Now, AllowPrivate: true, Lists: lists, Trouble: func(err error) { told = append(told, err.Error()) }})
		for _, r := range got {
			if r.Failure != nil || r.Depth != "anchors" || r.List != nil {
				t.Errorf("%s: reading %+v, failure %+v", name, r, r.Failure)
			}
		}
		if len(told) != 1 || !strings.Contains(told[0], "tree centos at 1488372781") {
			t.Errorf("%s: told %q, expected one sentence", name, told)
		}
	}
}
