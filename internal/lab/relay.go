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

// Relay passes TCP connections on to a server, an rsync daemon or a web server: it counts them and their bytes, and does
// harm where it is told to.
//
//	r, err := lab.StartRelay(ctx, daemon.Addr)
//	defer r.Close()
//	r.Arm(lab.RelayFault{Down: 10_000, Cut: true})      // every connection breaks off after 10,000 bytes of answer
//	… rsync r.URL("centos") …
//	r.Conns()                                            // what was asked, and how many bytes went either way
type Relay struct {
	Addr netip.AddrPort

	to       string
	listener net.Listener
	ctx      context.Context
	cancel   context.CancelFunc
	done     sync.WaitGroup

	mu     sync.Mutex
	conns  []*relayed
	faults []*armed
	rate   int64
	delay  time.Duration
}

// RelayFault is something that happens to connections. Of Cut, Hang and Hook, any may be given; Hook comes first.
type RelayFault struct {
	Conn int   // which connection, counted from 1 since the last Reset; 0: each
	Down int64 // happens once so many bytes of answer were passed on; 0: before the first
	Up   int64 // when above 0: once so many bytes of request were passed on, in place of Down
	Once bool  // happens to one connection only

	Hook func() // the bytes wait until it returns: the place to change what is served
	Cut  bool   // the connection is reset
	Hang bool   // nothing is passed on any more, either way; the connection stays
}

// RelayConn is what went over one connection.
type RelayConn struct {
	Up, Down int64  // bytes of request and of answer that were passed on
	Head     []byte // the first of the request, at most 64 KiB
}

type armed struct {
	RelayFault
	struck map[*relayed]bool
}

type relayed struct {
	RelayConn
	number       int
	client, host net.Conn
	hung         chan struct{} // closed when it is to hang
	hang         sync.Once
}

const relayHead = 64 << 10

// StartRelay starts a relay to addr on a free port of 127.0.0.1. It ends with ctx, or by Close.
func StartRelay(ctx context.Context, addr netip.AddrPort) (*Relay, error) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("starting a relay: %w", err)
	}
	r := &Relay{Addr: l.Addr().(*net.TCPAddr).AddrPort(), to: addr.String(), listener: l}
	r.ctx, r.cancel = context.WithCancel(ctx)
	context.AfterFunc(r.ctx, func() { l.Close() })
	r.done.Go(r.accept)
	return r, nil
}

// URL is the rsync URL of a module behind the relay.
func (r *Relay) URL(module string) string { return moduleURL(r.Addr, module) }

// Arm adds faults, for connections from now on.
func (r *Relay) Arm(faults ...RelayFault) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range faults {
		r.faults = append(r.faults, &armed{f, map[*relayed]bool{}})
	}
}

// Slow limits the answers of each connection to rate bytes a second (0: no limit), and has every new connection wait.
func (r *Relay) Slow(rate int64, delay time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.rate, r.delay = rate, delay
}

// Reset forgets the connections counted so far and all faults.
func (r *Relay) Reset() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.conns, r.faults = nil, nil
}

// Conns are the connections since the start or the last Reset, in their order.
func (r *Relay) Conns() []RelayConn {
	r.mu.Lock()
	defer r.mu.Unlock()
	var all []RelayConn
	for _, c := range r.conns {
		all = append(all, c.RelayConn)
	}
	return all
}

// Bytes adds up both directions of all connections.
func (r *Relay) Bytes() (up, down int64) {
	for _, c := range r.Conns() {
		up, down = up+c.Up, down+c.Down
	}
	return up, down
}

// Close ends all connections and waits for them.
func (r *Relay) Close() error {
	r.cancel()
	r.done.Wait()
	return nil
}

func (r *Relay) accept() {
	for {
		client, err := r.listener.Accept()
		if err != nil {
			return
		}
		c := &relayed{client: client, hung: make(chan struct{})}
		r.mu.Lock()
		r.conns = append(r.conns, c)
		c.number = len(r.conns)
		delay := r.delay
		r.mu.Unlock()
		r.done.Go(func() { r.serve(c, delay) })
	}
}

