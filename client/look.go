package client

import (
	"context"
	"time"

	"tidemark/keys"
)

// LookOptions say where and how to look for news.
type LookOptions struct {
	Origin  Origin
	State   string // directory
	Network string
	Trust   []byte // the pinned trust.json (an envelope), as the configuration has it
	Now     func() time.Time
}

// View is what a reader may act on.
type View struct {
	Opened *Opened
	Trust  *keys.Trust
	Fresh  bool     // the origin answered with this manifest (or with 304), as against the kept one alone
	Noted  []Notice // worth telling; none stops anything
}

// Notice is something that people should know. Kind is stable, so that a caller can tell it once a day.
type Notice struct {
	Kind string // "stale-edge", "unreachable", "old", "trust-ends", "trust-walked", "fork", …
	Text string
	Hint string
}

// Look asks the origin for a newer bundle, opens it by the newest trust (walking its chain where needed), remembers what
// was seen before anything acts on it, and keeps the bundle. What is kept stays in force until it expires. The error is a
// *Refused (exit code 4: refused, fork, rollback for an hour, expired), or another one when nothing valid is to be had
// (exit code 1: unreachable and nothing kept). With Kept, the origin is not asked.
func Look(ctx context.Context, o LookOptions) (*View, error) { panic("stub") }

// Kept opens the bundle that is kept, without asking anybody; nil when none is.
func Kept(o LookOptions) (*View, error) { panic("stub") }

// UpdateTrust walks the trust chain from the newest version held, and keeps what it finds. It returns the versions that
// were accepted, oldest first.
func UpdateTrust(ctx context.Context, o LookOptions) ([]*keys.Trust, error) { panic("stub") }
