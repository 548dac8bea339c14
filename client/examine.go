package client

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// Examination is what was found of all published forms of one site at one instant; as JSON it is tidemark/verify/v1.
type Examination struct {
	Schema  string          `json:"schema"`
	Place   string          `json:"place"`
	Network string          `json:"network"`
	OK      bool            `json:"ok"`
	Serial  int64           `json:"serial,omitempty"` // of the bundle, when it verified, as all below
	Issued  strictjson.Time `json:"issued,omitzero"`
	Expires strictjson.Time `json:"expires,omitzero"`
	SHA256  string          `json:"sha256,omitempty"`
	Forms   []Finding       `json:"forms"`
}

// Finding is what was found of one published form.
type Finding struct {
	Form  string `json:"form"` // its name at the site
	OK    bool   `json:"ok"`
	Found string `json:"found"` // in words
	err   error
	gone  bool // it could not be fetched at all
	away  bool // nobody said whether it is there
}

// String is a line for people: "ok      manifest.json.gpg     one OpenPGP message, …".
func (f Finding) String() string {
	word := "ok"
	switch {
	case f.away:
		word = "NOT READ"
	case f.gone:
		word = "MISSING"
	case !f.OK:
		word = "REFUSED"
	}
	return fmt.Sprintf("%-7s %-21s %s", word, f.Form, f.Found)
}

// Examine fetches the bundle, the one-object form, the pair with its signatures and the pointer from origin, and judges each
// by trust at the instant now, as readers and cautious admins would. place is the origin's name in words.
func Examine(ctx context.Context, origin Origin, place string, trust *keys.Trust, now time.Time) Examination {
	x := &examiner{origin: origin, trust: trust, now: now}
	e := Examination{Schema: "tidemark/verify/v1", Place: place, Network: trust.Network, OK: true}
	for _, f := range []struct {
		name  string
		check func(context.Context, []byte) (string, error)
	}{
		{BundleFile, x.bundle},
		{InlineFile, x.inline},
		{ManifestFile, x.pair},
		{manifest.PointerFile, x.pointer},
	} {
		found := x.form(ctx, f.name, f.check)
		e.OK = e.OK && found.OK
		e.Forms = append(e.Forms, found)
	}
	if x.opened != nil {
		m := x.opened.Manifest
		e.Serial, e.Issued, e.Expires, e.SHA256 = m.Serial, m.Issued, m.Expires, manifest.SHA256(x.opened.Payload)
	}
	return e
}

// Err is nil when every form verified, else a *NotVerified.
func (e Examination) Err() error {
	if e.OK {
		return nil
	}
	n := &NotVerified{Place: e.Place}
	for _, f := range e.Forms {
		if !f.OK {
			n.Err = f.err
		}
		n.Reached = n.Reached || !f.gone
	}
	return n
}

// NotVerified is the error of an examination.
type NotVerified struct {
	Place   string
	Reached bool  // something could be fetched, and was refused; else the place may be down
	Err     error // of the last form that failed
}

// Error names the place and the last form that failed.
func (n *NotVerified) Error() string {
	if !n.Reached {
		return fmt.Sprintf("nothing of %s could be fetched: %v", n.Place, n.Err)
	}
	return fmt.Sprintf("%s does not verify: %v", n.Place, n.Err)
}

// Unwrap gives the cause.
func (n *NotVerified) Unwrap() error { return n.Err }

// Hint says what to do about it.
func (n *NotVerified) Hint() string {
	if !n.Reached {
		return "check the address, and that it serves the site"
	}
	return "keep what you have, and tell the network's operators; do not sync by this manifest"
}

type examiner struct {
	origin Origin
	trust  *keys.Trust
	now    time.Time
	opened *Opened // the bundle, when it verified
}

