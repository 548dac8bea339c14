package rsync

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

const testToken = "0123456789abcdef0123456789abcdef"

// line is an item line as rsync prints it.
func line(code string, size any, name, link string) string {
	return fmt.Sprintf("%s\t%s\t%v\t%s\t%s%s\t%s", testToken, code, size, name, testToken, link, testToken)
}

func TestParseItem(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Item
	}{
		{line(">f+++++++++", 12, "a/b", ""), Item{Code: ">f+++++++++", Name: "a/b", Size: 12}},
		{line("cd+++++++++", 4096, "a/", ""), Item{Code: "cd+++++++++", Name: "a", Dir: true, Size: 4096}},
		{line(".d..t......", 4096, "./", ""), Item{Code: ".d..t......", Name: ".", Dir: true, Size: 4096}},
		{line("*deleting  ", 0, "a/", ""), Item{Code: "*deleting", Name: "a", Dir: true}},
		{line("cL+++++++++", 4, "l", " -> a => b"), Item{Code: "cL+++++++++", Name: "l", Size: 4}},
		{line("hf+++++++++", 1, "b", ` => a\#011=> c`), Item{Code: "hf+++++++++", Name: "b", Size: 1, Link: "a\t=> c"}},
		{line(">f.st......", 1, "a\tb -> c", ""), Item{Code: ">f.st......", Name: "a\tb -> c", Size: 1}},
		{line(">f.st......", 1, `\#134#012\#303\#274\x\#9\`, ""), Item{Code: ">f.st......", Name: `\#012ü\x\#9\`, Size: 1}},
		{"a message without an end" + line(">f+++++++++", 1, "a", ""), Item{Code: ">f+++++++++", Name: "a", Size: 1}},
	} {
		it, found, ok := parseItem([]byte(tt.line), testToken)
		if diff := cmp.Diff(tt.want, it); !found || !ok || diff != "" {
			t.Errorf("%q: %t %t\n%s", tt.line, found, ok, diff)
		}
	}
}

func TestParseItemRefuses(t *testing.T) {
	for _, s := range []string{
		testToken, testToken + "\t" + testToken, line(">f+++++++++", "x", "a", ""), line(">f+++++++++", -1, "a", ""), line(">f", 1, "a", ""),
		line("?f+++++++++", 1, "a", ""), line(">x+++++++++", 1, "a", ""), line(">f+++++++++", 1, "", ""), line(">f+++++++++", 1, "../a", ""),
		line(">f+++++++++", 1, "/a", ""), line(">f+++++++++", 1, "a//b", ""), line(">f+++++++++", 1, "a/./b", ""), line(">f+++++++++", 1, `a\#000`, ""),
		line("hf+++++++++", 1, "a", " => ../b"), line(">f+++++++++", 1, "a", "") + "x", line(">f+++++++++", 1, "a", "") + line(">f+++++++++", 1, "b", ""),
		line(">f+++++++++", 1, "a", "")[:60], line("*deleting", 0, "..", ""), line("*deleting", 0, `\#056./x`, ""),
	} {
		if it, found, ok := parseItem([]byte(s), testToken); !found || ok || it != (Item{}) {
			t.Errorf("%q: %+v %t %t", s, it, found, ok)
		}
	}
	if _, found, _ := parseItem([]byte(">f+++++++++ a"), testToken); found {
		t.Error("a line without the token is an item")
	}
}

// TestUnescape: what rsync's rule makes of a name is undone.
func TestUnescape(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := rapid.SliceOf(rapid.SampledFrom([]byte("\\#0127a \t\n\x80\xff\x7f"))).Draw(t, "name")
		var b strings.Builder
		for i, c := range name {
			isDigit := func(k int) bool { return i+k < len(name) && name[i+k] >= '0' && name[i+k] <= '9' }
			quoted := c == '\\' && i+1 < len(name) && name[i+1] == '#' && isDigit(2) && isDigit(3) && isDigit(4)
			if quoted || c != '\t' && (c < ' ' || c >= 0x7f) {
				fmt.Fprintf(&b, `\#%03o`, c)
			} else {
				b.WriteByte(c)
			}
		}
		if got := unescape(b.String()); got != string(name) {
			t.Fatalf("%q came as %q and is read as %q", name, b.String(), got)
		}
	})
}

// realStats is what both programs print at the end of a dry run.
const realStats = `
Number of files: 38 (reg: 27, dir: 5, link: 6)
Number of created files: 33 (reg: 26, dir: 3, link: 4)
Number of deleted files: 5 (reg: 2, dir: 2, link: 1)
Number of regular files transferred: 25
Total file size: 75 bytes
Total transferred file size: 24 bytes
Literal data: 0 bytes
Matched data: 0 bytes
File list size: 1034
File list generation time: 0.001 seconds
File list transfer time: 0.000 seconds
Total bytes sent: 176
Total bytes received: 1189

sent 176 bytes  received 1189 bytes  2730.00 bytes/sec
total size is 75  speedup is 0.05 (DRY RUN)
`

