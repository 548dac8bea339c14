package rsync

import (
	"bytes"
	"context"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"tidemark/internal/rsyncurl"
)

// capture has TestCaptured write what real daemons say to testdata, for the fuzz seeds and for tests without a daemon.
var capture = flag.Bool("capture", false, "record sessions of real daemons in testdata")

// script is a connection that says what was recorded and hears nothing.
type script struct{ io.Reader }

func (script) Write(p []byte) (int, error)      { return len(p), nil }
func (script) Close() error                     { return nil }
func (script) LocalAddr() net.Addr              { return nil }
func (script) RemoteAddr() net.Addr             { return nil }
func (script) SetDeadline(time.Time) error      { return nil }
func (script) SetReadDeadline(time.Time) error  { return nil }
func (script) SetWriteDeadline(time.Time) error { return nil }

func scripted(b []byte) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) { return script{bytes.NewReader(b)}, nil }
}

// recorder keeps what is read through it.
type recorder struct {
	net.Conn
	said *bytes.Buffer
}

func (r recorder) Read(p []byte) (int, error) {
	n, err := r.Conn.Read(p)
	r.said.Write(p[:n])
	return n, err
}

// sessions are the kinds of session that are recorded: each gives what a caller would see, as text.
func sessions() map[string]func(c *Client, d *daemon, u rsyncurl.URL) (string, error) {
	return map[string]func(c *Client, d *daemon, u rsyncurl.URL) (string, error){
		"fetch": func(c *Client, d *daemon, u rsyncurl.URL) (string, error) {
			f, err := c.FetchFile(context.Background(), d.addr, u, "TIME")
			return fmt.Sprintf("%s %q\n", f.Name, f.Data), err
		},
		"missing": func(c *Client, d *daemon, u rsyncurl.URL) (string, error) {
			_, err := c.FetchFile(context.Background(), d.addr, u, "nope")
			return "", err
		},
		"several": func(c *Client, d *daemon, u rsyncurl.URL) (string, error) {
			files, err := c.Fetch(context.Background(), d.addr, u, []string{"TIME", "7/os/repodata/repomd.xml"})
			return fmt.Sprintf("%q %q\n", files["TIME"].Data, files["7/os/repodata/repomd.xml"].Data), err
		},
		"list": func(c *Client, d *daemon, u rsyncurl.URL) (string, error) {
			var b strings.Builder
			err := c.List(context.Background(), d.addr, u, nil, func(e Entry) error {
				if e.IsRegular() {
					fmt.Fprintf(&b, "%s %d %d\n", e.Name, e.Size, e.MTime.Unix())
				}
				return nil
			})
			return b.String(), err
		},
	}
}

const recordedModules = "[m]\npath = %DIR%/tree\n"

func recordedTree(t *testing.T, dir string) {
	for name, text := range map[string]string{"TIME": "1488372781\n", "7/os/repodata/repomd.xml": "<repomd/>\n", "7/os/Packages/a.rpm": "a", "new\nline": ""} {
		file := filepath.Join(dir, "tree", name)
		writeFile(t, file, text)
		at := time.Unix(1488372781, 5)
		os.Chtimes(file, at, at)
	}
}

// TestCaptured replays the recorded sessions: what was understood when they were recorded must still be.
func TestCaptured(t *testing.T) {
	if *capture {
		captureSessions(t)
	}
	names, _ := filepath.Glob("testdata/session/*.server")
	if len(names) < 4*5 {
		t.Fatalf("%d recorded sessions in testdata/session, expected 20 or more", len(names))
	}
	for _, name := range names {
		said, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		base := strings.TrimSuffix(filepath.Base(name), ".server")
		kind, rest, _ := strings.Cut(base, "-")
		var proto int
		fmt.Sscanf(rest, "%d", &proto)
		got, err := sessions()[kind](&Client{Protocol: proto, Dial: scripted(said)}, &daemon{addr: loopback}, anyURL(t))
		want := map[string]string{
			"fetch": "TIME \"1488372781\\n\"\n", "missing": "", "several": "\"1488372781\\n\" \"<repomd/>\\n\"\n",
			"list": "TIME 11 1488372781\nnew\nline 0 1488372781\n7/os/Packages/a.rpm 1 1488372781\n7/os/repodata/repomd.xml 10 1488372781\n",
		}[kind]
		if kind == "missing" {
			wantCode(t, err, CodeNotFound, "nope")
		} else if err != nil {
			t.Errorf("%s: %v", base, err)
		}
		if kind == "list" {
			got, want = sorted(got), sorted(want)
		}
		if got != want {
			t.Errorf("%s: %q, expected %q", base, got, want)
		}
	}
}

