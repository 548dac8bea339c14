package rsync

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
)

// Code classes what went wrong; the probe and the verdicts build on it.
type Code string

// The codes.
const (
	CodeResolve       Code = "resolve"        // no address
	CodeRefused       Code = "refused"        // TCP connection refused, or closed before the greeting
	CodeUnreachable   Code = "unreachable"    // no route, network down, or the connection was lost in mid-session
	CodeTimeout       Code = "timeout"        // deadline passed, or the context was cancelled
	CodeBusy          Code = "busy"           // @ERROR: max connections
	CodeDenied        Code = "denied"         // @ERROR: access denied
	CodeUnknownModule Code = "unknown-module" // @ERROR: Unknown module
	CodeAuth          Code = "auth"           // password asked for or wrong
	CodeTLS           Code = "tls"            // the certificate is not the host's or not valid, or TLS was not agreed on
	CodeNotFound      Code = "not-found"      // the file is not there
	CodeNotFile       Code = "not-file"       // a directory or something else where a file was expected
	CodeTooLarge      Code = "too-large"      // one of our caps was passed
	CodeIncomplete    Code = "incomplete"     // the server said its list is not whole (io_error)
	CodeCorrupt       Code = "corrupt"        // checksum of a transferred file is wrong
	CodeProtocol      Code = "protocol"       // not rsync, or not as the protocol says
	CodeServer        Code = "server"         // any other @ERROR or error message
)

// Error is a typed failure of the wire client.
type Error struct {
	Code Code
	Op   string // what was being done: "connect", "tls", "greeting", "module", "list", "fetch"
	Text string // what the server said, cleaned and cut to 300 bytes
	Err  error
}

func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString("rsync")
	if e.Op != "" {
		b.WriteString(" " + e.Op)
	}
	b.WriteString(": " + string(e.Code))
	if e.Err != nil {
		b.WriteString(": " + e.Err.Error())
	}
	if e.Text != "" {
		fmt.Fprintf(&b, ": the server said %q", e.Text)
	}
	return b.String()
}

// Unwrap gives the cause, among them context.DeadlineExceeded and context.Canceled.
func (e *Error) Unwrap() error { return e.Err }

// failf makes an Error whose Op its session fills in.
func failf(code Code, format string, args ...any) *Error {
	return &Error{Code: code, Err: fmt.Errorf(format, args...)}
}

// said makes the Error for a server's own words.
func said(code Code, text string) *Error { return &Error{Code: code, Text: clean(text)} }

const maxText = 300

// clean makes foreign text safe to print on one line: control characters and broken UTF-8 become "?", the rest is cut to
// 300 bytes.
func clean(s string) string {
	if len(s) > 4*maxText { // enough to fill 300 bytes whatever is replaced; the rest need not be looked at
		s = s[:4*maxText]
	}
	s = strings.ToValidUTF8(strings.TrimSpace(s), "?")
	s = strings.Map(func(r rune) rune {
		if r < 0x20 || r >= 0x7f && r < 0xa0 || r == '\u2028' || r == '\u2029' || isBidi(r) {
			return '?'
		}
		return r
	}, s)
	if len(s) > maxText {
		s = strings.ToValidUTF8(s[:maxText], "")
	}
	return s
}

// isBidi reports the formatting characters that reorder the text around them on a terminal.
func isBidi(r rune) bool {
	return r == '\u200e' || r == '\u200f' || r >= '\u202a' && r <= '\u202e' || r >= '\u2066' && r <= '\u2069'
}

// classifyError types the text after "@ERROR" of the text phase.
func classifyError(line string) Code {
	text := strings.ToLower(line)
	switch {
	case strings.Contains(text, "max connections"):
		return CodeBusy
	case strings.Contains(text, "access denied"):
		return CodeDenied
	case strings.Contains(text, "unknown module"):
		return CodeUnknownModule
	case strings.Contains(text, "auth failed"), strings.Contains(text, "auth required"):
		return CodeAuth
	}
	return CodeServer
}

// classifyMessage types one log message of the multiplexed phase. rsync does not translate its messages, and ends those
// about a system call with the errno: 2 is ENOENT and 20 ENOTDIR on every Unix.
func classifyMessage(text string) Code {
	switch {
	case strings.Contains(text, "skipping directory"), strings.Contains(text, "skipping non-regular"):
		return CodeNotFile
	case strings.HasSuffix(text, "(2)"), strings.HasSuffix(text, "(20)"),
		strings.Contains(text, "No such file or directory"), strings.Contains(text, "Not a directory"),
		strings.Contains(text, "has vanished"), strings.Contains(text, "has no referent"):
		return CodeNotFound
	}
	return CodeServer
}

// dialError types a failed connect.
func dialError(ctx context.Context, err error) *Error {
	e := &Error{Op: "connect", Err: err}
	var dns *net.DNSError
	switch {
	case isTimeout(ctx, err):
		e.Code, e.Err = CodeTimeout, timeoutCause(ctx, err)
	case errors.As(err, &dns):
		e.Code = CodeResolve
	case isReset(err):
		e.Code = CodeRefused
	default:
		e.Code = CodeUnreachable
	}
	return e
}

func isTimeout(ctx context.Context, err error) bool {
	var ne net.Error
	return ctx.Err() != nil || errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &ne) && ne.Timeout()
}

// timeoutCause names the context's error, so that callers can tell a cancelled call from a slow server.
func timeoutCause(ctx context.Context, err error) error {
	if cause := ctx.Err(); cause != nil {
		return cause
	}
	if _, ok := ctx.Deadline(); ok { // the connection's own timer may fire a moment before the context's
		return context.DeadlineExceeded
	}
	return err
}

func isReset(err error) bool {
	return errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, syscall.ECONNRESET) || errors.Is(err, syscall.EPIPE)
}

// isLost reports that the connection ended, in whatever way.
func isLost(err error) bool {
	return isReset(err) || errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF)
}
