package rsync

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"runtime"
	"strings"
	"testing"
	"time"
)

// calls are the three things that are asked of a server, all of the same module.
func calls() map[string]func(ctx context.Context, c *Client, d *daemon, t testing.TB) error {
	return map[string]func(ctx context.Context, c *Client, d *daemon, t testing.TB) error{
		"list": func(ctx context.Context, c *Client, d *daemon, t testing.TB) error {
			return c.List(ctx, d.addr, d.url(t, "m/"), nil, func(e Entry) error {
				if badName([]byte(e.Name)) != "" || e.Size < 0 {
					t.Errorf("the entry %+v was handed out", e)
				}
				return nil
			})
		},
		"fetch one": func(ctx context.Context, c *Client, d *daemon, t testing.TB) error {
			f, err := c.FetchFile(ctx, d.addr, d.url(t, "m/"), "TIME")
			if err != nil && f.Data != nil || err == nil && f.Size != int64(len(f.Data)) {
				t.Errorf("%d bytes, said to be %d, with %v", len(f.Data), f.Size, err)
			}
			return err
		},
		"fetch several": func(ctx context.Context, c *Client, d *daemon, t testing.TB) error {
			files, err := c.Fetch(ctx, d.addr, d.url(t, "m/"), []string{"TIME", "a/b"})
			for name, f := range files {
				if name != "TIME" && name != "a/b" || f.Size != int64(len(f.Data)) {
					t.Errorf("%q came: %d bytes, said to be %d", name, len(f.Data), f.Size)
				}
			}
			return err
		},
	}
}

// bounded runs a call against a server that means harm: it must end by itself, long before its deadline, and all that was
// allocated meanwhile, by the server's goroutine as well, must be below most bytes.
func bounded(t *testing.T, most uint64, call func(ctx context.Context) error) error {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	err := returns(t, func() error { return call(ctx) })
	runtime.ReadMemStats(&after)
	if grown := after.TotalAlloc - before.TotalAlloc; grown > most {
		t.Errorf("%d KiB were allocated, expected at most %d", grown>>10, most>>10)
	}
	if ctx.Err() != nil {
		t.Error("only the deadline ended it")
	}
	return err
}

// returns fails the test when call does not come back, whatever its deadline.
func returns(t *testing.T, call func() error) error {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- call() }()
	select {
	case err := <-done:
		return err
	case <-time.After(3 * time.Minute):
		t.Fatal("the call hangs beyond its deadline")
		return nil
	}
}

// reason checks an error against "code: words" or "ok".
func reason(t *testing.T, err error, want string) {
	t.Helper()
	code, words, _ := strings.Cut(want, ": ")
	if code == "ok" {
		code = ""
	}
	wantCode(t, err, Code(code), words)
	var e *Error
	if errors.As(err, &e) && (len(e.Text) > maxText || e.Op == "" || clean(e.Text) != e.Text) {
		t.Errorf("operation %q, %d bytes of text %q", e.Op, len(e.Text), e.Text)
	}
}

// motdLikeAList has lines as "rsync --list-only" prints them, and the bytes of entries.
const motdLikeAList = "drwxr-xr-x          4,096 2017/03/01 12:53:01 .\n-rw-r--r--             11 2017/03/01 12:53:01 TIME\n" +
	">f+++++++++ TIME\n\x19\x00\x04TIME\x0b\x00\x00\x58\xb6\xc3\xed\xa4\x81\x00\x00\x00\n@RSYNCD is not said here\n\x00\x07\x00\x00\x07\n"

