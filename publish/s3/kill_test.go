package s3_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/publish"
	"tidemark/publish/storetest"
)

// Set in a child process: where it publishes serial 2.
const childEndpoint, childPrefix = "TIDEMARK_TEST_S3", "TIDEMARK_TEST_PREFIX"

// TestPush_SIGKILL kills a publishing process before each request is passed on, and after each answer.
func TestPush_SIGKILL(t *testing.T) {
	if url := os.Getenv(childEndpoint); url != "" {
		s := &server{url: url}
		mustPush(t, open(t, s.options(os.Getenv(childPrefix))), release(2, "two"))
		return
	}
	killTable(t, false)
}

func TestPush_SIGKILL_Soak(t *testing.T) {
	soak(t)
	killTable(t, true)
}

// killTable leaves out, unless all are asked for, kills around a request that only reads: they equal a neighbour's.
func killTable(t *testing.T, all bool) {
	s := versitygw(t, false)
	requests := asked(t, s, "", true)
	for _, answered := range []bool{false, true} {
		t.Run(fmt.Sprintf("answered=%v", answered), func(t *testing.T) {
			atOnce(len(requests), func(i int) {
				if !all && strings.HasPrefix(requests[i], "GET ") {
					return
				}
				if err := killed(t, s, i+1, answered); err != nil {
					t.Errorf("at %02d %s: %v", i+1, requests[i], err)
				}
			})
		})
	}
}

func killed(t *testing.T, s *server, at int, answered bool) error {
	prefix := fmt.Sprintf("killed/%v-%d", answered, at)
	w := s.onDisk(prefix)
	mustPush(t, open(t, s.options(prefix)), release(1, "one"))
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0], "-test.run=^TestPush_SIGKILL$")
	started := make(chan struct{})
	var once sync.Once
	kill := func() { <-started; once.Do(func() { cmd.Process.Kill() }) }
	p := s.proxied(t, lab.FaultProxyOptions{
		Before: func(n int, _ *http.Request) bool {
			if n == at && !answered {
				kill()
			}
			return n < at || answered
		},
		After: func(n int, _ *http.Request, _ int) {
			if n == at && answered {
				kill()
			}
		}})
	defer p.Close()
	var words bytes.Buffer
	cmd.Stdout, cmd.Stderr = &words, &words
	cmd.Env = append(os.Environ(), childEndpoint+"="+p.URL, childPrefix+"="+prefix)
	if err := cmd.Start(); err != nil {
		return err
	}
	close(started)
	err := cmd.Wait()
	var exit *exec.ExitError
	if !errors.As(err, &exit) || exit.Sys().(syscall.WaitStatus).Signal() != syscall.SIGKILL {
		return fmt.Errorf("the child was not killed: %v\n%s", err, words.String())
	}
	known := []publish.Release{release(1, "one"), release(2, "two"), release(2, "three"), release(3, "three")}
	if err := w.Check(known...); err != nil {
		return err
	}
	r, err := storetest.Next(t.Context(), open(t, s.options(prefix)), "three")
	if err != nil {
		return fmt.Errorf("the next run: %w", err)
	}
	return errors.Join(w.Check(known...), w.Is(r))
}
