package main

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// pinNow has the mirror keep the trust document of now, whatever the network publishes later.
func (s *scene) pinNow(name string) {
	s.Helper()
	b, err := os.ReadFile(s.pub.TrustFile)
	s.must(err)
	s.trust = s.path(name)
	s.must(os.WriteFile(s.trust, b, 0o644))
}

func (s *scene) testKey(n int) sign.Signer {
	s.Helper()
	k, err := lab.TestMinisign(n)
	s.must(err)
	return k
}

// rotate is what a network does in years: a new online key beside the old one, renewals, a root key replaced, and in the end
// the old online key revoked; so many versions. It gives the id of the revoked key.
func (s *scene) rotate(versions int) (revoked string) {
	s.Helper()
	old, next := s.pub.Signers[1], s.testKey(2)
	s.must(s.pub.NextTrust(func(t *keys.Trust) {
		k := next.Key()
		k.Holder = "publisher"
		t.Manifest.Keys = append(t.Manifest.Keys, k)
	}))
	for range versions - 3 {
		s.must(s.pub.NextTrust(nil))
	}
	s.pub.Roots = append(s.pub.Roots, s.testKey(4))
	s.must(s.pub.NextTrust(func(t *keys.Trust) {
		k := s.pub.Roots[1].Key()
		t.Root.Keys = []keys.RootKey{{Holder: "root-2", Key: k.Key, Public: k.Public}}
	}))
	s.pub.Roots = s.pub.Roots[1:]
	s.must(s.pub.NextTrust(func(t *keys.Trust) {
		for i := range t.Manifest.Keys {
			t.Manifest.Keys[i].Revoked = t.Manifest.Keys[i].Key == old.Key().Key
		}
	}))
	s.pub.Signers[1] = next
	return old.Key().Key
}

// A mirror that was installed some trust versions ago reaches today's manifest in one command, and tells it once. After that
// a manifest by the key that was revoked on the way is refused: by name, and by the version that says so.
func TestRun_TrustVersionsAgo(t *testing.T) {
	for _, versions := range []int{3, 20} {
		t.Run(fmt.Sprint(versions), func(t *testing.T) {
			t.Parallel()
			s := newScene(t)
			s.pinNow("pinned.json")
			thief := append([]sign.Signer(nil), s.pub.Signers...)
			revoked := s.rotate(versions)
			s.good()
			s.announce(nil)
			newest := fmt.Sprintf("version %d of the trust document", versions+1)
			out := s.expect(0, "run", "-v") // cron is not mailed that all is as it should be
			if strings.Count(out, newest+" was accepted") != 1 {
				t.Errorf("expected that %s was accepted, once, in:\n%s", newest, out)
			}
			s.same(s.master.Dir)
			s.silent(0, "run")
			s.says(s.expect(0, "status"), fmt.Sprintf("version %d, ends", versions+1), "root-2")

			before := s.snapshot()
			s.move(s.t1 + 600)
			s.offers = map[string]manifest.Source{}
			s.pub.Signers = thief
			s.announce(func(m *manifest.Manifest) { m.TrustVersion = 1 })
			out = s.expect(4, "run")
			s.says(out, "refused (signature)", "by "+newest, revoked, "revokes this key", "the tree is untouched")
			s.says(s.expect(4, "check"), revoked, "revokes this key")
			s.same(before)
		})
	}
}

// check reaches it as well, in one command.
func TestCheck_TrustVersionsAgo(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.pinNow("pinned.json")
	s.rotate(3)
	s.good()
	s.announce(nil)
	s.says(s.expect(100, "check"), "version 4 of the trust document was accepted")
	if out := s.expect(100, "check"); strings.Contains(out, "trust document") {
		t.Errorf("told twice:\n%s", out)
	}
}

// A mirror whose trust document has ended says what to do. The network's next one, had by another way and pinned by hand,
// ends it.
func TestRun_TrustExpired_Exit4(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.pinNow("pinned.json")
	s.good()
	s.announce(nil)
	before := s.snapshot()
	late := 301 * aDay
	s.at(late.String())
	s.says(s.expect(4, "run"), "version 1 of the trust document ended at", "hint: ask for the next one: tidemark-mirror trust update",
		"tidemark-mirror trust show trust.json", "where trust: in mirror.yaml says")
	s.silent(4, "run")
	s.says(s.expect(4, "trust", "update"), "version 1, the newest that is to be had, ended at", "ask the network's operators for their newest trust.json")
	s.same(before)

	s.must(s.pub.NextTrust(func(t *keys.Trust) { t.Expires = strictjson.At(s.now.Add(900 * aDay)) }))
	s.must(os.RemoveAll(s.pub.Site + "/trust"))
	s.pub.At(s.now.Add(late - time.Minute))
	s.announce(nil)
	s.says(s.expect(4, "run", "-v"), "version 1 of the trust document ended at")
	s.pinNow("pinned-later.json")
	s.expect(0, "run")
	s.same(s.master.Dir)
}

// The end of the trust document is told from 90 days on: by status and check each time, by cron's run once, and once a day in
// the last 30.
func TestRun_TrustEnds(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.expect(0, "run")
	for _, tt := range []struct {
		days        int
		run, always bool
		exit        int
	}{{91, false, false, 0}, {90, true, true, 0}, {89, false, true, 0}, {31, false, true, 0}, {30, true, true, 0}, {29, true, true, 0}, {1, true, true, 0}, {0, true, true, 0}, {-1, false, true, 4}} {
		end := s.pub.Trust.Expires.Sub(s.now)
		offset := end - time.Duration(tt.days)*aDay
		if tt.days == 1 || tt.days == 0 { // the last day, and the last hour
			offset -= time.Duration(tt.days)*2*time.Hour + 30*time.Minute
		}
		s.pub.At(s.now.Add(offset - time.Minute))
		s.announce(nil)
		s.at(offset.String())
		told := func(want bool, exit int, command string) {
			t.Helper()
			out := s.expect(exit, command)
			if got := strings.Contains(out, "trust document"); got != want {
				t.Errorf("%s, %d days before the end: told is %v, expected %v:\n%s", command, tt.days, got, want, out)
			}
		}
		told(tt.run || tt.exit == 4, tt.exit, "run")
		s.silent(tt.exit, "run")
		told(tt.always, tt.exit, "check")
		told(tt.always, 0, "status")
	}
}

// A stolen key put the serial to the highest there is; the network has started the serials anew since, in a version of the
// trust document that an admin leaves out by pinning the newest one by hand.
func TestRun_PinnedBeyondAReset(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.pinNow("pinned.json")
	s.announce(func(m *manifest.Manifest) { m.Serial = manifest.MaxSerial })
	s.expect(6, "run", "-v")
	s.must(s.pub.NextTrust(func(t *keys.Trust) { t.ResetSerial, t.MinSerial = true, 100 }))
	s.must(s.pub.NextTrust(func(t *keys.Trust) { t.ResetSerial = false }))
	s.pinNow("pinned-later.json")
	s.good()
	s.announce(func(m *manifest.Manifest) { m.Serial = 100 })
	s.expect(0, "run")
	s.same(s.master.Dir)
	s.silent(0, "run")
}
