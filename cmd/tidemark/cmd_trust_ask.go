package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"golang.org/x/term"
)

// keyboard is where a person answers, if there is one.
type keyboard struct {
	in     io.Reader
	on     bool                                  // it is a terminal
	sees   bool                                  // what is printed goes to a terminal, too
	secret func(context.Context) ([]byte, error) // reads a line that is not shown
}

func ownKeyboard() keyboard {
	fd := int(os.Stdin.Fd())
	return keyboard{in: os.Stdin, on: term.IsTerminal(fd), sees: term.IsTerminal(int(os.Stdout.Fd())), secret: func(ctx context.Context) ([]byte, error) {
		before, err := term.GetState(fd)
		if err != nil {
			return nil, err
		}
		b, err := waiting(ctx, func() ([]byte, error) { return term.ReadPassword(fd) })
		if ctx.Err() != nil {
			err = errors.Join(err, term.Restore(fd, before)) // an interrupted question leaves a terminal that shows what is typed
		}
		return b, err
	}}
}

// line reads an answer, without what comes behind it: a passphrase may be next.
func (k keyboard) line(ctx context.Context) (string, error) {
	b, err := waiting(ctx, func() ([]byte, error) {
		var line []byte
		for one := make([]byte, 1); len(line) < maxAnswer; {
			n, err := k.in.Read(one)
			if n == 1 && one[0] != '\n' {
				line = append(line, one[0])
			}
			switch {
			case n == 1 && one[0] == '\n', errors.Is(err, io.EOF):
				return line, nil
			case err != nil:
				return nil, fmt.Errorf("read the answer: %w", err)
			}
		}
		return line, nil
	})
	return strings.TrimSpace(string(b)), err
}

// maxAnswer bounds what is read of an answer, in bytes.
const maxAnswer = 1 << 10

// waiting is read, ended by the context: nobody can take back a read of a terminal.
func waiting(ctx context.Context, read func() ([]byte, error)) ([]byte, error) {
	type answer struct {
		b   []byte
		err error
	}
	got := make(chan answer, 1)
	go func() {
		b, err := read()
		got <- answer{b, err}
	}()
	select {
	case a := <-got:
		return a.b, a.err
	case <-ctx.Done():
		return nil, ctx.Err()
	}
}
