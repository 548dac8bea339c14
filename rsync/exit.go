package rsync

import (
	"fmt"
	"regexp"
	"strings"
	"sync"
)

// Exit codes of rsync, as rsync(1) "EXIT VALUES" has them.
const (
	ExitSyntax         = 1
	ExitIncompatible   = 2
	ExitFileSelection  = 3
	ExitUnsupported    = 4
	ExitStartClient    = 5
	ExitLogAppend      = 6
	ExitSocket         = 10
	ExitFileIO         = 11
	ExitStream         = 12
	ExitMessageIO      = 13
	ExitIPC            = 14
	ExitSignal1        = 19
	ExitSignal         = 20
	ExitWait           = 21
	ExitMalloc         = 22
	ExitPartial        = 23
	ExitVanished       = 24
	ExitMaxDelete      = 25
	ExitTimeout        = 30
	ExitConnectTimeout = 35
	ExitKilled         = -1 // no code of rsync's: a signal ended it
)

// ExitError is an end of rsync with another code than 0 and 24.
type ExitError struct {
	Code int    // rsync's exit code; -1: killed by a signal
	Text string // what it said on stderr: the last lines, cleaned, at most 600 bytes
	Job  string // Job.Command

	TooSlow bool // ended by us: the source sent less than Job.LeastRate
}

// Error says the code, what it means, and what rsync said.
func (e *ExitError) Error() string {
	s := fmt.Sprintf("rsync ended with code %d (%s)", e.Code, ExitMeaning(e.Code))
	if e.Code == ExitKilled {
		s = "rsync was killed by a signal"
	}
	if e.Text != "" {
		s += ": " + e.Text
	}
	return s
}

// ExitMeaning says in words what an exit code of rsync means.
func ExitMeaning(code int) string {
	switch code {
	case 0:
		return "done"
	case ExitSyntax:
		return "it does not know an option, or the server refuses one"
	case ExitIncompatible:
		return "the other side speaks no protocol that it knows"
	case ExitFileSelection:
		return "the files or directories to work on are not to be had"
	case ExitUnsupported:
		return "what was asked is not supported, or the server refuses it"
	case ExitStartClient:
		return "the server refuses the session"
	case ExitLogAppend:
		return "its log file cannot be written"
	case ExitSocket:
		return "no connection, or it was lost"
	case ExitFileIO:
		return "a file cannot be written"
	case ExitStream:
		return "the connection ended in mid-transfer"
	case ExitMessageIO:
		return "its messages cannot be written"
	case ExitIPC:
		return "its processes lost each other"
	}
	return exitMeaning(code)
}

func exitMeaning(code int) string {
	switch code {
	case ExitSignal1, ExitSignal:
		return "it was told to stop by a signal"
	case ExitWait:
		return "it cannot wait for its other process"
	case ExitMalloc:
		return "there is not enough memory"
	case ExitPartial:
		return "some files were not transferred"
	case ExitVanished:
		return "some files vanished on the source meanwhile"
	case ExitMaxDelete:
		return "more deletions than allowed"
	case ExitTimeout:
		return "the connection was silent for too long"
	case ExitConnectTimeout:
		return "the server did not answer in time"
	case ExitKilled:
		return "killed by a signal"
	}
	return "a code that rsync(1) does not have"
}

// refusedOption is what a daemon says of an option that its "refuse options" covers; the exit code depends on who hears it first.
var refusedOption = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`configured to refuse (-[-a-zA-Z0-9]{1,40})`)
})

// Refuses names the option that the server refuses ("--checksum"), or "".
func (e *ExitError) Refuses() string {
	if m := refusedOption().FindStringSubmatch(e.Text); m != nil && e.Code != ExitPartial {
		return m[1]
	}
	return ""
}

// localError is what this side's processes say when it is this side that fails: its disk, its quota, its permissions, or no
// directory to write into.
var localError = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`\[(?:receiver|generator|Receiver|client)\] [^;]*?: (No space left on device|Disk quota exceeded|Read-only file system|Permission denied) \(\d+\)` +
		`|\[Receiver\] mkdir [^;]*?: (No such file or directory) \(\d+\)`)
})

// Local says what failed on this side, where no other source would do better: no space, no quota, no permission. "": nothing
// that was said.
func (e *ExitError) Local() string {
	if m := localError().FindStringSubmatch(e.Text); m != nil {
		return m[1] + m[2]
	}
	return ""
}

// sendersEnd is how the other side's process signs its last line: "… (code 22) at util2.c(80) [sender=3.2.7]".
var sendersEnd = regexp.MustCompile(`\[(?:sender|server)=[^\]]*\]$`)

// Cause types the failure as the wire client does, by the code and by what rsync said; "" when this side failed: its disk
// (Local), an option.
func (e *ExitError) Cause() Code {
	text := strings.ToLower(e.Text)
	if e.Refuses() != "" {
		return CodeServer
	}
	switch e.Code {
	case ExitStartClient:
		return classifyError(text)
	case ExitSocket:
		return socketCause(text)
	case ExitIncompatible:
		return CodeProtocol
	case ExitStream:
		return CodeUnreachable
	case ExitTimeout, ExitConnectTimeout:
		return CodeTimeout
	case ExitSyntax, ExitUnsupported:
		if strings.Contains(text, "@error") {
			return CodeServer
		}
	case ExitMessageIO:
		if strings.Contains(text, "buffer overflow expanding") { // a name and what it links to are too long together
			return CodeTooLarge
		}
	case ExitPartial:
		return e.partialCause(text)
	case ExitFileIO, ExitIPC, ExitSignal1, ExitSignal, ExitWait, ExitMalloc, ExitKilled: // the server's, or by what it sent
		if e.Local() == "" {
			return CodeUnreachable
		}
	}
	if e.Local() == "" && sendersEnd.MatchString(e.Text) {
		return CodeUnreachable
	}
	return ""
}

func socketCause(text string) Code {
	switch {
	case strings.Contains(text, "connection refused"):
		return CodeRefused
	case strings.Contains(text, "getaddrinfo"), strings.Contains(text, "name or service not known"):
		return CodeResolve
	}
	return CodeUnreachable
}

// partialCause tells whose fault it is that some files did not come: rsync names the process that failed in brackets.
func (e *ExitError) partialCause(text string) Code {
	switch {
	case strings.Contains(text, "[sender] change_dir"):
		return CodeNotFound
	case strings.Contains(text, "[sender]"):
		return CodeIncomplete
	case strings.Contains(text, "[receiver]"), strings.Contains(text, "[generator]"):
		return ""
	}
	return CodeIncomplete
}
