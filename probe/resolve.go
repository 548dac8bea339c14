package probe

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"sync"
	"syscall"

	"tidemark/internal/netrange"
	"tidemark/internal/rsyncurl"
	"tidemark/quorum"
)

// maxAddresses of one name are asked: more than any mirror has, fewer than a hostile zone can invent. Of a name with more, one that
// nobody has asked could be anybody's, so none is asked.
const maxAddresses = 16

// resolved is what became of a name: addresses, or the failure to find any.
type resolved struct {
	addrs   []netip.Addr
	refused map[netip.Addr]*quorum.Failure // those of them that are not asked
	fail    *quorum.Failure
}

// systemResolve asks the system's resolver for A and AAAA.
func systemResolve(ctx context.Context, host string) ([]netip.Addr, error) {
	return net.DefaultResolver.LookupNetIP(ctx, "ip", host)
}

// resolveAll looks up every host of the asks once.
func resolveAll(ctx context.Context, asks []quorum.Ask, o Options) map[string]resolved {
	found := map[string]resolved{}
	var hosts []rsyncurl.URL
	for _, ask := range asks {
		if _, seen := found[ask.URL.Host()]; !seen {
			found[ask.URL.Host()] = resolved{}
			hosts = append(hosts, ask.URL)
		}
	}
	var mu sync.Mutex
	each(hosts, o.Concurrency, func(u rsyncurl.URL) {
		r := resolve(ctx, u, o)
		if n := len(r.addrs); n > maxAddresses {
			r = resolved{fail: &quorum.Failure{Kind: quorum.FailForbidden, Text: fmt.Sprintf("the name %s has %d addresses: at most %d are asked, so that not all can be verified", u.Host(), n, maxAddresses)}}
		}
		if !o.AllowPrivate {
			r.refuse(u)
		}
		mu.Lock()
		defer mu.Unlock()
		found[u.Host()] = r
	})
	return found
}

// refuse marks the addresses that no public server has: whoever runs a name may lead it to the machines around us.
func (r *resolved) refuse(u rsyncurl.URL) {
	for _, addr := range r.addrs {
		what, private := netrange.Private(addr)
		if !private {
			continue
		}
		name := addr.String()
		if _, literal := u.Addr(); !literal {
			name += ", an address of " + u.Host() + ","
		}
		if r.refused == nil {
			r.refused = map[netip.Addr]*quorum.Failure{}
		}
		r.refused[addr] = &quorum.Failure{Kind: quorum.FailForbidden, Text: fmt.Sprintf("%s is %s: it is asked only with `probe.allow_private: true`", name, article(what))}
	}
}

func article(what string) string {
	switch what {
	case "invalid", "unspecified":
		return "an " + what + " address"
	}
	return "a " + what + " address"
}

// each calls do for every item, at most n at a time, and waits for all.
func each[T any](items []T, n int, do func(T)) {
	queue := make(chan T)
	var workers sync.WaitGroup
	for range min(n, len(items)) {
		workers.Go(func() {
			for item := range queue {
				do(item)
			}
		})
	}
	for _, item := range items {
		queue <- item
	}
	close(queue)
	workers.Wait()
}

// resolve gives the addresses of u's host: sorted, each once.
func resolve(ctx context.Context, u rsyncurl.URL, o Options) resolved {
	if addr, literal := u.Addr(); literal {
		return resolved{addrs: []netip.Addr{addr.Unmap()}}
	}
	ctx, cancel := context.WithTimeout(ctx, o.names())
	defer cancel()
	addrs, err := o.Resolve(ctx, u.Host())
	if err == nil && len(addrs) == 0 {
		err = errors.New("the name has no address")
	}
	if err != nil {
		text := fmt.Sprintf("no address for %s: %s", u.Host(), resolveText(err))
		return resolved{fail: &quorum.Failure{Kind: quorum.FailUnreachable, Text: text}}
	}
	list := make([]netip.Addr, 0, len(addrs))
	for _, a := range addrs {
		list = append(list, a.Unmap())
	}
	slices.SortFunc(list, netip.Addr.Compare)
	return resolved{addrs: slices.Compact(list)}
}

// resolveText tells by the resolver's flags what happened. The text of a failed look-up is the socket's, with this machine's own
// address and that of its resolver, which are nobody's business: what a reading says is published.
func resolveText(err error) string {
	dns, _ := errors.AsType[*net.DNSError](err)
	met, network := errors.AsType[net.Error](err)
	errno, system := errors.AsType[syscall.Errno](err)
	switch {
	case dns != nil && dns.IsNotFound:
		return "no such host"
	case network && met.Timeout():
		return "the resolver did not answer in time"
	case system:
		return "the lookup failed: " + errno.Error()
	case network:
		return "the lookup failed"
	}
	return err.Error() // our own words
}