func (x *examiner) form(ctx context.Context, name string, check func(context.Context, []byte) (string, error)) Finding {
	b, err := x.origin.Fetch(ctx, name, sign.MaxBundle)
	if errors.Is(err, fs.ErrNotExist) {
		return Finding{Form: name, Found: "not there", err: fmt.Errorf("%s: not there: %w", name, err), gone: true}
	}
	if err != nil {
		return Finding{Form: name, Found: err.Error(), err: fmt.Errorf("%s: %w", name, err), gone: true, away: !errors.As(err, new(*Refused))}
	}
	words, err := check(ctx, b)
	if err != nil {
		return Finding{Form: name, Found: err.Error(), err: fmt.Errorf("%s: %w", name, err)}
	}
	return Finding{Form: name, OK: true, Found: words}
}

func (x *examiner) options() Options {
	return Options{Network: x.trust.Network, Trust: x.trust, Now: x.now}
}

func (x *examiner) bundle(_ context.Context, b []byte) (string, error) {
	o, _, err := Open(b, x.options())
	if err != nil {
		return "", err
	}
	x.opened = o
	const layout = "2006-01-02 15:04:05 UTC"
	words := fmt.Sprintf("serial %d, issued %s, expires %s, signed by", o.Manifest.Serial, o.Manifest.Issued.UTC().Format(layout), o.Manifest.Expires.UTC().Format(layout))
	for _, v := range o.Votes {
		words += fmt.Sprintf(" %s (%s %s)", v.Holder, v.Kind, v.Key)
	}
	return words, nil
}

// same says in words how payload goes with the bundle.
func (x *examiner) same(payload []byte) (string, error) {
	switch {
	case x.opened == nil:
		return "no bundle to compare it with", nil
	case bytes.Equal(payload, x.opened.Payload):
		return "the same document as the bundle", nil
	}
	return "", fmt.Errorf("holds another document (sha256 %s) than the bundle (%s)", manifest.SHA256(payload), manifest.SHA256(x.opened.Payload))
}

func (x *examiner) inline(_ context.Context, b []byte) (string, error) {
	payload, err := sign.OpenInline(b, x.trust.Manifest, x.now)
	if err != nil {
		return "", err
	}
	m, err := manifest.Parse(payload)
	if err != nil {
		return "", err
	}
	if m.Network != x.trust.Network {
		return "", fmt.Errorf("it is of network %q, expected %q", m.Network, x.trust.Network)
	}
	if err := m.CheckTime(x.now); err != nil {
		return "", err
	}
	words, err := x.same(payload)
	return "one OpenPGP message, " + words, err
}

// pair opens manifest.json by the signature files beside it.
func (x *examiner) pair(ctx context.Context, b []byte) (string, error) {
	names := []string{ManifestFile + ascSuffix, ManifestFile + minisigSuffix}
	for _, k := range x.trust.Manifest.Keys {
		name := ManifestFile + "." + k.Key
		names = append(names, name+ascSuffix, name+minisigSuffix)
	}
	var sigs []sign.Signature
	for _, n := range names {
		text, err := x.origin.Fetch(ctx, n, sign.MaxSignature)
		if errors.Is(err, fs.ErrNotExist) {
			continue
		}
		if err != nil {
			return "", err
		}
		s, err := sign.FromMinisig(text)
		if strings.HasSuffix(n, ascSuffix) {
			s, err = sign.FromASC(text, x.trust.Manifest)
		}
		if err != nil {
			return "", fmt.Errorf("%s: %w", n, err)
		}
		sigs = append(sigs, s)
	}
	bundle, err := Pack(b, sigs)
	if err != nil {
		return "", err
	}
	if _, _, err := Open(bundle, x.options()); err != nil {
		return "", err
	}
	words, err := x.same(b)
	return fmt.Sprintf("with %d signature files beside it, %s", len(sigs), words), err
}

func (x *examiner) pointer(_ context.Context, b []byte) (string, error) {
	p, err := manifest.ParsePointer(b)
	if err != nil {
		return "", err
	}
	if x.opened != nil && (p.Serial != x.opened.Manifest.Serial || p.SHA256 != manifest.SHA256(x.opened.Payload)) {
		return "", fmt.Errorf("points to serial %d (sha256 %s), the bundle is serial %d", p.Serial, p.SHA256, x.opened.Manifest.Serial)
	}
	return fmt.Sprintf("points to %s", p.Path), nil
}