func TestStats(t *testing.T) {
	want := Stats{Files: 38, Regular: 27, Bytes: 75, Transferred: 25, Literal: 24, Deleted: 5, Sent: 176, Received: 1189}
	old := strings.NewReplacer("Number of deleted files: 5 (reg: 2, dir: 2, link: 1)\n", "", "File list generation time: 0.001 seconds\n", "", "File list transfer time: 0.000 seconds\n", "").Replace(realStats)
	withoutDeleted := want
	withoutDeleted.Deleted = 0
	forged := strings.NewReplacer("38", "99").Replace(realStats)
	for _, tt := range []struct {
		name, text string
		want       Stats
		whole      bool
	}{
		{"plain", realStats, want, true},
		{"protocol 29, empty list", old, withoutDeleted, true},
		{"an earlier block", forged + realStats, want, true},
		{"half a block before", forged[:200] + "\n" + realStats, want, true},
		{"a line after", realStats + "Number of files: 9 (reg: 9)", want, true},
		{"a changed figure after", realStats + "Total file size: 9 bytes", want, true},
		{"a line between", strings.Replace(realStats, "Literal", "spam\nLiteral", 1), Stats{}, false},
		{"a line twice", strings.Replace(realStats, "Literal", "Total file size: 9 bytes\nLiteral", 1), Stats{}, false},
		{"a line is missing", strings.Replace(realStats, "Literal data: 0 bytes\n", "", 1), Stats{}, false},
		{"cut", realStats[:300], Stats{}, false},
		{"commas", strings.Replace(realStats, "1189", "1,189", 1), Stats{}, false},
		{"too large a number", strings.Replace(realStats, "38", strings.Repeat("9", 30), 1), Stats{}, false},
		{"a server's odd claims", strings.NewReplacer("1189", "-9223372036854775808", "0.001", "-9223372036854775.808", " 75 ", " 9223372036854775807 ").Replace(realStats),
			Stats{Files: 38, Regular: 27, Bytes: 1<<63 - 1, Transferred: 25, Literal: 24, Deleted: 5, Sent: 176}, true},
		{"none", "", Stats{}, false},
	} {
		o := newStdout("", Watch{})
		o.Write([]byte(tt.text))
		o.end()
		if diff := cmp.Diff(tt.want, o.figures()); diff != "" || o.stats.whole != tt.whole {
			t.Errorf("%s: whole %t\n%s", tt.name, o.stats.whole, diff)
		}
	}
}

func TestParseProgress(t *testing.T) {
	for _, tt := range []struct {
		line string
		want Progress
	}{
		{"        3000000  25%    6.81MB/s    0:00:00 (xfr#1, to-chk=3/6)", Progress{3000000, 25, "6.81MB/s", "0:00:00"}},
		{"              0   0%    0.00kB/s    0:00:00  ", Progress{0, 0, "0.00kB/s", "0:00:00"}},
		{"         32,768   0%    0.00kB/s    0:00:00  ", Progress{}},
		{"    99999999999 100%  931.32GB/s   12:34:56 (xfr#12, ir-chk=1000/2000)", Progress{99999999999, 100, "931.32GB/s", "12:34:56"}},
		{"          32768   0%    0.03kB/s   ??:??:??  ", Progress{32768, 0, "0.03kB/s", "??:??:??"}},
		{"          32768   0%    0.03kB/s   0:0", Progress{}},
		{"          32768   0%    \x1b[31mB/s   0:00:00 ", Progress{}},
		{"3000000  25%    6.81MB/s    0:00:00", Progress{}},
	} {
		if p, ok := parseProgress([]byte(tt.line)); p != tt.want || ok != (tt.want != Progress{}) && tt.want.Rate != "" {
			t.Errorf("%q: %+v %t", tt.line, p, ok)
		}
	}
}

// TestProgressComesAtOnce: rsync ends a line of progress only when it begins the next.
func TestProgressComesAtOnce(t *testing.T) {
	var seen []Progress
	o := newStdout("", Watch{Progress: func(p Progress) { seen = append(seen, p) }})
	o.Write([]byte("\r          32768   0%    1.00kB/s    0:0"))
	o.Write([]byte("0:09  "))
	if len(seen) != 1 || seen[0].Bytes != 32768 {
		t.Fatalf("%+v", seen)
	}
	o.Write([]byte("\r          65536  50%    2.00kB/s    0:00:08 (xfr#1, to-chk=3/6)\n"))
	if len(seen) != 2 || seen[1].Percent != 50 || o.other != 0 {
		t.Errorf("%+v", seen)
	}
}

