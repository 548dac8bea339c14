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

// watchSilence calls end when no process of the group has read a byte for limit. rsync's own --timeout does not see that:
// once files are asked for, its generator sends keep-alive messages into the silence, and counts each that the system
// takes as a sign of life (rsync's io.c, check_timeout; a receiver has stood still for days so). A source that is alive
// sends such messages, too, twice within --timeout. Where the system has no /proc/PID/io, nothing is watched.
func watchSilence(ctx context.Context, group int, limit time.Duration, end context.CancelCauseFunc) {
	const samples = 5
	tick := time.NewTicker(limit / samples)
	defer tick.Stop()
	last, known := bytesRead(group)
	for quiet := 0; known && quiet <= samples; {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
		}
		var now int64
		if now, known = bytesRead(group); now != last {
			last, quiet = now, -1
		}
		if quiet++; quiet > samples && known {
			end(&silent{limit})
		}
	}
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
