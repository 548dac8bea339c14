package rsync

import (
	"bytes"
	"strings"
	"unicode/utf8"
)

const (
	maxLine    = 64 << 10 // of rsync's output; a name of 4095 bytes is at most 16 KiB long when escaped
	maxTail    = 600      // bytes of stderr that are kept for people
	maxMessage = 4096     // of one message while it is looked at
	maxPending = 200      // of a line of progress
)

// splitter cuts a stream into lines at line feeds and carriage returns: rsync escapes both in names. A line of more than
// maxLine bytes comes cut. The slices are good until the next call.
type splitter struct {
	line    func(line []byte, cut bool)
	pending func(line []byte) // what has no end yet, when a write ends; may be nil
	buf     []byte
	cut     bool
}

// Write takes the next bytes; it never fails.
func (s *splitter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		end := bytes.IndexAny(p, "\r\n")
		if end < 0 {
			s.keep(p)
			break
		}
		s.keep(p[:end])
		s.end()
		p = p[end+1:]
	}
	if s.pending != nil && len(s.buf) > 0 && len(s.buf) < maxPending {
		s.pending(s.buf)
	}
	return n, nil
}

func (s *splitter) keep(p []byte) {
	room := maxLine - len(s.buf)
	if len(p) > room {
		p, s.cut = p[:room], true
	}
	s.buf = append(s.buf, p...)
}

// end gives out what was kept, if there is anything.
func (s *splitter) end() {
	if len(s.buf) > 0 {
		s.line(s.buf, s.cut)
	}
	s.buf, s.cut = s.buf[:0], false
}

// stdout reads items, progress and statistics out of rsync's standard output. What else it says is counted, not kept.
type stdout struct {
	splitter
	token      string
	watch      Watch
	stats      statsReader
	unreadable int
	deleting   int64 // items
	other      int   // lines of neither kind: messages, a server's among them
	last       Progress
}

func newStdout(token string, w Watch) *stdout {
	o := &stdout{token: token, watch: w}
	o.splitter = splitter{line: o.read, pending: func(b []byte) { o.progress(b) }}
	return o
}

func (o *stdout) read(line []byte, cut bool) {
	if o.token != "" {
		it, found, ok := parseItem(line, o.token)
		if found && (cut || !ok) {
			o.unreadable++
			return
		}
		if found {
			o.item(it)
			return
		}
	}
	if !o.progress(line) && !o.stats.line(line) {
		o.other++
	}
}

func (o *stdout) item(it Item) {
	if it.Deleting() {
		o.deleting++
	}
	if o.watch.Item != nil {
		o.watch.Item(it)
	}
}

// figures are those of --stats.
func (o *stdout) figures() Stats {
	s := o.stats.stats
	s.Deleted = max(s.Deleted, o.deleting)
	return s
}

func (o *stdout) progress(line []byte) bool {
	p, ok := parseProgress(line)
	if ok && p != o.last && o.watch.Progress != nil {
		o.watch.Progress(p)
	}
	if ok {
		o.last = p
	}
	return ok
}

// stderr keeps the last words of a stream that may be endless.
type stderr struct {
	splitter
	tail  string
	lines int
}

func newStderr() *stderr {
	e := &stderr{}
	e.line = e.read
	return e
}

// read keeps a line, unless it only repeats the exit code and is this side's.
func (e *stderr) read(line []byte, _ bool) {
	e.lines++
	if bytes.HasPrefix(line, []byte("rsync error: ")) && bytes.Contains(line, []byte(" (code ")) && e.tail != "" && !sendersEnd.Match(line) {
		return
	}
	text := clean(string(line[:min(len(line), maxMessage)]))
	if text == "" {
		return
	}
	if e.tail != "" {
		text = e.tail + "; " + text
	}
	if len(text) > maxTail {
		text = text[len(text)-maxTail:]
		for !utf8.RuneStart(text[0]) {
			text = text[1:]
		}
	}
	e.tail = strings.TrimPrefix(text, "; ")
}
