package main

import (
	"strings"
	"time"

	"tidemark/client"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// interval is how long a mirror that is held waits before the next look.
func interval(m *manifest.Manifest) time.Duration {
	return time.Duration(m.Policy.CheckInterval) * time.Second
}

// queue is where a mirror stands, "" where nobody asks: "admitted 31 %, you are at 64 %, next look in 5 min".
func queue(d client.Decision, interval time.Duration) string {
	switch {
	case d.Action == client.Hold:
		return d.Queue() + ", next look in " + inWords(interval)
	case d.Action == client.Sync && d.Held != 0:
		return d.Queue()
	}
	return ""
}

// withNextLook is the reason for a decision, with when to look again where it is to wait.
func withNextLook(d client.Decision, interval time.Duration) string {
	if d.Action != client.Hold {
		return d.Reason
	}
	return strings.Replace(d.Reason, d.Queue(), queue(d, interval), 1)
}

// nextLook is when to look again at a tree on hold; zero for all others.
func nextLook(d client.Decision, now time.Time, interval time.Duration) strictjson.Time {
	if d.Action != client.Hold {
		return strictjson.Time{}
	}
	return strictjson.At(now.Add(interval))
}
