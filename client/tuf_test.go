package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// keyring makes a minisign key for each name, when it is first named: "alice", "alice#2" is her second one.
type keyring map[string]sign.Signer

func (r keyring) of(name string) sign.Signer {
	if name == "publisher" { // who signs manifests
		return fixtures().mini
	}
	if r[name] == nil {
		r[name] = newMinisign()
	}
	return r[name]
}

// roots gives a document its root role.
func (r keyring) roots(threshold int, names ...string) func(*keys.Trust) {
	return func(x *keys.Trust) {
		x.Root = keys.RootRole{Threshold: threshold}
		for _, name := range names {
			holder, _, _ := strings.Cut(name, "#")
			k := r.of(name).Key()
			x.Root.Keys = append(x.Root.Keys, keys.RootKey{Holder: holder, Key: k.Key, Public: k.Public})
		}
	}
}

// signed is the document as an envelope, signed by those names.
func (r keyring) signed(t testing.TB, x *keys.Trust, names ...string) []byte {
	t.Helper()
	payload, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return r.envelope(t, payload, names...)
}

func (r keyring) envelope(t testing.TB, payload []byte, names ...string) []byte {
	t.Helper()
	e := &sign.Envelope{Payload: payload}
	for _, name := range names {
		s, err := r.of(name).Sign(context.Background(), sign.Request{Payload: payload, Comment: "trust"})
		if err != nil {
			t.Fatal(err)
		}
		e.Signatures = append(e.Signatures, s)
	}
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func ended(x *keys.Trust) { x.Expires = strictjson.At(day0) } // an hour before the readers' clock

// rootRule is one row: what lies at the site as trust/4.json, trust/5.json …, what answers after that, and what comes of it.
type rootRule struct {
	rule   string // of the specification of TUF, 1.0.33, 5.3
	name   string
	steps  [][]byte
	last   http.HandlerFunc // what the site says at the end; nil: 404
	hasty  bool             // readers lose patience soon
	good   [][]byte         // bundles, by the version of the trust document that they name
	pinned []byte           // nil: version 3, by two of alice, bob and carol

	held   int64  // the version held in the end
	notice string // what a look tells; "": nothing
	says   string // words of the error; "": there is none
	ended  bool   // nothing is accepted any more: a look is refused
}

// TestTrust_TUFRootRules are the rules of TUF's root role (specification 1.0.33, 5.3), as a reader obeys them: by a look, by
// `trust update`, and by what is held afterwards, without the site.
//
//	5.3.1 record the fixed update start time
//	5.3.2 load the trusted root metadata file: the one pinned
//	5.3.3 download version N+1, up to a limit of size; "not available" ends the chain, at 5.3.10
//	5.3.4 it must be signed by the thresholds of N and of N+1, of distinct keys
//	5.3.5 its version must be exactly N+1
//	5.3.6 its expiry does not matter yet
//	5.3.7, 8 it is the trusted one now, and is kept
//	5.3.9 and so on
//	5.3.10 the last one must not have ended
//	5.3.11 keys that were replaced may have been used to put serials forward: reset_serial, TestLook_ResetSerial
func TestTrust_TUFRootRules(t *testing.T) {
	r := keyring{}
	abc, def := r.roots(2, "alice", "bob", "carol"), r.roots(2, "dave", "erin", "frank")
	three := r.signed(t, following(3, abc), "alice", "bob")
	four, five := following(4, abc), following(5, abc)
	next := func(n int64, by ...string) []byte { return r.signed(t, following(n, abc), by...) }
	whole := following(4, def) // all root holders are replaced
	long := []byte(`{"payload": "` + strings.Repeat("A", sign.MaxTrustFile) + `"}`)
	fourPayload, err := four.Encode()
	if err != nil {
		t.Fatal(err)
	}
	unsigned := []byte(`{"payload": "` + base64.StdEncoding.EncodeToString(fourPayload) + `", "signatures": []}`)
	twoOfAlice := r.roots(2, "alice", "alice#2", "bob")

	good := make([][]byte, 8)
	for n := int64(3); n < 8; n++ {
		good[n] = fixtures().bundle(t, func(m *manifest.Manifest) { m.Serial, m.TrustVersion = 4124+n, n })
	}

	for _, tt := range []rootRule{
		{rule: "5.3.4", name: "signed by the threshold", steps: [][]byte{next(4, "alice", "bob")}, held: 4, notice: NoteTrustWalked},
		{rule: "5.3.4", name: "signed by others of the same three", steps: [][]byte{next(4, "bob", "carol")}, held: 4, notice: NoteTrustWalked},
		{rule: "5.3.4", name: "all root keys replaced, signed by old and new", steps: [][]byte{r.signed(t, whole, "alice", "bob", "dave", "erin")}, held: 4, notice: NoteTrustWalked},
		{rule: "5.3.4", name: "signed by the old only", steps: [][]byte{r.signed(t, whole, "alice", "bob", "carol")}, held: 3, notice: NoteTrustRefused, says: "by the root keys of version 4"},
		{rule: "5.3.4", name: "signed by the new only", steps: [][]byte{r.signed(t, whole, "dave", "erin", "frank")}, held: 3, notice: NoteTrustRefused, says: "by the root keys of version 3"},
		{rule: "5.3.4", name: "below the old threshold", steps: [][]byte{r.signed(t, whole, "alice", "dave", "erin")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "below the new threshold", steps: [][]byte{r.signed(t, whole, "alice", "bob", "dave")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "a higher threshold, met by the old one's only", steps: [][]byte{r.signed(t, following(4, r.roots(3, "alice", "bob", "carol")), "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: "2 of 3 needed holders"},
		{rule: "5.3.4", name: "a lower threshold, met by the new one's only", steps: [][]byte{r.signed(t, following(4, r.roots(1, "alice", "bob", "carol")), "alice")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "one key twice", steps: [][]byte{next(4, "alice", "alice")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "two keys of one holder, by the old roles", pinned: r.signed(t, following(3, twoOfAlice), "alice", "bob"),
			steps: [][]byte{next(4, "alice", "alice#2", "carol")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "two keys of one holder, by the new roles", steps: [][]byte{r.signed(t, following(4, r.roots(2, "alice", "alice#2", "dave")), "alice", "alice#2", "bob")},
			held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "signed by nobody", steps: [][]byte{unsigned}, held: 3, notice: NoteTrustRefused, says: "0 signatures"},
		{rule: "5.3.4", name: "signed by strangers", steps: [][]byte{next(4, "mallory", "trudy")}, held: 3, notice: NoteTrustRefused, says: "does not name this key"},
		{rule: "5.3.4", name: "signed by a key of manifests", steps: [][]byte{next(4, "alice", "publisher")}, held: 3, notice: NoteTrustRefused, says: "1 of 2 needed holders"},
		{rule: "5.3.4", name: "a key of manifests made a root key", steps: [][]byte{r.envelope(t, []byte(strings.Replace(string(fourPayload),
			r.of("carol").Key().Key, r.of("publisher").Key().Key, 1)), "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: "the public key's id is"},
		{rule: "5.3.4", name: "a byte changed after signing", steps: [][]byte{flipPayload(t, next(4, "alice", "bob"))}, held: 3, notice: NoteTrustRefused, says: "0 of 2 needed holders"},

		{rule: "5.3.5", name: "a version skipped", steps: [][]byte{next(5, "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: "version 5 cannot follow version 3"},
		{rule: "5.3.5", name: "the same version", steps: [][]byte{three}, held: 3, notice: NoteTrustRefused, says: "version 3 cannot follow version 3"},
		{rule: "5.3.5", name: "an old version replayed", steps: [][]byte{next(2, "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: "version 2 cannot follow version 3"},
		{rule: "5.3.5", name: "the same version, other content", steps: [][]byte{next(4, "alice", "bob"), r.signed(t, following(4, func(x *keys.Trust) { abc(x); x.MinSerial = 7 }), "alice", "bob")},
			held: 4, notice: NoteTrustRefused, says: "version 4 cannot follow version 4"},
		{rule: "5.3.5", name: "another network's", steps: [][]byte{r.signed(t, following(4, func(x *keys.Trust) { abc(x); x.Network = "debian" }), "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: `of network "debian"`},

		{rule: "5.3.3", name: "no newer one: 404", held: 3},
		{rule: "5.3.3", name: "no newer one: 403, as a bare object store says", last: status(403), held: 3},
		{rule: "5.3.3", name: "no newer one: 410", last: status(410), held: 3},
		{rule: "5.3.3", name: "500 at the end", last: status(500), held: 3, notice: NoteTrustMissing, says: "500"},
		{rule: "5.3.3", name: "500 after a step", steps: [][]byte{next(4, "alice", "bob")}, last: status(500), held: 4, notice: NoteTrustWalked, says: "500"},
		{rule: "5.3.3", name: "no answer in time", last: stall("{"), hasty: true, held: 3, notice: NoteTrustMissing, says: "came in"},
		{rule: "5.3.3", name: "byte by byte", last: drip(1, 5*time.Millisecond), hasty: true, held: 3, notice: NoteTrustRefused, says: "slow"},
		{rule: "5.3.3", name: "a redirect elsewhere", last: to("https://evil.example.org/"), held: 3, notice: NoteTrustRefused, says: "redirect"},
		{rule: "5.3.3", name: "oversize, announced", last: status(200, "Content-Length", "99999999"), held: 3, notice: NoteTrustRefused, says: "larger than"},
		{rule: "5.3.3", name: "oversize, endless", last: drip(1<<16, 0), held: 3, notice: NoteTrustRefused, says: "larger than"},
		{rule: "5.3.3", name: "oversize, by a little", steps: [][]byte{long}, held: 3, notice: NoteTrustRefused, says: "larger than"},
		{rule: "5.3.3", name: "no envelope", steps: [][]byte{[]byte("<html>")}, held: 3, notice: NoteTrustRefused, says: "trust.json"},
		{rule: "5.3.3", name: "nothing", steps: [][]byte{{}}, held: 3, notice: NoteTrustRefused, says: "trust.json"},
		{rule: "5.3.3", name: "an envelope of something else, signed", steps: [][]byte{r.envelope(t, []byte("{}\n"), "alice", "bob")}, held: 3, notice: NoteTrustRefused, says: "schema"},
		{rule: "5.3.3", name: "a member twice, signed", steps: [][]byte{r.envelope(t, []byte(strings.Replace(string(fourPayload), `"version": 4`, `"version": 5, "version": 4`, 1)), "alice", "bob")},
			held: 3, notice: NoteTrustRefused, says: "version"},

		{rule: "5.3.9", name: "one step after the other", steps: [][]byte{next(4, "alice", "bob"), next(5, "bob", "carol"), next(6, "alice", "carol")}, held: 6, notice: NoteTrustWalked},
		{rule: "5.3.9", name: "the second step is judged by the first", steps: [][]byte{r.signed(t, whole, "alice", "bob", "dave", "erin"), r.signed(t, five, "alice", "bob")},
			held: 4, notice: NoteTrustRefused, says: "by the root keys of version 4"},
		{rule: "5.3.6", name: "ended on the way", steps: [][]byte{r.signed(t, following(4, func(x *keys.Trust) { abc(x); ended(x) }), "alice", "bob"), next(5, "alice", "bob")}, held: 5, notice: NoteTrustWalked},
		{rule: "5.3.6", name: "the pinned one has ended", pinned: r.signed(t, following(3, func(x *keys.Trust) { abc(x); ended(x) }), "alice", "bob"),
			steps: [][]byte{next(4, "alice", "bob")}, held: 4, notice: NoteTrustWalked},
		{rule: "5.3.10", name: "ended at the end", steps: [][]byte{next(4, "alice", "bob"), r.signed(t, following(5, func(x *keys.Trust) { abc(x); ended(x) }), "alice", "bob")},
			held: 5, ended: true, says: "ended at 2026-11-22T08:00:00Z"},
		{rule: "5.3.10", name: "ended, and the site says 404 for ever: frozen until then, and no longer", pinned: r.signed(t, following(3, func(x *keys.Trust) { abc(x); ended(x) }), "alice", "bob"),
			held: 3, ended: true, says: "ended at 2026-11-22T08:00:00Z"},
	} {
		if tt.good = good; tt.pinned == nil {
			tt.pinned = three
		}
		t.Run(tt.rule+" "+tt.name, tt.bothDoors)
	}
	t.Run("a chain of 200", func(t *testing.T) { chainOf200(t, r, three) })
	t.Run("a chain that forks", func(t *testing.T) { forkedChain(t, r, three) })
}

// flipPayload changes one byte of what was signed, to another document of the same form.
func flipPayload(t *testing.T, envelope []byte) []byte {
	t.Helper()
	e, err := sign.ParseEnvelope(envelope, sign.MaxTrustFile)
	if err != nil {
		t.Fatal(err)
	}
	e.Payload = []byte(strings.Replace(string(e.Payload), `"threshold": 2`, `"threshold": 1`, 1))
	b, err := e.Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// site serves a good manifest, and the steps.
func (x rootRule) site(t *testing.T) (*site, *reader) {
	t.Helper()
	s := newSite(t)
	s.hasty = x.hasty
	s.serve(BundleFile, x.good[3])
	steps(s, 4, x.steps...)
	if x.last != nil {
		s.answer(fmt.Sprintf("trust/%d.json", 4+len(x.steps)), x.last)
	}
	reader := newReader(t, s)
	reader.Trust = x.pinned
	return s, reader
}

func (x rootRule) bothDoors(t *testing.T) {
	t.Parallel()
	t.Run("UpdateTrust", func(t *testing.T) {
		_, r := x.site(t)
		accepted, err := UpdateTrust(t.Context(), r.LookOptions)
		if int64(len(accepted)) != x.held-3 {
			t.Errorf("%d accepted, expected %d", len(accepted), x.held-3)
		}
		for i, step := range accepted {
			if step.Version != int64(4+i) {
				t.Errorf("step %d is version %d", i, step.Version)
			}
		}
		x.fails(t, err)
		x.holds(t, r)
	})
	t.Run("Look", func(t *testing.T) {
		s, r := x.site(t)
		v, err := r.look(t)
		refused := (*Refused)(nil)
		switch {
		case x.ended && (!errors.As(err, &refused) || refused.Reason != TrustExpired || v != nil):
			t.Errorf("%+v, %v, expected that the trust document has ended", v, err)
		case !x.ended && (err != nil || v.Opened.Manifest.Serial != 4127):
			t.Errorf("%+v, %v: the good manifest is not in force", v, err)
		case !x.ended && (v.Trust.Version != x.held || x.notice == "" && len(v.Noted) > 0 || x.notice != "" && !told(v.Noted, x.notice)):
			t.Errorf("by version %d, told %v, expected %d and the notice %q", v.Trust.Version, v.Noted, x.held, x.notice)
		}
		x.holds(t, r)
		// A manifest that names the version after is not used by the ones before.
		s.serve(BundleFile, x.good[x.held+1])
		v, err = r.look(t)
		if !x.ended && (err != nil || v.Refused == nil || v.Refused.Reason != TrustTooOld || v.Opened.Manifest.Serial != 4127) {
			t.Errorf("%+v, %v, expected that version %d is asked for", v, err, x.held+1)
		}
	})
}

// fails insists on what UpdateTrust says: a step that was refused, or an end, is a *Refused, which is exit code 4; a site that
// fails is none.
func (x rootRule) fails(t *testing.T, err error) {
	t.Helper()
	if (err == nil) != (x.says == "") || err != nil && !strings.Contains(err.Error(), x.says) {
		t.Fatalf("%v, expected words with %q", err, x.says)
	}
	refused := (*Refused)(nil)
	if site := strings.Contains(x.says, "500") || x.notice == NoteTrustMissing; err != nil && errors.As(err, &refused) == site {
		t.Errorf("%v: a refusal %v", err, !site)
	}
}

// holds insists on the version that is held, without the site.
func (x rootRule) holds(t *testing.T, r *reader) {
	t.Helper()
	o := r.LookOptions
	o.Origin = nowhere{}
	held, err := HeldTrust(o)
	if err != nil || held.Version != x.held {
		t.Errorf("held: %+v, %v, expected version %d", held, err, x.held)
	}
	if aside, _ := filepath.Glob(filepath.Join(r.State, "*"+damaged)); len(aside) > 0 {
		t.Errorf("set aside: %v", aside)
	}
}

// nowhere is an origin that must not be asked.
type nowhere struct{}

func (nowhere) Fetch(_ context.Context, name string, _ int64) ([]byte, error) {
	return nil, fmt.Errorf("%s was asked for", name)
}

// chainOf200 is accepted at once, kept, and followed again without the site; one that is interrupted goes on where it was.
func chainOf200(t *testing.T, r keyring, pinned []byte) {
	t.Parallel()
	last := int64(203)
	light := func(x *keys.Trust) { // without a certificate, which takes the longest to read
		r.roots(2, "alice", "bob", "carol")(x)
		x.Manifest.Required, x.Manifest.Keys = []keys.Kind{keys.Minisign}, x.Manifest.Keys[1:]
	}
	chain := memoryOrigin{}
	for n := int64(4); n <= last; n++ {
		chain[fmt.Sprintf("trust/%d.json", n)] = r.signed(t, following(n, light), "alice", "carol")
	}
	reader := func() LookOptions {
		return LookOptions{Origin: chain, State: t.TempDir(), Network: "centos", Trust: pinned, Now: func() time.Time { return day0.Add(time.Hour) }}
	}
	held := func(o LookOptions, want int64) {
		t.Helper()
		o.Origin = nowhere{}
		if x, err := HeldTrust(o); err != nil || x.Version != want {
			t.Errorf("held: %+v, %v, expected version %d", x, err, want)
		}
	}
	o := reader()
	accepted, err := UpdateTrust(t.Context(), o)
	if len(accepted) != 200 || err != nil || accepted[199].Version != last {
		t.Fatalf("%d accepted, %v", len(accepted), err)
	}
	held(o, last)

	// A run that is killed while it keeps a step: the next one goes on from there, and asks for nothing twice.
	o, last = reader(), 43
	delete(chain, "trust/44.json")
	killed, writes := errors.New("killed"), 0
	o.written = func(name string) error {
		if writes++; writes > 50 { // before and after each write
			return killed
		}
		return nil
	}
	if accepted, err = UpdateTrust(t.Context(), o); !errors.Is(err, killed) {
		t.Fatalf("%d accepted, %v", len(accepted), err)
	}
	o.written = nil
	before := int64(3 + len(accepted))
	held(o, before)
	for n := int64(4); n <= before; n++ {
		delete(chain, fmt.Sprintf("trust/%d.json", n))
	}
	if accepted, err = UpdateTrust(t.Context(), o); err != nil || int64(len(accepted)) != last-before {
		t.Fatalf("%d accepted after the kill at version %d, %v", len(accepted), before, err)
	}
	held(o, last)
}

// memoryOrigin is a site in memory.
type memoryOrigin map[string][]byte

func (o memoryOrigin) Fetch(_ context.Context, name string, max int64) ([]byte, error) {
	b, ok := o[name]
	if !ok {
		return nil, &NotThere{URL: name, Status: "404 Not Found"}
	}
	if int64(len(b)) > max {
		return nil, &Refused{What: name, Reason: TooLarge}
	}
	return b, nil
}

// Chains of more steps than one walk makes are walked in several, and never followed in part.
func TestSoakTrust_LongChain(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") != "1" {
		t.Skip("long: TIDEMARK_SOAK=1")
	}
	chain := memoryOrigin{}
	const last = 3 + maxSteps + 200
	for n := int64(4); n <= last; n++ {
		chain[fmt.Sprintf("trust/%d.json", n)] = sealed(t, following(n, nil), 3)
	}
	o := LookOptions{Origin: chain, State: t.TempDir(), Network: "centos", Trust: sealed(t, fixtures().trust, 3), Now: func() time.Time { return day0 }}
	if accepted, err := UpdateTrust(t.Context(), o); len(accepted) != maxSteps || err == nil {
		t.Fatalf("%d accepted, %v", len(accepted), err)
	}
	if accepted, err := UpdateTrust(t.Context(), o); len(accepted) != 200 || err != nil {
		t.Fatalf("%d accepted, %v", len(accepted), err)
	}
	if x, err := HeldTrust(o); err != nil || x.Version != last {
		t.Errorf("%+v, %v", x, err)
	}
}

// forkedChain: the root keys signed two documents of version 4. The one seen first stays, and what follows the other is
// refused and told.
func forkedChain(t *testing.T, r keyring, pinned []byte) {
	t.Parallel()
	x := rootRule{pinned: pinned, held: 4, good: [][]byte{3: fixtures().bundle(t, nil)}}
	s, reader := x.site(t)
	first, second := r.roots(2, "alice", "bob", "carol"), r.roots(2, "alice", "bob", "mallory")
	four := r.signed(t, following(4, first), "alice", "bob")
	steps(s, 4, four)
	if _, err := UpdateTrust(t.Context(), reader.LookOptions); err != nil {
		t.Fatal(err)
	}
	other := r.signed(t, following(4, second), "alice", "bob")
	steps(s, 4, other, r.signed(t, following(5, second), "alice", "mallory"))
	_, err := UpdateTrust(t.Context(), reader.LookOptions)
	if refused := (*Refused)(nil); !errors.As(err, &refused) || !strings.Contains(err.Error(), "another chain: its trust/4.json is not the version 4 that is held here") {
		t.Errorf("%v, expected that the other chain is told", err)
	}
	reader.now = reader.now.Add(48 * time.Hour)
	s.serve(BundleFile, fixtures().bundle(t, at(4128, 48*time.Hour)))
	v, err := reader.look(t)
	if err != nil || !told(v.Noted, NoteTrustRefused) || v.Trust.Root.Keys[2].Holder != "carol" {
		t.Errorf("%+v, %v", v, err)
	}
	x.holds(t, reader)
	if b, err := os.ReadFile(filepath.Join(reader.State, stepFile(4))); err != nil || string(b) != string(four) {
		t.Errorf("version 4 was written over: %v", err)
	}
	if _, err := os.Lstat(filepath.Join(reader.State, stepFile(5))); !errors.Is(err, fs.ErrNotExist) {
		t.Errorf("a step of the other chain is kept: %v", err)
	}
}
