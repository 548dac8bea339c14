package rsync

import (
	"errors"
	"strings"
	"testing"
)

// TestHostile runs the client against servers that break the rules, each in its own way. None may hang, panic, or be
// believed.
func TestHostile(t *testing.T) {
	ok := func(w *wire) { w.textPhase(31); w.binaryStart(31) }
	named := func(name string) func(w *wire) {
		return func(w *wire) { ok(w); w.entry(31, name, 1, 1, 0o100644); w.data(0); w.goodbye(31) }
	}
	raw := func(b ...byte) func(w *wire) { return func(w *wire) { ok(w); w.data(b...) } }
	const forever = 1 << 24
	for _, tt := range []struct {
		name   string
		script func(w *wire)
		code   Code
		words  string
	}{
		{"closed at once", func(w *wire) {}, CodeRefused, "before the greeting"},
		{"ssh", func(w *wire) { w.text("SSH-2.0-OpenSSH_9.2\r\n") }, CodeProtocol, "not an rsync daemon"},
		{"http", func(w *wire) { w.text("HTTP/1.1 400 Bad Request\r\n\r\n") }, CodeProtocol, "not an rsync daemon"},
		{"no version", func(w *wire) { w.text("@RSYNCD: \n") }, CodeProtocol, "not an rsync daemon"},
		{"version in words", func(w *wire) { w.text("@RSYNCD: thirty\n") }, CodeProtocol, "protocol version"},
		{"negative version", func(w *wire) { w.text("@RSYNCD: -31.0\n") }, CodeProtocol, "protocol version"},
		{"huge version", func(w *wire) { w.text("@RSYNCD: 99999999999999999999.0\n") }, CodeProtocol, "protocol version"},
		{"too old", func(w *wire) { w.text("@RSYNCD: 26.0\n") }, CodeProtocol, "expected 27"},
		{"pre-release too old", func(w *wire) { w.text("@RSYNCD: 27.1\n") }, CodeProtocol, "expected 27"},
		{"cut greeting", func(w *wire) { w.text("@RSYNCD: 31") }, CodeUnreachable, "connection lost"},
		{"cut after greeting", func(w *wire) { w.text("@RSYNCD: 31.0\nhello\n") }, CodeUnreachable, "connection lost"},
		{"error before greeting", func(w *wire) { w.text("@ERROR: access denied to m from x\n") }, CodeDenied, "access denied"},
		{"full before greeting", func(w *wire) { w.text("@ERROR: max connections (8) reached -- try again later") }, CodeBusy, "max connections (8)"},
		{"full in the message of the day", func(w *wire) { w.text("@RSYNCD: 31.0\nSorry, max connections reached.\n") }, CodeBusy, "Sorry"},
		{"exit", func(w *wire) { w.text("@RSYNCD: 31.0\n@RSYNCD: EXIT\n") }, CodeProtocol, "expected OK"},
		{"endless message of the day", func(w *wire) {
			w.text("@RSYNCD: 31.0\n")
			for range forever {
				w.text("spam and eggs\n")
			}
		}, CodeTooLarge, "65536 bytes of text"},
		{"endless line", func(w *wire) { w.text("@RSYNCD: 31.0\n" + strings.Repeat("x", 1<<20)) }, CodeTooLarge, "line longer than 4096"},
		{"endless greeting", func(w *wire) { w.text(strings.Repeat("@RSYNCD: ", 1<<20)) }, CodeTooLarge, "line longer than 4096"},
		{"asks for the password again and again", func(w *wire) { w.text("@RSYNCD: 31.0\n" + strings.Repeat("@RSYNCD: AUTHREQD x\n", 1000)) }, CodeProtocol, "expected OK"},
		{"digests unknown", func(w *wire) { w.text("@RSYNCD: 31.0 rot13\n@RSYNCD: AUTHREQD x\n") }, CodeAuth, "no digest in common"},
		{"ugly error", func(w *wire) { w.text("@RSYNCD: 31.0\n@ERROR: \x1b[31mred\a \xff\u202e\n") }, CodeServer, `"?[31mred? ??"`},
		{"long error", func(w *wire) { w.text("@RSYNCD: 31.0\n@ERROR: " + strings.Repeat("é", 1000) + "\n") }, CodeServer, "é"},

		{"error after OK", func(w *wire) { w.textPhase(31); w.text("@ERROR: out of cheese\n") }, CodeServer, "out of cheese"},
		{"flags not offered", func(w *wire) { w.textPhase(31); w.Write([]byte{1, 0, 0, 0, 0}) }, CodeProtocol, "0x1 that were not offered"},
		{"flags of 6 bytes", func(w *wire) { w.textPhase(31); w.Write([]byte{0xfb, 1, 1, 1, 1, 1}) }, CodeProtocol, "6 bytes"},
		{"cut in the list", func(w *wire) { ok(w); w.frame(tagData, nil); w.Write([]byte{9, 0, 0, 7, 1}) }, CodeUnreachable, "connection lost"},
		{"unknown frame", func(w *wire) { ok(w); w.frame(77, []byte("x")) }, CodeProtocol, "tag 77"},
		{"frame below the base", func(w *wire) { ok(w); w.Write([]byte{1, 0, 0, 0}) }, CodeProtocol, "tag -7"},
		{"io_error of 9 bytes", func(w *wire) { ok(w); w.frame(tagIOError, make([]byte, 9)) }, CodeProtocol, "tag 22"},
		{"endless messages", func(w *wire) {
			ok(w)
			for range forever {
				w.frame(tagInfo, []byte("still here"))
			}
		}, CodeTooLarge, "65536 bytes of messages"},
		{"a message of 16 MiB", func(w *wire) { ok(w); w.Write([]byte{0xff, 0xff, 0xff, tagBase + tagInfo}) }, CodeTooLarge, "65536 bytes of messages"},
		{"endless keep-alives", func(w *wire) {
			ok(w)
			for range forever {
				w.frame(tagNoop, nil)
			}
		}, CodeTooLarge, "1048576 bytes in one session"},
		{"server error", func(w *wire) {
			ok(w)
			w.frame(tagErrorXfer, []byte("rsync: disk on fire\n"))
			w.frame(tagErrorExit, []byte{11, 0, 0, 0})
		}, CodeServer, "disk on fire"},
		{"wordless error", func(w *wire) { ok(w); w.frame(tagErrorExit, nil) }, CodeServer, "ended the session"},
		{"empty list", func(w *wire) { ok(w); w.data(0) }, CodeNotFound, "listed nothing"},

		{"name with dots", named("a/../../etc/passwd"), CodeProtocol, `the name "a/../../etc/passwd" has a "." or ".." part`},
		{"name is dots", named(".."), CodeProtocol, ".."},
		{"name with a dot", named("a/./b"), CodeProtocol, `"." or ".."`},
		{"absolute name", named("/etc/passwd"), CodeProtocol, "begins with a slash"},
		{"name with NUL", named("a\x00b"), CodeProtocol, "NUL"},
		{"empty name", named(""), CodeProtocol, "is empty"},
		{"name with an empty part", named("a//b"), CodeProtocol, "empty part"},
		{"name ends with a slash", named("a/"), CodeProtocol, "empty part"},
		{"long name", named(strings.Repeat("n", 4097)), CodeProtocol, "0+4097 bytes"},
		{"negative length", raw(flagLongName, 0xf0, 0xff, 0xff, 0xff, 0xff), CodeProtocol, "0+-1 bytes"},
		{"keeps what is not there", raw(flagSameName, 200, 1, 'a'), CodeProtocol, "keeps 200 bytes of a name of 0"},
		{"negative size", func(w *wire) { ok(w); w.entry(31, "f", -5, 1, 0o100644) }, CodeProtocol, `"f") has the size -5`},
		{"negative mode", func(w *wire) { ok(w); w.entry(31, "f", 5, 1, 0xffff_ffff) }, CodeProtocol, "has the mode"},
		{"nanoseconds", raw(flagExtended, flagNanos>>8, 1, 'a', 0, 0, 0, 0, 0, 0, 0, 0xf0, 0, 0xca, 0x9a, 0x3b, 0, 0, 0, 0), CodeProtocol, "1000000000 nanoseconds"},
		{"integer of 10 bytes", raw(0x02, 1, 'a', 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff), CodeProtocol, "10 bytes"},
		{"endless list", func(w *wire) {
			ok(w)
			for i := range forever {
				w.entry(31, "f"+strings.Repeat("x", i%9), 1, 1, 0o100644)
			}
		}, CodeTooLarge, "more than 1000 entries"},
		{"list not whole", func(w *wire) {
			ok(w)
			w.entry(31, "f", 1, 1, 0o100644)
			w.data(flagExtended, flagIOError>>8, 2)
			w.goodbye(31)
		}, CodeIncomplete, "io_error 2"},
		{"list not whole, by frame", func(w *wire) {
			ok(w)
			w.frame(tagIOError, []byte{1, 0, 0, 0})
			w.entry(31, "f", 1, 1, 0o100644)
			w.data(0)
			w.goodbye(31)
		}, CodeIncomplete, "io_error 1"},
		{"sends what was not asked for", func(w *wire) { ok(w); w.entry(31, "f", 1, 1, 0o100644); w.data(0); w.file("x") }, CodeProtocol, "index 0, which is not awaited"},
		{"no goodbye", func(w *wire) { ok(w); w.entry(31, "f", 1, 1, 0o100644); w.data(0, 0) }, CodeUnreachable, "connection lost"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Dial: replay(tt.script), User: "u", Password: "p", Limits: Limits{Entries: 1000, Bytes: 1 << 20}}
			err := c.List(short(t), loopback, anyURL(t), nil, func(e Entry) error {
				if badName([]byte(e.Name)) != "" || e.Size < 0 {
					t.Errorf("the entry %+v was handed out", e)
				}
				return nil
			})
			wantCode(t, err, tt.code, tt.words)
			var e *Error
			if errors.As(err, &e) && (len(e.Text) > maxText || e.Op == "") {
				t.Errorf("%d bytes of text, operation %q", len(e.Text), e.Op)
			}
		})
	}
}

