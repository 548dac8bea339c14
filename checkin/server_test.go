package checkin

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"
)

// serving is a receiver with its spool behind a real listener on loopback.
func serving(t testing.TB, s *Senders, o ServerOptions, change ...func(*ReceiverOptions)) (r *Receiver, addr, dir string) {
	t.Helper()
	box, dir := spool(t)
	ro := ReceiverOptions{Senders: s, Keep: box.Put, Now: time.Now, PerSecond: 1000}
	for _, c := range change {
		c(&ro)
	}
	r = NewReceiver(ro)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	server := NewServer(r, o)
	ended := make(chan error, 1)
	go func() { ended <- server.Serve(Limit(l, o)) }()
	t.Cleanup(func() {
		server.Close()
		if err := <-ended; !errors.Is(err, http.ErrServerClosed) {
			t.Errorf("serve: %v", err)
		}
	})
	return r, l.Addr().String(), dir
}

func dial(t testing.TB, addr string) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	c.SetDeadline(time.Now().Add(20 * time.Second)) // what the server does not end in this time, it never does
	return c
}

// drip writes head at once and then one byte after the other, until the server has enough of it.
func drip(c net.Conn, head string, tail byte) {
	if _, err := io.WriteString(c, head); err != nil {
		return
	}
	for {
		if _, err := c.Write([]byte{tail}); err != nil {
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
}

// A client that sends byte by byte, or nothing more, is left after a bounded time, and told why where it can be.
func TestServer_SlowClients(t *testing.T) {
	a := newMirror(t, "a")
	r, whole, _ := serving(t, senders(t, a.server(t, "centos")), ServerOptions{Header: time.Minute, Request: 400 * time.Millisecond})
	_, header, _ := serving(t, senders(t), ServerOptions{Header: 200 * time.Millisecond, Request: time.Minute})
	const head = "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 3000\r\n"
	for _, tt := range []struct {
		name, addr, send string
		tail             byte // 0: nothing more
		want             string
	}{
		{"no byte", header, "", 0, ""},
		{"header that stops", header, head, 0, ""},
		{"header byte by byte", header, head + "X: ", 'x', ""},
		{"body that stops", whole, head + "\r\n{", 0, "408 Request Timeout"},
		{"body byte by byte", whole, head + "\r\n{", 'x', "408 Request Timeout"},
		{"chunked byte by byte", whole, "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n", '0', ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			c := dial(t, tt.addr)
			if tt.tail == 0 {
				io.WriteString(c, tt.send)
			} else {
				go drip(c, tt.send, tt.tail)
			}
			answer, err := io.ReadAll(c)
			if timeout := (net.Error)(nil); errors.As(err, &timeout) && timeout.Timeout() {
				t.Fatalf("the connection was left open: %q", answer)
			}
			if !strings.Contains(string(answer), tt.want) {
				t.Errorf("%q, %v, expected %q", answer, err, tt.want)
			}
		})
	}
	t.Cleanup(func() { // after the parallel ones
		if got := r.Stats().Refused[Incomplete]; got < 2 {
			t.Errorf("%d bodies counted as incomplete, expected two at least", got)
		}
	})
}

func TestServer_TooMuch(t *testing.T) {
	r, addr, _ := serving(t, senders(t), ServerOptions{})
	for _, tt := range []struct{ name, send, want string }{
		{"long body, announced", "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 1000000000\r\n\r\n", "413 "},
		{"long body, in chunks", "POST / HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: chunked\r\n\r\n2000\r\n" + strings.Repeat("x", 0x2000) + "\r\n", "413 "},
		{"long body, asked for first", "POST / HTTP/1.1\r\nHost: x\r\nExpect: 100-continue\r\nContent-Length: 5000\r\n\r\n", "413 "},
		{"long header", "POST / HTTP/1.1\r\nHost: x\r\nX: " + strings.Repeat("x", 64<<10), "431 "},
		{"no HTTP", "\x16\x03\x01\x02\x00\x01\x00\x01\xfc\x03\x03\r\n\r\n", "400 "},
	} {
		t.Run(tt.name, func(t *testing.T) {
			c := dial(t, addr)
			go io.WriteString(c, tt.send)
			line, err := bufio.NewReader(c).ReadString('\n')
			if !strings.Contains(line, tt.want) {
				t.Errorf("%q, %v, expected %s", line, err, tt.want)
			}
		})
	}
	if got := r.Stats().Refused[TooLarge]; got != 3 {
		t.Errorf("%d counted as too large, expected 3", got)
	}
}

// The answer's header says nothing of the program that made it.
func TestServer_SaysNoVersion(t *testing.T) {
	_, addr, _ := serving(t, senders(t), ServerOptions{})
	res, err := http.Post("http://"+addr, "", strings.NewReader("x"))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusBadRequest || res.Header.Get("Server") != "" || res.ProtoMajor != 1 {
		t.Errorf("%s %s %v", res.Proto, res.Status, res.Header)
	}
}

// An honest mirror is heard while others hold connections open and 170 bogus check-ins come a second.
func TestReceiver_HonestBesideBogus(t *testing.T) {
	t.Parallel()
	besideBogus(t, 2*time.Second, 20)
}

func besideBogus(t *testing.T, long time.Duration, honest int) {
	var list []mirror
	stranger := newMirror(t, "m0") // knows a name
	s := make([]func(testing.TB) []byte, 0)
	servers := senders(t)
	for i := range honest {
		m := newMirror(t, fmt.Sprint("m", i))
		list = append(list, m)
		one := senders(t, m.server(t, "centos"))
		servers.mirrors[m.id] = one.mirrors[m.id]
	}
	o := ServerOptions{Header: 500 * time.Millisecond, Request: time.Second}
	r, addr, dir := serving(t, servers, o, func(o *ReceiverOptions) { o.PerSecond = 20 })
	s = append(s,
		func(testing.TB) []byte { return []byte("{") },
		func(testing.TB) []byte { return make([]byte, MaxBody) },
		func(t testing.TB) []byte { return stranger.seal(t, stranger.message(time.Now())) },
		func(t testing.TB) []byte {
			m := stranger
			m.id = nonce()
			return m.seal(t, m.message(time.Now()))
		})
	ctx, cancel := context.WithTimeout(t.Context(), long)
	defer cancel()
	var all sync.WaitGroup
	for range 50 { // and some that only hold on to their connection
		all.Go(func() {
			for ctx.Err() == nil {
				c, err := net.Dial("tcp", addr)
				if err != nil {
					return
				}
				c.SetDeadline(time.Now().Add(long))
				io.WriteString(c, "POST / HTTP/1.1\r\n")
				io.ReadAll(c)
				c.Close()
			}
		})
	}
	sent := 0
	all.Go(func() {
		tick := time.NewTicker(time.Second / 170)
		defer tick.Stop()
		for {
			select {
			case <-ctx.Done():
				return
			case <-tick.C:
			}
			res, err := http.Post("http://"+addr, "application/json", bytes.NewReader(s[sent%len(s)](t)))
			if err != nil {
				continue
			}
			res.Body.Close()
			sent++
			if res.StatusCode == http.StatusAccepted {
				t.Error("a bogus check-in was accepted")
			}
		}
	})
	for i, m := range list {
		time.Sleep(long / time.Duration(2*honest))
		err := Send(t.Context(), SendOptions{URL: "http://" + addr, Tries: 1}, m.seal(t, m.message(time.Now())))
		if err != nil {
			t.Errorf("honest mirror %d: %v", i, err)
		}
	}
	all.Wait()
	stats := r.Stats()
	t.Logf("%d bogus check-ins in %v beside %d honest ones: %+v", sent, long, honest, stats)
	if got := lying(t, dir); len(got) != honest || stats.Accepted != int64(honest) || sent == 0 {
		t.Errorf("%d files, %d accepted, expected %d; %d bogus ones sent", len(got), stats.Accepted, honest, sent)
	}
}

// Connections that ask again and again, and others that ask nothing, three for every place: an honest mirror is heard.
func TestServer_AllPlacesHeld(t *testing.T) {
	t.Parallel()
	const places = 8
	a := newMirror(t, "a")
	r, addr, _ := serving(t, senders(t, a.server(t, "centos")), ServerOptions{Connections: places, Header: 200 * time.Millisecond})
	ctx, stop := context.WithCancel(t.Context())
	var all sync.WaitGroup
	defer all.Wait()
	defer stop()
	for i := range 3 * places {
		all.Go(func() {
			for ctx.Err() == nil {
				hold(ctx, addr, i%2 == 0)
			}
		})
	}
	bogus := func() int64 { return r.Stats().Refused[Malformed] }
	for end := time.Now().Add(10 * time.Second); bogus() < 10*places && time.Now().Before(end); { // they have had the places more than once
		time.Sleep(10 * time.Millisecond)
	}
	if bogus() == 0 {
		t.Fatal("nobody attacks")
	}
	short, cancel := context.WithTimeout(t.Context(), 10*time.Second)
	defer cancel()
	if err := Send(short, SendOptions{URL: "http://" + addr, Tries: 1}, a.seal(t, a.message(time.Now()))); err != nil {
		t.Errorf("an honest mirror, after %d bogus check-ins: %v", bogus(), err)
	}
}

// hold keeps one connection for as long as the server lets it.
func hold(ctx context.Context, addr string, ask bool) {
	c, err := net.Dial("tcp", addr)
	if err != nil {
		return
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	in := bufio.NewReader(c)
	for ask {
		if _, err := io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 2\r\n\r\n{}"); err != nil {
			return
		}
		res, err := http.ReadResponse(in, nil)
		if err != nil {
			return
		}
		io.Copy(io.Discard, res.Body)
		time.Sleep(time.Millisecond)
	}
	in.ReadByte()
}

// fakeListener gives connections from the addresses that it is told.
type fakeListener struct {
	addrs  chan net.Addr
	closed chan struct{}
}

func (f *fakeListener) Accept() (net.Conn, error) {
	select {
	case a := <-f.addrs:
		here, _ := net.Pipe()
		return &fakeConn{Conn: here, from: a}, nil
	case <-f.closed:
		return nil, net.ErrClosed
	}
}
func (f *fakeListener) Close() error   { close(f.closed); return nil }
func (f *fakeListener) Addr() net.Addr { return &net.TCPAddr{} }

type fakeConn struct {
	net.Conn
	from net.Addr
}

func (f *fakeConn) RemoteAddr() net.Addr { return f.from }

func from(ip string) net.Addr { return &net.TCPAddr{IP: net.ParseIP(ip), Port: 4711} }

func TestLimit_PerAddress(t *testing.T) {
	f := &fakeListener{addrs: make(chan net.Addr, 100), closed: make(chan struct{})}
	l := Limit(f, ServerOptions{Connections: 100, PerAddress: 2})
	for _, ip := range []string{
		"192.0.2.1", "192.0.2.1", "192.0.2.1", "192.0.2.2", // the third is closed
		"2001:db8::1", "2001:db8::2", "2001:db8::3", "2001:db8:0:1::1", // of one /64, the third is closed
		"127.0.0.1", "127.0.0.1", "127.0.0.1", "::1", "::1", "::1", "::ffff:127.0.0.1", // a web server before us: none is closed
	} {
		f.addrs <- from(ip)
	}
	var got []string
	var conns []net.Conn
	for range 13 {
		c, err := l.Accept()
		if err != nil {
			t.Fatal(err)
		}
		conns = append(conns, c)
		got = append(got, c.RemoteAddr().(*net.TCPAddr).IP.String())
	}
	want := "192.0.2.1 192.0.2.1 192.0.2.2 2001:db8::1 2001:db8::2 2001:db8:0:1::1 127.0.0.1 127.0.0.1 127.0.0.1 ::1 ::1 ::1 127.0.0.1"
	if strings.Join(got, " ") != want {
		t.Errorf("accepted %v\nexpected %s", got, want)
	}
	for _, c := range conns {
		c.Close()
		c.Close() // gives its place back once
	}
	if inner := l.(*limited); len(inner.from) != 0 || len(inner.places) != 0 {
		t.Errorf("%v, %d places taken after all were closed", inner.from, len(inner.places))
	}
	f.addrs <- from("192.0.2.1")
	if _, err := l.Accept(); err != nil {
		t.Fatal(err)
	}
	l.Close()
	if _, err := l.Accept(); !errors.Is(err, net.ErrClosed) {
		t.Errorf("accept after close: %v", err)
	}
}

func TestLimit_All(t *testing.T) {
	f := &fakeListener{addrs: make(chan net.Addr, 100), closed: make(chan struct{})}
	l := Limit(f, ServerOptions{Connections: 2})
	for range 4 {
		f.addrs <- from("127.0.0.1")
	}
	accepted := make(chan net.Conn)
	go func() {
		defer close(accepted)
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			accepted <- c
		}
	}()
	first, second := <-accepted, <-accepted
	select {
	case <-accepted:
		t.Error("a third connection, expected it to wait")
	case <-time.After(50 * time.Millisecond):
	}
	first.Close()
	third := <-accepted
	second.Close()
	third.Close()
	<-accepted
	l.Close() // while the next Accept waits
	for range accepted {
	}
}

// Connections that are held open, each with a header and a body that stop, cost a bounded piece of memory.
func TestServer_MemoryIsBounded(t *testing.T) {
	const connections, each = 400, 64 << 10
	a := newMirror(t, "a")
	_, addr, _ := serving(t, senders(t, a.server(t, "centos")), ServerOptions{})
	before := memory()
	for range connections {
		c := dial(t, addr)
		io.WriteString(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\nX: "+strings.Repeat("x", 2000)+"\r\n\r\n"+strings.Repeat("x", MaxBody-1))
	}
	if err := Send(t.Context(), SendOptions{URL: "http://" + addr}, a.seal(t, a.message(time.Now()))); err != nil { // behind all of them
		t.Fatal(err)
	}
	if grown := memory() - before; grown > connections*each {
		t.Errorf("%d connections took %d KiB, expected at most %d KiB each", connections, grown>>10, each>>10)
	} else {
		t.Logf("%d connections took %d KiB each", connections, grown>>10/connections)
	}
}

// memory is what heap and stacks hold.
func memory() int64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return int64(m.HeapAlloc + m.StackInuse)
}
