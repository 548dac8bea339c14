package lab

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"regexp"
	"strconv"
	"strings"
	"syscall"
)

// loopFrom is what the addresses begin with that mirrors of a loop come from: so a node's log tells them from the publisher.
const loopFrom = "127.0.3."

// nodeLog follows the log of a node's daemon. It says of each connection who it is, when the daemon counted it against `max
// connections`, and when it ended: nothing escapes it, as it would who looks at the sockets now and then.
type nodeLog struct {
	site *Site
	file string

	read    int64           // bytes
	asked   map[int]bool    // connections that were not counted yet, by the process that serves them; true: of a mirror
	serving map[int]bool    // and those that were
	came    map[string]bool // addresses of mirrors that connected, served or not
	peak    int             // since the last row
	total   LoopNode
}

func newNodeLog(s *Site, file string) *nodeLog {
	return &nodeLog{site: s, file: file, asked: map[int]bool{}, serving: map[int]bool{}, came: map[string]bool{}, total: LoopNode{ID: s.ID, Slots: s.Slots}}
}

// What a daemon of rsync writes: "2026/11/22 16:54:38 [20189] rsync on centos/ from UNDETERMINED (127.0.3.4)".
var (
	logLine  = regexp.MustCompile(`^\S+ \S+ \[(\d+)\] (.*)$`)
	logAsks  = regexp.MustCompile(`^rsync allowed access on module \S+ from .*\(([0-9.]+)\)$`)
	logServe = regexp.MustCompile(`^rsync on .* from .*\(` + regexp.QuoteMeta(loopFrom))
	logEnd   = regexp.MustCompile(`^(sent \d+ bytes |rsync error: )`)
)

// follow reads what is new in the log, and says how many mirrors the node serves now.
func (n *nodeLog) follow() (int, error) {
	f, err := os.Open(n.file)
	if err != nil {
		return 0, fmt.Errorf("following node %s: %w", n.site.ID, err)
	}
	defer f.Close()
	b, err := io.ReadAll(io.NewSectionReader(f, n.read, 1<<30))
	if err != nil {
		return 0, fmt.Errorf("following node %s: %w", n.site.ID, err)
	}
	b = b[:bytes.LastIndexByte(b, '\n')+1]
	n.read += int64(len(b))
	n.cull() // before the lines: who was served since has taken a place that was free
	for lines := bufio.NewScanner(bytes.NewReader(b)); lines.Scan(); {
		n.line(lines.Text())
	}
	n.cull()
	return len(n.serving), nil
}

// cull takes out connections that ended without a word: the client hung up.
func (n *nodeLog) cull() {
	for pid := range n.serving {
		if errors.Is(syscall.Kill(pid, 0), syscall.ESRCH) {
			delete(n.serving, pid)
		}
	}
}

// line is one event of one connection.
func (n *nodeLog) line(text string) {
	part := logLine.FindStringSubmatch(text)
	if part == nil {
		return
	}
	pid, err := strconv.Atoi(part[1])
	if err != nil {
		return
	}
	what := part[2]
	if asks := logAsks.FindStringSubmatch(what); asks != nil {
		if n.asked[pid] = strings.HasPrefix(asks[1], loopFrom); n.asked[pid] {
			n.came[asks[1]] = true
		}
		return
	}
	switch mirror, asked := n.asked[pid]; {
	case strings.HasPrefix(what, "max connections ") && mirror:
		n.total.Refused++
	case strings.HasPrefix(what, "max connections ") && asked:
		n.total.Blind++
	case logServe.MatchString(what):
		n.serving[pid] = true
		n.total.Served++
		n.peak = max(n.peak, len(n.serving))
		n.total.Peak = max(n.total.Peak, n.peak)
	case logEnd.MatchString(what):
		delete(n.serving, pid)
	}
	delete(n.asked, pid)
}

// row begins a new one, and gives the peak of the one before.
func (n *nodeLog) row() (peak int) {
	peak, n.peak = n.peak, len(n.serving)
	return peak
}
