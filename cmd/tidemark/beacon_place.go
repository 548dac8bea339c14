package main

import (
	"context"
	"errors"
	"fmt"

	"tidemark/internal/console"
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
		return publish.Update(publish.UpdateOptions{Server: b.RFC2136.Server, Zone: b.RFC2136.Zone, Key: key, Timeout: updateWithin}), nil
	case b.Route53 != nil:
		return route53.New(ctx, route53.Options{Zone: b.Route53.Zone, Endpoint: b.Route53.Endpoint})
	default:
		return publish.ZoneFile(b.ZoneFile.Path, b.ZoneFile.Reload), nil
	}
}

// nameServers lists what readers' resolvers ask: those of the zone, found through the primary where there is one, unless the
// configuration or the command line gives others.
func (p *publisher) nameServers(ctx context.Context, name string, given []string) ([]publish.NameServer, error) {
	o := publish.NameServersOptions{Given: given}
	if b := p.cfg.Beacon; b != nil {
		if len(given) == 0 {
			o.Given = b.Servers
		}
		if b.RFC2136 != nil && (name == b.Name || name == b.PlainName) {
			o.Zone, o.Ask = b.RFC2136.Zone, []string{b.RFC2136.Server}
		}
	}
	return publish.NameServers(ctx, name, o)
}

// explain says what to do about a place that could not be read or written, unless the error knows.
func (k *beaconKeeper) explain(err error) error {
	b := k.cfg.Beacon
	if own := (interface{ Hint() string })(nil); errors.As(err, &own) && own.Hint() != "" {
		return err
	}
	switch {
	case errors.Is(err, publish.ErrConflict):
		return console.Hinted(err, "somebody else writes this record, too: find out who; the next run tries again")
	case errors.As(err, new(publish.AdvisedError)):
		return err
	case b.RFC2136 != nil:
		return console.Hinted(err, "check beacon.rfc2136: server %s must be up, know the key of %s (same name, algorithm and secret; clocks within 5 minutes), and let it update TXT at this name; the next run tries again", b.RFC2136.Server, b.RFC2136.TSIGFile)
	case b.Route53 != nil:
		return console.Hinted(err, "check that the credentials may list and change records of the hosted zone %s; the next run tries again", b.Route53.Zone)
	}
	return console.Hinted(err, "check that this user may write %s, and that the reload command works by hand; the next run tries again", b.ZoneFile.Path)
}
