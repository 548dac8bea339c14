package history

import (
	"bufio"
	"context"
	"fmt"
	"os"
	"os/exec"
	"testing"
	"time"

	"tidemark/quorum"
)

// writerEnv makes the test's program a writer of the history at the path that it holds, until it is killed.
const writerEnv, holdEnv = "TIDEMARK_HISTORY_WRITER", "TIDEMARK_HISTORY_HOLD"

func TestMain(m *testing.M) {
	switch {
	case os.Getenv(writerEnv) != "":
		writeForEver(os.Getenv(writerEnv))
	case os.Getenv(holdEnv) != "":
		holdForEver(os.Getenv(holdEnv))
	default:
		os.Exit(m.Run())
	}
}

// writeForEver adds rounds in which much changes, and says the minute of each that was added.
func writeForEver(file string) {
	ctx := context.Background()
	db, aside, err := Open(ctx, file, Options{Now: start})
	if err != nil || aside != "" {
		fmt.Println("error: opening:", aside, err)
		return
	}
	if _, err := db.sql.Exec("PRAGMA cache_size = 5"); err != nil { // so that pages go to the disk while a round is added, not only at its end
		fmt.Println("error:", err)
		return
	}
	l, err := lastRound(ctx, db.sql)
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	minute := 0
	if l.at > 0 {
		minute = int(time.UnixMilli(l.at).Sub(start()) / time.Minute)
	}
	for {
		minute++
		if err := db.Add(ctx, killRound(minute)); err != nil {
			fmt.Println("error:", err)
			return
		}
		fmt.Println(minute)
	}
}

const killServers = 40

// killRound is the round of a minute: all servers change at each, and something is announced now and then.
func killRound(minute int) Round {
	r := fleet(killServers, minute, []quorum.State{quorum.Verified, quorum.Behind}[minute%2], int64(minute))
	if minute%10 == 0 {
		r = announcing(r, int64(minute))
	}
	r.Published = int64(minute)
	return r
}

func holdForEver(file string) {
	db, _, err := Open(context.Background(), file, Options{Now: start})
	if err == nil {
		_, err = db.sql.BeginTx(context.Background(), nil)
	}
	if err != nil {
		fmt.Println("error:", err)
		return
	}
	fmt.Println("held")
	time.Sleep(time.Minute)
}

// child runs this program again with one environment variable; lines come as it writes them, until it ends.
func child(t *testing.T, env, file string) (*exec.Cmd, <-chan string) {
	t.Helper()
	program, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command(program)
	cmd.Env = append(os.Environ(), env+"="+file)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	lines := make(chan string, 100_000)
	go func() {
		defer close(lines)
		for s := bufio.NewScanner(out); s.Scan(); {
			lines <- s.Text()
		}
	}()
	return cmd, lines
}
