package rsync

import (
	"fmt"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// oddTree makes a tree of what file systems allow and parsers trip over.
func oddTree(t testing.TB, dir string) {
	t.Helper()
	long := strings.Repeat("n", 255)
	deep := strings.TrimSuffix(strings.Repeat("deep-deeper/", 60), "/")
	for i, name := range []string{
		"plain", "two words", " lead", "trail ", "-dash", "--delete", "new\nline", "tab\there", "cr\rcr", "\x01\x7f\x1b[31m", "bad\xff\xfeutf8", "ünï", `back\slash`, `\#012`, "#hash", "*star", "[x]", "quote'\"", "...", ".hidden",
		long, "d/" + long[:254] + "x", deep + "/f", "7/os/a", "7/os/b", "7-x/a", strings.Repeat("p", 200) + "1", strings.Repeat("p", 200) + "2",
	} {
		writeFile(t, dir+"/"+name, strings.Repeat("x", i*37))
	}
	for i, name := range []string{"empty", "e/m/p/t/y", "-e"} {
		if err := os.MkdirAll(dir+"/"+name, []os.FileMode{0o755, 0o700, 0o1777}[i]); err != nil {
			t.Fatal(err)
		}
	}
	os.Symlink("plain", dir+"/link")
	os.Symlink("nowhere", dir+"/dangling")
	if err := syscall.Mkfifo(dir+"/fifo", 0o640); err != nil {
		t.Fatal(err)
	}
	writeFile(t, dir+"/large", "")
	if err := os.Truncate(dir+"/large", 5<<30); err != nil {
		t.Fatal(err)
	}
	os.Chmod(dir+"/plain", 0o4751)
	for _, year := range []int{1901, 1960, 1969, 1970, 1999, 2037, 2038, 2039, 2105, 2106, 2107, 2120, 2400} {
		name := fmt.Sprintf("%s/year-%d", dir, year)
		writeFile(t, name, "")
		at := time.Date(year, 3, 1, 2, 3, 4, 123456789, time.UTC)
		if year == 1970 {
			at = time.Unix(0, 0)
		}
		if err := os.Chtimes(name, at, at); err != nil {
			t.Fatal(err)
		}
	}
}

var listLine = regexp.MustCompile(`(?s)^([-dlpsbcD])(\S{9}) +(\d+) (\d+/\d\d/\d\d \d\d:\d\d:\d\d) (.*)$`)

// realList gives what "rsync -r --list-only" prints of the same tree, one line an entry, with plain names.
func realList(t *testing.T, bin, url string, options ...string) []string {
	t.Helper()
	args := append([]string{"-r", "--list-only", "--no-h", "--no-motd"}, options...)
	cmd := exec.Command(bin, append(args, "--", url)...)
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C", "TZ=UTC"}
	out, err := cmd.Output()
	if err != nil {
		t.Fatal(err)
	}
	escaped := regexp.MustCompile(`\\#[0-7]{3}`)
	var lines []string
	for _, line := range strings.Split(strings.TrimSuffix(string(out), "\n"), "\n") {
		m := listLine.FindStringSubmatch(line)
		if m == nil {
			t.Fatalf("line %q", line)
		}
		name := escaped.ReplaceAllStringFunc(m[5], func(s string) string {
			n, _ := strconv.ParseUint(s[2:], 8, 8)
			return string([]byte{byte(n)})
		})
		lines = append(lines, fmt.Sprintf("%s%s %s %s %q", m[1], m[2], m[3], m[4], name))
	}
	return lines
}

// printed gives an entry as realList does.
func printed(e Entry) string {
	kind := map[uint32]string{0o100000: "-", 0o040000: "d", 0o120000: "l", 0o010000: "p"}[e.Mode&typeMask]
	mode := []byte("rwxrwxrwx")
	for i := range mode {
		if e.Mode&(0o400>>i) == 0 {
			mode[i] = '-'
		}
	}
	for i, letter := range map[int]byte{2: 's', 5: 's', 8: 't'} {
		if e.Mode&(0o4000>>(i/3)) != 0 {
			if mode[i] == '-' {
				letter -= 'a' - 'A'
			}
			mode[i] = letter
		}
	}
	return fmt.Sprintf("%s%s %d %s %q", kind, mode, e.Size, e.MTime.Format("2006/01/02 15:04:05"), e.Name)
}

// TestList compares with the real client, entry by entry, in the order in which that sorts them.
func TestList(t *testing.T) {
	client := needTool(t, "rsync", "rsync")
	eachProtocol(t, "[tree]\npath = %DIR%/tree\n", func(t *testing.T, d *daemon, proto int) {
		if _, err := os.Stat(d.dir + "/tree"); err != nil {
			oddTree(t, d.dir+"/tree")
		}
		for _, tt := range []struct {
			path    string
			exclude []string
		}{{path: "tree/"}, {path: "tree/7/"}, {path: "tree/", exclude: []string{"/7*", "deep-*/", "year-19??", "*[[:cntrl:]]*"}}} {
			u := d.url(t, tt.path)
			var entries []Entry
			err := (&Client{Protocol: proto}).List(short(t), d.addr, u, tt.exclude, func(e Entry) error { entries = append(entries, e); return nil })
			if err != nil {
				t.Fatal(err)
			}
			sortEntries(entries, proto)
			var got []string
			for _, e := range entries {
				got = append(got, printed(e))
			}
			options := []string{fmt.Sprintf("--protocol=%d", proto)}
			for _, p := range tt.exclude {
				options = append(options, "--exclude="+p)
			}
			want := realList(t, client, u.String(), options...)
			if diff := cmp.Diff(want, got); diff != "" {
				t.Errorf("%s without %q (- rsync, + ours):\n%s", tt.path, tt.exclude, diff)
			}
		}
		err := (&Client{Protocol: proto}).List(short(t), d.addr, d.url(t, "tree/nope/"), nil, func(Entry) error { return nil })
		wantCode(t, err, CodeNotFound, "nope")
	})
}

// TestList_Times checks the mtimes against the file system: whole seconds, and from protocol 31 nanoseconds.
func TestList_Times(t *testing.T) {
	eachProtocol(t, "[tree]\npath = %DIR%/tree\n", func(t *testing.T, d *daemon, proto int) {
		if _, err := os.Stat(d.dir + "/tree"); err != nil {
			oddTree(t, d.dir+"/tree")
		}
		years := 0
		err := (&Client{Protocol: proto}).List(short(t), d.addr, d.url(t, "tree/"), nil, func(e Entry) error {
			info, err := os.Lstat(d.dir + "/tree/" + e.Name)
			if err != nil {
				t.Error(err)
				return nil
			}
			want := info.ModTime().UTC()
			if proto < 31 {
				want = time.Unix(want.Unix(), 0).UTC()
			}
			if proto < 30 {
				want = time.Unix(int64(uint32(want.Unix())), 0).UTC()
			}
			if !e.MTime.Equal(want) {
				t.Errorf("%q: %v, expected %v", e.Name, e.MTime, want)
			}
			if strings.HasPrefix(e.Name, "year-") {
				years++
			}
			return nil
		})
		if err != nil || years != 13 {
			t.Error(years, err)
		}
	})
}
