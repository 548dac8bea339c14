package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// codeOf gives the code of err, "" for none.
func codeOf(err error) Code {
	var e *Error
	if errors.As(err, &e) {
		return e.Code
	}
	if err != nil {
		return Code("untyped: " + err.Error())
	}
	return ""
}

func wantCode(t testing.TB, err error, code Code, words string) {
	t.Helper()
	if codeOf(err) != code || code != "" && !strings.Contains(err.Error(), words) {
		t.Errorf("error %v, expected %s with %q", err, code, words)
	}
}

const treeModules = `
motd file = %DIR%/motd
[tree]
path = %DIR%/tree
[hidden]
path = %DIR%/tree
list = no
[refuses]
path = %DIR%/tree
refuse options = copy-links times
[munged]
path = %DIR%/tree
munge symlinks = yes
`

// fillTree makes a small tree with what a mirror may have at a time file's place.
func fillTree(t testing.TB, dir string) time.Time {
	t.Helper()
	at := time.Unix(1488372781, 0).UTC()
	for name, text := range map[string]string{
		"tree/TIME": "1488372781\n", "tree/empty": "", "tree/7/os/repodata/repomd.xml": "<repomd/>\n",
		"tree/7/os/repodata/other.xml": "other\n", "tree/7/os-a/x": "x", "tree/a b/-dash": "dash\n", "tree/ü": "u\n",
		"tree/large": strings.Repeat("0123456789abcdef", 70_000), "motd": "Welcome\n@RSYNCD is not said here\n\n",
	} {
		writeFile(t, filepath.Join(dir, name), text)
		if err := os.Chtimes(filepath.Join(dir, name), at, at); err != nil {
			t.Fatal(err)
		}
	}
	for link, target := range map[string]string{"link": "TIME", "dangling": "nothing", "latest": "7", "loop": "loop"} {
		if err := os.Symlink(target, filepath.Join(dir, "tree", link)); err != nil {
			t.Fatal(err)
		}
	}
	return at
}

func TestFetchFile(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, treeModules)
		at := fillTree(t, d.dir)
		for proto := minProtocol; proto <= maxProtocol; proto++ {
			t.Run(fmt.Sprint(proto), func(t *testing.T) { testFetchFile(t, d, &Client{Protocol: proto}, at) })
		}
	})
}

func testFetchFile(t *testing.T, d *daemon, c *Client, at time.Time) {
	for _, tt := range []struct {
		url, path string
		code      Code
		words     string
	}{
		{"tree/", "TIME", "", ""},
		{"hidden", "TIME", "", ""},
		{"refuses", "TIME", "", ""},
		{"munged", "TIME", "", ""},
		{"tree", "empty", "", ""},
		{"tree", "large", "", ""},
		{"tree", "a b/-dash", "", ""},
		{"tree", "ü", "", ""},
		{"tree/7/os/", "repodata/repomd.xml", "", ""},
		{"tree/7/os", "repodata/repomd.xml", "", ""},
		{"tree", "link", "", ""},
		{"tree", "latest/os/repodata/repomd.xml", "", ""},
		{"refuses", "link", CodeNotFile, "0120777"},
		{"munged", "link", "", ""}, // such links were made by rsync with a prefix; this one was not
		{"tree", "dangling", CodeNotFound, "No such file"},
		{"tree", "nope", CodeNotFound, "nope"},
		{"tree", "nope/TIME", CodeNotFound, "nope"},
		{"tree/nope", "TIME", CodeNotFound, "nope"},
		{"tree", "TIME/below", CodeNotFound, ""},
		{"tree", "7", CodeNotFile, "skipping directory"},
		{"tree", "loop", CodeServer, "loop"},
		{"absent", "TIME", CodeUnknownModule, "Unknown module 'absent'"},
	} {
		f, err := c.FetchFile(short(t), d.addr, d.url(t, tt.url), tt.path)
		if codeOf(err) != tt.code || tt.code != "" && !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%s %s: error %v, expected %q with %q", tt.url, tt.path, err, tt.code, tt.words)
			continue
		}
		if err != nil {
			continue
		}
		top, _ := strings.CutPrefix(d.url(t, tt.url).Path(), "/")
		want, readErr := os.ReadFile(filepath.Join(d.dir, "tree", top, tt.path))
		if readErr != nil || string(f.Data) != string(want) || f.Size != int64(len(want)) || f.Name != tt.path || !f.IsRegular() || !f.MTime.Equal(at) {
			t.Errorf("%s %s: %+v, %v", tt.url, tt.path, f.Entry, readErr)
		}
	}
}

