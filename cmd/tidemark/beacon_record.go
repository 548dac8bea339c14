package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// beaconFault is why mirrors would not go by the records of a name.
type beaconFault struct {
	Reason string // one of the constants below
	Text   string
}

const (
	faultNone      = "none"
	faultSeveral   = "several"
	faultMalformed = "malformed"
	faultNetwork   = "network"
	faultKey       = "key"
	faultSignature = "signature"
	faultSerial    = "serial"
	faultExpired   = "expired"
)

// readBeacon judges the records of a name under today's trust, as mirrors do. What could be parsed is given beside a fault, too.
func (p *publisher) readBeacon(records [][]string) (*manifest.Beacon, *beaconFault) {
	switch len(records) {
	case 0:
		return nil, &beaconFault{faultNone, "no record"}
	case 1:
	default:
		return nil, &beaconFault{faultSeveral, fmt.Sprintf("%d records", len(records))}
	}
	b, err := manifest.ParseBeacon(strings.Join(records[0], ""))
	if err != nil {
		return nil, &beaconFault{faultMalformed, "not a beacon"}
	}
	known := slices.ContainsFunc(p.trust.Manifest.Keys, func(k keys.ManifestKey) bool { return k.Kind == keys.Minisign && k.Key == b.Key })
	now := p.Now()
	switch err := sign.VerifyRaw([]byte(b.Signed()), b.Signature, b.Key, p.trust.Manifest, now); {
	case b.Network != p.cfg.Network:
		return &b, &beaconFault{faultNetwork, "of another network, " + b.Network}
	case !known:
		return &b, &beaconFault{faultKey, "unknown key " + b.Key}
	case err != nil:
		return &b, &beaconFault{faultSignature, err.Error()}
	case b.Serial < p.trust.MinSerial:
		return &b, &beaconFault{faultSerial, fmt.Sprintf("serial %d, the trust document lets nothing in below %d", b.Serial, p.trust.MinSerial)}
	case now.After(time.Unix(b.Expires, 0).Add(manifest.Skew)):
		return &b, &beaconFault{faultExpired, "expired at " + console.Clock(time.Unix(b.Expires, 0))}
	}
	return &b, nil
}

// timestamps are what a manifest announces, by tree.
func timestamps(m *manifest.Manifest) map[string]int64 {
	out := make(map[string]int64, len(m.Trees))
	for name, t := range m.Trees {
		out[name] = t.Timestamp
	}
	return out
}

// plainText is the positional record: a tree that was never announced is 0.
func plainText(trees map[string]int64, order []string) string {
	var stamps []string
	for _, t := range order {
		stamps = append(stamps, fmt.Sprint(trees[t]))
	}
	return strings.Join(stamps, ":")
}

// chunks cuts a text into character-strings of at most 255 bytes (RFC 1035, 3.3).
func chunks(s string) (out []string) {
	for c := range slices.Chunk([]byte(s), 255) {
		out = append(out, string(c))
	}
	return out
}

// beacon signs the record of m with the first Ed25519 key.
func (p *publisher) beacon(ctx context.Context, m *manifest.Manifest) (manifest.Beacon, error) {
	s, err := p.beaconSigner()
	if err != nil {
		return manifest.Beacon{}, err
	}
	b := manifest.BeaconOf(m, s.Key().Key)
	if b.Signature, err = s.(sign.RawSigner).SignRaw(ctx, []byte(b.Signed())); err != nil {
		return b, fmt.Errorf("sign beacon: %w", err)
	}
	return b, nil
}

// beaconSigner is the first Ed25519 key that may sign: one that the run has opened, else it is opened alone, for the others may cost much.
func (p *publisher) beaconSigner() (sign.Signer, error) {
	for _, s := range p.signers {
		if _, raw := s.(sign.RawSigner); raw && s.Key().Kind == keys.Minisign {
			return s, nil
		}
	}
	if len(p.cfg.Sign.Ed25519) == 0 {
		return nil, console.Hinted(errors.New("no Ed25519 key to sign the beacon with"), "make one with `tidemark keys generate ed25519`, and name it under sign: in the configuration")
	}
	return p.openFirst(keys.Minisign)
}
