package rsync

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
)

const (
	minProtocol = 27
	maxProtocol = 31
	sanest      = 40 // what any server may say; rsync itself, which is to fetch from it, ends at more
	serverTag   = "@RSYNCD: "
	errorTag    = "@ERROR"
)

// greeting is the server's first line.
type greeting struct {
	protocol int // of both sides
	digests  []string
	listed   bool // the server named its digests
}

// greet gives the two lines that open a session: our version, and the module.
func greet(protocol int, module string) string {
	digests := ""
	if protocol >= 31 {
		digests = " " + strings.Join(authDigests(), " ")
	}
	return fmt.Sprintf("%s%d.0%s\n%s\n", serverTag, protocol, digests, module)
}

// parseGreeting reads "@RSYNCD: 31.0 sha512 md5" and settles the protocol with ours.
func parseGreeting(line string, ours int) (greeting, error) {
	rest, ok := strings.CutPrefix(line, serverTag)
	fields := strings.Fields(rest)
	if !ok || len(fields) == 0 {
		return greeting{}, &Error{Code: CodeProtocol, Text: clean(line), Err: fmt.Errorf("not an rsync daemon: expected %q and a version", serverTag)}
	}
	major, minor, dotted := strings.Cut(fields[0], ".")
	protocol, err := strconv.ParseUint(major, 10, 8)
	sub := uint64(0)
	if err == nil && dotted {
		sub, err = strconv.ParseUint(minor, 10, 8)
	}
	if err != nil {
		return greeting{}, &Error{Code: CodeProtocol, Text: clean(line), Err: errors.New("expected a protocol version in the greeting")}
	}
	if protocol > sanest {
		return greeting{}, &Error{Code: CodeProtocol, Text: clean(line), Err: fmt.Errorf("protocol %d, expected at most %d: rsync itself refuses more", protocol, sanest)}
	}
	g := greeting{protocol: int(protocol), digests: fields[1:], listed: len(fields) > 1}
	if g.protocol <= ours && sub != 0 {
		g.protocol-- // a pre-release speaks the version before to all but its like
	}
	g.protocol = min(g.protocol, ours)
	if g.protocol < minProtocol {
		return greeting{}, &Error{Code: CodeProtocol, Text: clean(line), Err: fmt.Errorf("protocol %d, expected %d or newer", g.protocol, minProtocol)}
	}
	return g, nil
}

// textPhase reads the lines before the binary phase.
type textPhase struct {
	s    *stream
	read int
	busy string // a line that says that the server is full, should it then hang up
}

// line reads one line without its end. A line that the connection's end cuts is given with the error.
func (t *textPhase) line() (string, error) {
	var line []byte
	for {
		part, err := t.s.r.ReadSlice('\n')
		t.read += len(part)
		if t.read > t.s.limits.Greeting {
			return "", failf(CodeTooLarge, "more than %d bytes of text before the module was accepted", t.s.limits.Greeting)
		}
		if len(line)+len(part) > t.s.limits.Line {
			return "", failf(CodeTooLarge, "a line longer than %d bytes before the module was accepted", t.s.limits.Line)
		}
		line = append(line, part...)
		if err == nil || !isBufferFull(err) {
			return string(bytes.TrimSuffix(line, []byte("\n"))), err
		}
	}
}

// expect reads a line and turns an @ERROR, and an end of the connection, into their codes.
func (t *textPhase) expect() (string, error) {
	line, err := t.line()
	if strings.Contains(line, "max connections") && t.busy == "" {
		t.busy = line
	}
	switch {
	case strings.HasPrefix(line, tlsAlert):
		return "", failf(CodeProtocol, "the server speaks TLS, expected plain rsync at this port: an rsync+tls URL may be right")
	case strings.HasPrefix(line, errorTag) && (err == nil || isLost(err)):
		return "", said(classifyError(line), strings.TrimLeft(strings.TrimPrefix(line, errorTag), ": "))
	case err != nil && isLost(err) && t.busy != "":
		return "", said(CodeBusy, t.busy)
	case err != nil && isLost(err) && t.read == 0:
		return "", failf(CodeRefused, "closed before the greeting: %w", noEOF(err))
	case err != nil:
		return "", err
	}
	return line, nil
}

// noEOF keeps callers from taking a lost connection for the end of something.
func noEOF(err error) error {
	if err == io.EOF {
		return io.ErrUnexpectedEOF
	}
	return err
}

// accept reads from the greeting to OK: it skips the message of the day, and answers a challenge through reply.
func (t *textPhase) accept(ours int, reply func(g greeting, challenge string) error) (greeting, string, error) {
	line, err := t.expect()
	if err != nil {
		return greeting{}, "greeting", err
	}
	g, err := parseGreeting(line, ours)
	if err != nil {
		return greeting{}, "greeting", err
	}
	for asked := false; ; {
		if line, err = t.expect(); err != nil {
			return g, "module", err
		}
		word, ok := strings.CutPrefix(line, serverTag)
		challenge, auth := strings.CutPrefix(word, "AUTHREQD ")
		switch {
		case !ok:
		case word == "OK":
			return g, "module", nil
		case auth && !asked:
			asked = true
			if err := reply(g, challenge); err != nil {
				return g, "module", err
			}
		default:
			return g, "module", &Error{Code: CodeProtocol, Text: clean(line), Err: errors.New("expected OK for the module")}
		}
	}
}
