package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Load is what wrk(1) saw of a server.
type Load struct {
	Requests int
	Refused  int // answered with another status than 2xx or 3xx
	Broken   int // connections that failed, requests that were not answered in time
	Within   time.Duration
	P50, P99 time.Duration // of an answer
}

// PerSecond is how many requests were answered in a second.
func (l Load) PerSecond() float64 { return float64(l.Requests) / l.Within.Seconds() }

// wrkScript posts one body again and again, and prints the figures in one line.
const wrkScript = `
wrk.method = "POST"
wrk.headers["Content-Type"] = "application/json"
local file = io.open(os.getenv("BODY"), "rb")
wrk.body = file:read("*a")
file:close()
done = function(summary, latency, requests)
  local e = summary.errors
  print(string.format("figures %d %d %d %d %d %d", summary.requests, e.status, e.connect + e.read + e.write + e.timeout,
    summary.duration, latency:percentile(50), latency:percentile(99)))
end
`

// PostByWrk posts body to url over so many connections, as fast as it is answered. dir is where its script goes.
func PostByWrk(ctx context.Context, dir, url string, body []byte, connections int, d time.Duration) (Load, error) {
	script, file := filepath.Join(dir, "post.lua"), filepath.Join(dir, "body")
	if err := errors.Join(os.MkdirAll(dir, 0o755), os.WriteFile(script, []byte(wrkScript), 0o644), os.WriteFile(file, body, 0o644)); err != nil {
		return Load{}, fmt.Errorf("load by wrk: %w", err)
	}
	c := exec.CommandContext(ctx, "wrk", "-t1", "-c"+strconv.Itoa(connections), "-d"+strconv.Itoa(int(d.Seconds()))+"s", "-s", script, url)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "BODY=" + file, "LC_ALL=C"}
	out, err := c.CombinedOutput()
	if err != nil {
		return Load{}, fmt.Errorf("load by wrk (apt-get install -y wrk): %w\n%s", err, out)
	}
	return wrkFigures(string(out))
}

func wrkFigures(out string) (l Load, err error) {
	_, line, ok := strings.Cut(out, "figures ")
	var micros [3]int64
	if ok {
		_, err = fmt.Sscan(line, &l.Requests, &l.Refused, &l.Broken, &micros[0], &micros[1], &micros[2])
	}
	if !ok || err != nil {
		return l, fmt.Errorf("load by wrk: no figures in what it printed: %w\n%s", errors.Join(err), out)
	}
	l.Within, l.P50, l.P99 = micro(micros[0]), micro(micros[1]), micro(micros[2])
	return l, nil
}

func micro(n int64) time.Duration { return time.Duration(n) * time.Microsecond }

// Drip opens so many connections to addr that each begin a POST and then send one byte a second, until ctx ends. It gives
// how many of them the server has ended by then.
func Drip(ctx context.Context, addr netip.AddrPort, connections int) (ended int, err error) {
	const head = "POST / HTTP/1.1\r\nHost: receiver\r\nContent-Type: application/json\r\nContent-Length: 4000\r\n\r\n{"
	var all sync.WaitGroup
	var mu sync.Mutex
	for range connections {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", addr.String())
		if err != nil {
			return 0, fmt.Errorf("drip: %w", err)
		}
		all.Go(func() {
			defer conn.Close()
			defer context.AfterFunc(ctx, func() { conn.Close() })()
			conn.Write([]byte(head))
			go func() {
				for pause(ctx, time.Second) == nil {
					conn.Write([]byte{' '})
				}
			}()
			for n := 1; n > 0; { // whatever it says, until it hangs up
				n, _ = conn.Read(make([]byte, 512))
			}
			if ctx.Err() == nil {
				mu.Lock()
				ended++
				mu.Unlock()
			}
		})
	}
	all.Wait()
	return ended, nil
}

// Honest posts each of the bodies, so long after one another, and gives how long each took to be accepted, shortest first.
// One that is not accepted is an error.
func Honest(ctx context.Context, now func() time.Time, url string, bodies [][]byte, every time.Duration) ([]time.Duration, error) {
	client := &http.Client{Timeout: 30 * time.Second, Transport: &http.Transport{DisableKeepAlives: true}} // as mirrors come: once
	var took []time.Duration
	for _, body := range bodies {
		if err := pause(ctx, every); err != nil {
			return took, err
		}
		start := now()
		answer, err := client.Post(url, "application/json", bytes.NewReader(body))
		if err != nil {
			return took, fmt.Errorf("an honest check-in: %w", err)
		}
		answer.Body.Close()
		if answer.StatusCode != http.StatusAccepted {
			return took, fmt.Errorf("an honest check-in was answered with %s, expected 202", answer.Status)
		}
		took = append(took, now().Sub(start))
	}
	slices.Sort(took)
	return took, nil
}

// Memory is how much of a server's memory is resident, in bytes (proc(5)).
func (s *Service) Memory() (int64, error) {
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.cmd.Process.Pid))
	if err != nil {
		return 0, fmt.Errorf("memory of %s: %w", s.name, err)
	}
	_, rest, _ := strings.Cut(string(b), "VmRSS:")
	var kB int64
	if _, err := fmt.Sscan(rest, &kB); err != nil {
		return 0, fmt.Errorf("memory of %s: %w", s.name, err)
	}
	return kB << 10, nil
}

// DirBytes adds up the files below dir.
func DirBytes(dir string) (n int64, err error) {
	err = regular(dir, func(_ string, d fs.DirEntry) error {
		info, err := d.Info()
		if err == nil {
			n += info.Size()
		}
		return err
	})
	return n, err
}