// TestAttacks: what hostile servers do, and what each of the calls says of it, by name and in one table. "" stands for what
// does not concern the call.
func TestAttacks(t *testing.T) {
	ok := func(w *wire) { w.textPhase(31); w.binaryStart(31) }
	listed := func(w *wire, size int64) { ok(w); w.entry(31, "TIME", size, 1488372781, 0o100644); w.data(0) }
	sent := func(size int64, data string) func(w *wire) {
		return func(w *wire) { listed(w, size); w.file(data); w.goodbye(31) }
	}
	one := func(name string, size int64) func(w *wire) {
		return func(w *wire) { ok(w); w.entry(31, name, size, 1, 0o100644); w.data(0); w.goodbye(31) }
	}
	old := func(tail ...byte) func(w *wire) { // an entry of protocol 29, whose numbers have signs
		return func(w *wire) { w.textPhase(29); w.binaryStart(29); w.data(tail...) }
	}
	raw := func(b ...byte) func(w *wire) { return func(w *wire) { ok(w); w.data(b...) } }
	head := append([]byte{1, 0, 0x80}, make([]byte, 16)...)
	const forever = 1 << 24
	low := Limits{Entries: 1000, Bytes: 2 << 20, File: 1 << 20}
	for _, tt := range []struct {
		name                 string
		limits               Limits
		script               func(w *wire)
		list, file, severals string
	}{
		{"size too small", low, sent(2, "1234\n"), "", "ok", "ok"},
		{"size too large", low, sent(1<<20, "1234\n"), "", "ok", "ok"},
		{"size of 4 EiB", low, func(w *wire) { listed(w, 1<<62); w.goodbye(31) }, "ok", "too-large: expected at most", "too-large: expected at most"},
		{"size small, file endless", low, func(w *wire) {
			listed(w, 2)
			w.data(head...)
			for range forever {
				w.data(append([]byte{0, 4, 0, 0}, make([]byte, 1024)...)...)
			}
		}, "", "too-large: has more than 1048576 bytes", "too-large: has more than 1048576 bytes"},
		{"a piece of 2 GiB announced", Limits{}, func(w *wire) { listed(w, 2); w.data(head...); w.data(0xff, 0xff, 0xff, 0x7f, 'x') }, "", "too-large: has more than", "too-large: has more than"},
		{"a piece of 15 MiB announced, then cut", Limits{}, func(w *wire) { listed(w, 15<<20); w.data(head...); w.data(0, 0, 0xf0, 0, 'x') }, "", "unreachable: connection lost", "unreachable: connection lost"},
		{"a frame of 16 MiB announced, then cut", Limits{}, func(w *wire) { ok(w); w.Write([]byte{0xff, 0xff, 0xff, tagBase, 0x18}) }, "unreachable: connection lost", "unreachable: connection lost", "unreachable: connection lost"},

		{"endless list", low, func(w *wire) {
			ok(w)
			for range forever {
				w.entry(31, "TIME", 1, 1, 0o100644)
			}
		}, "too-large: more than 1000 entries", `protocol: asked for "TIME"`, `protocol: "TIME" twice`},
		{"endless list of empty frames", low, func(w *wire) {
			ok(w)
			for range forever {
				w.data()
			}
		}, "too-large: 2097152 bytes in one session", "too-large: 2097152 bytes", "too-large: 2097152 bytes"},
		{"endless list of one name that grows", low, func(w *wire) {
			ok(w)
			w.entry(31, "T", 1, 1, 0o100644)
			for keep := byte(1); keep > 0; keep++ { // to 255, then longer by 255 each
				w.data(flagSameName|flagSameTime|flagSameMode, keep, 1, 'x', 0, 0, 0)
			}
			for range forever {
				w.data(append(append([]byte{flagSameName | flagSameTime | flagSameMode | flagLongName, 255, 0x8f, 0xff}, bytes.Repeat([]byte("y"), 0xfff)...), 0, 0, 0)...)
			}
		}, "protocol: 255+4095 bytes, expected at most 4096", `protocol: asked for "TIME"`, `protocol: "T" twice or without being asked`},

		{"name with a newline", low, one("new\nline", 1), "ok", "protocol: asked for", "protocol: without being asked"},
		{"name in invalid UTF-8", low, one("\xff\xfe\xc0\x80", 1), "ok", "protocol: asked for", "protocol: without being asked"},
		{"name that colours a terminal", low, one("\x1b[31mTIME\u202e", 1), "ok", "protocol: asked for", "protocol: without being asked"},
		{"../", low, one("../TIME", 1), `protocol: ".." part`, `protocol: ".." part`, `protocol: ".." part`},
		{"../ in the middle", low, one("a/../../TIME", 1), `protocol: ".." part`, `protocol: ".." part`, `protocol: ".." part`},
		{"../ put together of two names", low, raw(flagLongName, 5, 'a', '/', '.', 'x', 'y', 0, 0, 0, 0, 0, 0, 0, 0xa4, 0x81, 0, 0, flagSameName|flagSameTime|flagSameMode, 3, 3, '.', '/', 'x', 0, 0, 0), `protocol: "a/../x" has`, "protocol: asked for", "protocol: without being asked"},
		{"/ put together of two names", low, raw(flagLongName, 1, '.', 0, 0, 0, 0, 0, 0, 0, 0xa4, 0x81, 0, 0, flagSameName|flagSameTime|flagSameMode, 1, 2, '/', 'x', 0, 0, 0), `protocol: "./x" has`, "protocol: asked for", `protocol: "./x" has`},

		{"negative length of a name", low, raw(flagLongName, 0xf0, 0xff, 0xff, 0xff, 0xff), "protocol: 0+-1 bytes", "protocol: 0+-1 bytes", "protocol: 0+-1 bytes"},
		{"negative length of a name, old", low, old(flagLongName, 0xff, 0xff, 0xff, 0xff), "protocol: 0+-1 bytes", "protocol: 0+-1 bytes", "protocol: 0+-1 bytes"},
		{"negative size", low, one("TIME", -5), "protocol: has the size -5", "protocol: has the size -5", "protocol: has the size -5"},
		{"negative size, old", low, old(0x01, 4, 'T', 'I', 'M', 'E', 0xfb, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0xa4, 0x81, 0, 0), "protocol: has the size -5", "protocol: has the size -5", "protocol: has the size -5"},
		{"lowest size, old", low, old(0x01, 4, 'T', 'I', 'M', 'E', 0xff, 0xff, 0xff, 0xff, 0, 0, 0, 0, 0, 0, 0, 0x80, 0, 0, 0, 0, 0xa4, 0x81, 0, 0), "protocol: has the size -9223372036854775808", "protocol: -9223372036854775808", "protocol: -9223372036854775808"},
		{"negative mode", low, raw(0x01, 4, 'T', 'I', 'M', 'E', 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 0xff, 0xff), "protocol: has the mode", "protocol: has the mode", "protocol: has the mode"},
		{"negative length of a piece", low, func(w *wire) { listed(w, 2); w.data(head...); w.data(0, 0, 0, 0x80) }, "", "protocol: block 2147483647", "protocol: block 2147483647"},
		{"negative index", low, func(w *wire) { listed(w, 2); w.data(0xff, 9) }, "protocol: index -10", "protocol: index -10", "protocol: index -10"},

		{"endless messages", Limits{}, func(w *wire) {
			ok(w)
			for range forever {
				w.frame(tagInfo, []byte("still here"))
			}
		}, "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages"},
		{"endless messages after the list", Limits{}, func(w *wire) {
			listed(w, 2)
			for range forever {
				w.frame(tagErrorXfer, []byte("rsync: read error\n"))
			}
		}, "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages"},
		{"endless empty messages", low, func(w *wire) {
			ok(w)
			for range forever {
				w.frame(tagInfo, nil)
			}
		}, "too-large: 2097152 bytes in one session", "too-large: 2097152 bytes", "too-large: 2097152 bytes"},
		{"a message of 16 MiB", Limits{}, func(w *wire) { ok(w); w.Write([]byte{0xff, 0xff, 0xff, tagBase + tagInfo}) }, "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages", "too-large: 65536 bytes of messages"},
		{"endless message of the day", Limits{}, func(w *wire) {
			w.text("@RSYNCD: 31.0\n")
			for range forever {
				w.text("spam and eggs\n")
			}
		}, "too-large: 65536 bytes of text", "too-large: 65536 bytes of text", "too-large: 65536 bytes of text"},
		{"endless line", Limits{}, func(w *wire) {
			w.text("@RSYNCD: 31.0\n")
			for range forever {
				w.text("spam and eggs")
			}
		}, "too-large: line longer than 4096", "too-large: line longer than 4096", "too-large: line longer than 4096"},

		{"message of the day like a listing", low, func(w *wire) {
			w.text("@RSYNCD: 31.0 md5 md4\n" + motdLikeAList + "@RSYNCD: OK\n")
			w.binaryStart(31)
			w.entry(31, "TIME", 5, 1488372781, 0o100644)
			w.data(0)
			w.file("1234\n")
			w.goodbye(31)
		}, "", "ok", "ok"},
		{"message of the day like a listing, then nothing", low, func(w *wire) { w.text("@RSYNCD: 31.0 md5 md4\n" + motdLikeAList) }, "unreachable: connection lost", "unreachable: connection lost", "unreachable: connection lost"},

		{"protocol 20", low, func(w *wire) { w.text("@RSYNCD: 20\n@RSYNCD: OK\n") }, "protocol: expected 27 or newer", "protocol: expected 27 or newer", "protocol: expected 27 or newer"},
		{"protocol 40, spoken as ours", low, func(w *wire) {
			w.text("@RSYNCD: 40.0 sha9000 md5\n@RSYNCD: OK\n")
			w.binaryStart(31)
			w.entry(31, "TIME", 5, 1488372781, 0o100644)
			w.data(0)
			w.file("1234\n")
			w.goodbye(31)
		}, "", "ok", "ok"},
		{"protocol 40, spoken as another", low, func(w *wire) { w.text("@RSYNCD: 40.0\n@RSYNCD: OK\n\x01\x00\x00\x63{}") }, "protocol: not offered", "protocol: not offered", "protocol: not offered"},
		{"protocol 99", low, func(w *wire) { w.text("@RSYNCD: 99.0\n@RSYNCD: OK\n") }, "protocol: expected at most 40", "protocol: expected at most 40", "protocol: expected at most 40"},
	} {
		for kind, call := range calls() {
			want := map[string]string{"list": tt.list, "fetch one": tt.file, "fetch several": tt.severals}[kind]
			if want == "" {
				continue
			}
			t.Run(tt.name+"/"+kind, func(t *testing.T) {
				c := &Client{Dial: replay(tt.script), Limits: tt.limits}
				err := bounded(t, 8<<20, func(ctx context.Context) error {
					return call(ctx, c, &daemon{addr: loopback, port: 873}, t)
				})
				reason(t, err, want)
			})
		}
	}
}

