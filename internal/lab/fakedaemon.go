package lab

import (
	"context"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"sync"
	"time"
)

// FakeKind is a way in which a server on rsync's port does what no real daemon does.
type FakeKind string

// The kinds. A daemon that asks for a password, refuses, or is busy is a real one: [Daemon].
const (
	FakeSilent  FakeKind = "silent"  // takes connections and never says a word
	FakeChatter FakeKind = "chatter" // greets, then sends one line of its message of the day after the other
	FakeFlood   FakeKind = "flood"   // the same, as fast as it can, in one line without an end
	FakeGarbage FakeKind = "garbage" // lets the client in, then sends bytes that are no protocol
	FakeHangup  FakeKind = "hangup"  // greets, and hangs up when the module was named
	FakeStuck   FakeKind = "stuck"   // lets the client in, and says nothing more
	FakeWeb     FakeKind = "web"     // answers as a web server does
)

// Fake is a server of such a kind, on a free port of 127.0.0.1.
type Fake struct {
	Addr netip.AddrPort

	kind     FakeKind
	listener net.Listener
	cancel   context.CancelFunc
	done     sync.WaitGroup
	asked    sync.Map // of the connections that named a module
}

// StartFake starts it; it ends with ctx, or by Close.
func StartFake(ctx context.Context, kind FakeKind) (*Fake, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a fake rsync daemon: %w", err)
	}
	f := &Fake{Addr: l.Addr().(*net.TCPAddr).AddrPort(), kind: kind, listener: l}
	ctx, f.cancel = context.WithCancel(ctx)
	context.AfterFunc(ctx, func() { l.Close() })
	f.done.Go(func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			f.done.Go(func() { f.serve(ctx, c) })
		}
	})
	return f, nil
}

// URL is the rsync URL of a module that it would have.
func (f *Fake) URL(module string) string { return moduleURL(f.Addr, module) }

// Asked counts the connections that named a module.
func (f *Fake) Asked() (n int) {
	f.asked.Range(func(any, any) bool { n++; return true })
	return n
}

// Close ends it with all of its connections.
func (f *Fake) Close() error {
	f.cancel()
	f.done.Wait()
	return nil
}

const fakeGreeting = "@RSYNCD: 31.0\n" // of a protocol that every client speaks

func (f *Fake) serve(ctx context.Context, c net.Conn) {
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	switch f.kind {
	case FakeSilent:
		<-ctx.Done()
		return
	case FakeWeb:
		f.say(c, "HTTP/1.1 400 Bad Request\r\nContent-Type: text/html\r\nConnection: close\r\n\r\n<html><title>400</title></html>\r\n")
		return
	}
	if !f.say(c, fakeGreeting) || !f.module(c) {
		return
	}
	switch f.kind {
	case FakeChatter:
		for f.say(c, "welcome\n") && pauseFor(ctx, 50*time.Millisecond) {
		}
	case FakeFlood:
		for line := strings.Repeat("welcome ", 4096); f.say(c, line); {
		}
	case FakeGarbage:
		f.say(c, "@RSYNCD: OK\n")
		for junk := strings.Repeat("\xff\x00\x07tide", 512); f.say(c, junk); {
		}
	case FakeStuck:
		f.say(c, "@RSYNCD: OK\n")
		<-ctx.Done()
	}
}

func (f *Fake) say(c net.Conn, text string) bool {
	_, err := c.Write([]byte(text))
	return err == nil
}

// module reads the client's greeting and the module that it names.
func (f *Fake) module(c net.Conn) bool {
	lines, b := 0, make([]byte, 1)
	for lines < 2 {
		if _, err := c.Read(b); err != nil {
			return false
		}
		if b[0] == '\n' {
			lines++
		}
	}
	f.asked.Store(c, true)
	return true
}

func pauseFor(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return true
	case <-ctx.Done():
		return false
	}
}
