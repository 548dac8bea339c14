package rsync

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strconv"
	"strings"
	"time"

	"tidemark/internal/rsyncurl"
)

// session is one connection, from the dial to the goodbye.
type session struct {
	ctx    context.Context
	raw    net.Conn // below TLS; its deadline and its end are what bounds everything
	conn   net.Conn
	whole  bool // all was said
	stop   func() bool
	in     *stream
	proto  int
	seed   int32
	index  indexReader
	client *Client
	op     string
}

// open connects to addr and has the module accepted.
func (c *Client) open(ctx context.Context, addr netip.Addr, u rsyncurl.URL) (*session, error) {
	protocol, err := c.check()
	if err != nil {
		return nil, fmt.Errorf("rsync connect: %w", err)
	}
	dial := c.Dial
	if dial == nil {
		dial = new(net.Dialer).DialContext
	}
	conn, err := dial(ctx, "tcp", net.JoinHostPort(addr.Unmap().String(), strconv.Itoa(u.Port())))
	if err != nil {
		return nil, dialError(ctx, err)
	}
	s := newSession(ctx, c, conn)
	if u.TLS() {
		if err := s.secure(u.Host()); err != nil {
			s.close()
			return nil, err
		}
	}
	s.in = newStream(s.conn, c.Limits.withDefaults())
	if err := s.start(protocol, u.Module()); err != nil {
		s.close()
		return nil, err
	}
	return s, nil
}

// check refuses settings that would break the text phase, and gives the protocol to offer.
func (c *Client) check() (int, error) {
	protocol := c.Protocol
	if protocol == 0 {
		protocol = maxProtocol
	}
	if protocol < minProtocol || protocol > maxProtocol {
		return 0, fmt.Errorf("protocol %d, expected %d to %d", protocol, minProtocol, maxProtocol)
	}
	if strings.ContainsAny(c.User, " \r\n\x00") || strings.ContainsAny(c.Password, "\r\n\x00") {
		return 0, errors.New("user and password cannot have line ends, and the user no space")
	}
	return protocol, nil
}

// newSession ties conn to ctx: its deadline is the connection's, and cancelling closes the connection, which ends a read
// at once.
func newSession(ctx context.Context, c *Client, conn net.Conn) *session {
	if deadline, ok := ctx.Deadline(); ok {
		conn.SetDeadline(deadline)
	}
	return &session{
		ctx: ctx, raw: conn, conn: conn, client: c, op: "greeting", index: newIndexReader(),
		stop: context.AfterFunc(ctx, func() { conn.SetDeadline(time.Unix(1, 0)); conn.Close() }),
	}
}

// close ends the connection. TLS has a last word of its own, which is not worth waiting for after a failure.
func (s *session) close() {
	if s.whole {
		s.conn.Close()
	}
	s.stop()
	s.raw.Close()
}

// start runs the text phase. Version and module go out in one write, before the server has spoken: that saves a round
// trip, and a server whose accept queue is full answers a client that has spoken sooner.
func (s *session) start(protocol int, module string) error {
	// The server may have refused and closed already: what it said is worth more than the failed write.
	s.conn.Write([]byte(greet(protocol, module)))
	text := &textPhase{s: s.in}
	g, op, err := text.accept(protocol, s.authenticate)
	s.op, s.proto = op, g.protocol
	return s.wrap(err)
}

func (s *session) authenticate(g greeting, challenge string) error {
	if s.client.User == "" {
		return failf(CodeAuth, "the module asks for a user and a password")
	}
	reply, err := authReply(g, s.client.User, s.client.Password, challenge)
	if err != nil {
		return err
	}
	_, err = s.conn.Write([]byte(reply))
	return err
}

// appendOut adds payload as the protocol wants it from a client.
func (s *session) appendOut(b, payload []byte) []byte {
	if s.proto >= 30 {
		return appendFrame(b, payload)
	}
	return append(b, payload...)
}

// phases is how many times each side says that a phase is done.
func (s *session) phases() int {
	if s.proto >= 29 {
		return 3
	}
	return 2
}

// appendGoodbye adds all the ends of phases that a client says, so that no round trip is spent on them.
func (s *session) appendGoodbye(b []byte, w *indexWriter) []byte {
	n := s.phases() + 1
	if s.proto >= 31 {
		n++
	}
	for range n {
		b = w.append(b, ndxDone, s.proto)
	}
	return b
}

// end reads what the server says after the last phase.
func (s *session) end() error {
	times := 5
	if s.proto < 29 {
		times = 3
	}
	for range times {
		s.in.long(s.proto, 3)
	}
	if s.proto >= 31 {
		if i := s.index.read(s.in, s.proto); i != ndxDone {
			s.in.failf(CodeProtocol, "index %d, expected the end", i)
		}
	}
	s.whole = s.in.err == nil
	return s.in.err
}

// wrap types err and gives it the step at hand; nil stays nil.
func (s *session) wrap(err error) error {
	if err == nil {
		return nil
	}
	e := s.typed(err)
	if e.Op == "" {
		e.Op = s.op
	}
	return e
}

func (s *session) typed(err error) *Error {
	var e *Error
	exit := err == error(errExit)
	switch {
	case errors.As(err, &e) && !exit:
		c := *e
		return &c
	case s.ctx.Err() != nil || isTimeout(s.ctx, err):
		return &Error{Code: CodeTimeout, Err: timeoutCause(s.ctx, err)}
	case isTLS(err):
		return tlsError(err)
	case !exit && !isLost(err):
		return &Error{Code: CodeUnreachable, Err: err}
	}
	if reason := s.in.log.reason(); reason != nil {
		return reason
	}
	if exit {
		return failf(CodeServer, "%w", errExit.Err)
	}
	return failf(CodeUnreachable, "connection lost: %w", noEOF(err))
}

func isBufferFull(err error) bool { return errors.Is(err, bufio.ErrBufferFull) }