// TestFetch fetches by filters, over the order in which the server numbers its files.
func TestFetch(t *testing.T) {
	modules := "[tree]\npath = %DIR%/tree\n[refuses]\npath = %DIR%/tree\nrefuse options = copy-links\n"
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, modules)
		fillTree(t, d.dir)
		asked := []string{"TIME", "nope", "7/nope", "7/os", "dangling"}
		want := map[string]string{"TIME": "1488372781\n"}
		// Neighbours whose order depends on whether a slash follows, and on files before directories.
		for _, n := range []string{"b", "b-/f", "b./f", "b0", "b/f", "b/b/f", "b/b-", "b/b0", "b/z", "b!/a", "B/f", ".b/f", "-", "...", "b/é", "c d/e f", "#x", "+ y", "- z", "!"} {
			if n != "b" {
				writeFile(t, d.dir+"/tree/o/"+n, "at "+n)
				asked, want["o/"+n] = append(asked, "o/"+n), "at "+n
			}
		}
		for proto := minProtocol; proto <= maxProtocol; proto++ {
			for _, module := range []string{"tree", "refuses"} {
				got, err := (&Client{Protocol: proto}).Fetch(short(t), d.addr, d.url(t, module), asked)
				if err != nil {
					t.Fatalf("protocol %d, %s: %v", proto, module, err)
				}
				text := map[string]string{}
				for name, f := range got {
					text[name] = string(f.Data)
				}
				if diff := cmp.Diff(want, text); diff != "" {
					t.Errorf("protocol %d, %s: %s", proto, module, diff)
				}
			}
			_, err := (&Client{Protocol: proto}).Fetch(short(t), d.addr, d.url(t, "tree/nope"), asked)
			wantCode(t, err, CodeNotFound, "nope")
			got, err := (&Client{Protocol: proto, Limits: Limits{File: 10}}).Fetch(short(t), d.addr, d.url(t, "tree"), []string{"TIME", "7/os-a/x"})
			wantCode(t, err, CodeTooLarge, "TIME")
			if len(got) != 1 {
				t.Errorf("protocol %d: beside the large file came %v", proto, got)
			}
		}
	})
}

// TestFetch_Many asks for more than the socket buffers hold.
func TestFetch_Many(t *testing.T) {
	d := startDaemon(t, needTool(t, "rsync", "rsync"), "[tree]\npath = %DIR%/tree\n")
	var asked []string
	for i := range 4000 {
		name := fmt.Sprintf("d%d/repomd-%d.xml", i/100, i)
		writeFile(t, d.dir+"/tree/"+name, strings.Repeat(name, 300))
		asked = append(asked, name)
	}
	for _, proto := range []int{29, 31} {
		got, err := (&Client{Protocol: proto}).Fetch(short(t), d.addr, d.url(t, "tree"), asked)
		if err != nil || len(got) != len(asked) || string(got["d39/repomd-3999.xml"].Data) != strings.Repeat("d39/repomd-3999.xml", 300) {
			t.Errorf("protocol %d: %d files, %v", proto, len(got), err)
		}
	}
}

