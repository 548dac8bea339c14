package rsync

import (
	"regexp"
	"strconv"
)

// statLine is a line of --stats with --no-human-readable: "Number of files: 38 (reg: 27, dir: 5, link: 6)",
// "Total file size: 75 bytes", "Total bytes sent: 177".
var statLine = regexp.MustCompile(`^((?:Number of|Total) [a-z ]{5,40}): ([0-9]{1,18})(?: bytes)?(?: \((?:reg: ([0-9]{1,18}))?[a-z0-9:, ]*\))?$`)

// firstStat begins the block.
const firstStat = "Number of files"

// statsReader reads the block of --stats. A server can send lines that look like it; rsync prints its own block when the
// server has nothing more to say, so each block that begins replaces the one before.
type statsReader struct {
	stats Stats
	lines int
}

// whole reports whether a block with all figures was seen. rsync counts deletions from protocol 31 on only.
func (r *statsReader) whole() bool { return r.lines >= 6 }

func (r *statsReader) line(line []byte) bool {
	m := statLine.FindSubmatch(line)
	if m == nil {
		return false
	}
	name := string(m[1])
	if name == firstStat {
		*r = statsReader{}
	}
	n := number(m[2])
	switch name {
	case firstStat:
		r.stats.Files, r.stats.Regular = n, number(m[3])
	case "Number of deleted files":
		r.stats.Deleted = n
		return true
	case "Number of regular files transferred":
		r.stats.Transferred = n
	case "Total file size":
		r.stats.Bytes = n
	case "Total transferred file size":
		r.stats.Literal = n
	case "Total bytes sent":
		r.stats.Sent = n
	case "Total bytes received":
		r.stats.Received = n
	default:
		return true
	}
	r.lines++
	return true
}

// number reads digits that a regular expression has bounded; "" is 0.
func number(b []byte) int64 {
	n, _ := strconv.ParseInt(string(b), 10, 64)
	return n
}
