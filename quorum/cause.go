package quorum

import "strings"

// Cause says, in a word, why a server got its state, where several things lead to the same state; "" where the state says it.
type Cause string

// The causes.
const (
	CauseRegression Cause = "regression" // wrong: an older timestamp than it was verified at
	CauseFuture     Cause = "future"     // wrong: a timestamp in the future
	CauseNotNumber  Cause = "not-number" // wrong: the time file holds no timestamp
	CauseUnrecorded Cause = "unrecorded" // wrong, moving: a timestamp that the master was never seen to show at rest
	CauseAnchors    Cause = "anchors"    // wrong, incomplete, mixed, moving: an anchor
	CauseList       Cause = "list"       // wrong, incomplete, mixed: the file list; unreachable: it was never given
	CauseMTime      Cause = "mtime"      // wrong: the file list, where all that is known to differ is the time of last change
	CauseTimeFile   Cause = "time-file"  // incomplete: there is none
	CauseAddresses  Cause = "addresses"  // mixed: its addresses disagree
	CauseForbidden  Cause = "forbidden"  // refused: not asked, for its address is private, loopback or link-local, or its name has too many
	CauseModule     Cause = "module"     // refused: it has no such module
	CauseDenied     Cause = "denied"     // refused: it lets this address not in
	CausePassword   Cause = "password"   // refused: it asks for a password
	CauseNoURL      Cause = "no-url"     // unknown: no rsync URL
	CauseVoid       Cause = "void"       // unknown, moving: its time file changed while we looked
	CauseNoRecord   Cause = "no-record"  // unknown: nothing was recorded from the master yet
	CauseUnproven   Cause = "unproven"   // unknown: its content was not looked at
)

// refusal is the cause of a refusal, by the words of rsync's daemon.
func refusal(text string) Cause {
	text = strings.ToLower(text)
	for _, known := range []struct {
		words string
		cause Cause
	}{{"unknown module", CauseModule}, {"access denied", CauseDenied}, {"password", CausePassword}, {"auth failed", CausePassword}} {
		if strings.Contains(text, known.words) {
			return known.cause
		}
	}
	return ""
}

// cause gives what follows from the kind of a failure alone.
func (k FailureKind) cause() Cause {
	switch k {
	case FailMissing:
		return CauseTimeFile
	case FailNotNumber:
		return CauseNotNumber
	case FailForbidden:
		return CauseForbidden
	case FailList:
		return CauseList
	}
	return ""
}
