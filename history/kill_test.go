package history

import (
	"context"
	"errors"
	"math/rand/v2"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// TestKilledAtAnyMoment: a writer is killed again and again, while it opens, adds or commits. After each, the file is sound, holds
// every round whose Add returned, and the last one whole; the next writer goes on.
func TestKilledAtAnyMoment(t *testing.T) {
	t.Parallel()
	killedAtAnyMoment(t, 8)
}

func TestSoakKilledAtAnyMoment(t *testing.T) {
	soak(t)
	for range 20 { // a file each: every check reads all of it
		killedAtAnyMoment(t, 50)
	}
}

// soak skips the long form of a test.
func soak(t *testing.T) {
	t.Helper()
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("the long form: TIDEMARK_SOAK=1")
	}
	t.Parallel()
}

func killedAtAnyMoment(t *testing.T, kills int) {
	file := filepath.Join(t.TempDir(), "history.db")
	rnd := rand.New(rand.NewPCG(6, 7))
	committed, grew := 0, 0
	for range kills {
		cmd, lines := child(t, writerEnv, file)
		before := committed
		if rnd.IntN(4) > 0 { // in one of four it dies before or while it opens
			if first, ok := <-lines; ok {
				committed = minuteOf(t, first)
			}
		}
		time.Sleep(time.Duration(rnd.IntN(30_000)) * time.Microsecond)
		cmd.Process.Kill()
		for line := range lines {
			committed = minuteOf(t, line)
		}
		cmd.Wait() //nolint:errcheck // killed
		if committed > before {
			grew++
		}
		committed = soundAfter(t, file, committed)
	}
	if grew < kills/3 {
		t.Errorf("only %d of %d writers added anything: the test shows little", grew, kills)
	}
}

func minuteOf(t *testing.T, line string) int {
	t.Helper()
	n, err := strconv.Atoi(line)
	if err != nil {
		t.Fatalf("the writer said %q", line)
	}
	return n
}

// soundAfter returns the last minute that is in the file: the one that was committed, or the next one, whose writer died before it could say so.
func soundAfter(t *testing.T, file string, committed int) int {
	t.Helper()
	ctx := context.Background()
	db, err := openReader(ctx, file, Options{ReadOnly: true, Now: start}) // as status does, before anybody mends
	if committed == 0 && err != nil && !errors.Is(err, ErrDamaged) {
		return 0 // killed before the file was made
	}
	if err != nil {
		t.Fatalf("after minute %d: %v", committed, err)
	}
	defer db.Close()
	var whole string
	if err := db.sql.QueryRow("PRAGMA integrity_check").Scan(&whole); err != nil || whole != "ok" {
		t.Fatalf("after minute %d: integrity %q, %v", committed, whole, err)
	}
	var rounds, asked, verdicts, readings, published, open int
	for query, to := range map[string]*int{
		"SELECT COUNT(*) FROM round":                                                          &rounds,
		"SELECT COALESCE(SUM(asked), 0) FROM day":                                             &asked,
		"SELECT COALESCE(SUM(rounds), 0) FROM verdict":                                        &verdicts,
		"SELECT COALESCE(SUM(rounds), 0) FROM reading":                                        &readings,
		"SELECT COUNT(*) FROM event WHERE kind = 'published'":                                 &published,
		"SELECT COUNT(*) FROM verdict WHERE open = 1 AND until = (SELECT MAX(at) FROM round)": &open,
	} {
		if err := db.sql.QueryRow(query).Scan(to); err != nil {
			t.Fatal(err)
		}
	}
	if rounds != committed && rounds != committed+1 {
		t.Fatalf("%d rounds are there, %d were added", rounds, committed)
	}
	want := rounds * killServers
	if asked != want || verdicts != want || readings != want || published != rounds || (rounds > 0 && open != killServers) {
		t.Fatalf("after round %d: %d asked, %d verdicts, %d readings, want %d; %d published; %d of %d verdicts are of the last round",
			rounds, asked, verdicts, readings, want, published, open, killServers)
	}
	return rounds
}

// TestTwoWriters: a second process waits, and says who is in the way; readers do not wait; killed, the first is out of the way.
func TestTwoWriters(t *testing.T) {
	t.Parallel()
	ctx := context.Background()
	file := filepath.Join(t.TempDir(), "history.db")
	first := open(t, file)
	add(t, first, killRound(1))
	first.Close()

	cmd, lines := child(t, holdEnv, file)
	t.Cleanup(func() { cmd.Process.Kill(); cmd.Wait() }) //nolint:errcheck // killed below, or here when the test fails before
	if line := <-lines; line != "held" {
		t.Fatal(line)
	}
	second, aside, err := Open(ctx, file, Options{Now: start, Wait: 50 * time.Millisecond})
	if err != nil || aside != "" {
		t.Fatal(aside, err)
	}
	defer second.Close()
	if err := second.Add(ctx, killRound(2)); !errors.Is(err, ErrBusy) || !strings.Contains(err.Error(), file) {
		t.Errorf("while another writes: %v", err)
	}
	reader, _, err := Open(ctx, file, Options{ReadOnly: true, Now: start, Wait: time.Millisecond})
	if err != nil {
		t.Fatalf("reading while another writes: %v", err)
	}
	defer reader.Close()
	if spans, err := reader.Spans(ctx, "mirror-00000", "centos", 0); err != nil || len(spans) != 1 {
		t.Errorf("reading while another writes: %v, %v", spans, err)
	}
	cmd.Process.Kill()
	cmd.Wait() //nolint:errcheck // killed
	add(t, second, killRound(2))
	if spans, err := reader.Spans(ctx, "mirror-00000", "centos", 0); err != nil || len(spans) != 2 {
		t.Errorf("reading after it wrote: %v, %v", spans, err)
	}
}

// TestTwoHandles: of two that add the same rounds at once, each round is taken from one.
func TestTwoHandles(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "history.db")
	const rounds = 20
	done := make(chan int)
	for range 2 {
		db := open(t, file)
		go func() {
			n := 0
			for minute := 1; minute <= rounds; minute++ {
				r := killRound(minute)
				r.At = start().Add(time.Duration(minute) * time.Second) // within what a clock may be set back
				switch err := db.Add(context.Background(), r); {
				case err == nil:
					n++
				case !errors.Is(err, ErrNotLater):
					t.Error(err)
				}
			}
			done <- n
		}()
	}
	if a, b := <-done, <-done; a+b != rounds {
		t.Errorf("one added %d rounds, the other %d, want %d together", a, b, rounds)
	}
	soundAfter(t, file, rounds)
}