func sorted(text string) string {
	set := map[string]bool{}
	for _, l := range strings.Split(text, "\n") {
		set[l] = true
	}
	return fmt.Sprint(set)
}

func captureSessions(t *testing.T) {
	if err := os.MkdirAll("testdata/session", 0o755); err != nil {
		t.Fatal(err)
	}
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, recordedModules)
		recordedTree(t, d.dir)
		server := filepath.Base(t.Name())
		for proto := minProtocol; proto <= maxProtocol; proto++ {
			for kind, run := range sessions() {
				var said bytes.Buffer
				c := &Client{Protocol: proto, Dial: func(ctx context.Context, network, address string) (net.Conn, error) {
					conn, err := new(net.Dialer).DialContext(ctx, network, address)
					return recorder{conn, &said}, err
				}}
				if _, err := run(c, d, d.url(t, "m/")); err != nil && kind != "missing" {
					t.Fatal(err)
				}
				name := fmt.Sprintf("testdata/session/%s-%d-%s.server", kind, proto, server)
				if err := os.WriteFile(name, said.Bytes(), 0o644); err != nil {
					t.Fatal(err)
				}
			}
		}
	})
}

// recorded calls seed with each recorded session: its protocol, the text phase and all that follows.
func recorded(f *testing.F, seed func(kind string, proto int, text, rest []byte)) {
	names, _ := filepath.Glob("testdata/session/*.server")
	if len(names) == 0 {
		f.Fatal("no recorded sessions")
	}
	for _, name := range names {
		said, err := os.ReadFile(name)
		if err != nil {
			f.Fatal(err)
		}
		kind, rest, _ := strings.Cut(filepath.Base(name), "-")
		var proto int
		fmt.Sscanf(rest, "%d", &proto)
		const ok = "@RSYNCD: OK\n"
		i := bytes.Index(said, []byte(ok)) + len(ok)
		seed(kind, proto, said[:i], said[i:])
	}
}

// fuzzLimits are small, so that the fuzzer reaches them.
func fuzzLimits() Limits {
	return Limits{Greeting: 1 << 10, Line: 256, Entries: 100, Name: 300, Message: 1 << 10, File: 1 << 10, Files: 1 << 11, Bytes: 1 << 16}
}

// checkFailure: whatever a server says, a failure has a code, and words that are fit to print.
func checkFailure(t *testing.T, err error) {
	t.Helper()
	if err == nil {
		return
	}
	if e, ok := err.(*Error); !ok || e.Code == "" || e.Op == "" || len(e.Text) > maxText || clean(e.Text) != e.Text {
		t.Fatalf("error %#v", err)
	}
}

func FuzzGreeting(f *testing.F) {
	recorded(f, func(_ string, proto int, text, _ []byte) { f.Add(proto, text) })
	f.Add(31, []byte("@RSYNCD: 31.0\nhello\n@RSYNCD: AUTHREQD abc\n@ERROR: auth failed on module m\n"))
	f.Add(31, []byte("@RSYNCD: 31.0 md4\n@ERROR: max connections (1) reached -- try again later\n"))
	f.Fuzz(func(t *testing.T, proto int, text []byte) {
		phase := &textPhase{s: newStream(bytes.NewReader(text), fuzzLimits())}
		ours := minProtocol + int(uint(proto)%5)
		answered := 0
		g, _, err := phase.accept(ours, func(g greeting, challenge string) error {
			answered++
			_, err := authReply(g, "u", "p", challenge)
			return err
		})
		if answered > 1 {
			t.Errorf("answered %d challenges", answered)
		}
		if err == nil && (g.protocol < minProtocol || g.protocol > ours || phase.read > len(text) || phase.read > fuzzLimits().Greeting) {
			t.Errorf("protocol %d of %d after %d bytes", g.protocol, ours, phase.read)
		}
	})
}

func FuzzFileList(f *testing.F) {
	recorded(f, func(kind string, proto int, _, rest []byte) {
		if kind != "list" {
			return
		}
		start := 4 // the seed
		if proto >= 30 {
			start++
		}
		s := newStream(bytes.NewReader(rest[start:]), Limits{}.withDefaults())
		s.muxed = true
		plain := make([]byte, 0, len(rest))
		for {
			b := s.byte()
			if s.err != nil {
				break
			}
			plain = append(plain, b)
		}
		f.Add(proto, plain)
	})
	l := &listWriter{}
	for i := range int64(90) {
		l.add(mirrorEntry(i * 150))
	}
	f.Add(31, append(bytes.Clone(l.buf), 0))
	f.Fuzz(func(t *testing.T, proto int, list []byte) {
		proto = minProtocol + int(uint(proto-minProtocol)%5)
		whole := decoded(t, proto, bytes.NewReader(list))
		// A reader that gives single bytes never lets an entry be read out of the buffer.
		if pieces := decoded(t, proto, iotest.OneByteReader(bytes.NewReader(list))); whole != pieces {
			t.Errorf("from the buffer:\n%s\nbyte by byte:\n%s", whole, pieces)
		}
	})
}