// TestHostileFile is TestHostile for the transfer of a file.
func TestHostileFile(t *testing.T) {
	listed := func(w *wire, name string, size int64) {
		w.textPhase(31)
		w.binaryStart(31)
		w.entry(31, name, size, 1488372781, 0o100644)
		w.data(0)
	}
	head := append([]byte{1, 0, 0x80}, make([]byte, 16)...)
	for _, tt := range []struct {
		name   string
		script func(w *wire)
		code   Code
		words  string
	}{
		{"fine", func(w *wire) { listed(w, "TIME", 5); w.file("1234\n"); w.goodbye(31) }, "", ""},
		{"grew since it was listed", func(w *wire) { listed(w, "TIME", 2); w.file("1234\n"); w.goodbye(31) }, "", ""},
		{"another name", func(w *wire) { listed(w, "TIMES", 5); w.file("1234\n"); w.goodbye(31) }, CodeProtocol, `"TIMES", asked for "TIME"`},
		{"two files", func(w *wire) {
			w.textPhase(31)
			w.binaryStart(31)
			w.entry(31, "TIME", 5, 1, 0o100644)
			w.entry(31, "TIME", 5, 1, 0o100644)
		}, CodeProtocol, "asked for"},
		{"too large by the list", func(w *wire) { listed(w, "TIME", 101); w.goodbye(31) }, CodeTooLarge, "has 101 bytes, expected at most 100"},
		{"too large when it comes", func(w *wire) { listed(w, "TIME", 1); w.file(strings.Repeat("x", 101)) }, CodeTooLarge, "more than 100 bytes"},
		{"endless", func(w *wire) {
			listed(w, "TIME", 1)
			w.data(head...)
			for range 1 << 24 {
				w.data(1, 0, 0, 0, 'x')
			}
		}, CodeTooLarge, "more than 100 bytes"},
		{"wrong checksum", func(w *wire) {
			listed(w, "TIME", 1)
			w.data(head...)
			w.data(1, 0, 0, 0, 'x', 0, 0, 0, 0)
			w.data(make([]byte, 16)...)
			w.goodbye(31)
		}, CodeCorrupt, "does not match its checksum"},
		{"block reference", func(w *wire) { listed(w, "TIME", 1); w.data(head...); w.data(0xff, 0xff, 0xff, 0xff) }, CodeProtocol, "block 0"},
		{"lowest integer", func(w *wire) { listed(w, "TIME", 1); w.data(head...); w.data(0, 0, 0, 0x80) }, CodeProtocol, "block 2147483647"},
		{"blocks", func(w *wire) { listed(w, "TIME", 1); w.data(1, 0, 0x80, 9, 0, 0, 0) }, CodeProtocol, "difference to blocks"},
		{"odd flags", func(w *wire) { listed(w, "TIME", 1); w.data(1, 0, 0x98) }, CodeProtocol, "flags 0x9800"},
		{"index too high", func(w *wire) { listed(w, "TIME", 1); w.data(2) }, CodeProtocol, "index 1"},
		{"negative index", func(w *wire) { listed(w, "TIME", 1); w.data(0xff, 9) }, CodeProtocol, "index -10"},
		{"index of five bytes", func(w *wire) { listed(w, "TIME", 1); w.data(0xfe, 0xff, 0xff, 0xff, 0xff) }, CodeProtocol, "index 2147483647"},
		{"sent twice", func(w *wire) {
			listed(w, "TIME", 1)
			w.file("x")
			w.data(0xfe, 0x80, 0, 0, 0)
		}, CodeProtocol, "index 0, which is not awaited"},
		{"not sent", func(w *wire) { listed(w, "TIME", 1); w.frame(tagNoSend, make([]byte, 4)); w.goodbye(31) }, CodeServer, "listed but not sent"},
		{"vanished", func(w *wire) {
			listed(w, "TIME", 1)
			w.frame(4, []byte("file has vanished: \"TIME\" (in m)\n"))
			w.frame(tagNoSend, make([]byte, 4))
			w.goodbye(31)
		}, CodeNotFound, "vanished"},
		{"cut", func(w *wire) { listed(w, "TIME", 9); w.data(head...); w.data(9, 0, 0, 0, 'x') }, CodeUnreachable, "connection lost"},
		{"goes on after the end", func(w *wire) { listed(w, "TIME", 5); w.file("1234\n"); w.data(append(make([]byte, 18), 3)...) }, CodeProtocol, "expected the end"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := &Client{Dial: replay(tt.script), Limits: Limits{File: 100}}
			f, err := c.FetchFile(short(t), loopback, anyURL(t), "TIME")
			wantCode(t, err, tt.code, tt.words)
			if err == nil && (string(f.Data) != "1234\n" || f.Size != 5) || err != nil && f.Data != nil {
				t.Errorf("%+v with %v", f, err)
			}
		})
	}
}

// TestHostileFetch: a server cannot make Fetch take what was not asked for, or more than the caps in all.
func TestHostileFetch(t *testing.T) {
	fetch := func(limits Limits, names ...string) error {
		c := &Client{Limits: limits, Dial: replay(func(w *wire) {
			w.textPhase(31)
			w.binaryStart(31)
			for _, n := range names {
				w.entry(31, n, 4, 1, 0o100644)
			}
			w.data(0)
			w.file("1234")
			w.file("1234")
		})}
		_, err := c.Fetch(short(t), loopback, anyURL(t), []string{"a/b", "c"})
		return err
	}
	wantCode(t, fetch(Limits{}, "c", "d"), CodeProtocol, `"d"`)
	wantCode(t, fetch(Limits{}, "c", "c"), CodeProtocol, `"c" twice`)
	wantCode(t, fetch(Limits{Files: 6}, "a/b", "c"), CodeTooLarge, "more than 2 bytes")
}
