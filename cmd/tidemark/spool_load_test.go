package main

import (
	"bufio"
	"bytes"
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/checkin"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

// bogusRate is how many bogus check-ins a second are sent.
const bogusRate = 170

// Bogus check-ins, 170 a second, neither delay an honest one, nor fill the disk, nor make anybody be probed: against
// `tidemark checkin serve`, with a `run --checkins` whenever the spool holds something, as a path unit does it.
func (w *checkinWorld) tellLoad(t *testing.T) {
	for _, id := range []string{"mirror.fr", "mirror.se"} { // either would be a source if it were asked
		if err := w.network.Sync(id); err != nil {
			t.Fatal(err)
		}
	}
	length := 3 * time.Second
	if os.Getenv("TIDEMARK_SOAK") != "" {
		length = 15 * time.Second
	}
	url := w.serve(t)
	connections, spoolBefore := w.connections(t), w.spoolBytes(t)
	honest := w.body(t, "mirror.fr", "mirror.fr", w.moved)
	stopUnit := w.pathUnit(t)
	bogus := w.bogus(t)

	load := newLoad()
	var listed time.Duration
	most := int64(0)
	begun, sent, n := time.Now(), time.Time{}, 0
	for round := 0; time.Since(begun) < length || listed == 0; round++ {
		for ; n < int(bogusRate*time.Since(begun).Seconds()); n++ {
			body := bogus[n%len(bogus)]
			if !sent.IsZero() && n%len(bogus) == 0 {
				body = honest // heard on the wire, and sent again
			}
			load.post(url, body)
		}
		time.Sleep(5 * time.Millisecond)
		switch since := time.Since(begun); {
		case sent.IsZero() && since > length/4:
			sent = time.Now()
			if status := post(http.DefaultClient, url, honest); status != http.StatusAccepted {
				t.Fatalf("an honest check-in was answered %d", status)
			}
			t.Logf("the honest one was answered within %v", time.Since(sent).Round(time.Millisecond))
		case sent.IsZero() || listed != 0 || round%10 != 0:
		case slices.Contains(w.sources(t), "mirror.fr"):
			listed = time.Since(sent)
		case time.Since(sent) > time.Minute:
			t.Fatal("the honest check-in was not listed within a minute")
		}
		most = max(most, w.spoolBytes(t))
	}
	rate := float64(n) / time.Since(begun).Seconds()
	answers := load.wait()
	runs := stopUnit()
	t.Logf("%.0f bogus check-ins a second for %v, answered %v; the honest one was listed after %v; the spool held %d bytes before, %d at most, %d after; %d runs",
		rate, time.Since(begun).Round(time.Millisecond), answers, listed.Round(time.Millisecond), spoolBefore, most, w.spoolBytes(t), runs)
	if got := w.asked(t, connections); !slices.Equal(got, []string{"mirror.fr"}) {
		t.Errorf("asked: %v", got)
	}
	if got := w.sources(t); !slices.Equal(got, []string{"eu-msync-1", "eu-msync-2", "mirror.fr"}) {
		t.Errorf("sources: %v", got)
	}
	if most > spoolBefore+4*checkin.MaxBody || w.left(t) != nil || runs > 2 {
		t.Errorf("the spool held %d bytes, %v is left of it, and %d runs took from it", most, w.left(t), runs)
	}
	if refused := answers[http.StatusForbidden] + answers[http.StatusBadRequest]; refused == 0 || answers[0] > 0 {
		t.Errorf("answers: %v", answers)
	}
}

// bogus are check-ins that must lead to nothing.
func (w *checkinWorld) bogus(t *testing.T) [][]byte {
	t.Helper()
	secret, _, err := keys.GenerateMinisign(nil)
	if err == nil {
		w.signers["stranger"], err = sign.MinisignFile(secret, nil)
	}
	if err != nil {
		t.Fatal(err)
	}
	old, err := checkin.Seal(t.Context(), checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: "mirror.se", At: strictjson.At(time.Now().Add(-time.Hour)),
		Nonce: "00112233445566778899aabbccddeeff", Trees: map[string]int64{"centos": w.moved}}, w.signers["mirror.se"])
	if err != nil {
		t.Fatal(err)
	}
	return [][]byte{
		[]byte("{}"), // where the honest one is sent again later
		w.body(t, "nobody", "stranger", w.moved), w.body(t, "mirror.se", "stranger", w.moved), w.body(t, "mirror.se", "mirror.fi", w.moved),
		w.body(t, "mirror.us", "stranger", w.moved), // has no key
		old, // its time is long over
		bytes.Repeat([]byte("x"), checkin.MaxBody+1), nil, []byte(`{"payload": "`),
		bytes.Replace(w.body(t, "mirror.se", "mirror.se", w.moved), []byte(`"payload": "`), []byte(`"payload": "A`), 1),
	}
}

