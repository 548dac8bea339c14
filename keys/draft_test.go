package keys

import (
	"strings"
	"testing"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"
	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
)

func TestTrust_Successor(t *testing.T) {
	x := goodTrust(t)
	x.ResetSerial, x.MinSerial = true, 7
	want, err := x.Encode()
	if err != nil {
		t.Fatal(err)
	}
	now := day0.Add(300 * day)
	next := x.Successor(now, year)
	if next.Version != 2 || !next.Issued.Equal(now) || !next.Expires.Equal(now.Add(year)) || next.ResetSerial || next.MinSerial != 7 {
		t.Errorf("%+v", next)
	}
	if err := next.Check(); err != nil {
		t.Error(err)
	}
	next.Root.Keys[0].Holder, next.Manifest.Required[0], next.Manifest.Keys[0].Holder = "x", "x", "x"
	next.Manifest.Keys[0].Signing[0], next.Manifest.Keys[1].NotAfter.Time = "x", now
	next.Root.Keys = append(next.Root.Keys[:1], next.Root.Keys[2:]...)
	got, err := x.Encode()
	if d := cmp.Diff(string(want), string(got)); d != "" || err != nil {
		t.Errorf("the old document changed with the new one: %v\n%s", err, d)
	}
}

func TestTrust_PutKey(t *testing.T) {
	x := goodTrust(t)
	k := minisignKey(t)
	id, err := x.PutKey("second", k.File())
	if err != nil || id != k.ID {
		t.Fatal(id, err)
	}
	cert := edited(t, func(e *openpgp.Entity) { extend(t, e, 2*year); addSubkey(t, e, 2*year) })
	end := strictjson.At(day0)
	x.Manifest.Keys[0].NotAfter = &end
	if id, err = x.PutKey("publisher", cert.Binary()); err != nil || id != cert.Primary.Fingerprint {
		t.Fatal(id, err)
	}
	if got := x.Manifest.Keys[0]; len(x.Manifest.Keys) != 3 || len(got.Signing) != 2 || got.NotAfter != nil || !got.End().Equal(day0.Add(2*year)) {
		t.Errorf("renewed: %+v of %d", got, len(x.Manifest.Keys))
	}
	if err := x.Check(); err != nil {
		t.Error(err)
	}
}

func TestTrust_Put_Refused(t *testing.T) {
	x := goodTrust(t)
	secret, _, err := GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	private, _ := generated()
	k := minisignKey(t)
	x.Manifest.Keys = append(x.Manifest.Keys, ManifestKey{Holder: "gone", Kind: Minisign, Key: k.ID, Public: k.String(), Revoked: true})
	root, online := x.Root.Keys[0], x.Manifest.Keys[1]
	before := same(x)
	for _, c := range []struct {
		name, holder, public, want string
		put                        func(string, []byte) (string, error)
	}{
		{"holder", "Alice B", minisignKey(t).String(), "holder", x.PutKey},
		{"nothing", "a", "", "minisign public key", x.PutKey},
		{"a minisign secret key", "a", string(secret), "secret key", x.PutKey},
		{"an openpgp private key", "a", string(private), "private key", x.PutKey},
		{"text", "a", "hello", "certificate", x.PutKey},
		{"a root key", "a", root.Public, "root key of alice", x.PutKey},
		{"a revoked key", "a", k.String(), "is revoked", x.PutKey},
		{"root: holder", "", minisignKey(t).String(), "holder", x.PutRoot},
		{"root: a certificate", "a", x.Manifest.Keys[0].Public, "minisign", x.PutRoot},
		{"root: a secret key", "a", string(secret), "secret key", x.PutRoot},
		{"root: there already", "dave", root.Public, "there already, of alice", x.PutRoot},
		{"root: an online key", "dave", online.Public, "signs manifests", x.PutRoot},
		{"root: larger than any", "dave", "RW" + strings.Repeat("A", 1<<20), "at most", x.PutRoot},
	} {
		_, err := c.put(c.holder, []byte(c.public))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", c.name, err, c.want)
		}
		if line := strings.Split(string(secret), "\n")[1]; err != nil && strings.Contains(err.Error(), line[60:90]) {
			t.Errorf("%s: a secret key is quoted: %v", c.name, err)
		}
	}
	if d := cmp.Diff(before, x); d != "" {
		t.Errorf("a refused edit changed the document:\n%s", d)
	}
}

