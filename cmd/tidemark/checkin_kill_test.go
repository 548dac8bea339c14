package main

import (
	"bytes"
	"fmt"
	"math/rand/v2"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/checkin"
	"tidemark/internal/scripttest"
	"tidemark/sign"
)

// TestCheckinServe_Killed kills the receiver (SIGKILL) under load at moments by chance, while a run takes from the spool:
// what was answered 202 lies there, whole.
func TestCheckinServe_Killed(t *testing.T) {
	t.Parallel()
	killReceiver(t, 4, 60)
}

func TestSoakCheckinServe_Killed(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("a long test: make soak")
	}
	killReceiver(t, 150, 200)
}

func killReceiver(t *testing.T, rounds, mirrors int) {
	r := newReception(t, mirrors)
	answered, lost := 0, 0
	for range rounds {
		if err := os.RemoveAll(filepath.Join(r.dir, "spool")); err != nil {
			t.Fatal(err)
		}
		a, l := r.killRound(t)
		answered, lost = answered+a, lost+l
	}
	t.Logf("%d rounds: %d check-ins answered 202, %d of them lost", rounds, answered, lost)
	if lost > 0 || answered == 0 || answered == rounds*mirrors {
		t.Errorf("%d of %d answered, %d lost: expected some to be cut off, and none to be lost", answered, rounds*mirrors, lost)
	}
}

// killRound lets every mirror check in once, some at a time, and kills the receiver in between.
func (r *reception) killRound(t *testing.T) (answered, lost int) {
	s := r.serve(t)
	bodies := make([][]byte, len(r.signers))
	for i := range bodies {
		bodies[i] = r.body(t, i)
	}
	accepted := make([]bool, len(bodies))
	var all sync.WaitGroup
	next := make(chan int)
	for range 8 {
		client := &http.Client{Transport: &http.Transport{}, Timeout: 10 * time.Second}
		all.Go(func() {
			defer client.CloseIdleConnections()
			for i := range next {
				res, err := client.Post(s.URL, "", bytes.NewReader(bodies[i]))
				if err == nil {
					accepted[i] = res.StatusCode == http.StatusAccepted
					res.Body.Close()
				}
			}
		})
	}
	at := rand.IntN(len(bodies))
	for i := range bodies {
		if i == at {
			go s.Process.Kill() // while others are being written
		}
		if i == at/2 {
			all.Go(func() { // a run comes by, and is killed as well: nothing is done
				if spool, err := checkin.OpenSpool(s.Spool); err != nil {
					t.Error(err)
				} else if _, err := spool.Take(func(string) bool { return true }); err != nil {
					t.Error(err)
				}
			})
		}
		next <- i
	}
	close(next)
	all.Wait()
	<-s.ended
	for i, ok := range accepted {
		if !ok {
			continue
		}
		answered++
		if !bytes.Equal(r.kept(i), bodies[i]) {
			lost++
			t.Errorf("m%d was answered 202, and lies in the spool as %q", i, r.kept(i))
		}
	}
	return answered, lost
}

// What a kill cannot show, a power cut would: the file, then its name are on the disk before the answer is written.
func TestCheckinServe_SyncsBeforeItAnswers(t *testing.T) {
	t.Parallel()
	scripttest.NeedTool(t, "strace")
	r := newReception(t, 1)
	trace := filepath.Join(r.dir, "trace")
	s := r.serve(t, func(c *exec.Cmd) {
		strace, err := exec.LookPath("strace")
		if err != nil {
			t.Fatal(err)
		}
		c.Args = append([]string{"strace", "-f", "-o", trace, "-s", "256", "-y", "-e", "trace=openat,fsync,rename,renameat,renameat2,write", "--", filepath.Join(r.dir, "tidemark")}, c.Args[1:]...)
		if err := os.Symlink(c.Path, filepath.Join(r.dir, "tidemark")); err != nil { // its name says what it runs
			t.Fatal(err)
		}
		c.Path, c.SysProcAttr = strace, &syscall.SysProcAttr{Setpgid: true}
	})
	end := func() { syscall.Kill(-s.Process.Pid, syscall.SIGKILL) } // strace, and what it traces
	t.Cleanup(end)
	if status, words := knock(t, http.DefaultClient, s.URL, r.body(t, 0)); status != http.StatusAccepted {
		t.Fatalf("%d %s", status, words)
	}
	end()
	<-s.ended
	b, err := os.ReadFile(trace)
	if err != nil {
		t.Fatal(err)
	}
	at := 0
	for _, step := range []string{
		`openat\(.*m0\.json\.[A-Z0-9]+", .*O_EXCL`,
		`write\(\d+<.*/tmp/m0\.json\.[A-Z0-9]+>, `,
		`fsync\(\d+<.*/tmp/m0\.json\.[A-Z0-9]+>`,
		`rename.*m0\.json\.[A-Z0-9]+", .*m0\.json"`,
		`fsync\(\d+<.*/spool/new>`,
		`write\(\d+<.*"HTTP/1.1 202 Accepted`,
	} {
		found := regexp.MustCompile(step).FindIndex(b[at:])
		if found == nil {
			t.Fatalf("behind byte %d there is no %s:\n%s", at, step, relevant(b))
		}
		at += found[1]
	}
}

