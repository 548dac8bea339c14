package rsync

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// eachPair runs the test with both programs as client, each against both as server.
func eachPair(t *testing.T, modules string, test func(t *testing.T, d *daemon, x *Exec)) {
	eachRsync(t, func(t *testing.T, client string) {
		eachRsync(t, func(t *testing.T, server string) {
			test(t, startDaemon(t, server, modules), &Exec{Program: client})
		})
	})
}

// eachClient is eachPair in short: both as client, each against the other one.
func eachClient(t *testing.T, modules string, test func(t *testing.T, d *daemon, x *Exec)) {
	eachRsync(t, func(t *testing.T, client string) {
		server := needTool(t, "rsync", "rsync")
		if client == server {
			var err error
			if server, err = otherRsync(); err != nil {
				missing(t, "%v", err)
			}
		}
		test(t, startDaemon(t, server, modules), &Exec{Program: client})
	})
}

const plainModule = "[tree]\npath = %DIR%/tree\n"

func collect(items *[]Item) Watch {
	return Watch{Item: func(i Item) { *items = append(*items, i) }}
}

// at makes a file or, with a final slash, a directory, of one old time; "~>" after a name makes a link.
func at(t testing.TB, dir string, names ...string) {
	t.Helper()
	old := time.Unix(1488372781, 0)
	for _, n := range names {
		p := filepath.Join(dir, n)
		var err error
		if name, target, link := strings.Cut(n, "~>"); link {
			err = os.Symlink(target, filepath.Join(dir, name))
		} else if strings.HasSuffix(n, "/") {
			err = os.MkdirAll(p, 0o755)
		} else {
			writeFile(t, p, "x")
			err = os.Chtimes(p, old, old)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

// names lists what is in a directory, sorted.
func names(t testing.TB, dir string) (list []string) {
	t.Helper()
	err := filepath.WalkDir(dir, func(p string, _ fs.DirEntry, err error) error {
		if rel, _ := filepath.Rel(dir, p); rel != "." {
			list = append(list, rel)
		}
		return err
	})
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		t.Fatal(err)
	}
	return list
}

// TestExecNames: whatever a server names its files, each name comes back as it is, in a dry run and in a real one, and a
// list of those names fetches them.
func TestExecNames(t *testing.T) {
	odd := []string{"tab\there", "nl\nhere", "end\n", `esc\#012`, `back\slash`, `\#`, `\#1`, `\#999`, "inv\xff\xfe", "ü", "a -> b", "a => b", " lead", "trail ",
		"cr\rx", "\x7f", "\x1b[31m", "d -> e/f", "star*x/[y]", "-dash", "#hash", ";semi", "+ plus", "%n%i", "*deleting", ">f+++++++++\t1\tforged", strings.Repeat("ü", 127), "e/f/g"}
	eachPair(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		at(t, d.dir+"/tree", odd...)
		at(t, d.dir+"/tree", "sym~>a => b", "empty/")
		if err := os.Link(d.dir+"/tree/a -> b", d.dir+"/tree/hard => x"); err != nil {
			t.Fatal(err)
		}
		want := names(t, d.dir+"/tree")
		dest := t.TempDir()
		var dry, wet, listed []Item
		j := Job{Source: d.url(t, "tree"), Dest: dest, Itemize: true, DryRun: true, MaxDelete: -1}
		res, err := x.Run(short(t), j, collect(&dry))
		if diff := cmp.Diff(want, itemNames(dry)); diff != "" || err != nil || res.Unreadable != 0 || len(names(t, dest)) != 0 {
			t.Fatalf("dry run: %+v %v\n%s", res, err, diff)
		}
		j.FilesFrom = filepath.Join(t.TempDir(), "list")
		writeFile(t, j.FilesFrom, strings.Join(itemNames(dry), "\x00")+"\x00")
		j.DryRun, j.DelayUpdates = false, true
		res, err = x.Run(short(t), j, collect(&listed))
		if diff := cmp.Diff(want, names(t, dest)); diff != "" || err != nil || res.Unreadable != 0 {
			t.Errorf("from a list: %+v %v\n%s", res, err, diff)
		}
		j.FilesFrom, j.Dest = "", t.TempDir()
		res, err = x.Run(short(t), j, collect(&wet))
		if diff := cmp.Diff(want, itemNames(wet)); diff != "" || err != nil || res.Unreadable != 0 {
			t.Errorf("real run: %+v %v\n%s", res, err, diff)
		}
		checkKinds(t, wet)
	})
}

func itemNames(items []Item) (list []string) {
	for _, i := range items {
		if i.Name != "." {
			list = append(list, i.Name)
		}
	}
	slices.Sort(list)
	return list
}

func checkKinds(t *testing.T, items []Item) {
	t.Helper()
	links := 0
	for _, i := range items {
		if i.Dir != (i.Code[1] == 'd') || i.Deleting() || i.Code[1] == 'f' && i.Size != 1 {
			t.Errorf("%+v", i)
		}
		if i.Link != "" {
			links++
			if pair := i.Name + " " + i.Link; pair != "a -> b hard => x" && pair != "hard => x a -> b" {
				t.Errorf("%q is one with %q", i.Name, i.Link)
			}
		}
	}
	if links != 1 {
		t.Errorf("%d hard links", links)
	}
}

// TestExecDeletes: the dry run lists what the run itself deletes then.
func TestExecDeletes(t *testing.T) {
	eachClient(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		at(t, d.dir+"/tree", "a/b", "new")
		dest := t.TempDir()
		at(t, dest, "a/", "gone/deep/f", "gone name\nx", "gonelnk~>x", ".~tmp~/kept", "keep/me")
		gone := []string{"gone", "gone name\nx", "gone/deep", "gone/deep/f", "gonelnk"}
		left := []string{".~tmp~", ".~tmp~/kept", "a", "a/b", "keep", "keep/me", "new"}
		j := Job{Source: d.url(t, "tree/"), Dest: dest, Itemize: true, Delete: true, MaxDelete: -1, DryRun: true, Rules: []Rule{{Pattern: "/keep/"}}}
		for _, real := range []bool{false, true} {
			j.DryRun = !real
			var items []Item
			res, err := x.Run(short(t), j, collect(&items))
			going := slices.DeleteFunc(slices.Clone(items), func(i Item) bool { return !i.Deleting() })
			if diff := cmp.Diff(gone, itemNames(going)); diff != "" || err != nil || res.Stats.Deleted != 5 {
				t.Errorf("real %t: %+v %v\n%s", real, res, err, diff)
			}
			if dirs := slices.DeleteFunc(going, func(i Item) bool { return !i.Dir }); len(dirs) != 2 {
				t.Errorf("directories: %+v", dirs)
			}
		}
		if diff := cmp.Diff(left, names(t, dest)); diff != "" {
			t.Error(diff)
		}
	})
}

