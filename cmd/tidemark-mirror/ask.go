package main

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"
)

// asker asks a person, where there is one.
type asker struct {
	in   io.Reader
	out  io.Writer
	on   bool
	read *bufio.Reader
}

// line asks a question and returns the answer, or otherwise when the answer is empty; nobody there answers with that, too.
func (a *asker) line(question, otherwise string) (string, error) {
	if !a.on {
		return otherwise, nil
	}
	if a.read == nil {
		a.read = bufio.NewReader(a.in)
	}
	if otherwise != "" {
		question += " [" + otherwise + "]"
	}
	fmt.Fprintf(a.out, "%s: ", question)
	answer, err := a.read.ReadString('\n')
	if err != nil && !errors.Is(err, io.EOF) {
		return "", fmt.Errorf("read the answer: %w", err)
	}
	if answer = strings.TrimSpace(answer); answer == "" {
		return otherwise, nil
	}
	return answer, nil
}
