package probe_test

import (
	"context"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidemark/internal/lab"
	"tidemark/probe"
	"tidemark/quorum"
)

func master(t testing.TB, m probe.MasterAsk, o probe.Options) quorum.MasterReading {
	t.Helper()
	m.Tree, m.TimeFile = "centos", "TIME"
	if m.Anchors == nil {
		m.Anchors = lab.Anchors()
	}
	o.Now = func() time.Time { return time.Unix(start, 0) }
	return probe.Master(t.Context(), m, o)
}

// statistics asks the real rsync what a mirror's dry run of the whole tree would count.
func statistics(t testing.TB, dir string) (files, bytes int64) {
	t.Helper()
	needRsync(t)
	cmd := exec.CommandContext(t.Context(), "rsync", "-rn", "--stats", "--no-human-readable", "--exclude=.~tmp~/", dir+"/", t.TempDir())
	cmd.Env = append(os.Environ(), "LC_ALL=C")
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	number := func(pattern string) int64 {
		m := regexp.MustCompile(pattern).FindSubmatch(out)
		if m == nil {
			t.Fatalf("no %s in:\n%s", pattern, out)
		}
		n, err := strconv.ParseInt(string(m[1]), 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		return n
	}
	return number(`Number of files: .*reg: (\d+)`), number(`Total transferred file size: (\d+)`)
}

// oddTree is a lab tree with what a walk can meet.
func oddTree(t testing.TB) *lab.Tree {
	t.Helper()
	tree := newTree(t)
	write := func(path string, mode os.FileMode) {
		file := filepath.Join(tree.Dir, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(path), mode); err != nil {
			t.Fatal(err)
		}
	}
	write("odd/line\nend", 0o644)
	write("odd/not \xff utf-8", 0o644)
	write("odd/[brackets]*?", 0o644)
	write("odd/.treeinfo.sha256", 0o644)
	write("odd/-rf", 0o644)
	write("odd/lost+found/is a name like any other", 0o644)
	write("odd/.~tmp~/7/os/x86_64/repodata/repomd.xml", 0o600)
	for link, to := range map[string]string{"repodata": "7/os/x86_64/repodata", "etc": "/etc", "nowhere": "gone", "7/7": "."} {
		if err := os.Symlink(to, filepath.Join(tree.Dir, link)); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Link(filepath.Join(tree.Dir, "odd/-rf"), filepath.Join(tree.Dir, "odd/hard")); err != nil {
		t.Fatal(err)
	}
	return tree
}

func TestMaster_DirectoryAndDaemonGiveTheSame(t *testing.T) {
	tree := oddTree(t)
	files, bytes := statistics(t, tree.Dir)
	// A file that rsync is receiving right now: it would be in a list, and is not part of the tree.
	if err := os.WriteFile(filepath.Join(tree.Dir, "odd/.bash.rpm.x4TqWz"), []byte("half"), 0o600); err != nil {
		t.Fatal(err)
	}
	// What fsck keeps at the top of a file system; only root may read it.
	lost := filepath.Join(tree.Dir, "lost+found")
	if err := os.MkdirAll(filepath.Join(lost, "repodata"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(lost, "repodata", "repomd.xml"), []byte("#42"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := os.Chmod(lost, 0); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.Chmod(lost, 0o700) })
	byDir := master(t, probe.MasterAsk{Dir: tree.Dir}, probe.Options{})
	if byDir.Failure != nil {
		t.Fatalf("failure %+v", byDir.Failure)
	}
	var paths []string
	for _, a := range byDir.Anchors {
		paths = append(paths, a.Path)
		want := seen(t, tree.Dir, a.Path)
		if a.SHA256 != want.SHA256 || a.Size != want.Size {
			t.Errorf("anchor %+v, expected %+v", a, want)
		}
	}
	want := []string{"6/os/x86_64/repodata/repomd.xml", "7/extras/x86_64/repodata/repomd.xml", osAnchor, updatesAnchor}
	if diff := cmp.Diff(want, paths); diff != "" {
		t.Errorf("anchors (-want +got):\n%s", diff)
	}
	if byDir.List.Files != files || byDir.List.Bytes != bytes {
		t.Errorf("list %+v, rsync --stats says %d files, %d bytes", byDir.List, files, bytes)
	}
	daemon := serve(t, tree.Dir, lab.Daemon{})
	byURL := master(t, probe.MasterAsk{URL: mustURL(t, daemon.URL("centos"))}, probe.Options{})
	if diff := cmp.Diff(fmt.Sprintf("%+v %+v", byDir, *byDir.List), fmt.Sprintf("%+v %+v", byURL, *byURL.List), cmp.Transformer("noPointer", func(s string) string {
		return regexp.MustCompile(`0x[0-9a-f]+`).ReplaceAllString(s, "")
	})); diff != "" {
		t.Errorf("by directory (-) and by daemon (+), failure %+v:\n%s", byURL.Failure, diff)
	}
}

func TestMaster_DigestFollowsTheContentNotTheTimeFile(t *testing.T) {
	tree := newTree(t)
	digest := func() string { return master(t, probe.MasterAsk{Dir: tree.Dir}, probe.Options{}).List.Digest }
	first := digest()
	if err := tree.SetTime(start + 60); err != nil {
		t.Fatal(err)
	}
	if digest() != first {
		t.Error("a new time file alone changed the digest")
	}
	iso := filepath.Join(tree.Dir, "7/isos/x86_64/CentOS-x86_64-DVD.iso")
	changes := []func() error{
		func() error { return os.Chtimes(iso, time.Unix(start+1, 0), time.Unix(start+1, 0)) },
		func() error { return os.Truncate(iso, 5) },
		func() error { return os.Rename(iso, iso+".old") },
	}
	for i, change := range changes {
		before := digest()
		if err := change(); err != nil {
			t.Fatal(err)
		}
		if digest() == before {
			t.Errorf("change %d left the digest as it was", i)
		}
	}
}

func TestMaster_FailuresInWords(t *testing.T) {
	dir := func(content map[string]string) probe.MasterAsk {
		d := t.TempDir()
		for name, text := range content {
			if err := os.WriteFile(filepath.Join(d, name), []byte(text), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		return probe.MasterAsk{Dir: d}
	}
	outside := dir(nil)
	if err := os.Symlink("/etc/hostname", filepath.Join(outside.Dir, "TIME")); err != nil {
		t.Fatal(err)
	}
	dead, err := lab.NewDead("127.0.0.1", 0)
	if err != nil {
		t.Fatal(err)
	}
	defer dead.Close()
	for _, tt := range []struct {
		name string
		ask  probe.MasterAsk
		kind quorum.FailureKind
		text string
	}{
		{"no directory", probe.MasterAsk{Dir: "/no/such/master"}, quorum.FailUnreachable, "cannot open the master's directory /no/such/master: no such file or directory"},
		{"a file", probe.MasterAsk{Dir: "/etc/hostname"}, quorum.FailUnreachable, "cannot open the master's directory /etc/hostname: not a directory"},
		{"no time file", dir(nil), quorum.FailMissing, "there is no file TIME in "},
		{"link out of the tree", outside, quorum.FailUnreachable, "path escapes from parent"},
		{"not a number", dir(map[string]string{"TIME": "soon\n"}), quorum.FailNotNumber, `"soon\n"`},
		{"nothing matches", dir(map[string]string{"TIME": "8\n"}), quorum.FailUnreachable, "none of the 1 files of the tree matches the patterns [\"**/repodata/repomd.xml\"]: check `anchors:` of tree centos"},
		{"dead daemon", probe.MasterAsk{URL: mustURL(t, dead.URL("centos"))}, quorum.FailUnreachable, "master " + dead.URL("centos") + " at " + dead.Addr.String() + ": connection refused"},
		{"no address", probe.MasterAsk{URL: mustURL(t, "rsync://master.example.org/centos/")}, quorum.FailUnreachable, "no address for master.example.org: no such host"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			got := master(t, tt.ask, probe.Options{Resolve: names(nil)})
			if got.Failure == nil || got.Failure.Kind != tt.kind || !strings.Contains(got.Failure.Text, tt.text) || got.List != nil {
				t.Errorf("failure %+v, expected %s: ...%q", got.Failure, tt.kind, tt.text)
			}
		})
	}
}

// asNobody runs do with nobody's rights to files, where the tests run as root, whom no permission holds back.
func asNobody(t *testing.T, do func()) {
	t.Helper()
	if os.Getuid() != 0 {
		do()
		return
	}
	done := make(chan error)
	go func() {
		// The identity belongs to the thread, which ends with this goroutine because it is never unlocked.
		runtime.LockOSThread()
		if err := syscall.Setfsuid(65534); err != nil {
			done <- err
			return
		}
		do()
		done <- nil
	}()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
}

func TestMaster_UnreadableDirectory(t *testing.T) {
	tree := newTree(t)
	if err := os.Chmod(filepath.Dir(filepath.Dir(tree.Dir)), 0o755); err != nil {
		t.Fatal(err)
	}
	locked := filepath.Join(tree.Dir, "7/os/x86_64")
	if err := os.Chmod(locked, 0); err != nil {
		t.Fatal(err)
	}
	defer os.Chmod(locked, 0o755)
	var got quorum.MasterReading
	asNobody(t, func() { got = master(t, probe.MasterAsk{Dir: tree.Dir}, probe.Options{}) })
	want := fmt.Sprintf("cannot read %q in %s: permission denied", "7/os/x86_64", tree.Dir)
	if got.Failure == nil || got.Failure.Text != want || got.Timestamp != start {
		t.Errorf("failure %+v, expected %q", got.Failure, want)
	}
}

// TestMaster_DaemonThatMovesMeanwhile changes the time file between the list and its second reading.
func TestMaster_DaemonThatMovesMeanwhile(t *testing.T) {
	for n, want := range map[int64]string{
		// time file to find a living address, time file, list, anchors, time file again
		4: `"7/os/x86_64/repodata/repomd.xml" changed between the list and its reading`,
		5: `TIME held "1488372781" before the look and "1488372841" after it`,
	} {
		tree := newTree(t)
		daemon := serve(t, tree.Dir, lab.Daemon{})
		client := onDial(n, func() {
			if n == 4 {
				os.Remove(filepath.Join(tree.Dir, osAnchor))
			}
			tree.SetTime(start + 60)
		})
		got := master(t, probe.MasterAsk{URL: mustURL(t, daemon.URL("centos"))}, probe.Options{Client: client})
		if got.Failure == nil || !strings.HasPrefix(got.Failure.Text, "the master is being written: "+want) || got.Anchors != nil {
			t.Errorf("change before connection %d: failure %+v, expected %q", n, got.Failure, want)
		}
	}
}

func TestMaster_TakesTheAddressThatAnswers(t *testing.T) {
	tree := newTree(t)
	daemon := serve(t, tree.Dir, lab.Daemon{Address: "127.0.0.3"})
	m := probe.MasterAsk{URL: mustURL(t, fmt.Sprintf("rsync://master.example.org:%d/centos/", daemon.Addr.Port()))}
	zone := map[string][]netip.Addr{"master.example.org": addrs("127.0.0.2", "127.0.0.3")}
	if got := master(t, m, probe.Options{Resolve: names(zone)}); got.Failure != nil || got.Timestamp != start {
		t.Errorf("reading %+v, failure %+v", got, got.Failure)
	}
}

func TestMaster_EndsWithItsContext(t *testing.T) {
	tree := newTree(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	m := probe.MasterAsk{Tree: "centos", Dir: tree.Dir, TimeFile: "TIME", Anchors: lab.Anchors()}
	got := probe.Master(ctx, m, probe.Options{Now: time.Now})
	if got.Failure == nil || !strings.Contains(got.Failure.Text, "took too long: stopped at") {
		t.Errorf("failure %+v", got.Failure)
	}
}

// TestMaster_Exclude: what is excluded is in neither sum nor index nor anchors, by directory and by daemon, and a directory that nobody
// may read does not matter; a server without it is the master's equal.
func TestMaster_Exclude(t *testing.T) {
	tree := newTree(t)
	bare := copyOf(t, tree)
	put(t, tree.Dir, ".htpasswd", "secret", 0o600)
	put(t, tree.Dir, "7/.snapshot/repodata/repomd.xml", "old", 0o644)
	put(t, tree.Dir, "private/a.rpm", "1", 0o644)
	exclude := []string{".htpasswd", ".snapshot/", "/private/"}
	want := master(t, probe.MasterAsk{Dir: bare}, probe.Options{})
	lists := shelf{}
	change(t, os.Chmod(filepath.Dir(filepath.Dir(tree.Dir)), 0o755))
	change(t, os.Chmod(filepath.Join(tree.Dir, "private"), 0))
	asNobody(t, func() {
		if got := master(t, probe.MasterAsk{Dir: tree.Dir}, probe.Options{}); got.Failure == nil {
			t.Error("the directory can be read: this proves nothing")
		}
		if got := master(t, probe.MasterAsk{Dir: tree.Dir, Exclude: exclude}, probe.Options{}); got.Failure != nil || *got.List != *want.List {
			t.Errorf("with an unreadable directory: %+v, failure %+v", got, got.Failure)
		}
	})
	change(t, os.Chmod(filepath.Join(tree.Dir, "private"), 0o755))
	daemon := serve(t, tree.Dir, lab.Daemon{})
	for name, m := range map[string]probe.MasterAsk{"dir": {Dir: tree.Dir}, "url": {URL: mustURL(t, daemon.URL("centos"))}} {
		file := filepath.Join(t.TempDir(), "list")
		m.Exclude, m.Index = exclude, func(at int64) string { lists[at] = file; return file }
		got := master(t, m, probe.Options{Trouble: func(err error) { t.Error(err) }})
		if diff := cmp.Diff(want, got, cmpopts.IgnoreFields(quorum.MasterReading{}, "At")); diff != "" {
			t.Errorf("%s (-without these files +excluded):\n%s", name, diff)
		}
		ask := listed(t, serve(t, bare, lab.Daemon{}).URL("centos"), osAnchor)
		if seen := one(t, ask, probe.Options{Lists: lists}); seen.Failure != nil || seen.List == nil || !seen.List.Equal() {
			t.Errorf("%s: %+v, failure %+v", name, seen, seen.Failure)
		}
		if all := master(t, probe.MasterAsk{Dir: m.Dir, URL: m.URL}, probe.Options{}); all.Failure != nil || all.List.Files != want.List.Files+3 || len(all.Anchors) != len(want.Anchors)+1 {
			t.Errorf("%s: without exclude %+v", name, all)
		}
	}
	if got := master(t, probe.MasterAsk{Dir: tree.Dir, Exclude: []string{"+ x"}}, probe.Options{}); got.Failure == nil || !strings.Contains(got.Failure.Text, "check `exclude:` of tree centos") {
		t.Errorf("a rule for a pattern: %+v", got.Failure)
	}
}
