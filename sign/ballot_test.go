package sign

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/keys"
)

// signed is the payload of x, and signatures of it.
func signed(t testing.TB, x *keys.Trust, by ...holder) ([]byte, []Signature) {
	t.Helper()
	payload, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	var sigs []Signature
	for _, h := range by {
		s, err := h.signer.Sign(t.Context(), Request{Payload: payload, Comment: "trust"})
		if err != nil {
			t.Fatal(err)
		}
		sigs = append(sigs, s)
	}
	return payload, sigs
}

// named is a copy of h's key under another holder's name.
func (h holder) named(name string) holder { return holder{name, h.signer} }

// The rules of TUF's root role, at the count of the votes: what Count calls complete, Seal seals and NextTrust accepts, and nothing else.
func TestCount(t *testing.T) {
	a, b, c, d := newHolder(t, "alice"), newHolder(t, "bob"), newHolder(t, "carol"), newHolder(t, "dave")
	a2, mallory := newHolder(t, "alice"), newHolder(t, "mallory")
	old := trustOf(3, 2, a, b, c)
	twoKeys := trustOf(3, 2, a, a2, b)
	for _, k := range []struct {
		name         string
		old, next    *keys.Trust
		by           []holder
		signed       [2]string // by the old root, by the new one
		missing      [2]string
		rejected     []Cause
		complete     bool
		changeSigned func([]Signature) []Signature
	}{
		{name: "those who stay", old: old, next: trustOf(4, 2, b, c, d), by: []holder{b, c},
			signed: [2]string{"bob carol", "bob carol"}, missing: [2]string{"alice", "dave"}, complete: true},
		{name: "old and new together", old: old, next: trustOf(4, 2, b, c, d), by: []holder{d, b, a},
			signed: [2]string{"alice bob", "bob dave"}, missing: [2]string{"carol", "carol"}, complete: true},
		{name: "old only", old: old, next: trustOf(4, 2, b, c, d), by: []holder{a, b},
			signed: [2]string{"alice bob", "bob"}, missing: [2]string{"carol", "carol dave"}},
		{name: "new only", old: old, next: trustOf(4, 2, b, c, d), by: []holder{c, d},
			signed: [2]string{"carol", "carol dave"}, missing: [2]string{"alice bob", "bob"}},
		{name: "nobody", old: old, next: trustOf(4, 2, b, c, d),
			missing: [2]string{"alice bob carol", "bob carol dave"}},
		{name: "a stranger", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a, mallory},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{UnknownKey}},
		{name: "below a threshold that rises", old: old, next: trustOf(4, 3, a, b, c), by: []holder{a, b},
			signed: [2]string{"alice bob", "alice bob"}, missing: [2]string{"carol", "carol"}},
		{name: "below a threshold that falls", old: old, next: trustOf(4, 1, a, b, c), by: []holder{a},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}},
		{name: "one key twice", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a, a},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{Repeated}},
		{name: "one holder, two keys", old: twoKeys, next: trustOf(4, 2, a, a2, b), by: []holder{a, a2},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob", "bob"}},
		{name: "one holder, two keys, two names before", old: trustOf(3, 2, a, a2.named("eve")), next: trustOf(4, 2, a, a2, b), by: []holder{a, a2},
			signed: [2]string{"alice eve", "alice"}, missing: [2]string{"", "bob"}},
		{name: "a key under another name", old: old, next: trustOf(4, 2, a.named("carla"), b, c), by: []holder{a, c},
			signed: [2]string{"alice carol", "carla carol"}, missing: [2]string{"bob", "bob"}, complete: true},
		{name: "damaged", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a, b},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{BadSignature},
			changeSigned: func(s []Signature) []Signature {
				s[1].Value = strings.Replace(s[1].Value, "trusted comment: trust", "trusted comment: Trust", 1)
				return s
			}},
		{name: "over another payload", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a, b},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{BadSignature},
			changeSigned: func(s []Signature) []Signature {
				_, other := signed(t, trustOf(4, 1, a, b, c), b)
				return []Signature{s[0], other[0]}
			}},
		{name: "in another's name", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a, mallory},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{BadSignature},
			changeSigned: func(s []Signature) []Signature { s[1].Key = b.signer.Key().Key; return s }},
		{name: "no signature at all", old: old, next: trustOf(4, 2, a, b, c), by: []holder{a},
			signed: [2]string{"alice", "alice"}, missing: [2]string{"bob carol", "bob carol"}, rejected: []Cause{Malformed, UnknownKey},
			changeSigned: func(s []Signature) []Signature {
				return append(s, Signature{Kind: keys.Minisign, Key: b.signer.Key().Key, Value: "x"}, Signature{Kind: keys.OpenPGP, Key: b.signer.Key().Key, Value: "x"})
			}},
		{name: "a first version", next: trustOf(1, 2, a, b, c), by: []holder{a, c},
			signed: [2]string{"", "alice carol"}, missing: [2]string{"", "bob"}, complete: true},
		{name: "a first version, below", next: trustOf(1, 2, a, b, c), by: []holder{c, mallory},
			signed: [2]string{"", "carol"}, missing: [2]string{"", "alice bob"}, rejected: []Cause{UnknownKey}},
		{name: "another chain", next: trustOf(9, 1, d), by: []holder{d},
			signed: [2]string{"", "dave"}, complete: true},
	} {
		payload, sigs := signed(t, k.next, k.by...)
		if k.changeSigned != nil {
			sigs = k.changeSigned(sigs)
		}
		got, err := Count(k.old, payload, sigs)
		if err != nil {
			t.Errorf("%s: %v", k.name, err)
			continue
		}
		var causes []Cause
		for _, r := range got.Rejected {
			causes = append(causes, r.Cause)
		}
		if d := cmp.Diff(k.rejected, causes); d != "" {
			t.Errorf("%s: rejected %+v", k.name, got.Rejected)
		}
		for i, tally := range []Tally{got.Old, got.New} {
			if s := strings.Join(tally.Signed, " "); s != k.signed[i] {
				t.Errorf("%s: %q signed, expected %q", k.name, s, k.signed[i])
			}
			if s := strings.Join(tally.Missing, " "); s != k.missing[i] {
				t.Errorf("%s: %q missing, expected %q", k.name, s, k.missing[i])
			}
		}
		if got.Complete != k.complete {
			t.Errorf("%s: complete is %v", k.name, got.Complete)
		}
		agrees(t, k.name, got, k.old, payload, sigs)
	}
}

