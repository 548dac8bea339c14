package checkin

import (
	"cmp"
	"log/slog"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"
)

// ServerOptions bound what connections may cost. A check-in is one small request: none of them needs long.
type ServerOptions struct {
	Header      time.Duration // for the TLS handshake, and for the header; 0: 5 s
	Request     time.Duration // for the header and the body; 0: 10 s
	Answer      time.Duration // from the header's end to the answer's; 0: 15 s
	Connections int           // at once; more wait until they are accepted; 0: 512
	PerAddress  int           // of those, from one IPv4 address or IPv6 /64; more are closed at once; 0: 64
	Log         *slog.Logger  // what net/http says of single connections, at level Debug; nil: nowhere
}

func (o ServerOptions) filled() ServerOptions {
	o.Header = cmp.Or(o.Header, 5*time.Second)
	o.Request = cmp.Or(o.Request, 10*time.Second)
	o.Answer = cmp.Or(o.Answer, 15*time.Second)
	o.Connections = cmp.Or(o.Connections, 512)
	o.PerAddress = cmp.Or(o.PerAddress, 64)
	if o.Log == nil {
		o.Log = slog.New(slog.DiscardHandler)
	}
	return o
}

// NewServer makes an HTTP/1.1 server in which a client holds a connection for a bounded time and a few KiB. It answers one
// request a connection: whoever asks again and again would keep its place for ever, and a few hundred of them all places. Serve it behind
// Limit, with the same options.
func NewServer(h http.Handler, o ServerOptions) *http.Server {
	o = o.filled()
	s := &http.Server{
		Handler:           h,
		ReadHeaderTimeout: o.Header,
		ReadTimeout:       o.Request,
		WriteTimeout:      o.Answer,
		MaxHeaderBytes:    4 << 10,
		ErrorLog:          slog.NewLogLogger(o.Log.Handler(), slog.LevelDebug), // a line for each bogus connection otherwise
		Protocols:         new(http.Protocols),
	}
	s.SetKeepAlivesEnabled(false)
	s.Protocols.SetHTTP1(true) // HTTP/2 would allow hundreds of requests at once in one connection
	return s
}

// Limit bounds the connections that l has open at once. Those of this machine, a web server before the receiver say, are
// counted together, but not by their address.
func Limit(l net.Listener, o ServerOptions) net.Listener {
	o = o.filled()
	return &limited{Listener: l, places: make(chan struct{}, o.Connections), closed: make(chan struct{}), perAddress: o.PerAddress, from: map[netip.Prefix]int{}}
}

type limited struct {
	net.Listener
	places     chan struct{}
	closed     chan struct{}
	closing    sync.Once
	perAddress int

	mu   sync.Mutex
	from map[netip.Prefix]int // open connections
}

func (l *limited) Accept() (net.Conn, error) {
	for {
		select {
		case l.places <- struct{}{}:
		case <-l.closed:
			return nil, net.ErrClosed
		}
		conn, err := l.Listener.Accept()
		if err != nil {
			<-l.places
			return nil, err
		}
		from := neighbourhood(conn.RemoteAddr())
		if l.enter(from) {
			return &counted{Conn: conn, leave: sync.OnceFunc(func() { l.leave(from) })}, nil
		}
		<-l.places
		conn.Close()
	}
}

func (l *limited) Close() error {
	l.closing.Do(func() { close(l.closed) })
	return l.Listener.Close()
}

func (l *limited) enter(from netip.Prefix) bool {
	l.mu.Lock()
	defer l.mu.Unlock()
	if from.IsValid() && l.from[from] >= l.perAddress {
		return false
	}
	l.from[from]++
	return true
}

func (l *limited) leave(from netip.Prefix) {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.from[from]--; l.from[from] <= 0 {
		delete(l.from, from)
	}
	<-l.places
}

// neighbourhood is what one sender has to itself; the zero value for this machine.
func neighbourhood(a net.Addr) netip.Prefix {
	tcp, ok := a.(*net.TCPAddr)
	if !ok {
		return netip.Prefix{}
	}
	addr := tcp.AddrPort().Addr().Unmap()
	if !addr.IsValid() || addr.IsLoopback() {
		return netip.Prefix{}
	}
	bits := 64
	if addr.Is4() {
		bits = 32
	}
	p, err := addr.WithZone("").Prefix(bits)
	if err != nil {
		return netip.Prefix{}
	}
	return p
}

// counted is a connection that gives its place back when it is closed.
type counted struct {
	net.Conn
	leave func()
}

func (c *counted) Close() error {
	defer c.leave()
	return c.Conn.Close()
}
