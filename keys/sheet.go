package keys

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"
)

// Sheet is <network>.txt: who may sign at now, for people. Each key with its holder, since which version of the trust
// document, its end, and its fingerprint in groups of hex digits and in words: of an OpenPGP key the 20 bytes of the fingerprint, of a
// minisign key the 32 bytes of the key itself. before are earlier versions that are known, in any order.
func Sheet(t *Trust, now time.Time, before ...*Trust) []byte {
	s := &sheet{t: t, now: now, before: before}
	s.line("Who may sign for %s", t.Network)
	s.line("")
	s.line("Trust document: version %d, issued %s, ends %s.", t.Version, date(t.Issued.Time), date(t.Expires.Time))
	s.line("To compare: read the words to each other, by telephone or face to face.")
	s.line("")
	s.line("Manifests: %d of the holders must sign, with %s", t.Manifest.Threshold, kinds(t.Manifest.Required))
	for _, k := range t.Manifest.Keys {
		s.manifestKey(k)
	}
	s.line("")
	s.line("Trust documents: %d of the root holders must sign", t.Root.Threshold)
	for _, k := range t.Root.Keys {
		s.line("")
		s.line("%s: minisign key %s, %s", k.Holder, k.Key, s.since(func(t *Trust) bool { return slices.Contains(t.Root.Keys, k) }))
		s.minisign(k.Public)
	}
	return []byte(s.text.String())
}

type sheet struct {
	t      *Trust
	now    time.Time
	before []*Trust
	text   strings.Builder
}

func (s *sheet) line(format string, args ...any) {
	fmt.Fprintf(&s.text, format+"\n", args...)
}

func (s *sheet) manifestKey(k ManifestKey) {
	s.line("")
	since := s.since(func(t *Trust) bool {
		x, ok := t.Manifest.find(k.Key)
		return ok && x.Kind == k.Kind && x.Holder == k.Holder && x.Revoked == k.Revoked
	})
	switch {
	case k.Revoked:
		s.line("REVOKED: the %s key %s of %s, %s", k.Kind, k.Key, k.Holder, since)
		s.line("  Nothing that it signs, or ever signed, counts. Remove it from every keyring.")
		if k.revocation() != nil {
			s.line("  gpg --import %s.revoked.asc marks it as revoked where it was imported.", s.t.Network)
		}
		return
	case k.ended(s.now):
		s.line("Ended: the %s key %s of %s, %s%s", k.Kind, k.Key, k.Holder, since, until(k.End()))
		s.revokedSubkeys(k)
		return
	}
	s.line("%s: %s key %s, %s,%s", k.Holder, k.Kind, k.Key, since, until(k.End()))
	if k.Kind == Minisign {
		s.minisign(k.Public)
		return
	}
	if k.early(s.now) {
		s.line("  Its certificate is dated in the future: nothing that it signs counts before %s.", date(*k.Begin()))
	}
	s.userIDs(k)
	s.fingerprint(k.Key)
	for _, f := range k.signingAt(s.now) {
		if f != k.Key {
			s.line("  Signs with the subkey:%s", until(k.EndOf(f)))
			s.fingerprint(f)
		}
	}
	s.revokedSubkeys(k)
}

func (s *sheet) userIDs(k ManifestKey) {
	const most = 20
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return
	}
	for i, id := range cert.UserIDs {
		if i == most {
			s.line("  and %d user ids more", len(cert.UserIDs)-most)
			return
		}
		s.line("  User id: %s", LegibleID(id))
	}
}

// revokedSubkeys names what was stolen of a certificate that goes on.
func (s *sheet) revokedSubkeys(k ManifestKey) {
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return
	}
	for _, f := range cert.revoked {
		s.line("  REVOKED: its subkey %s: nothing that it signs, or ever signed, counts.", f)
		s.line("  gpg --import %s.revoked.asc marks it as revoked where it was imported.", s.t.Network)
	}
}

// since says from which version on, without a gap, has holds; as far back as versions are known.
func (s *sheet) since(has func(*Trust) bool) string {
	first := s.t.Version
	known := slices.Clone(s.before)
	slices.SortFunc(known, func(a, b *Trust) int { return int(b.Version - a.Version) })
	for _, x := range known {
		if x.Network != s.t.Network || x.Version != first-1 {
			continue
		}
		if !has(x) {
			return fmt.Sprintf("since version %d", first)
		}
		first = x.Version
	}
	if first == 1 {
		return "since version 1"
	}
	return fmt.Sprintf("since version %d or before", first)
}

func (s *sheet) minisign(public string) {
	k, err := ParseMinisign(public)
	if err != nil {
		return
	}
	s.line("  Public key %s", public)
	s.bytes(k.Public)
}

func (s *sheet) fingerprint(f string) {
	b, err := hex.DecodeString(f)
	if err != nil {
		return
	}
	s.bytes(b)
}

// bytes writes groups of four hex digits, and words, each two bytes one pair: a line has four words.
func (s *sheet) bytes(b []byte) {
	perLine := 16
	if len(b) == 20 {
		perLine = len(b) // a fingerprint
	}
	for part := range slices.Chunk(b, perLine) {
		var groups []string
		for two := range slices.Chunk(part, 2) {
			groups = append(groups, fmt.Sprintf("%X", two))
		}
		s.line("    %s", strings.Join(groups, " "))
	}
	for words := range slices.Chunk(Words(b), 4) {
		s.line("      %s", strings.Join(words, " "))
	}
}