// TestErrorLines meets each @ERROR of a real daemon.
func TestErrorLines(t *testing.T) {
	modules := `
motd file = %DIR%/motd
[busy]
path = %DIR%/tree
max connections = 1
lock file = %DIR%/lock
[denied]
path = %DIR%/tree
hosts deny = *
hosts allow = 192.0.2.1
[secret]
path = %DIR%/tree
auth users = alice
secrets file = %DIR%/secrets
[nodir]
path = %DIR%/not-there
`
	eachProtocol(t, modules, func(t *testing.T, d *daemon, proto int) {
		writeFile(t, d.dir+"/tree/TIME", "1\n")
		writeFile(t, d.dir+"/motd", "hello\n")
		writeFile(t, d.dir+"/secrets", "alice:open sesame\n")
		os.Chmod(d.dir+"/secrets", 0o600)
		fetch := func(c Client, module string) error {
			c.Protocol = proto
			_, err := c.FetchFile(short(t), d.addr, d.url(t, module), "TIME")
			return err
		}
		wantCode(t, fetch(Client{}, "denied"), CodeDenied, "access denied to denied")
		wantCode(t, fetch(Client{}, "none"), CodeUnknownModule, "Unknown module 'none'")
		wantCode(t, fetch(Client{}, "nodir"), CodeServer, "chdir failed")
		wantCode(t, fetch(Client{}, "secret"), CodeAuth, "asks for a user")
		wantCode(t, fetch(Client{User: "alice", Password: "wrong"}, "secret"), CodeAuth, "auth failed on module secret")
		wantCode(t, fetch(Client{User: "bob", Password: "open sesame"}, "secret"), CodeAuth, "auth failed on module secret")
		wantCode(t, fetch(Client{User: "alice", Password: "open sesame"}, "secret"), "", "")

		// With a server kept busy by a session that is not ended.
		s, err := (&Client{Protocol: proto}).open(short(t), d.addr, d.url(t, "busy"))
		for range 3000 {
			if codeOf(err) != CodeBusy {
				break
			}
			time.Sleep(10 * time.Millisecond) // the session of the protocol before is still ending
			s, err = (&Client{Protocol: proto}).open(short(t), d.addr, d.url(t, "busy"))
		}
		if err != nil {
			t.Fatal(err)
		}
		wantCode(t, fetch(Client{}, "busy"), CodeBusy, "max connections (1) reached")
		s.close()
	})
}

// TestUnreadable meets files that the daemon may not read.
func TestUnreadable(t *testing.T) {
	if os.Getuid() != 0 {
		t.Skip("needs root, to have a daemon of another user")
	}
	modules := "[tree]\npath = %DIR%/tree\nuid = 65534\ngid = 65534\n"
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, modules)
		for p := d.dir; p != "/" && p != os.TempDir(); p = filepath.Dir(p) {
			os.Chmod(p, 0o755)
		}
		writeFile(t, d.dir+"/tree/secret", "s\n")
		writeFile(t, d.dir+"/tree/open", "o\n")
		writeFile(t, d.dir+"/tree/dir/TIME", "1\n")
		os.Chmod(d.dir+"/tree/secret", 0o600)
		os.Chmod(d.dir+"/tree/dir", 0o700)
		for proto := minProtocol; proto <= maxProtocol; proto++ {
			c := &Client{Protocol: proto}
			_, err := c.FetchFile(short(t), d.addr, d.url(t, "tree"), "secret")
			wantCode(t, err, CodeServer, "Permission denied")
			got, err := c.Fetch(short(t), d.addr, d.url(t, "tree"), []string{"secret", "open"})
			wantCode(t, err, CodeServer, "Permission denied")
			if len(got) != 1 || string(got["open"].Data) != "o\n" {
				t.Errorf("protocol %d: beside the unreadable file came %v", proto, got)
			}
			n := 0
			err = c.List(short(t), d.addr, d.url(t, "tree"), nil, func(Entry) error { n++; return nil })
			wantCode(t, err, CodeIncomplete, "Permission denied")
			if n != 4 {
				t.Errorf("protocol %d: %d entries before the error, expected 4", proto, n)
			}
		}
	})
}