func TestTrust_Edits(t *testing.T) {
	x := goodTrust(t)
	pgp, mini := x.Manifest.Keys[0], x.Manifest.Keys[1]
	if err := x.EndKey(strings.ToLower(mini.Key[4:]), day0.Add(time.Hour+time.Nanosecond)); err != nil {
		t.Error(err)
	} else if got := x.Manifest.Keys[1].NotAfter; !got.Equal(day0.Add(time.Hour)) {
		t.Errorf("ends %v", got)
	}
	if err := x.RevokeKey("0x" + pgp.Key[:20] + " " + pgp.Key[20:]); err != nil || !x.Manifest.Keys[0].Revoked {
		t.Error(err)
	}
	if err := x.DropKey(mini.Key); err != nil || len(x.Manifest.Keys) != 1 {
		t.Error(err)
	}
	if err := x.DropRoot("bob"); err != nil || len(x.Root.Keys) != 2 {
		t.Error(err)
	}
	if err := x.DropRoot(x.Root.Keys[1].Key[8:]); err != nil || len(x.Root.Keys) != 1 || x.Root.Keys[0].Holder != "alice" {
		t.Error(err)
	}
	k := minisignKey(t)
	if id, err := x.PutRoot("alice", k.File()); err != nil || id != k.ID {
		t.Error(err)
	}
	if err := x.DropRoot("alice"); err != nil || len(x.Root.Keys) != 0 {
		t.Errorf("all keys of a holder: %v, %d stay", err, len(x.Root.Keys))
	}
}

func TestTrust_Edits_Refused(t *testing.T) {
	x := goodTrust(t)
	a, b := MinisignKey{ID: "00000001DEADBEEF", Public: minisignKey(t).Public}, MinisignKey{ID: "00000002DEADBEEF", Public: minisignKey(t).Public}
	for _, k := range []MinisignKey{a, b} {
		if _, err := x.PutKey("second", []byte(k.String())); err != nil {
			t.Fatal(err)
		}
	}
	c := MinisignKey{ID: "00000003DEADBEEF", Public: minisignKey(t).Public}
	for _, holder := range []string{"deadbeef", "dave"} {
		if _, err := x.PutRoot(holder, []byte(c.String())); err != nil {
			t.Fatal(err)
		}
		c = MinisignKey{ID: "00000004FEEDBEEF", Public: minisignKey(t).Public}
	}
	if err := x.RevokeKey(a.ID); err != nil {
		t.Fatal(err)
	}
	before := same(x)
	pgp := x.Manifest.Keys[0]
	for name, c := range map[string]struct {
		err  error
		want string
	}{
		"too short":            {x.DropKey(b.ID[9:]), "at least 8"},
		"no hex":               {x.DropKey("publisher"), "at least 8"},
		"unknown":              {x.DropKey("0123456789ABCDEF"), "there are " + pgp.Key + " (publisher), "},
		"ambiguous":            {x.DropKey("deadbeef"), "the end of 2 ids"},
		"a subkey":             {x.RevokeKey(pgp.Signing[0]), "subkey of the certificate " + pgp.Key},
		"the beginning":        {x.DropKey(pgp.Key[:30]), "no key of the manifest role"},
		"longer than the id":   {x.DropKey("00" + b.ID), "no key"},
		"revoked already":      {x.RevokeKey(a.ID), "revoked already"},
		"end of a revoked one": {x.EndKey(a.ID, day0), "is revoked"},
		"no time":              {x.EndKey(b.ID, time.Time{}), "no time"},
		"a root key":           {x.DropKey(x.Root.Keys[0].Key), "no key of the manifest role"},
		"no such holder":       {x.DropRoot("zoe"), "at least 8"},
		"no such root key":     {x.DropRoot(pgp.Key), "no root key"},
		"holder or id":         {x.DropRoot("deadbeef"), "give the whole id"},
	} {
		if c.err == nil || !strings.Contains(c.err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", name, c.err, c.want)
		}
	}
	if d := cmp.Diff(before, x); d != "" {
		t.Errorf("a refused edit changed the document:\n%s", d)
	}
}