// decoded reads a list to its end, checks what must be true of any, and gives it as text.
func decoded(t *testing.T, proto int, list io.Reader) string {
	s := newStream(list, fuzzLimits())
	d := &listDecoder{in: s, proto: proto}
	var text strings.Builder
	for {
		e, ok := d.next()
		if !ok {
			break
		}
		if reason := badName([]byte(e.Name)); reason != "" || e.Size < 0 || len(e.Name) > s.limits.Name || e.Mode > 0o177777 {
			t.Fatalf("entry %+v %s", e, reason)
		}
		fmt.Fprintf(&text, "%q %d %d %o\n", e.Name, e.Size, e.MTime.UnixNano(), e.Mode)
	}
	if d.count > s.limits.Entries+1 || cap(d.name) > 4*s.limits.Name {
		t.Errorf("%d entries, a name of %d bytes", d.count, cap(d.name))
	}
	if _, ok := d.next(); s.err != nil && ok {
		t.Error("an entry after an error")
	}
	return fmt.Sprintf("%s%d %d %v", &text, d.count, s.ioError, s.err)
}

func FuzzMux(f *testing.F) {
	recorded(f, func(_ string, _ int, _, rest []byte) { f.Add(rest[min(5, len(rest)):], 3) })
	f.Fuzz(func(t *testing.T, frames []byte, step int) {
		step = 1 + int(uint(step)%100)
		whole, pieces := demux(frames, 1), demux(frames, step)
		if !bytes.HasPrefix(whole.data, pieces.data) || len(whole.data)-len(pieces.data) >= step || fmt.Sprint(whole.s.log.kept) != fmt.Sprint(pieces.s.log.kept) {
			t.Error("the size of the reads changes what is read")
		}
		if whole.s.log.bytes > whole.s.limits.Message && codeOf(whole.s.err) != CodeTooLarge || len(whole.s.log.kept) > maxMessages {
			t.Errorf("%d bytes of messages, %v", whole.s.log.bytes, whole.s.err)
		}
	})
}

type demuxed struct {
	s    *stream
	data []byte
}

func demux(frames []byte, step int) demuxed {
	d := demuxed{s: newStream(bytes.NewReader(frames), fuzzLimits())}
	d.s.muxed = true
	for d.s.err == nil {
		b := make([]byte, step)
		if step == 1 {
			b[0] = d.s.byte()
		} else {
			d.s.full(b)
		}
		if d.s.err == nil { // a piece that is cut short is given up
			d.data = append(d.data, b...)
		}
	}
	return d
}

func FuzzSession(f *testing.F) {
	kinds := map[string]int{"fetch": 0, "missing": 0, "several": 1, "list": 2}
	recorded(f, func(kind string, proto int, text, rest []byte) { f.Add(kinds[kind], proto, append(text, rest...)) })
	u, err := rsyncurl.Parse("rsync://mirror.example.org/m/")
	if err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, kind, proto int, said []byte) {
		c := &Client{Protocol: minProtocol + int(uint(proto-minProtocol)%5), Limits: fuzzLimits(), Dial: scripted(said), User: "u", Password: "p"}
		switch uint(kind) % 3 {
		case 0:
			file, err := c.FetchFile(context.Background(), loopback, u, "TIME")
			checkFailure(t, err)
			if err == nil && (file.Name != "TIME" || !file.IsRegular() || int64(len(file.Data)) > c.Limits.File) || err != nil && file.Data != nil {
				t.Errorf("%+v, %v", file.Entry, err)
			}
		case 1:
			asked := []string{"TIME", "7/os/repodata/repomd.xml"}
			files, err := c.Fetch(context.Background(), loopback, u, asked)
			checkFailure(t, err)
			for name := range files {
				if name != asked[0] && name != asked[1] {
					t.Errorf("%q was not asked for", name)
				}
			}
		case 2:
			n := int64(0)
			checkFailure(t, c.List(context.Background(), loopback, u, nil, func(Entry) error { n++; return nil }))
			if n > c.Limits.Entries {
				t.Errorf("%d entries", n)
			}
		}
	})
}