// TestPolite asks the daemon's log whether every session ended as the protocol wants.
func TestPolite(t *testing.T) {
	eachProtocol(t, treeModules, func(t *testing.T, d *daemon, proto int) {
		if _, err := os.Stat(d.dir + "/tree"); err != nil {
			fillTree(t, d.dir)
		}
		os.Truncate(d.log, 0)
		c := &Client{Protocol: proto}
		u := d.url(t, "tree/")
		c.FetchFile(short(t), d.addr, u, "TIME")
		c.FetchFile(short(t), d.addr, u, "nope")
		c.FetchFile(short(t), d.addr, u, "7")
		(&Client{Protocol: proto, Limits: Limits{File: 3}}).FetchFile(short(t), d.addr, u, "TIME")
		c.Fetch(short(t), d.addr, u, []string{"TIME", "7/os/repodata/repomd.xml", "nope"})
		c.Fetch(short(t), d.addr, u, []string{"nope"})
		c.List(short(t), d.addr, u, nil, func(Entry) error { return nil })
		log := d.logText(t, "total size", 7)
		for _, bad := range []string{"unexpectedly", "rsync error", "broken pipe", "reset by peer"} {
			if strings.Contains(log, bad) {
				t.Errorf("the daemon's log has %q:\n%s", bad, log)
			}
		}
	})
}

func TestIPv6(t *testing.T) {
	d := startDaemonOn(t, needTool(t, "rsync", "rsync"), "::1", "[tree]\npath = %DIR%/tree\n")
	writeFile(t, d.dir+"/tree/TIME", "6\n")
	f, err := new(Client).FetchFile(short(t), d.addr, d.url(t, "tree"), "TIME")
	if err != nil || string(f.Data) != "6\n" {
		t.Error(f, err)
	}
}

func TestRefusedPort(t *testing.T) {
	d := &daemon{addr: startDaemon(t, needTool(t, "rsync", "rsync"), "").addr, port: freePort(t, "127.0.0.1")}
	_, err := new(Client).FetchFile(short(t), d.addr, d.url(t, "tree"), "TIME")
	wantCode(t, err, CodeRefused, "connect")
}

// TestVisitError ends a list early.
func TestVisitError(t *testing.T) {
	d := startDaemon(t, needTool(t, "rsync", "rsync"), "[tree]\npath = %DIR%/tree\n")
	fillTree(t, d.dir)
	n := 0
	err := new(Client).List(short(t), d.addr, d.url(t, "tree"), nil, func(Entry) error { n++; return io.ErrShortBuffer })
	if err != io.ErrShortBuffer || n != 1 {
		t.Errorf("error %v after %d entries, expected the visitor's after 1", err, n)
	}
}

// TestArguments refuses what a server would misread, before anything is sent.
func TestArguments(t *testing.T) {
	dialed := false
	c := &Client{Dial: func(context.Context, string, string) (net.Conn, error) { dialed = true; return nil, io.EOF }}
	d := &daemon{port: 1}
	d.addr = startDaemon(t, needTool(t, "rsync", "rsync"), "").addr
	u := d.url(t, "tree")
	for _, p := range []string{"", "/a", "a//b", "../a", "a/..", "./a", "a/.", "a*", "a?", "[a]", `a\b`, "a\nb", "a\x00b", "a\x7f", "a tree/b", "x/", strings.Repeat("a", 5000)} {
		if _, err := c.FetchFile(short(t), d.addr, u, p); err == nil || codeOf(err) == CodeUnreachable {
			t.Errorf("FetchFile takes %q: %v", p, err)
		}
		if _, err := c.Fetch(short(t), d.addr, u, []string{"TIME", p}); p != "a tree/b" && (err == nil || codeOf(err) == CodeUnreachable) {
			t.Errorf("Fetch takes %q: %v", p, err)
		}
	}
	dialed = false
	for _, p := range []string{"", "a\nb", "a\x00", strings.Repeat("a", 5000)} {
		if err := c.List(short(t), d.addr, u, []string{p}, nil); err == nil || dialed {
			t.Errorf("List takes the pattern %q: %v", p, err)
		}
	}
	for _, bad := range []Client{{Protocol: 26}, {Protocol: 32}, {User: "a b"}, {User: "a", Password: "b\n"}} {
		bad.Dial = c.Dial
		if _, err := bad.FetchFile(short(t), d.addr, u, "TIME"); err == nil || dialed {
			t.Errorf("the client %+v is taken: %v", bad, err)
		}
	}
}
