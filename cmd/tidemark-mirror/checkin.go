package main

import (
	"context"
	"crypto/rand"
	"crypto/tls"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"net/url"
	"path/filepath"
	"slices"
	"strings"

	"tidemark/checkin"
	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/sign"
	"tidemark/treesync"
)

const (
	maxKeyFile = 64 << 10
	nonceBytes = 16
)

// outgoing is one check-in, signed and ready to be sent.
type outgoing struct {
	message checkin.Message
	body    []byte
	key     string // the public half
}

// seal makes a check-in of what the time files say now.
func (m *mirror) seal(ctx context.Context, look client.LookOptions) (outgoing, error) {
	signer, err := m.ownKey(m.cfg.Checkin.Key)
	if err != nil {
		return outgoing{}, err
	}
	o := outgoing{key: signer.Key().Public, message: checkin.Message{Schema: checkin.Schema, Network: m.cfg.Network, Mirror: m.cfg.ID,
		At: strictjson.At(m.Now()), Nonce: nonce(), Trees: m.timestamps(look)}}
	if len(o.message.Trees) == 0 {
		return o, errors.New("nothing to check in: no tree here has a usable time file that was proven")
	}
	if o.body, err = checkin.Seal(ctx, o.message, signer); err != nil {
		return o, fmt.Errorf("sign the check-in: %w", err)
	}
	return o, nil
}

// ownKey reads this mirror's secret key.
func (m *mirror) ownKey(file string) (sign.Signer, error) {
	text, err := console.ReadFile(file, maxKeyFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, console.Exit(console.Misuse, fmt.Errorf("this mirror's own key: %w", err), "%s", missingKey(file))
	}
	if err != nil {
		return nil, fmt.Errorf("this mirror's own key: %w", err)
	}
	signer, err := sign.MinisignFile(text, nil)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("%s: %w", file, err), "a key without a password is wanted: minisign -G -W -s FILE -p FILE.pub; send the network's operators the public half")
	}
	return signer, nil
}

// missingKey is what to do about a key that is not there.
func missingKey(file string) string {
	public := shellWord(strings.TrimSuffix(file, filepath.Ext(file)) + ".pub")
	return "make one, as the user that runs the mirror: minisign -G -W -s " + shellWord(file) + " -p " + public + "; then send the network's operators " + public
}

// keyAdvice is what to do where the configured key is not there; else "".
func (m *mirror) keyAdvice() string {
	if _, err := m.ownKey(m.cfg.Checkin.Key); !errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	return missingKey(m.cfg.Checkin.Key)
}

func nonce() string {
	b := make([]byte, nonceBytes)
	rand.Read(b) // never fails
	return hex.EncodeToString(b)
}

// timestamps are what the time files say, of the trees that have a usable one. What came from a fallback and was not proven
// is no news for anybody.
func (m *mirror) timestamps(look client.LookOptions) map[string]int64 {
	trees := map[string]int64{}
	kept := keptOfAnyAge(m.cfg, look, m.Now())
	for _, name := range sortedNames(m.cfg) {
		if known, err := m.memory.tree(name); err != nil || known.Unproven {
			continue
		}
		file, issued := timeFile(kept, name)
		here, err := treesync.Read(m.cfg.Trees[name].Path, file, latest(m.Now(), issued))
		if err == nil && here.Timestamp > 0 {
			trees[name] = here.Timestamp
		}
	}
	return trees
}

// send hands a check-in to the receiver, at most so many times.
func (m *mirror) send(ctx context.Context, body []byte, tries int) error {
	o, err := m.originOptions()
	if err != nil {
		return err
	}
	return checkin.Send(ctx, checkin.SendOptions{URL: m.cfg.Checkin.URL, Tries: tries, Client: receiverClient(o)}, body)
}

// receiverClient asks as the site is asked: proxy, authorities, name.
func receiverClient(o client.OriginOptions) *http.Client {
	return &http.Client{Transport: agent{o.UserAgent, &http.Transport{Proxy: o.Proxy, DisableKeepAlives: true,
		TLSClientConfig: &tls.Config{RootCAs: o.RootCAs, MinVersion: tls.VersionTLS12}}}}
}

// agent says who asks.
type agent struct {
	name string
	next http.RoundTripper
}

