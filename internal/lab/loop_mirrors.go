package lab

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"time"

	"tidemark/internal/timefile"
	"tidemark/keys"
	"tidemark/manifest"
)

// noSource is how a mirror's program ends that found no source with room.
const noSource = 6

// loopMirror is a mirror of the loop: its daemon serves the tree that its own program keeps.
type loopMirror struct {
	site    *Site
	program string
	config  string
	address string        // that it comes from
	after   time.Duration // its place in cron's minute
	herd    bool
	cron    sync.WaitGroup
	trouble []string
	waited  int

	begun            bool          // was seen at work, or done
	doneAt, listedAt time.Duration // 0: not yet
}

// keys gives each mirror the key that it checks in with; the inventory gets the public half.
func (l *loop) keys(servers []Server) error {
	for i, s := range servers {
		if s.isNode() {
			continue
		}
		secret, public, err := keys.GenerateMinisign(nil)
		if err != nil {
			return err
		}
		if err := writeFile(l.path("mirrors", s.ID, "checkin.key"), string(secret)); err != nil {
			return err
		}
		key, err := keys.ParseMinisignFile(public)
		if err != nil {
			return err
		}
		servers[i].Key = key.String()
	}
	return nil
}

// newMirror configures a mirror.
func (l *loop) newMirror(s *Site, number int) (*loopMirror, error) {
	dir := l.path("mirrors", s.ID)
	m := &loopMirror{site: s, program: l.Mirror, config: filepath.Join(dir, "mirror.yaml"), address: loopFrom + strconv.Itoa(number+1),
		after: loopCron * time.Duration(number) / time.Duration(l.Mirrors), herd: l.Herd}
	text := fmt.Sprintf(`network: %s
id: %s
country: %q
url: %s
ca: %s
trust: %s
state: %s
address: %s
checkin: {url: %q, key: %s}
trees: {%s: {path: %s, bandwidth: %s}}
`, loopTree, s.ID, s.Country, l.publisher.site.URL, l.publisher.site.CA, l.publisher.keys.TrustFile, filepath.Join(dir, "state"),
		m.address, l.publisher.receiver.URL(), filepath.Join(dir, "checkin.key"), loopTree, filepath.Join(s.Dir, loopTree), loopRate)
	return m, writeFile(m.config, text)
}

// run is the program once, as cron has it: without a terminal, and what it says is mailed.
func (m *loopMirror) run(ctx context.Context) error {
	args := []string{"run", "--now", "-q", "--config", m.config}
	if m.herd {
		args = append(args, "--ignore-admission")
	}
	_, err := command(ctx, m.program, args...)
	return err
}

// follow starts the program every few seconds, unless the last one still runs.
func (m *loopMirror) follow(ctx context.Context) {
	for wait := m.after; pause(ctx, wait) == nil; wait = loopCron {
		err := m.run(ctx)
		exit := (*exec.ExitError)(nil)
		switch {
		case err == nil || ctx.Err() != nil:
		case errors.As(err, &exit) && exit.ExitCode() == noSource:
			m.waited++
		default:
			m.trouble = append(m.trouble, fmt.Sprintf("%s: %v", m.site.ID, err))
		}
	}
}

// done reports whether the mirror's time file says the new timestamp.
func (m *loopMirror) done() bool {
	b, err := os.ReadFile(filepath.Join(m.site.Dir, loopTree, TimeFile))
	if err != nil {
		return false
	}
	ts, err := timefile.Parse(b)
	return err == nil && ts == loopNext
}

// early judges a mirror at the first sign of its work: what was admitted after that sign was seen is the most that it can
// have read. share is in parts per million.
func (m *loopMirror) early(sign string, share int64) (string, bool) {
	place := manifest.Place(m.site.ID, loopTree, loopNext)
	if m.begun || sign == "" {
		return "", false
	}
	m.begun = true
	return fmt.Sprintf("%s %s, with %d admitted; its place is %d", m.site.ID, sign, share, place), place >= share
}

// source is where the mirror's tree came from, by its own word.
func (m *loopMirror) source(ctx context.Context) (string, error) {
	out, err := command(ctx, m.program, "status", "--json", "--config", m.config)
	if err != nil {
		return "", err
	}
	var d struct {
		Trees []struct {
			Source string `json:"source"`
			Proven int64  `json:"proven"`
		} `json:"trees"`
	}
	if err := json.Unmarshal(out, &d); err != nil {
		return "", fmt.Errorf("%s: status --json: %w", m.site.ID, err)
	}
	if len(d.Trees) != 1 || d.Trees[0].Proven != loopNext {
		return "", fmt.Errorf("%s: status --json: expected one tree proven at %d, found %s", m.site.ID, loopNext, out)
	}
	return d.Trees[0].Source, nil
}

// command runs a program to its end and gives what it printed. Once ctx ends it is told to stop, as a person would.
func command(ctx context.Context, program string, args ...string) ([]byte, error) {
	c := exec.CommandContext(ctx, program, args...)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	c.Cancel = func() error { return c.Process.Signal(os.Interrupt) }
	c.WaitDelay = 5 * time.Second
	var stdout, stderr bytes.Buffer
	c.Stdout, c.Stderr = &stdout, &stderr
	if err := c.Run(); err != nil {
		return nil, fmt.Errorf("%s %s: %w %s", filepath.Base(program), args[0], err, strings.TrimSpace(stdout.String()+stderr.String()))
	}
	return stdout.Bytes(), nil
}

func pause(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-t.C:
		return nil
	}
}
