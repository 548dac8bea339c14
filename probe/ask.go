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
	if r.Failure != nil || len(ask.Anchors) == 0 || r.Timestamp == ask.Known && !ask.Deep && t.isKnown(ask) {
		return r
	}
	anchors, err := t.anchors(ctx, ask.Anchors, caps(ask))
	if err != nil {
		r.Failure = failure(err, "fetching the anchors")
		return r
	}
	again := t.timeFile(ctx, ask.TimeFile)
	if again.fail != nil && !hard(again.fail) {
		r.Failure = &quorum.Failure{Kind: again.fail.Kind, Text: "fetching the time file a second time: " + again.fail.Text}
		return r
	}
	// One that is gone or no number the second time has changed as well: the next round will say what it is.
	r.Void = !bytes.Equal(first.data, again.data)
	r.Depth, r.Anchors = manifest.DepthAnchors, anchors
	return r
}

// isKnown reports whether what is known of the server was seen at this address.
func (t target) isKnown(ask quorum.Ask) bool {
	return len(ask.Addresses) == 0 || slices.Contains(ask.Addresses, t.addr.String())
}

// caps leave room for anchors of twice the size of any that is recorded, and for what a session says beside. What is
// larger is not the master's, and many servers are asked at a time.
func caps(ask quorum.Ask) limits {
	return limits{
		file:    min(maxAnchor, max(1<<20, 2*min(ask.Largest, maxAnchor))),
		session: min(maxSession, 8<<20+2*min(ask.Bytes, maxSession)),
	}
}
