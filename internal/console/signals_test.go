package console_test

import (
	"bufio"
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/console"
)

// TestSignals_Child is the program of TestSignals: it says when it was asked to end, and then takes its time, which a
// second signal cuts short.
func TestSignals_Child(t *testing.T) {
	if os.Getenv("TIDEMARK_TEST_SIGNALS") == "" {
		t.Skip("a part of TestSignals")
	}
	p := &console.Program{Name: "tool", Env: console.Env{Stdout: os.Stdout, Stderr: os.Stderr, Getenv: os.Getenv, Now: time.Now}}
	p.Run([]string{"tool", "go"}, p.Command("go", "goes", "", nil, "", func(c *console.Call) error {
		fmt.Println("ready")
		<-c.Done()
		fmt.Println("asked")
		time.Sleep(time.Minute)
		return nil
	}))
}

// Each of the three signals asks for an end; the second one ends the program, whatever it is doing.
func TestSignals(t *testing.T) {
	for _, s := range []syscall.Signal{syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP} {
		t.Run(s.String(), func(t *testing.T) {
			t.Parallel()
			c := exec.CommandContext(t.Context(), os.Args[0], "-test.run=^TestSignals_Child$")
			c.Env = append(os.Environ(), "TIDEMARK_TEST_SIGNALS=1")
			var errs bytes.Buffer
			c.Stderr = &errs
			out, err := c.StdoutPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := c.Start(); err != nil {
				t.Fatal(err)
			}
			lines := bufio.NewScanner(out)
			for lines.Scan() && lines.Text() != "asked" {
				if lines.Text() == "ready" {
					c.Process.Signal(s)
				}
			}
			if lines.Text() != "asked" {
				t.Errorf("the first signal did not ask for an end: %q %s", lines.Text(), &errs)
			}
			end(t, c, s)
		})
	}
}

// end sends the signal again until the program has ended of it: it may still be handling the first.
func end(t *testing.T, c *exec.Cmd, s syscall.Signal) {
	t.Helper()
	done := make(chan error, 1)
	go func() { done <- c.Wait() }()
	limit := time.After(20 * time.Second)
	for {
		c.Process.Signal(s)
		select {
		case <-done:
			if got := c.ProcessState.Sys().(syscall.WaitStatus); got.Signal() != s {
				t.Errorf("it ended with %v, expected of the signal", c.ProcessState)
			}
			return
		case <-time.After(50 * time.Millisecond):
		case <-limit:
			c.Process.Kill()
			t.Fatal("it did not end of a second signal")
		}
	}
}
