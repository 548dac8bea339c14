package console

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"syscall"

	"tidemark/internal/strictjson"
	"tidemark/internal/strictyaml"
)

// Exit codes of all programs (DESIGN 7).
const (
	Done     = 0
	Failed   = 1
	Misuse   = 2 // usage or configuration
	Guard    = 3 // the guard spoke
	Refused  = 4 // signature, trust, rollback, fork or expiry
	Locked   = 5 // another run holds the lock, or won the race
	NoSource = 6 // no usable source
	Overdue  = 7 // published, but a tree is pending for too long
)

// problem is an error that knows its exit code and the next command to type.
type problem struct {
	code int // 0: found from the error itself
	err  error
	hint string
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// Hinted adds a hint, which is the next command to type, in the words of format.
func Hinted(err error, format string, args ...any) error {
	return &problem{err: err, hint: fmt.Sprintf(format, args...)}
}

// Exit gives err an exit code of its own, and a hint.
func Exit(code int, err error, format string, args ...any) error {
	return &problem{code: code, err: err, hint: fmt.Sprintf(format, args...)}
}

// Usage is an error in how the program was called.
func Usage(format string, args ...any) error {
	return &problem{code: Misuse, err: fmt.Errorf(format, args...)}
}

// Status is an exit code about which nothing is printed: an answer, not a failure.
type Status int

// Error names the code.
func (s Status) Error() string { return fmt.Sprintf("exit status %d", int(s)) }

// Report prints err the one way that all errors look, and returns its exit code.
func (p *Program) Report(err error) int {
	var status Status
	var yaml strictyaml.Problems
	switch {
	case err == nil:
		return Done
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &yaml):
		for _, one := range yaml {
			p.reportYAML(one)
		}
		return p.Code(err)
	}
	p.print(err.Error(), p.hint(err))
	return p.Code(err)
}

func (p *Program) reportYAML(one strictyaml.Problem) {
	where := one.File
	if one.Line > 0 {
		where = fmt.Sprintf("%s:%d", one.File, one.Line)
	}
	if one.Field != "" {
		where += ": " + one.Field
	}
	p.print(where+": "+one.Text, one.Hint)
}

func (p *Program) print(text, hint string) {
	if p.log != nil {
		about := []any{}
		if hint != "" {
			about = append(about, "hint", hint)
		}
		p.log.Error(text, about...)
		return
	}
	fmt.Fprintf(p.Stderr, "%s: error: %s\n", p.Name, text)
	if hint != "" {
		fmt.Fprintf(p.Stderr, "%s: hint: %s\n", p.Name, hint)
	}
}

// Code is the exit code of an error.
func (p *Program) Code(err error) int {
	var own *problem
	for e := err; errors.As(e, &own); e = own.err {
		if own.code != 0 {
			return own.code
		}
	}
	var status Status
	var yaml strictyaml.Problems
	switch {
	case err == nil:
		return Done
	case errors.As(err, &status):
		return int(status)
	case errors.As(err, &yaml):
		return Misuse
	}
	if code, _ := p.Judge(err); code != 0 {
		return code
	}
	return Failed
}

// hint finds what to type next: the error's own, then the program's, then what is known of the cause.
func (p *Program) hint(err error) string {
	var own *problem
	for e := err; errors.As(e, &own); e = own.err {
		if own.hint != "" {
			return own.hint
		}
	}
	var typed interface{ Hint() string }
	if errors.As(err, &typed) && typed.Hint() != "" {
		return typed.Hint()
	}
	if _, hint := p.Judge(err); hint != "" {
		return hint
	}
	var json *strictjson.Error
	switch {
	case errors.Is(err, syscall.ENOSPC):
		return "make room on that file system, then run again: nothing half-written is ever served"
	case errors.Is(err, fs.ErrPermission):
		return "check the owner and mode of that file, or run as the user that owns it"
	case errors.Is(err, context.DeadlineExceeded):
		return "it took too long: look for a hanging disk, store or network, then run again"
	case errors.As(err, &json):
		return "the file was changed by hand or cut short: restore it from a copy"
	}
	return ""
}
