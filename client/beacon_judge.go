package client

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/dnstxt"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// doubt is why a record is not used.
type doubt struct {
	passing bool // it may pass by itself
	text    string
	hint    string
}

const (
	askResolver  = "see what a resolver of your own says: dig +short TXT "
	checkNetwork = "check network: and beacon: in the configuration"
)

func doubtf(hint, format string, args ...any) *doubt {
	return &doubt{text: fmt.Sprintf(format, args...), hint: hint}
}

func (d *doubt) mayPass() *doubt { d.passing = true; return d }

// ignored is the notice of a record that is not used. Its text is the same as long as the cause is.
func (a *beaconAsk) ignored(d *doubt) *Notice {
	n := &Notice{Kind: NoteBeacon, Text: d.text, Hint: d.hint}
	if d.passing {
		n.Since = since(a.memory.FailingSince, a.now).Time
	}
	return n
}

// judge gives the beacon in an answer when it is to go by: the one record there, of this network, signed by a key that the
// trust document lets sign manifests, in force, and not older than the newest seen.
func (a *beaconAsk) judge(answer *dnstxt.Answer, err error) (*manifest.Beacon, *doubt) {
	text, d := a.record(answer, err)
	if d != nil {
		return nil, d
	}
	b, err := manifest.ParseBeacon(text)
	if err != nil {
		return nil, doubtf(tellOperator, "the record at %s is no beacon: %v", a.Name, err)
	}
	if d := a.genuine(&b); d != nil {
		return nil, d
	}
	if d := a.current(&b); d != nil {
		return nil, d
	}
	return &b, nil
}

// contentSum is the SHA-256 of what a beacon says, whoever signed it: one that is signed anew by the next key is the same.
func contentSum(b *manifest.Beacon) string {
	content, _, _ := strings.Cut(b.Signed(), " k=")
	return manifest.SHA256([]byte(content))
}

// record is the text of the one record there.
func (a *beaconAsk) record(answer *dnstxt.Answer, err error) (string, *doubt) {
	switch {
	case err == nil && answer == nil:
		err = errors.New("no answer")
		fallthrough
	case err != nil:
		return "", doubtf("", "the beacon cannot be asked: %v", err).mayPass()
	case len(answer.Records) == 0 && answer.NoName:
		return "", doubtf(askResolver+a.Name, "there is no beacon: the name %s does not exist", a.Name).mayPass()
	case len(answer.Records) == 0:
		return "", doubtf(askResolver+a.Name, "there is no beacon: %s has no TXT record", a.Name).mayPass()
	case len(answer.Records) > 1:
		return "", doubtf(tellOperator, "there are %d TXT records at %s, expected one: which of them is the beacon cannot be said", len(answer.Records), a.Name)
	}
	size := 0
	for _, s := range answer.Records[0] {
		size += len(s)
	}
	if size > manifest.MaxBeacon {
		return "", doubtf(tellOperator, "the record at %s has %d bytes, expected a beacon of at most %d", a.Name, size, manifest.MaxBeacon)
	}
	return strings.Join(answer.Records[0], ""), nil
}

// genuine judges who made it.
func (a *beaconAsk) genuine(b *manifest.Beacon) *doubt {
	if b.Network != a.Network {
		return doubtf(checkNetwork, "the beacon at %s is of network %q, expected %q", a.Name, b.Network, a.Network)
	}
	t := a.chain.trust
	err := sign.VerifyRaw([]byte(b.Signed()), b.Signature, b.Key, t.Manifest, a.now)
	if err == nil {
		return nil
	}
	d := doubtf(tellOperator, "the beacon at %s, serial %d, is not signed as version %d of the trust document asks: %v", a.Name, b.Serial, t.Version, err)
	if !named(t.Manifest, b.Key) {
		d.mayPass() // by the newer trust document that HTTPS is about to bring
	}
	return d
}

// named reports whether the role has that key, in whatever state.
func named(role keys.ManifestRole, id string) bool {
	return slices.ContainsFunc(role.Keys, func(k keys.ManifestKey) bool { return k.Kind == keys.Minisign && k.Key == id })
}

// current judges a genuine one by the clock and by what was seen.
func (a *beaconAsk) current(b *manifest.Beacon) *doubt {
	expires := time.Unix(b.Expires, 0)
	switch floor := a.chain.trust.MinSerial; {
	case a.now.After(expires.Add(manifest.Skew)):
		return doubtf("look at this machine's clock, then "+tellOperator, "the beacon at %s, serial %d, was good until %s", a.Name, b.Serial, stamp(expires))
	case b.Serial < floor:
		return doubtf("", "the beacon at %s has serial %d, and the trust document lets nothing in below %d", a.Name, b.Serial, floor).mayPass()
	case b.Serial < a.memory.Serial:
		return doubtf("", "the beacon at %s has serial %d, and %d was seen there: a server lags, or somebody replays it", a.Name, b.Serial, a.memory.Serial).mayPass()
	case b.Serial == a.memory.Serial && a.memory.SHA256 != contentSum(b):
		return doubtf(tellOperator, "the beacon at %s, serial %d, is another one than was seen with that serial", a.Name, b.Serial)
	}
	return nil
}
