package rsync

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/netip"
	"strings"
	"testing"
	"time"
)

// TestReset_AfterBusy: the daemon hangs up on a client that has sent more, and the reset may come with its last words.
func TestReset_AfterBusy(t *testing.T) {
	for _, text := range []string{"@RSYNCD: 31.0\n@ERROR: max connections (8) reached -- try again later\n", "@RSYNCD: 31.0\nmax connections (8) reached, come back later\n"} {
		addr, port := listen(t, func(c net.Conn) {
			c.Read(make([]byte, 1)) // the rest of what we sent lies unread: closing resets
			c.Write([]byte(text))
			time.Sleep(20 * time.Millisecond)
			c.(*net.TCPConn).SetLinger(0)
		})
		d := &daemon{addr: addr, port: port}
		_, err := new(Client).FetchFile(short(t), d.addr, d.url(t, "m"), "TIME")
		wantCode(t, err, CodeBusy, "max connections (8)")
	}
}

// TestReset_BeforeGreeting is how a firewall or an overloaded host says no.
func TestReset_BeforeGreeting(t *testing.T) {
	addr, port := listen(t, func(c net.Conn) { c.(*net.TCPConn).SetLinger(0) })
	d := &daemon{addr: addr, port: port}
	_, err := new(Client).FetchFile(short(t), d.addr, d.url(t, "m"), "TIME")
	wantCode(t, err, CodeRefused, "")
}

// TestDeadline: the time is the whole call's, so that neither silence nor a trickle gets round it.
func TestDeadline(t *testing.T) {
	for name, server := range map[string]func(net.Conn){
		"silent":  func(c net.Conn) { hold(c) },
		"trickle": func(c net.Conn) { trickle(c, "@RSYNCD: 31.0\n"+strings.Repeat("a\n", 30_000)) },
		"silent after OK": func(c net.Conn) {
			c.Write([]byte("@RSYNCD: 31.0\n@RSYNCD: OK\n"))
			hold(c)
		},
		"silent in the list": func(c net.Conn) {
			c.Write([]byte("@RSYNCD: 31.0\n@RSYNCD: OK\n\x00\x07\x00\x00\x00"))
			hold(c)
		},
		"keep-alives": func(c net.Conn) {
			c.Write([]byte("@RSYNCD: 31.0\n@RSYNCD: OK\n\x00\x07\x00\x00\x00"))
			trickle(c, strings.Repeat("\x00\x00\x00\x31", 10_000))
		},
	} {
		t.Run(name, func(t *testing.T) {
			addr, port := listen(t, server)
			d := &daemon{addr: addr, port: port}
			ctx, cancel := context.WithTimeout(context.Background(), 200*time.Millisecond)
			defer cancel()
			err := new(Client).List(ctx, addr, d.url(t, "m"), nil, func(Entry) error { return nil })
			wantCode(t, err, CodeTimeout, "")
			if !errors.Is(err, context.DeadlineExceeded) {
				t.Errorf("error %v, expected a context's", err)
			}
		})
	}
}

// TestCancel: a cancelled context ends a read at once, without any deadline.
func TestCancel(t *testing.T) {
	asked := make(chan struct{})
	addr, port := listen(t, func(c net.Conn) { close(asked); hold(c) })
	d := &daemon{addr: addr, port: port}
	ctx, cancel := context.WithCancel(context.Background())
	go func() { <-asked; cancel() }()
	_, err := new(Client).FetchFile(ctx, addr, d.url(t, "m"), "TIME")
	wantCode(t, err, CodeTimeout, "cancel")
	if !errors.Is(err, context.Canceled) {
		t.Errorf("error %v, expected context.Canceled", err)
	}
}

// TestClosed: no way out of a call leaves its connection open.
func TestClosed(t *testing.T) {
	a := newAuthority(t)
	config := a.server(t, time.Now().Add(time.Hour), "127.0.0.1")
	list := "@RSYNCD: 31.0\n@RSYNCD: OK\n\x00\x07\x00\x00\x00"
	for name, said := range map[string]string{"not rsync": "SSH-2.0\n", "denied": "@RSYNCD: 31.0\n@ERROR: access denied\n", "not the protocol": list + "\xff\xff\xff\xff", "the visitor's end": list + "\x0e\x00\x00\x07\x01\x01a\x00\x00\x00\x00\x00\x00\x00\xa4\x81\x00\x00"} {
		for _, secure := range []bool{false, true} {
			gone := make(chan struct{}, 2)
			addr, port := listen(t, func(c net.Conn) {
				if secure {
					c = tls.Server(c, config)
				}
				c.Write([]byte(said))
				hold(c)
				gone <- struct{}{}
			})
			d := &daemon{addr: addr, port: port, secure: secure}
			err := (&Client{TLS: a.roots()}).List(context.Background(), addr, d.url(t, "m"), nil, func(Entry) error { return io.ErrShortBuffer })
			if err == nil {
				t.Errorf("%s, TLS %t: no error", name, secure)
			}
			select {
			case <-gone:
			case <-short(t).Done():
				t.Fatalf("%s, TLS %t: the connection is still open after %v", name, secure, err)
			}
		}
	}
}

// hold waits until the client has gone.
func hold(c net.Conn) {
	b := make([]byte, 1024)
	for {
		if _, err := c.Read(b); err != nil {
			return
		}
	}
}

func trickle(c net.Conn, text string) {
	for i := range len(text) {
		if _, err := c.Write([]byte{text[i]}); err != nil {
			return
		}
		time.Sleep(time.Millisecond)
	}
}

func listen(t *testing.T, server func(net.Conn)) (addr netip.Addr, port int) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				server(c)
			}()
		}
	}()
	return loopback, l.Addr().(*net.TCPAddr).Port
}
