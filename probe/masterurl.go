package probe

import (
	"context"
	"fmt"
	"net/netip"
	"slices"

	"tidemark/manifest"
	"tidemark/quorum"
	"tidemark/rsync"
)

// POSIX file type bits of a list entry's mode.
const (
	modeType    = 0o170000
	modeRegular = 0o100000
)

// urlMaster is a master behind an rsync daemon, at the one address that the whole look stays with.
type urlMaster struct {
	ask    MasterAsk
	at     target
	hidden *rsync.Matcher
}

// openURL takes the first of the master's addresses at which a daemon gives the time file.
func openURL(ctx context.Context, m MasterAsk, o Options, hidden *rsync.Matcher) (master, *quorum.Failure) {
	r := resolve(ctx, m.URL, o)
	if r.fail != nil {
		return nil, r.fail
	}
	var fail *quorum.Failure
	for _, addr := range r.addrs[:min(len(r.addrs), maxAddresses)] {
		u := urlMaster{m, target{client: o.Client, addr: addr, url: m.URL}, hidden}
		if fail = u.reachable(ctx, o); fail == nil {
			return u, nil
		}
	}
	return nil, fail
}

// reachable tries an address with the short time limit of a probe, so that a dead one leaves time for the others.
// A hard failure is an answer: the look itself will say it.
func (u urlMaster) reachable(ctx context.Context, o Options) *quorum.Failure {
	ctx, cancel := context.WithTimeout(ctx, o.Timeout)
	defer cancel()
	t := u.timeFile(ctx)
	if t.fail != nil && !hard(t.fail) {
		return unread("master %s at %s: %s", u.ask.URL, netip.AddrPortFrom(u.at.addr, uint16(u.ask.URL.Port())), t.fail.Text)
	}
	return nil
}

func (u urlMaster) close() {}

func (u urlMaster) timeFile(ctx context.Context) timeRead {
	return u.at.timeFile(ctx, u.ask.TimeFile)
}

// walk has the daemon leave out what is excluded, for that may be there for root alone, and looks for itself as well.
func (u urlMaster) walk(ctx context.Context, visit func(item) error) *quorum.Failure {
	var refused error
	err := u.at.client.List(ctx, u.at.addr, u.at.url, slices.Concat(walledOff(), u.ask.Exclude), func(e rsync.Entry) error {
		if e.Mode&modeType != modeRegular || scaffolding(e.Name, e.Mode) || u.hidden.Hidden(e.Name, false) {
			return nil
		}
		refused = visit(item{e.Name, e.Size, e.MTime})
		return refused
	})
	switch {
	case refused != nil:
		return unread("%v", refused)
	case err != nil:
		return u.failed(err, "listing the master")
	}
	return nil
}

// hash fetches the anchors, as many in a session as fit the memory set aside for one.
func (u urlMaster) hash(ctx context.Context, found []manifest.Anchor) *quorum.Failure {
	for len(found) > 0 {
		n := fitting(found, maxSession/2)
		if fail := u.hashSome(ctx, found[:n]); fail != nil {
			return fail
		}
		found = found[n:]
	}
	return nil
}

// fitting is how many of the first anchors have at most limit bytes together; at least one.
func fitting(found []manifest.Anchor, limit int64) int {
	for i, a := range found {
		if limit -= a.Size; limit < 0 && i > 0 {
			return i
		}
	}
	return len(found)
}

func (u urlMaster) hashSome(ctx context.Context, found []manifest.Anchor) *quorum.Failure {
	paths := make([]string, len(found))
	for i, a := range found {
		paths[i] = a.Path
	}
	seen, err := u.at.anchors(ctx, paths, limits{maxAnchor, maxSession})
	if err != nil {
		return u.failed(err, "fetching the master's anchors")
	}
	for i := range found {
		// found is sorted and without duplicates: seen has the same order.
		if seen[i].Missing || seen[i].Size != found[i].Size {
			return inMotion(fmt.Sprintf("%q changed between the list and its reading", found[i].Path))
		}
		found[i].SHA256 = seen[i].SHA256
	}
	return nil
}

func (u urlMaster) failed(err error, doing string) *quorum.Failure {
	return failure(err, doing+" "+u.ask.URL.String())
}