// agrees holds the ballot against those who judge trust.json, and against Seal.
func agrees(t *testing.T, name string, got *Ballot, old *keys.Trust, payload []byte, sigs []Signature) {
	t.Helper()
	sealed, err := Seal(old, payload, sigs)
	if (err == nil) != got.Complete {
		t.Errorf("%s: seal: %v", name, err)
	}
	if err == nil {
		e, err := ParseEnvelope(sealed, MaxTrustFile)
		if err != nil || !bytes.Equal(e.Payload, payload) || len(e.Signatures) > len(sigs)-len(got.Rejected) {
			t.Errorf("%s: sealed %v", name, err)
		}
	}
	e := &Envelope{Payload: payload, Signatures: slices.DeleteFunc(slices.Clone(sigs), func(s Signature) bool { return s.checkEntry() != nil })}
	b, err := e.Encode()
	if err != nil {
		return // nobody signed: no envelope
	}
	read := func() (*keys.Trust, error) {
		if old == nil {
			return OpenTrust(b)
		}
		return NextTrust(old, b)
	}
	if x, err := read(); (err == nil) != got.Complete || (x == nil) == got.Complete {
		t.Errorf("%s: readers say %v", name, err)
	}
}

// What cannot follow is refused, whoever signs it.
func TestCount_CannotFollow(t *testing.T) {
	a, b := newHolder(t, "alice"), newHolder(t, "bob")
	old := trustOf(3, 2, a, b)
	other := trustOf(4, 2, a, b)
	other.Network = "other"
	text := func(x *keys.Trust) []byte { p, _ := signed(t, x); return p }
	good := text(trustOf(4, 2, a, b))
	many := trustOf(4, MaxSigs+1)
	for i := range MaxSigs + 1 {
		h := newHolder(t, fmt.Sprintf("h%d", i))
		many.Root.Keys = append(many.Root.Keys, keys.RootKey{Holder: h.name, Key: h.signer.Key().Key, Public: h.signer.Key().Public})
	}
	online := trustOf(4, 2, a, b)
	online.Manifest.Threshold = MaxSigs + 1
	for i, k := range many.Root.Keys {
		online.Manifest.Keys = append(online.Manifest.Keys, keys.ManifestKey{Holder: fmt.Sprintf("h%d", i), Kind: keys.Minisign, Key: k.Key, Public: k.Public})
	}
	for name, c := range map[string]struct {
		payload []byte
		want    string
	}{
		"too high a manifest threshold": {text(online), "manifest threshold of 17 can never be met"},
		"the same version":              {text(trustOf(3, 2, a, b)), "version 3 cannot follow version 3"},
		"a version skipped":             {text(trustOf(5, 2, a, b)), "version 5 cannot follow"},
		"a version back":                {text(trustOf(2, 2, a, b)), "version 2 cannot follow"},
		"another network":               {text(other), `of network "other"`},
		"another schema":                {bytes.Replace(good, []byte("trust/v1"), []byte("trust/v2"), 1), "schema"},
		"version 4.0":                   {bytes.Replace(good, []byte(`"version": 4`), []byte(`"version": 4.0`), 1), "version"},
		"two versions":                  {bytes.Replace(good, []byte(`"version": 4`), []byte(`"version": 4, "version": 4`), 1), "version"},
		"oversize":                      {append(bytes.Clone(good), bytes.Repeat([]byte(" "), keys.MaxTrust)...), "at most"},
		"an envelope":                   {sealed(t, trustOf(4, 2, a, b), a, b), "schema"},
		"nothing":                       {nil, "trust document"},
		"too high a threshold":          {text(many), "can never be met"},
	} {
		var sigs []Signature
		for _, h := range []holder{a, b} {
			s, err := h.signer.Sign(t.Context(), Request{Payload: c.payload})
			if err != nil {
				t.Fatal(err)
			}
			sigs = append(sigs, s)
		}
		if got, err := Count(old, c.payload, sigs); err == nil || got != nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", name, err, c.want)
		}
		if got, err := Seal(old, c.payload, sigs); err == nil || got != nil {
			t.Errorf("%s was sealed", name)
		}
	}
}

