package probe

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"syscall"

	"tidemark/quorum"
	"tidemark/rsync"
)

// hard tells the kinds that say something about the content from those that say something about the connection.
func hard(f *quorum.Failure) bool {
	return f.Kind == quorum.FailMissing || f.Kind == quorum.FailNotNumber
}

// classify is the one table from what the wire client met to what a reading says: the kind, and the words when the
// server itself said nothing. A file that is not there is hard only where it is the time file: see timeFailure.
func classify(code rsync.Code) (quorum.FailureKind, string) {
	switch code {
	case rsync.CodeBusy:
		return quorum.FailBusy, "max connections reached"
	case rsync.CodeDenied:
		return quorum.FailRefused, "access denied"
	case rsync.CodeUnknownModule:
		return quorum.FailRefused, "unknown module"
	case rsync.CodeAuth:
		return quorum.FailRefused, "the server asks for a password"
	case rsync.CodeResolve:
		return quorum.FailUnreachable, "no address"
	case rsync.CodeRefused:
		return quorum.FailUnreachable, "connection refused"
	case rsync.CodeUnreachable:
		return quorum.FailUnreachable, "cannot be reached"
	case rsync.CodeTimeout:
		return quorum.FailUnreachable, "no answer in time"
	case rsync.CodeTLS:
		return quorum.FailUnreachable, "no secure connection"
	case rsync.CodeNotFound:
		return quorum.FailUnreachable, "no such file or directory"
	case rsync.CodeNotFile:
		return quorum.FailUnreachable, "not a regular file"
	case rsync.CodeTooLarge:
		return quorum.FailUnreachable, "the server sent more than a probe reads"
	case rsync.CodeIncomplete:
		return quorum.FailUnreachable, "the server could not read all of its files"
	case rsync.CodeCorrupt:
		return quorum.FailUnreachable, "a file arrived with a wrong checksum"
	case rsync.CodeProtocol:
		return quorum.FailUnreachable, "the server does not speak the rsync protocol"
	case rsync.CodeServer:
		return quorum.FailUnreachable, "the server reported an error"
	}
	return quorum.FailUnreachable, string(code)
}

// failure words err. doing says what the probe was at, "" when the sentence is clear without.
func failure(err error, doing string) *quorum.Failure {
	f := &quorum.Failure{Kind: quorum.FailUnreachable, Text: err.Error()}
	if e, ok := errors.AsType[*rsync.Error](err); ok {
		f.Kind, f.Text = classify(e.Code)
		f.Text = detail(e, f.Text)
	} else if errors.Is(err, context.DeadlineExceeded) {
		_, f.Text = classify(rsync.CodeTimeout)
	}
	if doing != "" {
		f.Text = doing + ": " + f.Text
	}
	return f
}

// detail adds to words what the server said, or what was met at which step, where the words alone leave that open.
func detail(e *rsync.Error, words string) string {
	switch e.Code {
	case rsync.CodeBusy, rsync.CodeDenied, rsync.CodeUnknownModule, rsync.CodeAuth:
		return cmp.Or(e.Text, words) // the server's own sentence says it all
	case rsync.CodeTimeout:
		return fmt.Sprintf("%s (at: %s)", words, e.Op)
	case rsync.CodeRefused:
		if e.Op != "connect" {
			return "closed before the greeting"
		}
		return words
	}
	switch {
	case e.Text != "":
		return words + ": " + e.Text
	case e.Err != nil:
		return words + ": " + cause(e.Err)
	}
	return words
}

// cause is a system call's plain reason where there is one: "network is unreachable".
func cause(err error) string {
	if errno, ok := errors.AsType[syscall.Errno](err); ok {
		return errno.Error()
	}
	return err.Error()
}

// timeFailure words a failure to fetch the time file: missing, a directory or far too large are hard.
func timeFailure(err error, path string) *quorum.Failure {
	e, ok := errors.AsType[*rsync.Error](err)
	switch {
	case ok && e.Code == rsync.CodeNotFound:
		return &quorum.Failure{Kind: quorum.FailMissing, Text: fmt.Sprintf("there is no file %s", path)}
	case ok && e.Code == rsync.CodeNotFile:
		return &quorum.Failure{Kind: quorum.FailMissing, Text: fmt.Sprintf("%s is not a regular file", path)}
	case ok && e.Code == rsync.CodeTooLarge && e.Op == "fetch":
		return &quorum.Failure{Kind: quorum.FailNotNumber, Text: fmt.Sprintf("%s has more than %d bytes: expected a Unix timestamp", path, maxTimeFile)}
	}
	return failure(err, "")
}