// TestLongLine: a line without an end is cut; an item in it is not believed.
func TestLongLine(t *testing.T) {
	o := newStdout(testToken, Watch{Item: func(i Item) { t.Errorf("%+v", i) }})
	o.Write([]byte(line(">f+++++++++", 1, strings.Repeat("a", maxLine), "") + "\n"))
	for range 100 {
		o.Write(bytes.Repeat([]byte("x"), maxLine))
	}
	if o.unreadable != 1 || cap(o.buf) > 4*maxLine {
		t.Errorf("%d unreadable, %d bytes kept", o.unreadable, cap(o.buf))
	}
}

func TestStderrTail(t *testing.T) {
	e := newStderr()
	e.Write([]byte("first\n\x1b[2J evil \u202e\n\nrsync error: error in socket IO (code 10) at io.c(1) [Receiver=3.5.0]"))
	e.end()
	if e.tail != "first; ?[2J evil ?" {
		t.Errorf("%q", e.tail)
	}
	e.Write([]byte(strings.Repeat("ü", 1000) + "\nend\n"))
	if len(e.tail) > maxTail || !strings.HasSuffix(e.tail, "ü; end") || !strings.HasPrefix(e.tail, "ü") && !strings.HasPrefix(e.tail, "first") {
		t.Errorf("%q", e.tail)
	}
	e = newStderr()
	e.Write([]byte("rsync error: syntax or usage error (code 1) at main.c(1)\n"))
	if !strings.Contains(e.tail, "usage error") {
		t.Errorf("the only line is gone: %q", e.tail)
	}
}

func TestExitMeaning(t *testing.T) {
	seen := map[string]bool{}
	for _, code := range []int{0, 1, 2, 3, 4, 5, 6, 10, 11, 12, 13, 14, 19, 21, 22, 23, 24, 25, 30, 35, -1, 99} {
		words := ExitMeaning(code)
		if seen[words] || words == "" {
			t.Errorf("code %d: %q", code, words)
		}
		seen[words] = true
	}
	for _, tt := range []struct {
		e    ExitError
		want string
	}{
		{ExitError{Code: 30, Text: "io timeout"}, "rsync ended with code 30 (the connection was silent for too long): io timeout"},
		{ExitError{Code: -1}, "rsync was killed by a signal"},
	} {
		if got := tt.e.Error(); got != tt.want {
			t.Error(got)
		}
	}
}

func TestExitCause(t *testing.T) {
	for _, tt := range []struct {
		code int
		text string
		want Code
	}{
		{ExitStartClient, "@ERROR: max connections (1) reached -- try again later", CodeBusy},
		{ExitStartClient, "@ERROR: access denied to m from localhost (127.0.0.1)", CodeDenied},
		{ExitStartClient, "@ERROR: Unknown module 'm'", CodeUnknownModule},
		{ExitStartClient, "@ERROR: auth failed on module m", CodeAuth},
		{ExitStartClient, "@ERROR: out of cheese", CodeServer},
		{ExitStartClient, "did not see server greeting", CodeServer},
		{ExitSocket, "failed to connect to h (192.0.2.1): Connection refused (111)", CodeRefused},
		{ExitSocket, "rsync: getaddrinfo: h 873: Name or service not known", CodeResolve},
		{ExitSocket, "read error: Connection reset by peer (104)", CodeUnreachable},
		{ExitSocket, "rsync: The server is configured to refuse --hard-links (-H)", CodeServer},
		{ExitIncompatible, "protocol version mismatch -- is your shell clean?", CodeProtocol},
		{ExitStream, "connection unexpectedly closed (90 bytes received so far) [receiver]", CodeUnreachable},
		{ExitTimeout, "[receiver] io timeout after 2 seconds -- exiting", CodeTimeout},
		{ExitConnectTimeout, "timeout waiting for daemon connection", CodeTimeout},
		{ExitPartial, `rsync: [sender] change_dir "nope" (in m) failed: No such file or directory (2)`, CodeNotFound},
		{ExitPartial, `rsync: [sender] send_files failed to open "a" (in m): Permission denied (13)`, CodeIncomplete},
		{ExitPartial, `rsync: [receiver] mkstemp "/srv/.a.x" failed: Permission denied (13)`, ""},
		{ExitPartial, `rsync: [generator] recv_generator: mkdir "/srv/a" failed: Permission denied (13)`, ""},
		{ExitFileIO, "rsync: [receiver] write failed on \"/srv/a\": No space left on device (28)", ""},
		{ExitMessageIO, "buffer overflow expanding %L -- exiting", CodeTooLarge},
		{ExitSyntax, "rsync: --nope: unknown option", ""}, {ExitSignal, "", CodeUnreachable}, {ExitMalloc, "", CodeUnreachable}, {ExitMaxDelete, "", ""}, {ExitKilled, "", CodeUnreachable},
		{ExitFileIO, `rsync: [receiver] write failed on "/srv/m/x": No space left on device (28)`, ""}, {ExitFileIO, "rsync error: error in file IO (code 11) at main.c(7) [sender=3.2.7]", CodeUnreachable},
		{ExitFileSelection, "rsync error: errors selecting input/output files, dirs (code 3) at main.c(7) [sender=3.2.7]", CodeUnreachable},
		{ExitFileSelection, "rsync error: errors selecting input/output files, dirs (code 3) at main.c(7) [Receiver=3.2.7]", ""},
	} {
		if got := (&ExitError{Code: tt.code, Text: tt.text}).Cause(); got != tt.want {
			t.Errorf("%d %q: %q, expected %q", tt.code, tt.text, got, tt.want)
		}
	}
}

