package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"syscall"
	"time"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/internal/strictyaml"
	"tidemark/publish"
	"tidemark/sign"
)

// env is the world that a command may touch: tests hand in another one.
type env struct {
	stdout, stderr io.Writer
	getenv         func(string) string
	now            func() time.Time
	terminal       bool // stderr is a terminal: progress may be drawn
}

// Exit codes (DESIGN 7).
const (
	exitDone    = 0
	exitFailed  = 1
	exitUsage   = 2
	exitGuard   = 3
	exitRefused = 4
	exitLocked  = 5
	exitOverdue = 7
)

// problem is an error that knows its exit code and the next command to type.
type problem struct {
	code int // 0: found from the error itself
	err  error
	hint string
}

func (p *problem) Error() string { return p.err.Error() }
func (p *problem) Unwrap() error { return p.err }

// hinted adds a hint, which is the next command to type, in the words of format.
func hinted(err error, format string, args ...any) error {
	return &problem{err: err, hint: fmt.Sprintf(format, args...)}
}

// exit gives err an exit code of its own.
func exit(code int, err error, format string, args ...any) error {
	return &problem{code: code, err: err, hint: fmt.Sprintf(format, args...)}
}

func usage(format string, args ...any) error {
	return &problem{code: exitUsage, err: fmt.Errorf(format, args...)}
}

// code maps an error to the exit code: the one switch.
func code(err error) int {
	var p *problem
	var yaml strictyaml.Problems
	var refused *client.Refused
	var votes *sign.Refusal
	switch {
	case err == nil:
		return exitDone
	case errors.As(err, &p) && p.code != 0:
		return p.code
	case errors.As(err, &yaml):
		return exitUsage
	case errors.As(err, &refused), errors.As(err, &votes):
		return exitRefused
	case errors.Is(err, publish.ErrConflict), errors.Is(err, publish.ErrLocked):
		return exitLocked
	}
	return exitFailed
}

// hint finds what to type next.
func hint(err error) string {
	var p *problem
	var json *strictjson.Error
	for e := err; errors.As(e, &p); e = p.err {
		if p.hint != "" {
			return p.hint
		}
	}
	switch {
	case errors.Is(err, publish.ErrConflict):
		return "another publisher was faster; nothing of it was overwritten: run again at the next interval"
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

// report prints err the one way that all errors look, and returns its exit code.
func report(w io.Writer, err error) int {
	if err == nil {
		return exitDone
	}
	var yaml strictyaml.Problems
	if errors.As(err, &yaml) {
		for _, p := range yaml {
			where := p.File
			if p.Line > 0 {
				where = fmt.Sprintf("%s:%d", p.File, p.Line)
			}
			field := ""
			if p.Field != "" {
				field = p.Field + ": "
			}
			fmt.Fprintf(w, "tidemark: error: %s: %s%s\n", where, field, p.Text)
			if p.Hint != "" {
				fmt.Fprintf(w, "tidemark: hint: %s\n", p.Hint)
			}
		}
		return code(err)
	}
	fmt.Fprintf(w, "tidemark: error: %v\n", err)
	if h := hint(err); h != "" {
		fmt.Fprintf(w, "tidemark: hint: %s\n", h)
	}
	return code(err)
}

// clock is an instant as people read it.
func clock(t time.Time) string { return t.UTC().Format("2006-01-02 15:04:05 UTC") }

// stamp is a tree's timestamp as people read it: the number, and what it means.
func stamp(ts int64) string {
	if ts == 0 {
		return "none"
	}
	return fmt.Sprintf("%d (%s)", ts, clock(time.Unix(ts, 0)))
}