// TestAttack_SlowLoris: a server that sends a byte every 50 ms is silent to nobody, and has only the call's time.
func TestAttack_SlowLoris(t *testing.T) {
	script := func(f func(w *wire)) string {
		var b bytes.Buffer
		w := &wire{bufio.NewWriter(&b)}
		f(w)
		w.Flush()
		return b.String()
	}
	ok := script(func(w *wire) { w.textPhase(31); w.binaryStart(31) })
	file := ok + script(func(w *wire) { w.entry(31, "TIME", 1<<20, 1, 0o100644); w.data(0) })
	a := newAuthority(t)
	for name, tt := range map[string]struct{ atOnce, slowly string }{
		"greeting":           {"", "@RSYNCD: 31.0\n"},
		"message of the day": {"@RSYNCD: 31.0\n", strings.Repeat("a\n", 1000)},
		"list":               {ok, script(func(w *wire) { w.entry(31, strings.Repeat("TIME", 100), 1, 1, 0o100644) })},
		"keep-alives":        {ok, strings.Repeat("\x00\x00\x00\x31", 1000)},
		"messages":           {ok, script(func(w *wire) { w.frame(tagInfo, bytes.Repeat([]byte("m"), 1000)) })},
		"file":               {file, script(func(w *wire) { w.file(strings.Repeat("x", 1000)) })},
		"TLS":                {"", "\x16\x03\x03\x01\x00\x02\x00\x00\xfc\x03\x03" + strings.Repeat("r", 500)},
	} {
		for kind, call := range calls() {
			if name == "file" && kind == "list" {
				continue // asks for none
			}
			t.Run(name+"/"+kind, func(t *testing.T) {
				t.Parallel()
				addr, port := listen(t, func(c net.Conn) {
					c.Write([]byte(tt.atOnce))
					for i := range len(tt.slowly) {
						if _, err := c.Write([]byte{tt.slowly[i]}); err != nil {
							return
						}
						time.Sleep(50 * time.Millisecond)
					}
					io.Copy(io.Discard, c) // it never ends by itself
				})
				d := &daemon{addr: addr, port: port, secure: name == "TLS"}
				ctx, cancel := context.WithTimeout(t.Context(), 400*time.Millisecond)
				defer cancel()
				err := returns(t, func() error { return call(ctx, &Client{TLS: a.roots()}, d, t) })
				reason(t, err, string(CodeTimeout))
				if !errors.Is(err, context.DeadlineExceeded) {
					t.Errorf("error %v, expected a context's", err)
				}
			})
		}
	}
}
