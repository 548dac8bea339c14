package main

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// Every mirror has a place of its own in the splay, the same at every run, and all of the splay is used evenly.
func TestShare(t *testing.T) {
	const splay = 300 * time.Second
	const tenths = 10
	var hits [tenths]int
	const mirrors = 10_000
	for i := range mirrors {
		id := fmt.Sprintf("mirror-%d.example.org", i)
		d := share(id, splay)
		if d < 0 || d >= splay || d != share(id, splay) {
			t.Fatalf("%s: %s of %s", id, d, splay)
		}
		hits[d*tenths/splay]++
	}
	for i, n := range hits {
		if n < mirrors/tenths*9/10 || n > mirrors/tenths*11/10 {
			t.Errorf("%d of %d mirrors start in part %d of %d", n, mirrors, i, tenths)
		}
	}
	// 3950883dc6b28429 of 2^64; to see: printf ftp.funet.fi | sha256sum
	if got := share("ftp.funet.fi", splay); got != 67165522122*time.Nanosecond {
		t.Errorf("ftp.funet.fi starts at %d ns", got)
	}
	if share("x", 0) != 0 {
		t.Error("a share of nothing")
	}
}

// A run waits for admission for at most 55 minutes in all.
func TestMayWait_Ends(t *testing.T) {
	started := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		at   time.Duration
		want bool
	}{{0, true}, {50 * time.Minute, true}, {50*time.Minute + time.Second, false}, {3 * time.Hour, false}} {
		j := waitingJourney(t, started, started.Add(c.at))
		if got := j.mayWait(nil); got != c.want {
			t.Errorf("%s after the start: %v, expected %v", c.at, got, c.want)
		}
		j.cleanUp()
	}
}

func waitingJourney(t *testing.T, started, now time.Time) *journey {
	m := &manifest.Manifest{Issued: strictjson.At(started), Policy: manifest.Policy{CheckInterval: 300}}
	out := &bytes.Buffer{}
	p := &console.Program{Env: console.Env{Stdout: out, Stderr: out, Terminal: true}, Name: "tidemark-mirror", Judge: judge}
	state := t.TempDir()
	j := &journey{cfg: &config.Mirror{State: state}, memory: &memory{dir: state}, screen: &screen{call: &console.Call{Program: p}, terminal: true}}
	j.started, j.now, j.view = started, func() time.Time { return now }, &client.View{Opened: &client.Opened{Manifest: m}}
	return j
}
