package probe

import (
	"bytes"
	"context"
	"net/netip"
	"slices"

	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// overRsync is the real probe: it speaks the rsync protocol through c.
func overRsync(c *rsync.Client) Func {
	return func(ctx context.Context, ask quorum.Ask, addr netip.Addr) quorum.Reading {
		return target{client: c, addr: addr, url: ask.URL}.read(ctx, ask)
	}
}

// read asks for the time file; for the anchors and the time file again when the first one gives a reason to.
func (t target) read(ctx context.Context, ask quorum.Ask) quorum.Reading {
	first := t.timeFile(ctx, ask.TimeFile)
	r := quorum.Reading{Depth: manifest.DepthTime, Timestamp: first.timestamp, Raw: rawText(first.data), Failure: first.fail}
	wanted := carried(ask)
	if r.Failure != nil || len(wanted) == 0 || !deeper(ask, r.Timestamp, t.addr) {
		return r
	}
	anchors, err := t.anchors(ctx, wanted, caps(ask))
	if err != nil {
		r.Failure = failure(err, "fetching the anchors")
		return r
	}
	again, fail := t.again(ctx, ask.TimeFile)
	if fail != nil {
		r.Failure = fail
		return r
	}
	r.Void = !bytes.Equal(first.data, again.data)
	r.Depth, r.Anchors = manifest.DepthAnchors, anchors
	return r
}

// again reads the time file a second time. One that is gone or no number by then has changed as well, and is no failure:
// the next round will say what it is.
func (t target) again(ctx context.Context, path string) (timeRead, *quorum.Failure) {
	again := t.timeFile(ctx, path)
	if again.fail != nil && !hard(again.fail) {
		return again, &quorum.Failure{Kind: again.fail.Kind, Text: "fetching the time file a second time: " + again.fail.Text}
	}
	return again, nil
}

// deeper reports whether a time file is reason to look at the content: it is not what is known of the server, or not of
// this address, or a re-check is due.
func deeper(ask quorum.Ask, timestamp int64, addr netip.Addr) bool {
	here := len(ask.Addresses) == 0 || slices.Contains(ask.Addresses, addr.String())
	return timestamp != ask.Known || ask.Deep || !here
}

// carried are the anchors to ask for: not those that the server is known to lack.
func carried(ask quorum.Ask) []string {
	hides := hidden(ask)
	return slices.DeleteFunc(slices.Clone(ask.Anchors), hides)
}

// hidden tells which files a server does not carry, as its excludes have it. They are judged here: a server that was asked
// for its files without these could leave out others.
func hidden(ask quorum.Ask) func(path string) bool {
	var patterns []rsync.Pattern
	for _, text := range ask.Exclude {
		if p, err := rsync.ParsePattern(text); err == nil { // what is no pattern hides nothing
			patterns = append(patterns, p)
		}
	}
	m := rsync.NewMatcher(patterns)
	return func(path string) bool { return m.Hidden(path, false) }
}

// caps leave room for anchors of twice the size of any that is recorded, and for what a session says beside. What is
// larger is not the master's, and many servers are asked at a time.
func caps(ask quorum.Ask) limits {
	return limits{
		file:    min(maxAnchor, max(1<<20, 2*min(ask.Largest, maxAnchor))),
		session: min(maxSession, 8<<20+2*min(ask.Bytes, maxSession)),
	}
}
