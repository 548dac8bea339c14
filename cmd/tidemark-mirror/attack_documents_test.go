package main

import (
	"bytes"
	"fmt"
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

// forgery is a bundle that is laid in the site, and what is said of it.
type forgery struct {
	name string
	lay  func(s *siege) []byte
	said []string
}

// attackForged lays one bad bundle each, signed as well as the attacker can. The name of a case ends in the reason that
// must be said.
func attackForged(t *testing.T, s *siege) {
	for _, list := range [][]forgery{datedForgeries(), signatureForgeries(), documentForgeries(), contentForgeries()} {
		for _, f := range list {
			t.Run(f.name, func(t *testing.T) {
				t.Parallel()
				v := s.victim(t)
				v.lay("manifest.bundle.json", f.lay(v.siege))
				v.repels(4, f.said...)
			})
		}
	}
}

// datedForgeries are genuine signatures at the wrong time or place.
func datedForgeries() []forgery {
	shifted := func(by, validity time.Duration) func(*siege) []byte {
		return func(s *siege) []byte {
			return s.bundle(s.news(func(m *manifest.Manifest) {
				m.Issued, m.Expires = strictjson.At(s.now.Add(by)), strictjson.At(s.now.Add(by+validity))
			}))
		}
	}
	return []forgery{
		{"Expired", shifted(-30*time.Hour, 24*time.Hour), []string{"manifest refused (expired)"}},
		{"FutureDated", shifted(time.Hour, 24*time.Hour), []string{"manifest refused (future-dated)"}},
		{"WrongNetwork", func(s *siege) []byte {
			return s.bundle(s.news(func(m *manifest.Manifest) { m.Network = "debian" }))
		}, []string{"(wrong-network)", `"debian"`, `"centos"`}},
		{"TrustNotToBeHad", func(s *siege) []byte {
			return s.bundle(s.news(func(m *manifest.Manifest) { m.TrustVersion = 9 }))
		}, []string{"(trust-too-old)", "version 9", "version 1"}},
	}
}

func signatureForgeries() []forgery {
	return []forgery{
		{"ChangedPayload_Signature", func(s *siege) []byte {
			e := s.envelope(s.bundle(s.next))
			e.Payload = bytes.Replace(e.Payload, []byte(`"slots": 4`), []byte(`"slots": 8`), 1)
			return s.pack(e)
		}, []string{"(signature)"}},
		{"SwappedPayload_Signature", func(s *siege) []byte {
			e := s.envelope(s.bundle(s.seen))
			e.Payload = s.encode(s.next)
			return s.pack(e)
		}, []string{"(signature)"}},
		{"SwappedSignatures_Signature", func(s *siege) []byte {
			e := s.envelope(s.bundle(s.next))
			e.Signatures[0].Value, e.Signatures[1].Value = e.Signatures[1].Value, e.Signatures[0].Value
			return s.pack(e)
		}, []string{"(signature)"}},
		{"StrippedOpenPGP_Signature", func(s *siege) []byte {
			return s.signed(s.encode(s.next), s.next, s.pub.Signers[1])
		}, []string{"(signature)", "openpgp", "required"}},
		{"StrippedMinisign_Signature", func(s *siege) []byte {
			return s.signed(s.encode(s.next), s.next, s.pub.Signers[0])
		}, []string{"(signature)", "minisign", "required"}},
		{"OtherKey_Signature", func(s *siege) []byte {
			return s.signed(s.encode(s.next), s.next, s.pub.Signers[0], s.stranger())
		}, []string{"(signature)"}},
		{"OtherKeyUnderTheGoodOnesName_Signature", func(s *siege) []byte {
			e := s.envelope(s.signed(s.encode(s.next), s.next, s.pub.Signers[0], s.stranger()))
			e.Signatures[1].Key = s.pub.Signers[1].Key().Key
			return s.pack(e)
		}, []string{"(signature)"}},
		{"CommentOfAnother_Malformed", func(s *siege) []byte {
			e, other := s.envelope(s.bundle(s.next)), s.news(func(m *manifest.Manifest) { m.Serial = 9 })
			e.Signatures[1] = s.envelope(s.signed(e.Payload, other, s.pub.Signers[1])).Signatures[0]
			return s.pack(e)
		}, []string{"(malformed)", "trusted comment"}},
		{"SerialBeyondNumbers_Malformed", func(s *siege) []byte { return s.genuine(`"serial": 3`, `"serial": 9007199254740992`) }, []string{"(malformed)", "serial"}},
	}
}

// documentForgeries are texts that another reader might understand differently.
func documentForgeries() []forgery {
	outside := func(change func(string) string) func(*siege) []byte {
		return func(s *siege) []byte { return []byte(change(string(s.bundle(s.next)))) }
	}
	inside := func(old, text string) func(*siege) []byte {
		return func(s *siege) []byte { return s.genuine(old, text) }
	}
	return []forgery{
		{"DuplicateMember_Malformed", inside(`"serial": 3`, `"serial": 1, "serial": 3`), []string{"(malformed)", "serial"}},
		{"DuplicatePayload_Malformed", outside(func(b string) string { return strings.Replace(b, `"payload"`, `"payload": "eA==", "payload"`, 1) }), []string{"(malformed)", "payload"}},
		{"OtherCase_Malformed", inside(`"serial"`, `"Serial"`), []string{"(malformed)", "serial"}},
		{"FoldedCase_Malformed", inside(`"serial"`, `"ſerial"`), []string{"(malformed)", "serial"}},
		{"TrailingDocument_Malformed", inside("\n}\n", "\n}\n{}\n"), []string{"(malformed)"}},
		{"TrailingBytes_Malformed", outside(func(b string) string { return b + "{}" }), []string{"(malformed)"}},
		{"ByteOrderMark_Malformed", outside(func(b string) string { return "\ufeff" + b }), []string{"(malformed)"}},
		{"Truncated_Malformed", outside(func(b string) string { return b[:len(b)/2] }), []string{"(malformed)"}},
		{"Empty_Malformed", outside(func(string) string { return "" }), []string{"(malformed)"}},
		{"PageOfAPortal_Malformed", outside(func(string) string { return "<!DOCTYPE html><title>Please log in</title>" }), []string{"(malformed)"}},
		{"DeeplyNested_Malformed", outside(func(string) string { return strings.Repeat(`{"payload":`, 1<<20) }), []string{"(malformed)"}},
		{"OtherSchema_Malformed", inside(`"tidemark/manifest/v1"`, `"tidemark/manifest/v2"`), []string{"(malformed)", "v2"}},
		{"Oversize_TooLarge", outside(func(b string) string { return b + strings.Repeat(" ", sign.MaxBundle) }), []string{"manifest.bundle.json", fmt.Sprint(sign.MaxBundle)}},
		{"OversizePayload_TooLarge", func(s *siege) []byte {
			payload := append(s.encode(s.next), bytes.Repeat([]byte(" "), manifest.MaxSize)...)
			return s.signed(payload, s.next, s.pub.Signers...)
		}, []string{"(too-large)", fmt.Sprint(manifest.MaxSize)}},
	}
}

// contentForgeries are names by which a genuine document would reach out of the tree, or into rsync's arguments.
func contentForgeries() []forgery {
	var all []forgery
	for name, path := range map[string]string{
		"Above": "../../../../etc/cron.d/canary", "Absolute": "/etc/cron.d/canary", "Option": "-etouch canary", "Newline": `a\ncanary`, "Rule": "+ *", "NUL": `a\u0000b`,
	} {
		anchor := func(s *siege) []byte {
			return s.genuine(fmt.Sprintf("%q", s.next.Trees["centos"].Anchors[0].Path), `"`+path+`"`)
		}
		all = append(all,
			forgery{"Anchor" + name + "_Malformed", anchor, []string{"(malformed)", "anchors"}},
			forgery{"TimeFile" + name + "_Malformed", func(s *siege) []byte { return s.genuine(`"time_file": "TIME"`, `"time_file": "`+path+`"`) }, []string{"(malformed)", "time_file"}},
		)
	}
	return all
}

// The same serial with other content is refused whatever else holds, and both documents are kept.
func attackFork(t *testing.T, s *siege) {
	v := s.victim(t)
	other := s.bundle(s.news(func(m *manifest.Manifest) { m.Serial = 2 }))
	v.lay("manifest.bundle.json", other)
	v.repels(4, "manifest refused (fork)", "serial 2", manifest.SHA256(s.encode(s.seen)), manifest.SHA256(s.envelope(other).Payload))
	v.recovers()
	forks, err := filepath.Glob(filepath.Join(v.state, "fork-2-*.bundle.json"))
	if err != nil || len(forks) == 0 {
		t.Fatalf("no second document is kept: %v", err)
	}
	var found bool
	for _, name := range forks {
		b, err := os.ReadFile(name)
		found = found || err == nil && bytes.Equal(b, other)
	}
	if !found {
		t.Errorf("%v: none is the other document", forks)
	}
}

// An older manifest is what a CDN's edge may serve for a while; when nothing newer comes for an hour, somebody holds it back.
func attackRollback(t *testing.T, s *siege) {
	v := s.victim(t)
	v.lay("manifest.bundle.json", s.bundle(s.old))
	before := v.remembered()
	if out, exit := v.run("run", "--now", "-v"); exit != 0 {
		t.Errorf("at once: exit code %d, expected 0:\n%s", exit, out)
	}
	v.unharmed(before)
	v.clock = 61 * time.Minute
	v.repels(4, "manifest refused (rollback)", "serial 1", "serial 2")
	v.recovers()
}

// Who serves the same manifest for ever hides what came after it, until it ends.
func attackFreeze(t *testing.T, s *siege) {
	v := s.victim(t)
	v.lay("manifest.bundle.json", s.bundle(s.seen))
	v.clock = 25 * time.Hour
	v.repels(4, "manifest refused (expired)")
	v.recovers()
}

// A clock that was set back does not make old manifests new: the one seen is the floor.
func attackClockSetBack(t *testing.T, s *siege) {
	v := s.victim(t)
	v.lay("manifest.bundle.json", s.bundle(s.news(func(m *manifest.Manifest) {
		m.Issued, m.Expires = strictjson.At(s.now.Add(-6*time.Hour)), strictjson.At(s.now.Add(-3*time.Hour))
	})))
	v.clock = -4 * time.Hour
	v.repels(4, "manifest refused (")
	v.recovers()
}

// A trust document that strangers signed names the stranger's key; the manifest that follows it is the stranger's.
func attackTrustOfStrangers(t *testing.T, s *siege) {
	for name, signers := range map[string][]sign.Signer{"ByAStranger": {s.stranger()}, "ByThePublishersOwnKey": {s.pub.Signers[1]}} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := s.victim(t)
			next := *s.pub.Trust
			next.Version = 2
			k := s.stranger().Key()
			k.Holder = "publisher"
			next.Manifest = keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}, Keys: []keys.ManifestKey{k}}
			payload, err := next.Encode()
			v.must(err)
			e := sign.Envelope{Payload: payload}
			for _, signer := range signers {
				sig, err := signer.Sign(t.Context(), sign.Request{Payload: payload, Comment: "trust centos version=2", Issued: next.Issued.Time})
				v.must(err)
				e.Signatures = append(e.Signatures, sig)
			}
			v.lay("trust/2.json", v.pack(&e))
			m := v.news(func(m *manifest.Manifest) { m.TrustVersion = 2 })
			v.lay("manifest.bundle.json", v.signed(v.encode(m), m, v.stranger()))
			v.repels(4, "refused (")
			v.recovers()
			if kept, _ := filepath.Glob(filepath.Join(v.state, "trust-*.json")); len(kept) != 1 || filepath.Base(kept[0]) != "trust-1.json" { // the pinned one
				t.Errorf("%v: the trust document was kept", kept)
			}
		})
	}
}