func relevant(trace []byte) string {
	var b strings.Builder
	for line := range strings.Lines(string(trace)) {
		if strings.Contains(line, "spool") || strings.Contains(line, "HTTP/") || strings.Contains(line, "json") {
			b.WriteString(line)
		}
	}
	return b.String()
}

// lua gives wrk the bodies in turn.
const lua = `
local bodies = {}
for i = 1, %d do
  local f = assert(io.open(%q .. "/" .. i, "rb"))
  bodies[i] = f:read("*a")
  f:close()
end
local n = 0
wrk.method = "POST"
request = function()
  n = n + 1
  return wrk.format("POST", "/", nil, bodies[n %% #bodies + 1])
end
done = function(summary, latency, requests)
  io.write(string.format("RESULT requests/s %%.0f p50 %%.2f ms p99 %%.2f ms max %%.2f ms errors %%d\n", summary.requests / summary.duration * 1e6,
    latency:percentile(50) / 1e3, latency:percentile(99) / 1e3, latency.max / 1e3, summary.errors.connect + summary.errors.read + summary.errors.write + summary.errors.timeout))
end
`

// TestSoakCheckinServe_Load loads the real program with wrk, while slow clients hold connections, and logs the figures: each
// request has a connection of its own.
func TestSoakCheckinServe_Load(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("a long test: make soak")
	}
	program := filepath.Join(t.TempDir(), "tidemark") // without the race detector
	if out, err := exec.Command("go", "build", "-o", program, ".").CombinedOutput(); err != nil {
		t.Fatalf("build: %v\n%s", err, out)
	}
	if peak := loadReceiver(t, program, "10s", 300); peak > 96<<10 {
		t.Errorf("%d KiB of memory at the peak, expected at most 96 MiB", peak)
	}
}

// loadReceiver returns the most memory that the receiver had, in KiB.
func loadReceiver(t *testing.T, program, long string, slow int) (peak int) {
	scripttest.NeedTool(t, "wrk")
	const mirrors = 20
	r := newReception(t, mirrors)
	r.program = program
	s := r.serve(t)
	for i := range slow {
		c, err := net.Dial("tcp", s.Listen)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		fmt.Fprintf(c, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: 4096\r\nX: %d\r\n", i)
	}
	stranger := newReception(t, mirrors) // the same names, other keys
	kinds := map[string]func(i int) []byte{
		"malformed": func(i int) []byte {
			return bytes.Replace(r.body(t, i%mirrors), []byte("payload"), []byte("PAYLOAD"), 1)
		},
		"stranger": func(i int) []byte { return stranger.body(t, i%mirrors) }, // told by the key's id
		"forged": func(i int) []byte { // told by the signature alone: the dearest bogus one
			e, err := sign.ParseEnvelope(r.body(t, i%mirrors), checkin.MaxBody)
			if err != nil {
				t.Fatal(err)
			}
			e.Payload = bytes.Replace(e.Payload, []byte("1488372781"), []byte("1488372782"), 1)
			b, err := e.Encode()
			if err != nil {
				t.Fatal(err)
			}
			return b
		},
		"genuine": func(i int) []byte { return r.body(t, i%mirrors) }, // accepted once each, then known again
		"large":   func(int) []byte { return make([]byte, 8<<10) },
	}
	for _, names := range [][]string{{"stranger"}, {"forged"}, {"genuine"}, {"malformed", "stranger", "forged", "genuine", "large"}} {
		dir := t.TempDir()
		for i := range mirrors {
			if err := os.WriteFile(filepath.Join(dir, fmt.Sprint(i+1)), kinds[names[i%len(names)]](i), 0o644); err != nil {
				t.Fatal(err)
			}
		}
		script := filepath.Join(dir, "post.lua")
		if err := os.WriteFile(script, fmt.Appendf(nil, lua, mirrors, dir), 0o644); err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("wrk", "-t2", "-c64", "-d"+long, "--timeout", "10s", "-s", script, s.URL).CombinedOutput()
		if err != nil {
			t.Fatalf("wrk: %v\n%s", err, out)
		}
		_, result, found := strings.Cut(string(out), "RESULT ")
		if !found {
			t.Fatalf("wrk said\n%s", out)
		}
		t.Logf("%-36s %s, %s", strings.Join(names, "+"), strings.TrimSpace(result), fmt.Sprintf("peak RSS %.1f MiB", float64(s.peak(t))/1024))
	}
	if status, words := knock(t, http.DefaultClient, s.URL, r.body(t, 1)); status != http.StatusAccepted { // still in order
		t.Errorf("afterwards: %d %s", status, words)
	}
	peak = s.peak(t)
	s.stop(t)
	return peak
}

var peakMemory = regexp.MustCompile(`VmHWM:\s+(\d+) kB`)

// peak is the most memory that the process ever had, in KiB.
func (s *serving) peak(t testing.TB) (kib int) {
	t.Helper()
	b, err := os.ReadFile(fmt.Sprintf("/proc/%d/status", s.Process.Pid))
	if err != nil {
		t.Fatal(err)
	}
	m := peakMemory.FindSubmatch(b)
	if m == nil {
		t.Fatalf("no VmHWM in %s", b)
	}
	fmt.Sscan(string(m[1]), &kib)
	return kib
}
