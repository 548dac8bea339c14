package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net"

	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/publish"
	"tidemark/publish/route53"
)

// beaconPlace opens the place that the configuration names for the records.
func (p *publisher) beaconPlace(ctx context.Context) (publish.TXT, error) {
	switch b := p.cfg.Beacon; {
	case b.RFC2136 != nil:
		text, err := console.ReadFile(b.RFC2136.TSIGFile, 64<<10)
		var key publish.TSIG
		if err == nil {
			key, err = publish.ParseTSIG(text)
		}
		if err != nil {
			return nil, console.Hinted(fmt.Errorf("TSIG key %s: %w", b.RFC2136.TSIGFile, err), "make one with `tsig-keygen -a hmac-sha256 tidemark`, let the server accept it (update-policy), and let this user read the file")
		}
		return publish.Update(publish.UpdateOptions{Server: withPort(b.RFC2136.Server), Zone: b.RFC2136.Zone, Key: key}), nil
	case b.Route53 != nil:
		return route53.New(ctx, route53.Options{Zone: b.Route53.Zone, Endpoint: b.Route53.Endpoint})
	default:
		return publish.ZoneFile(b.ZoneFile.Path, b.ZoneFile.Reload), nil
	}
}

// nameServers lists what readers' resolvers ask: found through the primary, else through the system's resolvers.
func (p *publisher) nameServers(ctx context.Context, name string, given []string) ([]publish.NameServer, error) {
	o := publish.NameServersOptions{Given: given}
	b := p.cfg.Beacon
	if len(given) == 0 && b != nil {
		o.Given = b.Servers
	}
	if b != nil && b.RFC2136 != nil {
		o.Zone, o.Ask = b.RFC2136.Zone, []string{withPort(b.RFC2136.Server)}
	} else if len(o.Given) == 0 {
		var err error
		if o.Ask, err = dnstxt.System(resolvConf); err != nil {
			return nil, err
		}
	}
	return publish.NameServers(ctx, name, o)
}

// resolvConf names the system's resolvers (resolv.conf(5)).
const resolvConf = "/etc/resolv.conf"

// withPort adds DNS's port where none is given.
func withPort(server string) string {
	if _, _, err := net.SplitHostPort(server); err == nil {
		return server
	}
	return net.JoinHostPort(server, "53")
}

// explain says what to do about a record that could not be written.
func (k *beaconKeeper) explain(err error) error {
	b, hint := k.cfg.Beacon, ""
	switch {
	case errors.Is(err, publish.ErrConflict):
		hint = "somebody else writes this record, too: find out who; the next run tries again"
	case errors.Is(err, fs.ErrPermission):
		hint = "check the owner and mode of that file, or run as the user that owns it"
	case b.RFC2136 != nil:
		hint = fmt.Sprintf("check beacon.rfc2136: server %s must be up, know the key of %s (same name, algorithm and secret, clocks within 5 minutes), and allow it to update TXT at this name; the next run tries again", b.RFC2136.Server, b.RFC2136.TSIGFile)
	case b.Route53 != nil:
		hint = fmt.Sprintf("check that the credentials may list and change records of the hosted zone %s; the next run tries again", b.Route53.Zone)
	default:
		hint = fmt.Sprintf("check that this user may write %s, and that the reload command works by hand; the next run tries again", b.ZoneFile.Path)
	}
	if own := (interface{ Hint() string })(nil); errors.As(err, &own) && own.Hint() != "" {
		hint = own.Hint()
	}
	return k.beaconTrouble(err, "%s", hint)
}