// serve starts the receiver and gives its URL.
func (w *checkinWorld) serve(t *testing.T) string {
	t.Helper()
	c := w.command(t, "checkin", "serve", "--config", "tidemark.yaml", "--listen", "127.0.0.1:0", "--json")
	out, err := c.StdoutPipe()
	if err == nil {
		err = c.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		c.Process.Signal(syscall.SIGTERM)
		c.Wait()
	})
	var d serveDocument
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&d); err != nil {
		t.Fatal(err)
	}
	return d.URL
}

// pathUnit runs `run --checkins` whenever the spool's directory "new" is not empty, until it is told to stop; then it gives
// the number of runs.
func (w *checkinWorld) pathUnit(t *testing.T) (stop func() int) {
	t.Helper()
	end, ended, runs := make(chan bool), make(chan bool), 0
	go func() {
		defer close(ended)
		for {
			select {
			case <-end:
				return
			case <-time.After(50 * time.Millisecond):
			}
			if files, _ := os.ReadDir(filepath.Join(w.spool, "new")); len(files) == 0 {
				continue
			}
			runs++
			c := exec.Command(w.program, "run", "--checkins", "--config", "tidemark.yaml")
			c.Dir = w.dir
			if out, err := c.CombinedOutput(); err != nil {
				t.Errorf("%v\n%s", err, out)
			}
		}
	}()
	var once sync.Once
	stop = func() int {
		once.Do(func() { close(end) })
		<-ended
		return runs
	}
	t.Cleanup(func() { stop() })
	return stop
}

// spoolBytes is what the spool takes on the disk.
func (w *checkinWorld) spoolBytes(t *testing.T) (total int64) {
	t.Helper()
	filepath.WalkDir(w.spool, func(_ string, e fs.DirEntry, err error) error {
		if err == nil && e.Type().IsRegular() {
			if info, err := e.Info(); err == nil { // else it was taken in the meantime
				total += info.Size()
			}
		}
		return nil
	})
	return total
}

// load sends without waiting for answers, and counts them.
type load struct {
	client  *http.Client
	places  chan bool
	pending sync.WaitGroup

	mu      sync.Mutex
	answers map[int]int // by status; 0: none
}

func newLoad() *load {
	return &load{client: &http.Client{Timeout: 10 * time.Second, Transport: &http.Transport{MaxIdleConnsPerHost: 50}}, places: make(chan bool, 50), answers: map[int]int{}}
}

func (l *load) post(url string, body []byte) {
	l.places <- true
	l.pending.Go(func() {
		status := post(l.client, url, body)
		l.mu.Lock()
		defer l.mu.Unlock()
		l.answers[status]++
		<-l.places
	})
}

func (l *load) wait() map[int]int {
	l.pending.Wait()
	l.client.CloseIdleConnections()
	return l.answers
}

func post(c *http.Client, url string, body []byte) int {
	resp, err := c.Post(url, "application/json", bytes.NewReader(body))
	if err != nil {
		return 0
	}
	defer resp.Body.Close()
	io.Copy(io.Discard, resp.Body)
	return resp.StatusCode
}
