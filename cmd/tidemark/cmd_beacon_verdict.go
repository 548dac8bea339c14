package main

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tidemark/internal/console"
)

// result is the gravest of the answers. A missing record lags, it is not refused.
func (d *beaconCheckDocument) result() string {
	out := beaconAgree
	for _, r := range d.Answers {
		switch {
		case r.Aside:
		case r.refused():
			return beaconRefused
		case !r.Same && !r.NoRoute:
			out = beaconLags
		}
	}
	if len(d.Answers) == 0 || len(d.Problems) > 0 && d.Published != nil { // some could not be asked
		out = beaconLags
	}
	return out
}

// refused: what was said is neither a beacon to go by nor nothing.
func (r beaconAnswer) refused() bool {
	return r.Kind == "beacon" && r.Error == "" && !r.Verifies && r.Reason != faultNone
}

// lag is how an answer lags, and whether.
func (r beaconAnswer) lag() (lagKind, bool) {
	switch {
	case r.Same || r.NoRoute:
		return 0, false
	case r.Error != "":
		return lagSilent, true
	case r.Reason == faultNone:
		return lagNone, true
	}
	return lagOld, true
}

// verdict is the exit code.
func (d *beaconCheckDocument) verdict(p *publisher) error {
	who := func(is func(beaconAnswer) bool) string {
		var out, resolvers []string
		for _, r := range d.Answers {
			switch {
			case r.Aside || !is(r):
			case r.Resolver:
				resolvers = append(resolvers, "the resolver "+r.Address)
			default:
				out = append(out, cmp.Or(r.Server, r.Address))
			}
		}
		slices.Sort(out)
		return strings.Join(slices.Compact(append(out, resolvers...)), ", ")
	}
	switch d.Result {
	case beaconRefused:
		return console.Exit(console.Refused, fmt.Errorf("the record of %s does not verify at %s", d.Name, who(beaconAnswer.refused)),
			"the next run writes it anew at the primary: tidemark run --config %s; if a server keeps it, look who else writes there. Mirrors do not go by it, they ask HTTPS", p.cfg.File)
	case beaconLags:
		var texts, hints []string
		for kind, text := range []string{lagOld: "it is not what is published at ", lagNone: "there is none at ", lagSilent: "it cannot be asked for at "} {
			at := who(func(r beaconAnswer) bool { k, lags := r.lag(); return lags && int(k) == kind })
			if at == "" {
				continue
			}
			texts = append(texts, text+at)
			hint := p.lagHint(lagKind(kind)) + "; a resolver lags for the TTL at most"
			switch lagKind(kind) {
			case lagNone:
				hint = "a record is written by: tidemark run --config " + p.cfg.File
			case lagSilent:
				hint = p.lagHint(lagSilent)
			}
			hints = append(hints, hint)
		}
		if len(texts) == 0 {
			return console.Exit(console.Failed, fmt.Errorf("the record of %s cannot be asked for at its authoritative servers", d.Name), "name them in the configuration: beacon.servers")
		}
		return console.Exit(console.Failed, fmt.Errorf("the record of %s: %s", d.Name, strings.Join(texts, "; ")), "%s", strings.Join(hints, "; "))
	}
	return nil
}