// An incomplete ballot says who is awaited, and why a signature does not count.
func TestSeal_Incomplete(t *testing.T) {
	a, b, c := newHolder(t, "alice"), newHolder(t, "bob"), newHolder(t, "carol")
	payload, sigs := signed(t, trustOf(4, 2, b, c), a, a)
	_, err := Seal(trustOf(3, 2, a, b), payload, sigs)
	for _, want := range []string{"version 3, 1 of 2", "not yet: bob", "version 4, 0 of 2", "not yet: bob, carol", "adds nothing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%v, expected %q in it", err, want)
		}
	}
}

// minisign's old form counts nowhere, and is named when it is read.
func TestFromMinisig_Legacy(t *testing.T) {
	a := newHolder(t, "alice")
	_, sigs := signed(t, trustOf(1, 1, a), a)
	lines := strings.Split(sigs[0].Value, "\n")
	lines[1] = "RW" + lines[1][2:] // "Ed" for "ED"
	if _, err := FromMinisig([]byte(strings.Join(lines, "\n"))); err == nil || !strings.Contains(err.Error(), "minisign -SH") {
		t.Errorf("%v", err)
	}
}

// More signatures than an envelope has may be offered: those that count are taken, as few as are needed.
func TestSeal_MoreThanFit(t *testing.T) {
	var o, n []holder
	for i := range 12 {
		o, n = append(o, newHolder(t, fmt.Sprintf("old-%d", i))), append(n, newHolder(t, fmt.Sprintf("new-%d", i)))
	}
	old, next := trustOf(3, 8, o...), trustOf(4, 8, n...)
	payload, sigs := signed(t, next, slices.Concat(o, o, n, []holder{newHolder(t, "mallory")}, n)...)
	b, err := Seal(old, payload, sigs)
	if err != nil {
		t.Fatal(err)
	}
	if e, err := ParseEnvelope(b, MaxTrustFile); err != nil || len(e.Signatures) != 16 {
		t.Errorf("%d signatures, %v", len(e.Signatures), err)
	}
	next.Root.Threshold = 9
	payload, sigs = signed(t, next, slices.Concat(o, n)...)
	if _, err := Seal(old, payload, sigs); err == nil || !strings.Contains(err.Error(), "need 17 signatures") {
		t.Errorf("%v", err)
	}
}