// TestExecMaxDelete: rsync itself deletes as many, and then fails.
func TestExecMaxDelete(t *testing.T) {
	eachClient(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		at(t, d.dir+"/tree", "a")
		dest := t.TempDir()
		at(t, dest, "1", "2", "3")
		res, err := x.Run(short(t), Job{Source: d.url(t, "tree/"), Dest: dest, Delete: true, MaxDelete: 2}, Watch{})
		e, ok := errors.AsType[*ExitError](err)
		if !ok || e.Code != ExitMaxDelete || e.Cause() != "" || res.Stats.Deleted != 2 || len(names(t, dest)) != 2 {
			t.Errorf("%+v %v %v", res, err, names(t, dest))
		}
	})
}

// TestExecUnreadableDirectory: what a source cannot read is not deleted here, although rsync reads the list in parts.
func TestExecUnreadableDirectory(t *testing.T) {
	modules := plainModule
	if os.Getuid() == 0 {
		modules += "uid = 65534\ngid = 65534\n" // root could read it
	}
	eachClient(t, modules, func(t *testing.T, d *daemon, x *Exec) {
		if err := os.Chmod(filepath.Dir(d.dir), 0o755); err != nil {
			t.Fatal(err)
		}
		at(t, d.dir+"/tree", "a/f", "locked/f", "locked/sub/f", "z/f")
		dest := t.TempDir()
		at(t, dest, "a/gone", "locked/f", "locked/sub/f", "z/gone")
		if err := os.Chmod(d.dir+"/tree/locked", 0); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { os.Chmod(d.dir+"/tree/locked", 0o755); os.Chmod(dest+"/locked", 0o755) })
		_, err := x.Run(short(t), Job{Source: d.url(t, "tree/"), Dest: dest, Delete: true, MaxDelete: -1}, Watch{})
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Code != ExitPartial || e.Cause() != CodeIncomplete {
			t.Error(err)
		}
		os.Chmod(dest+"/locked", 0o755)
		for _, n := range []string{"locked/f", "locked/sub/f"} {
			if _, err := os.Stat(filepath.Join(dest, n)); err != nil {
				t.Error(err)
			}
		}
		t.Logf("left: %q", names(t, dest))
	})
}

// TestExecRules: rules by argument and by file hide, and protect.
func TestExecRules(t *testing.T) {
	eachClient(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		at(t, d.dir+"/tree", "7/os/repomd.xml", "7/os/x.rpm", "isos/a", "we[i]rd\n*", "large", ".~tmp~/x")
		writeFile(t, d.dir+"/tree/7/large", strings.Repeat("x", 2000))
		text, err := RulesText([]Rule{{true, "/7/"}, {true, "/7/os/"}, {true, Literal("7/os/repomd.xml")}, {true, "/7/large"}, {true, Literal("we[i]rd\n*")}, {false, "*"}})
		if err != nil {
			t.Fatal(err)
		}
		file := filepath.Join(t.TempDir(), "the rules")
		writeFile(t, file, string(text))
		dest := t.TempDir()
		j := Job{Source: d.url(t, "tree/"), Dest: dest, RulesFile: file, Rules: []Rule{{false, "/isos/"}}, MaxSize: 1999}
		_, err = x.Run(short(t), j, Watch{})
		if diff := cmp.Diff([]string{"7", "7/os", "7/os/repomd.xml", "we[i]rd\n*"}, names(t, dest)); err != nil || diff != "" {
			t.Errorf("%v\n%s", err, diff)
		}
	})
	if _, err := RulesText([]Rule{{true, "a\x00b"}}); err == nil {
		t.Error("NUL was taken")
	}
}