// State that somebody has tampered with is not read as "nothing seen yet".
func attackDamagedSeen(t *testing.T, s *siege) {
	v := s.victim(t)
	v.lay("manifest.bundle.json", s.bundle(s.old))
	if err := os.WriteFile(filepath.Join(v.state, "seen.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	out, exit := v.run("run", "--now")
	if exit != 1 || !strings.Contains(out, "seen.json is damaged") {
		t.Errorf("exit code %d, expected 1:\n%s", exit, out)
	}
	v.unharmed(v.remembered())
}

// Every command that asks the site refuses what it serves, and none acts on it.
func attackEveryCommand(t *testing.T, s *siege) {
	for _, command := range [][]string{
		{"check"}, {"check", "--json"}, {"run", "--now", "--dry-run"}, {"run", "--now", "--ignore-admission"}, {"sources"}, {"verify", "SITE"},
		{"run", "--now", "--source=rsync://TRAP/centos/"}, // nothing genuine is newer: not even from there
	} {
		t.Run(strings.TrimSpace(strings.Join(command, " ")), func(t *testing.T) {
			t.Parallel()
			v := s.victim(t)
			e := v.envelope(v.bundle(v.next))
			e.Payload = bytes.Replace(e.Payload, []byte(`"slots": 4`), []byte(`"slots": 8`), 1)
			v.lay("manifest.bundle.json", v.pack(e))
			before := v.remembered()
			var args []string
			for _, a := range command[1:] {
				args = append(args, strings.NewReplacer("SITE", v.site, "TRAP", v.trap.Addr().String()).Replace(a))
			}
			out, exit := v.run(command[0], args...)
			if exit != 4 || !strings.Contains(out, "manifest refused (signature)") && !strings.Contains(out, "does not verify") {
				t.Errorf("exit code %d, expected 4, and what was found:\n%s", exit, out)
			}
			v.unharmed(before)
		})
	}
}
