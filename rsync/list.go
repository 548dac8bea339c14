package rsync

import (
	"context"
	"fmt"
	"net/netip"

	"tidemark/internal/rsyncurl"
)

// List streams the recursive file list below u, calling visit for each entry in the order sent; visit's error ends it and
// is returned as it is. exclude are rsync exclude patterns. CodeIncomplete, after the last entry, says that the server
// could not read all of its tree: nothing may be concluded from an entry that is missing.
func (c *Client) List(ctx context.Context, addr netip.Addr, u rsyncurl.URL, exclude []string, visit func(Entry) error) error {
	arg, err := moduleArg(u, "")
	if err != nil {
		return fmt.Errorf("rsync list: %w", err)
	}
	rules, err := excludeRules(exclude)
	if err != nil {
		return fmt.Errorf("rsync list: %w", err)
	}
	s, err := c.open(ctx, addr, u)
	if err != nil {
		return err
	}
	defer s.close()
	s.op = "list"
	if err := s.command("r", arg, rules); err != nil {
		return err
	}
	return s.list(visit)
}

// list hands the entries to visit and ends the session.
func (s *session) list(visit func(Entry) error) error {
	d := &listDecoder{in: s.in, proto: s.proto}
	for {
		e, ok := d.next()
		if !ok {
			break
		}
		if err := visit(e); err != nil {
			return err
		}
	}
	if s.in.err != nil {
		return s.wrap(s.in.err)
	}
	if d.count == 0 {
		return s.wrap(s.emptyList())
	}
	if err := s.goodbye(); err != nil {
		return s.wrap(err)
	}
	return s.wrap(s.incomplete())
}

// goodbye ends a session in which no file is asked for.
func (s *session) goodbye() error {
	_, err := s.transfer(nil, nil)
	return err
}

// incomplete gives the error for a list of which the server said that it is not whole.
func (s *session) incomplete() error {
	if s.in.ioError == 0 {
		return nil
	}
	e := &Error{Code: CodeIncomplete, Err: fmt.Errorf("the server could not read all of its tree (io_error %d)", s.in.ioError)}
	if reason := s.in.log.reason(); reason != nil {
		e.Text = reason.Text
	}
	return e
}

// emptyList says why there is nothing: a server without anything to send ends the session by itself.
func (s *session) emptyList() error {
	for s.in.err == nil { // its messages may come after the list
		s.in.byte()
	}
	if s.ctx.Err() == nil && isLost(s.in.err) || s.in.err == error(errExit) {
		if reason := s.in.log.reason(); reason != nil {
			return reason
		}
		return failf(CodeNotFound, "the server listed nothing")
	}
	return s.in.err
}