// FuzzOutput: whatever comes on the standard output, in whatever pieces, items are sound and memory is bounded.
func FuzzOutput(f *testing.F) {
	f.Add([]byte(line(">f+++++++++", 12, "a/b", "")+"\n"+line("*deleting  ", 0, "x/", "")+"\n"+realStats), 7)
	f.Add([]byte("\r              0   0%    0.00kB/s    0:00:00  \r        3000000  25%    6.81MB/s    0:00:00 (xfr#1, to-chk=3/6)\n"), 3)
	f.Add([]byte("spam"+line("hf+++++++++", 1, `\#134#012`, ` => a\#011b`)+"\n"+realStats[:100]), 1)
	f.Fuzz(func(t *testing.T, b []byte, cut int) {
		read := func(size int) (items []Item, o *stdout) {
			o = newStdout(testToken, collect(&items))
			for rest := b; len(rest) > 0; {
				n := min(size, len(rest))
				o.Write(rest[:n])
				rest = rest[n:]
			}
			o.end()
			return items, o
		}
		items, whole := read(len(b) + 1)
		again, pieces := read(max(1, cut))
		if diff := cmp.Diff(items, again); diff != "" || whole.figures() != pieces.figures() || whole.unreadable != pieces.unreadable || whole.other != pieces.other {
			t.Fatalf("pieces of %d bytes: %+v, %+v\n%s", cut, whole, pieces, diff)
		}
		for _, i := range items {
			if badName([]byte(i.Name)) != "" && i.Name != "." || i.Size < 0 || !isCode(i.Code) {
				t.Errorf("%+v", i)
			}
		}
		if p := whole.last; p.Bytes < 0 || p.Percent < 0 || p.Percent > 100 || hasControl(p.Rate+p.Left) || cap(whole.buf) > 4*maxLine {
			t.Errorf("%+v, %d bytes", p, cap(whole.buf))
		}
	})
}

// FuzzStderr: the tail is short, printable and on one line.
func FuzzStderr(f *testing.F) {
	f.Add([]byte("rsync: failed\nrsync error: error in socket IO (code 10) at io.c(1)\n"))
	f.Add([]byte("\x1b[31m\xff\u202e\r\n\n@ERROR: x"))
	f.Fuzz(func(t *testing.T, b []byte) {
		e := newStderr()
		e.Write(b)
		e.end()
		if len(e.tail) > maxTail || !utf8.ValidString(e.tail) || hasControl(e.tail) || strings.ContainsFunc(e.tail, isBidi) {
			t.Errorf("%q", e.tail)
		}
		(&ExitError{Code: ExitStartClient, Text: e.tail}).Cause()
	})
}

// FuzzPattern: no pattern and no name make the matcher fail or take long.
func FuzzPattern(f *testing.F) {
	f.Add("/a/*/[!b-d]**", "a/x/y")
	f.Add("[[:alpha:]", "x")
	f.Add(strings.Repeat("*a", 30), strings.Repeat("a", 100))
	f.Fuzz(func(t *testing.T, pattern, path string) {
		p, err := ParsePattern(pattern)
		if err != nil {
			return
		}
		if p.Match(path, true) != Hidden([]Pattern{p}, path, true) && !strings.Contains(path, "/") {
			t.Error("Hidden and Match differ for a name at the top")
		}
		if path == "" || strings.HasPrefix(path, "/") || strings.HasSuffix(path, "/") {
			return
		}
		text := Literal(path)
		if l := (Pattern{text, compile(text)}); !l.Match(path, false) || !l.Match(path, true) || l.Match(path+"x", false) {
			t.Errorf("literal %s", l)
		}
	})
}
