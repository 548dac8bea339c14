package rsync

import (
	"regexp"
	"slices"
	"strconv"
	"sync"
)

// statLines are the lines of --stats in their order. Those about created and deleted files and about times may be missing.
var statLines = []string{
	"Number of files", "Number of created files", "Number of deleted files", "Number of regular files transferred",
	"Total file size", "Total transferred file size", "Literal data", "Matched data", "File list size",
	"File list generation time", "File list transfer time", "Total bytes sent", "Total bytes received",
}

// statNeeded counts those that are always there.
const statNeeded = 9

// statLine is a line with --no-human-readable: "Number of files: 38 (reg: 27, dir: 5, link: 6)", "Total file size: 75 bytes".
// What the server claims may be any integer of 64 bits. (Compiled when first used: most commands never do.)
var statLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^([A-Z][a-z ]{5,40}): (-?[0-9]{1,19})(\.[0-9]{1,6} seconds| bytes)?(?: \((?:reg: ([0-9]{1,18}))?[a-z0-9:, ]*\))?$`)
})

// statsReader finds the block of --stats. A server can send lines that look like it, even a whole block; but rsync prints
// its own when all messages have been read, and nothing follows but at most one line that a server left without an end.
// So the last whole block is rsync's: all lines in order, without another between them.
type statsReader struct {
	stats Stats // of the last whole block
	whole bool  // there was one

	block Stats // that is being read
	next  int   // the least index in statLines that may come
	found int   // how many of those that are always there came
}

// line takes the next line of output, and reports whether it was one of the block.
func (r *statsReader) line(line []byte) bool {
	m := statLine().FindSubmatch(line)
	n := -1
	if m != nil {
		n = slices.Index(statLines, string(m[1]))
	}
	if n == 0 {
		r.block, r.next, r.found = Stats{}, 0, 0
	} else if n < r.next || r.next == 0 {
		r.next = 0
		return false
	}
	r.next = n + 1
	if r.figure(n, number(m[2]), number(m[4])) {
		r.found++
	}
	if n == len(statLines)-1 {
		if r.found == statNeeded {
			r.stats, r.whole = r.block, true
		}
		r.next = 0
	}
	return true
}

// figure keeps a figure, and reports whether its line is always there.
func (r *statsReader) figure(n int, value, regular int64) bool {
	switch statLines[n] {
	case "Number of files":
		r.block.Files, r.block.Regular = value, regular
	case "Number of deleted files":
		r.block.Deleted = value
		return false
	case "Number of regular files transferred":
		r.block.Transferred = value
	case "Total file size":
		r.block.Bytes = value
	case "Total transferred file size":
		r.block.Literal = value
	case "Total bytes sent":
		r.block.Sent = value
	case "Total bytes received":
		r.block.Received = value
	case "Number of created files", "File list generation time", "File list transfer time":
		return false
	}
	return true
}

// number reads a figure; what is none, or below zero, is 0.
func number(b []byte) int64 {
	n, err := strconv.ParseInt(string(b), 10, 64)
	if err != nil || n < 0 {
		return 0
	}
	return n
}