// The chosen set meets what can be met, and no smaller one does: held against trying all subsets.
func TestBallot_Fewest(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		name := func(prefix string) string {
			if i := rapid.IntRange(-1, 4).Draw(t, prefix); i >= 0 {
				return fmt.Sprint(prefix, i)
			}
			return ""
		}
		b := &Ballot{}
		for range rapid.IntRange(1, 9).Draw(t, "signatures") {
			if s := (ballotSignature{old: name("o"), new: name("n")}); s.old+s.new != "" {
				b.good = append(b.good, s)
			}
		}
		old, new := holdersOf(b.good)
		b.Old.Signed, b.New.Signed = old, new
		b.Old.Threshold = rapid.IntRange(0, len(old)).Draw(t, "old threshold")
		b.New.Threshold = rapid.IntRange(0, len(new)).Draw(t, "new threshold")
		got := b.fewest()
		if o, n := holdersOf(got); len(o) < b.Old.Threshold || len(n) < b.New.Threshold {
			t.Fatalf("%v does not meet %d and %d", got, b.Old.Threshold, b.New.Threshold)
		}
		least := len(b.good)
		for set := range 1 << len(b.good) {
			var some []ballotSignature
			for i, s := range b.good {
				if set>>i&1 == 1 {
					some = append(some, s)
				}
			}
			if o, n := holdersOf(some); len(o) >= b.Old.Threshold && len(n) >= b.New.Threshold {
				least = min(least, len(some))
			}
		}
		if len(got) != least {
			t.Fatalf("%d of %v chosen, %d suffice", len(got), b.good, least)
		}
	})
}

func holdersOf(list []ballotSignature) (old, new []string) {
	for _, s := range list {
		if s.old != "" && !slices.Contains(old, s.old) {
			old = append(old, s.old)
		}
		if s.new != "" && !slices.Contains(new, s.new) {
			new = append(new, s.new)
		}
	}
	slices.Sort(old)
	return old, new
}

// Whoever takes the first pair that offers itself needs three signatures here.
func TestBallot_Fewest_Augments(t *testing.T) {
	b := &Ballot{good: []ballotSignature{{old: "o1", new: "n1"}, {old: "o1", new: "n2"}, {old: "o2", new: "n1"}}}
	b.Old, b.New = Tally{Threshold: 2, Signed: []string{"o1", "o2"}}, Tally{Threshold: 2, Signed: []string{"n1", "n2"}}
	if got := b.fewest(); len(got) != 2 {
		t.Errorf("%v, two suffice", got)
	}
}

// Two different keys with one id, one in each version: each counts where its key stands, and neither hides the other.
func TestCount_SameIDTwoKeys(t *testing.T) {
	a, b, c := newHolder(t, "alice"), newHolder(t, "bob"), newHolder(t, "carol")
	twin := *c.signer.(*minisignSigner)
	twin.key.ID = a.signer.Key().Key
	a2 := holder{"alice", &twin}
	old, next := trustOf(3, 2, a, b), trustOf(4, 2, a2, b)
	for _, order := range [][]holder{{a, a2, b}, {a2, a, b}} {
		payload, sigs := signed(t, next, order...)
		got, err := Count(old, payload, sigs)
		if err != nil || !got.Complete || len(got.Rejected) != 0 {
			t.Errorf("%+v, %v", got, err)
			continue
		}
		agrees(t, "twins", got, old, payload, sigs)
	}
	payload, sigs := signed(t, next, a, b)
	if got, err := Count(old, payload, sigs); err != nil || got.Complete {
		t.Errorf("the old key counts as the new one: %+v, %v", got, err)
	}
	if err := trustOf(4, 1, a, holder{"bob", &twin}).Check(); err == nil {
		t.Error("two keys of one id stand in one version")
	}
}
