package rsync

import (
	"context"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
)

// cutConn says the first of what was recorded, and then fails as the network does.
type cutConn struct {
	script
	end error
}

func (c cutConn) Read(p []byte) (int, error) {
	n, err := c.script.Read(p)
	if err == io.EOF {
		err = c.end
	}
	return n, err
}

// TestCut_Recorded ends every recorded session of both versions, in every protocol, after every byte: by a reset, by an end,
// and by a router that says that there is no way.
func TestCut_Recorded(t *testing.T) {
	names, _ := filepath.Glob("testdata/session/*.server")
	if len(names) < 4*5*2 {
		t.Fatalf("%d recorded sessions, expected 40 or more", len(names))
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
		t.Run(base, func(t *testing.T) {
			for how, end := range map[string]error{"reset": &net.OpError{Op: "read", Err: syscall.ECONNRESET}, "end": io.EOF, "no route": &net.OpError{Op: "read", Err: syscall.EHOSTUNREACH}} {
				if how == "no route" && proto < maxProtocol {
					continue
				}
				for n := range said {
					dial := func(context.Context, string, string) (net.Conn, error) {
						return cutConn{script{strings.NewReader(string(said[:n]))}, end}, nil
					}
					_, err := sessions()[kind](&Client{Protocol: proto, Dial: dial}, &daemon{addr: loopback}, anyURL(t))
					checkCut(t, err, n, how, kind)
				}
			}
		})
	}
}

// checkCut wants the reason for a session that broke off after n bytes. A missing file may be known before the session's end.
func checkCut(t *testing.T, err error, n int, how, kind string) {
	t.Helper()
	checkFailure(t, err)
	switch code := codeOf(err); {
	case code == CodeUnreachable:
	case code == CodeRefused && n == 0 && how != "no route":
	case code == CodeRefused && how == "live": // a reset overtakes what is not yet read, and the connect itself
	case code == CodeNotFound && kind == "missing" && n > len("@RSYNCD: 31.0\n@RSYNCD: OK\n"):
	default:
		t.Errorf("%s after %d bytes: %v", how, n, err)
	}
}

// cutter stands before a daemon, passes the first bytes that it says, and then resets both connections.
type cutter struct {
	daemon
	d     *daemon
	allow atomic.Int64
	said  chan int64 // by the daemon, in each session
}

func newCutter(t *testing.T, d *daemon) *cutter {
	c := &cutter{d: d, said: make(chan int64, 1)}
	c.addr, c.port = listen(t, c.serve)
	return c
}

func (c *cutter) serve(client net.Conn) {
	server, err := net.Dial("tcp", net.JoinHostPort(c.d.addr.String(), fmt.Sprint(c.d.port)))
	if err != nil {
		return
	}
	var wg sync.WaitGroup
	wg.Go(func() { io.Copy(server, client) })
	n, _ := io.CopyN(client, server, c.allow.Load())
	c.said <- n
	client.(*net.TCPConn).SetLinger(0)
	server.(*net.TCPConn).SetLinger(0)
	client.Close()
	server.Close()
	wg.Wait()
}

// TestCut_Live resets the connection to real daemons after every byte that they say; every 7th, but for the soak form.
func TestCut_Live(t *testing.T) { cutLive(t, 7) }

// TestSoakCut_Live is TestCut_Live after each byte.
func TestSoakCut_Live(t *testing.T) {
	soak(t)
	cutLive(t, 1)
}

func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("long: runs with TIDEMARK_SOAK=1")
	}
}

func cutLive(t *testing.T, step int64) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, recordedModules)
		recordedTree(t, d.dir)
		c := newCutter(t, d)
		for kind, run := range sessions() {
			t.Run(kind, func(t *testing.T) {
				ask := func(n int64) (said int64, err error) {
					c.allow.Store(n)
					err = returns(t, func() error {
						_, err := run(&Client{}, &c.daemon, c.url(t, "m/"))
						said = <-c.said
						return err
					})
					return said, err
				}
				want := Code("")
				if kind == "missing" {
					want = CodeNotFound
				}
				total, err := ask(1 << 20)
				if codeOf(err) != want || total < 100 {
					t.Fatal(total, err)
				}
				for n := int64(0); n < total; n = min(n+step, max(n+1, total-1)) {
					_, err := ask(n)
					checkCut(t, err, int(n), "live", kind)
				}
			})
		}
	})
}