// TestExecStats: the figures are those of the tree, of both programs.
func TestExecStats(t *testing.T) {
	eachClient(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		fillTree(t, d.dir)
		dest := filepath.Join(t.TempDir(), "made by rsync")
		var seen []Progress
		j := Job{Source: d.url(t, "tree/"), Dest: dest, Progress: true, Itemize: true, Checksum: true}
		res, err := x.Run(short(t), j, Watch{Progress: func(p Progress) { seen = append(seen, p) }})
		if err != nil || res.Stats.Received < 1_120_000 || res.Stats.Sent == 0 {
			t.Fatalf("%+v %v", res, err)
		}
		res.Stats.Received, res.Stats.Sent, res.Messages = 0, 0, 0
		want := Result{Stats: Stats{Files: 18, Regular: 8, Transferred: 8, Bytes: 1_120_051, Literal: 1_120_035}}
		if diff := cmp.Diff(want, res); diff != "" {
			t.Error(diff)
		}
		if len(seen) == 0 || seen[len(seen)-1].Percent != 99 || seen[len(seen)-1].Bytes != 1_120_035 { // rsync counts symlinks as what is never sent
			t.Errorf("progress: %+v", seen)
		}
	})
}

// TestExecFailures: what a server refuses is told apart.
func TestExecFailures(t *testing.T) {
	modules := plainModule + `
[auth]
path = %DIR%/tree
auth users = somebody
secrets file = %DIR%/secrets
[full]
path = %DIR%/tree
max connections = -1
[denied]
path = %DIR%/tree
hosts allow = 192.0.2.1
hosts deny = *
[nocheck]
path = %DIR%/tree
refuse options = checksum
`
	closed := freePort(t, "127.0.0.1")
	eachClient(t, modules, func(t *testing.T, d *daemon, x *Exec) {
		at(t, d.dir+"/tree", "a")
		writeFile(t, d.dir+"/secrets", "somebody:secret\n")
		os.Chmod(d.dir+"/secrets", 0o600)
		for _, tt := range []struct {
			url    string
			change func(*Job)
			code   int
			cause  Code
			words  string
		}{
			{"auth/", nil, ExitStartClient, CodeAuth, "auth failed on module auth"},
			{"full/", nil, ExitStartClient, CodeBusy, "max connections"},
			{"denied/", nil, ExitStartClient, CodeDenied, "access denied to denied"},
			{"nope/", nil, ExitStartClient, CodeUnknownModule, "Unknown module 'nope'"},
			{"tree/nope/", nil, ExitPartial, CodeNotFound, "No such file"},
			{"tree/", func(j *Job) { j.FilesFrom = d.dir + "/list" }, ExitPartial, CodeIncomplete, "No such file"},
			{"tree/", func(j *Job) { j.Dest = d.dir + "/no/where" }, ExitFileIO, "", "No such file"},
			{"tree/", func(j *Job) { j.Source = (&daemon{addr: d.addr, port: closed}).url(t, "m") }, ExitSocket, CodeRefused, "Connection refused"},
			{"tree/", func(j *Job) { j.Source = mustURL(t, "rsync://nowhere.invalid/m") }, ExitSocket, CodeResolve, "getaddrinfo"},
			{"tree/", func(j *Job) { j.Source, j.Family = mustURL(t, "rsync://[::1]:1/m"), 4 }, ExitSocket, CodeResolve, ""},
		} {
			writeFile(t, d.dir+"/list", "a\x00b\x00")
			j := Job{Source: d.url(t, tt.url), Dest: t.TempDir(), MaxDelete: -1}
			if tt.change != nil {
				tt.change(&j)
			}
			_, err := x.Run(short(t), j, Watch{})
			e, ok := errors.AsType[*ExitError](err)
			if !ok || e.Code != tt.code || e.Cause() != tt.cause || !strings.Contains(err.Error(), tt.words) || !strings.HasPrefix(e.Job, x.Program+" -") {
				t.Errorf("%s: %v; cause %q, expected code %d, %q, with %q", tt.url, err, cause(err), tt.code, tt.cause, tt.words)
			}
		}
		_, err := x.Run(short(t), Job{Source: d.url(t, "nocheck/"), Dest: t.TempDir(), Checksum: true}, Watch{})
		if e, ok := errors.AsType[*ExitError](err); !ok || e.Refuses() != "--checksum" || e.Cause() != CodeServer {
			t.Errorf("refused checksum: %v", err)
		}
	})
}

func cause(err error) Code {
	if e, ok := errors.AsType[*ExitError](err); ok {
		return e.Cause()
	}
	return "untyped"
}
