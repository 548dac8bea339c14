package rsync

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"time"
)

// silent is the cause of the end of a run in which nothing was heard from the source for too long.
type silent struct{ after time.Duration }

func (e *silent) Error() string {
	return fmt.Sprintf("nothing was read for %s: the source keeps the connection open, and sends nothing", e.after)
}

// tooSlow is the cause of the end of a run in which the source sent something, and less than it has to.
type tooSlow struct {
	bytes int64
	in    time.Duration
	least int64
}

func (e *tooSlow) Error() string {
	return fmt.Sprintf("too slow: %d bytes were read in %s, expected at least %d a second", e.bytes, e.in, e.least)
}

const (
	samples = 5 // in the time of silence that is allowed
	window  = 3 // such times, over which the least rate is averaged
)

// watchSource calls end when no process of the group has read a byte for limit, or all of them less than least bytes a second
// in three times that. rsync's own --timeout sees neither: once files are asked for, its generator sends keep-alive messages
// into the silence, and counts each that the system takes as a sign of life (rsync's io.c, check_timeout; a receiver has
// stood still for days so); and a byte now and then is a sign of life anyway. A source that is alive sends such messages,
// too, twice within --timeout. Where the system has no /proc/PID/io, nothing is watched.
func watchSource(ctx context.Context, group int, limit time.Duration, least int64, end context.CancelCauseFunc) {
	tick := time.NewTicker(limit / samples)
	defer tick.Stop()
	last, known := bytesRead(group)
	progress := make([]int64, 0, samples*window) // of the last samples, the oldest first
	for quiet := 0; known; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var now int64
		if now, known = bytesRead(group); now != last {
			quiet = -1
		}
		if quiet++; quiet > samples && known {
			end(&silent{limit})
			return
		}
		if len(progress) == cap(progress) {
			progress = append(progress[:0], progress[1:]...)
		}
		progress, last = append(progress, max(0, now-last)), now // less: one of the processes has ended
		if slow := below(progress, limit, least); slow != nil && known {
			end(slow)
			return
		}
	}
}

// below judges a whole window of samples.
func below(progress []int64, limit time.Duration, least int64) *tooSlow {
	if len(progress) < samples*window {
		return nil
	}
	var sum int64
	for _, n := range progress {
		sum += n
	}
	if sum >= int64(float64(least)*window*limit.Seconds()) {
		return nil
	}
	return &tooSlow{sum, window * limit, least}
}

// bytesRead adds up what the processes of a group have read, from files, pipes and connections: proc_pid_io(5), rchar.
func bytesRead(group int) (sum int64, known bool) {
	stats, err := filepath.Glob("/proc/[0-9]*/stat")
	if err != nil {
		return 0, false
	}
	for _, file := range stats {
		b, err := os.ReadFile(file)
		if err != nil || groupOf(b) != group {
			continue // it ended meanwhile
		}
		n, ok := readChars(filepath.Join(filepath.Dir(file), "io"))
		if !ok {
			continue
		}
		sum, known = sum+n, true
	}
	return sum, known
}

// groupOf is the process group in /proc/PID/stat: the third field after the name, which ends with the last parenthesis.
func groupOf(stat []byte) int {
	fields := bytes.Fields(stat[bytes.LastIndexByte(stat, ')')+1:])
	if len(fields) < 3 {
		return 0
	}
	group, err := strconv.Atoi(string(fields[2]))
	if err != nil {
		return 0
	}
	return group
}

func readChars(file string) (int64, bool) {
	f, err := os.Open(file)
	if err != nil {
		return 0, false
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		if text, ok := bytes.CutPrefix(lines.Bytes(), []byte("rchar: ")); ok {
			n, err := strconv.ParseInt(string(text), 10, 64)
			return n, err == nil
		}
	}
	return 0, false
}