// serve passes one connection on until both directions have ended.
func (r *Relay) serve(c *relayed, delay time.Duration) {
	defer c.client.Close()
	if r.pause(delay) != nil {
		return
	}
	host, err := (&net.Dialer{Timeout: readyWithin}).DialContext(r.ctx, "tcp", r.to)
	if err != nil {
		c.reset() // as the server itself would refuse
		return
	}
	defer host.Close()
	c.host = host
	defer context.AfterFunc(r.ctx, func() {
		c.client.Close()
		host.Close()
	})()
	var both sync.WaitGroup
	both.Go(func() { r.pass(c, host, c.client, &c.Up, false) })
	both.Go(func() { r.pass(c, c.client, host, &c.Down, true) })
	both.Wait()
}

// pass copies one direction, stopping at each fault's place.
func (r *Relay) pass(c *relayed, to, from net.Conn, count *int64, down bool) {
	buf := make([]byte, 32<<10)
	for {
		n, err := from.Read(buf)
		for rest := buf[:n]; len(rest) > 0; {
			part := rest[:r.until(c, count, down, len(rest))]
			rest = rest[len(part):]
			if r.send(c, to, part, count, down) != nil {
				c.reset()
				return
			}
		}
		if err != nil {
			if r.strike(c, *count, down) == nil && errors.Is(err, io.EOF) {
				closeWrite(to)
			} else {
				c.reset()
			}
			return
		}
	}
}

func (r *Relay) send(c *relayed, to net.Conn, part []byte, count *int64, down bool) error {
	if err := r.strike(c, *count, down); err != nil {
		return err
	}
	select {
	case <-c.hung:
		<-r.ctx.Done()
		return r.ctx.Err()
	default:
	}
	if _, err := to.Write(part); err != nil {
		return err
	}
	r.mu.Lock()
	if room := relayHead - len(c.Head); !down && room > 0 {
		c.Head = append(c.Head, part[:min(room, len(part))]...)
	}
	*count += int64(len(part))
	rate := r.rate
	r.mu.Unlock()
	if down && rate > 0 {
		return r.pause(time.Duration(len(part)) * time.Second / time.Duration(rate))
	}
	return nil
}

// until is how many of n bytes go before the next fault is due.
func (r *Relay) until(c *relayed, count *int64, down bool, n int) int {
	r.mu.Lock()
	defer r.mu.Unlock()
	for _, f := range r.faults {
		if at, mine := f.at(down); mine && !f.past(c) && at > *count {
			n = int(min(int64(n), at-*count))
		}
	}
	return n
}

// strike does what is due at count bytes. An error ends the direction.
func (r *Relay) strike(c *relayed, count int64, down bool) error {
	r.mu.Lock()
	var due []*armed
	for _, f := range r.faults {
		if at, mine := f.at(down); mine && !f.past(c) && count >= at {
			f.struck[c] = true
			due = append(due, f)
		}
	}
	r.mu.Unlock()
	for _, f := range due {
		if f.Hook != nil {
			f.Hook()
		}
		if f.Cut {
			return errors.New("cut")
		}
		if f.Hang {
			c.hang.Do(func() { close(c.hung) })
		}
	}
	return nil
}

// at is the place of a fault in a direction.
func (f *armed) at(down bool) (int64, bool) {
	if f.Up > 0 {
		return f.Up, !down
	}
	return f.Down, down
}

func (f *armed) past(c *relayed) bool {
	return f.struck[c] || f.Once && len(f.struck) > 0 || f.Conn > 0 && f.Conn != c.number
}

// reset ends a connection so that its client gets an error, not an end of file.
func (c *relayed) reset() {
	for _, conn := range []net.Conn{c.client, c.host} {
		if tcp, ok := conn.(*net.TCPConn); ok {
			tcp.SetLinger(0)
			tcp.Close()
		}
	}
}

func closeWrite(c net.Conn) {
	if tcp, ok := c.(*net.TCPConn); ok {
		tcp.CloseWrite()
	}
}

func (r *Relay) pause(d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-r.ctx.Done():
		return r.ctx.Err()
	}
}
