package lab

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/netip"
	"sync"
	"time"
)

// Door is what a client meets behind one address. It returns when the connection is done with, and closes it.
type Door func(ctx context.Context, c net.Conn)

// Front answers at many addresses on one port, at each in its own way: a whole network of servers, on rsync's own port, in
// one process. Addresses of 127.0.0.0/8 need no setting up.
//
//	f, err := lab.StartFront(ctx, 873, map[netip.Addr]lab.Door{
//		a: lab.ToDaemon(daemon.Addr),                                // passes it on to a real one
//		b: lab.ToFake(lab.FakeStuck),
//		c: lab.Late(2*time.Second, lab.ToDaemon(daemon.Addr)),
//	})                                                               // nobody listens at any other address
//	f.Set(a, lab.Shut)                                               // from now on
type Front struct {
	Port int

	cancel context.CancelFunc
	done   sync.WaitGroup
	ls     []net.Listener

	mu    sync.Mutex
	doors map[netip.Addr]Door
}

// StartFront listens at every address. It ends with ctx, or by Close.
func StartFront(ctx context.Context, port int, doors map[netip.Addr]Door) (*Front, error) {
	f := &Front{Port: port, doors: doors}
	ctx, f.cancel = context.WithCancel(ctx)
	for addr := range doors {
		l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", netip.AddrPortFrom(addr, uint16(port)).String())
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting a front at %d addresses: %w", len(doors), err), f.Close())
		}
		f.ls = append(f.ls, l)
		f.done.Go(func() { f.accept(ctx, addr, l) })
	}
	return f, nil
}

func (f *Front) accept(ctx context.Context, addr netip.Addr, l net.Listener) {
	for {
		c, err := l.Accept()
		if err != nil {
			return
		}
		f.mu.Lock()
		door := f.doors[addr]
		f.mu.Unlock()
		f.done.Go(func() {
			defer c.Close()
			defer context.AfterFunc(ctx, func() { c.Close() })()
			door(ctx, c)
		})
	}
}

// Set changes what is behind an address at which the front listens.
func (f *Front) Set(addr netip.Addr, door Door) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.doors[addr] = door
}

// Close ends it with all of its connections.
func (f *Front) Close() error {
	f.cancel()
	var errs []error
	for _, l := range f.ls {
		errs = append(errs, l.Close())
	}
	f.done.Wait()
	return errors.Join(errs...)
}

// ToDaemon passes a connection on to a real server.
func ToDaemon(addr netip.AddrPort) Door {
	return func(ctx context.Context, c net.Conn) {
		s, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return
		}
		defer s.Close()
		defer context.AfterFunc(ctx, func() { s.Close() })()
		var up sync.WaitGroup
		up.Go(func() {
			io.Copy(s, c)
			s.(*net.TCPConn).CloseWrite()
		})
		io.Copy(c, s)
		c.Close() // what the client still says reaches nobody
		up.Wait()
	}
}

// ToFake is a server that does what no real daemon does.
func ToFake(kind FakeKind) Door {
	return func(ctx context.Context, c net.Conn) { (&Fake{kind: kind}).serve(ctx, c) }
}

// Late lets every client wait for the first word.
func Late(d time.Duration, door Door) Door {
	return func(ctx context.Context, c net.Conn) {
		if pauseFor(ctx, d) {
			door(ctx, c)
		}
	}
}

// Loris sends the beginning of an honest greeting, a byte each interval, and hangs up in the midst of it after most.
func Loris(interval, most time.Duration) Door {
	return func(ctx context.Context, c net.Conn) {
		text := fakeGreeting[:len(fakeGreeting)-1]
		for i := 0; time.Duration(i)*interval < most; i++ {
			if _, err := c.Write([]byte{text[min(i, len(text)-1)]}); err != nil || !pauseFor(ctx, interval) {
				return
			}
		}
	}
}

// Shut hangs up at once.
func Shut(context.Context, net.Conn) {}

// Wedged keeps what a client says, and says nothing, for most; then it hangs up.
func Wedged(most time.Duration) Door {
	return func(ctx context.Context, c net.Conn) { pauseFor(ctx, most) }
}