// RoundTrip adds the User-Agent.
func (a agent) RoundTrip(r *http.Request) (*http.Response, error) {
	r = r.Clone(r.Context())
	r.Header.Set("User-Agent", a.name)
	return a.next.RoundTrip(r)
}

// refusal is the receiver's, when it said no; nil where it only had no time, or was not reached.
func refusal(err error) *checkin.NotAccepted {
	var no *checkin.NotAccepted
	if !errors.As(err, &no) || no.Passing() {
		return nil
	}
	return no
}

// checkinAdvice is what to do about a check-in that the receiver refused, or that did not reach it.
func (m *mirror) checkinAdvice(err error) string {
	receiver := "checkin: in " + m.cfg.File + " names the receiver: compare it with what the network's operators say"
	if advice := m.keyAdvice(); advice != "" {
		return advice
	}
	no := refusal(err)
	var cert *tls.CertificateVerificationError
	var asked *url.Error
	switch {
	case errors.As(err, &cert):
		return "ca: FILE in " + m.cfg.File + " if the receiver has an authority of its own"
	case errors.As(err, &asked):
		return "is it down, or a proxy between? else " + receiver
	case no == nil:
		return ""
	case no.Status == http.StatusForbidden && strings.Contains(no.Words, "clock"):
		return "timedatectl says whether this machine's clock is kept right"
	case no.Status == http.StatusForbidden:
		return "the network's inventory does not have " + m.cfg.ID + " with these trees, or has another key for it: send its operators, with HOST and MODULE filled in: " + keyLine(m.cfg, m.publicKey())
	case no.Status == http.StatusNotFound || no.Status == http.StatusMethodNotAllowed:
		return receiver
	}
	return "is there a proxy between? then ask the network's operators"
}

// checkinFile is what is remembered of check-ins.
const checkinFile = "checkin.json"

// checkinMemory is checkin.json. A sync that was proven is owed to the receiver until it has accepted a check-in made after
// it: killed in between, a run leaves it owed.
type checkinMemory struct {
	Told      map[string]strictjson.Time `json:"told,omitempty"`      // by tree: the proven sync that was told last
	Accepted  strictjson.Time            `json:"accepted,omitzero"`   // when the last one was
	OwedSince strictjson.Time            `json:"owed_since,omitzero"` // sending has failed since
	Why       string                     `json:"why,omitempty"`       // how it failed last
	Rest      strictjson.Time            `json:"rest,omitzero"`       // it is not sent before, unasked: it was refused
}

// checkins reads it. A damaged file counts as none: one check-in more than needed is sent.
func (m *memory) checkins() (c checkinMemory) {
	if _, err := m.load(checkinFile, &c); err != nil {
		return checkinMemory{}
	}
	return c
}

// syncs are the last proven syncs, by tree.
func (m *mirror) syncs() map[string]strictjson.Time {
	done := map[string]strictjson.Time{}
	for _, name := range sortedNames(m.cfg) {
		if known, err := m.memory.tree(name); err == nil && !known.Synced.IsZero() && !known.Unproven {
			done[name] = known.Synced
		}
	}
	return done
}

// untold are the trees of which the receiver does not know the last proven sync.
func (c checkinMemory) untold(syncs map[string]strictjson.Time) (trees []string) {
	for _, name := range slices.Sorted(maps.Keys(syncs)) {
		if !c.Told[name].Equal(syncs[name].Time) {
			trees = append(trees, name)
		}
	}
	return trees
}

// accepted remembers that all of these syncs were told.
func (m *mirror) accepted(syncs map[string]strictjson.Time) error {
	return m.memory.save(checkinFile, checkinMemory{Told: syncs, Accepted: strictjson.At(m.Now())})
}

// notAccepted remembers since when a check-in is owed. A receiver that refused is left in peace for a while.
func (m *mirror) notAccepted(c checkinMemory, cause error) (checkinMemory, error) {
	now := m.Now()
	if c.OwedSince.IsZero() || c.OwedSince.After(now) {
		c.OwedSince = strictjson.At(now)
	}
	c.Why, c.Rest = words(client.Notice{Text: cause.Error(), Hint: m.checkinAdvice(cause)}), strictjson.Time{}
	if refusal(cause) != nil {
		c.Rest = strictjson.At(now.Add(restFor))
	}
	return c, m.memory.save(checkinFile, c)
}
