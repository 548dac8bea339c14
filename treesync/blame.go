package treesync

import (
	"errors"
	"fmt"
	"slices"

	"tidemark/rsync"
)

// blame turns a failed run into the reason to leave its source for the next, or passes on what no other source would mend.
// The codes 5, 10, 12, 23, 30 and 35 always are the former (DESIGN 6). Of the others, those are that rsync clearly says the
// server is the cause of: one that speaks no rsync must not keep this mirror from all others.
func blame(stage Stage, err error) error {
	var exit *rsync.ExitError
	if !errors.As(err, &exit) {
		return fmt.Errorf("%s: %w", stage, err)
	}
	cause := exit.Cause()
	if exit.Local() != "" {
		return fmt.Errorf("%s: here: %w", stage, err)
	}
	if cause == "" && !slices.Contains(nextSource(), exit.Code) {
		return fmt.Errorf("%s: %w", stage, err)
	}
	if exit.TooSlow {
		return &left{stage: stage, why: WhyUnreachable, detail: exit.Text, cause: err}
	}
	return &left{stage: stage, why: whyOf(stage, exit.Code, cause), detail: exit.Error(), cause: err}
}

func nextSource() []int {
	return []int{rsync.ExitStartClient, rsync.ExitSocket, rsync.ExitStream, rsync.ExitPartial, rsync.ExitTimeout, rsync.ExitConnectTimeout}
}

func whyOf(stage Stage, code int, cause rsync.Code) Why {
	switch cause {
	case rsync.CodeBusy:
		return WhyBusy
	case rsync.CodeDenied, rsync.CodeUnknownModule, rsync.CodeAuth, rsync.CodeServer:
		return WhyRefused
	case rsync.CodeNotFound, rsync.CodeIncomplete:
		return WhyIncomplete
	case rsync.CodeResolve, rsync.CodeRefused:
		return WhyUnreachable
	case rsync.CodeUnreachable, rsync.CodeTimeout:
		if code == rsync.ExitConnectTimeout || stage == StagePreflight && code != rsync.ExitStream {
			return WhyUnreachable
		}
	case "":
		if code == rsync.ExitPartial {
			return WhyIncomplete
		}
	}
	return WhyBroken
}
