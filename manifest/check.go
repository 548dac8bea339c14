package manifest

import (
	"maps"
	"slices"
	"strings"
	"time"
	"unicode/utf8"

	"tidemark/internal/geo"
	"tidemark/internal/ident"
)

// Limits (DESIGN 4.1).
const (
	MaxSize       = 8 << 20   // bytes of a document
	MaxTrees      = 64        //
	MaxEntries    = 20000     // trees of all sources added up
	MaxAnchors    = 4000      // of all trees, announced and later
	MaxLater      = 64        // newer timestamps of a tree
	MaxSerial     = 1<<53 - 1 // what every JSON reader holds exactly
	MaxSlots      = 8         // a SHA-256 has eight words of eight hex digits
	MaxPath       = 4096      // bytes of an anchor's path
	FullAdmission = 1_000_000 // parts per million
	Skew          = 5 * time.Minute
)

const (
	maxTimestamp = 253402300799 // the end of the year 9999
	maxInterval  = 366 * 86400  // seconds
	maxASN       = 1<<32 - 1
)

// check applies every rule that is not one of the text. Parse and Encode share it.
func (m *Manifest) check() error {
	if err := m.checkHead(); err != nil {
		return err
	}
	if err := m.checkTrees(); err != nil {
		return err
	}
	if err := m.checkSources(); err != nil {
		return err
	}
	return m.Policy.check()
}

func (m *Manifest) checkHead() error {
	if m.Schema != Schema {
		return schemaError(m.Schema)
	}
	if err := ident.Check(m.Network); err != nil {
		return broken(RuleNetwork, "network", "%v", err)
	}
	if err := between(RuleSerial, "serial", m.Serial, 1, MaxSerial); err != nil {
		return err
	}
	if !m.Expires.After(m.Issued.Time) {
		return broken(RuleExpires, "expires", "found %s, expected a time after issued, %s", stamp(m.Expires.Time), stamp(m.Issued.Time))
	}
	if err := between(RuleTrustVersion, "trust_version", m.TrustVersion, 1, MaxSerial); err != nil {
		return err
	}
	if m.Previous != "" && !isSHA256(m.Previous) {
		return broken(RulePrevious, "previous", "found %.80q, expected a SHA-256 in 64 lower-case hex digits, or no such member", m.Previous)
	}
	return nil
}

func (m *Manifest) checkTrees() error {
	names := slices.Sorted(maps.Keys(m.Trees))
	if len(names) > MaxTrees {
		return broken(RuleTreeCount, "trees", "found %d trees, expected at most %d; tree %.100q is the first beyond", len(names), MaxTrees, names[MaxTrees])
	}
	anchors := 0
	for _, name := range names {
		if err := ident.Check(name); err != nil {
			return broken(RuleTreeName, "trees", "%v", err)
		}
		t := m.Trees[name]
		if err := t.check("trees." + name); err != nil {
			return err
		}
		anchors += t.anchorCount()
	}
	if anchors > MaxAnchors {
		largest := slices.MaxFunc(names, func(a, b string) int { return m.Trees[a].anchorCount() - m.Trees[b].anchorCount() })
		return broken(RuleAnchorCount, "trees."+largest, "found %d anchors in all, expected at most %d; tree %s has most, %d, and its share is %d",
			anchors, MaxAnchors, largest, m.Trees[largest].anchorCount(), AnchorShare(len(names)))
	}
	return nil
}

func (t Tree) anchorCount() int {
	n := len(t.Anchors)
	for _, l := range t.Later {
		n += len(l.Anchors)
	}
	return n
}

func (t Tree) check(path string) error {
	if err := checkTimestamp(path, t.Timestamp); err != nil {
		return err
	}
	if why := badPath(t.TimeFile); why != "" {
		return broken(RuleTimeFile, path+".time_file", "found %.100q, %s", t.TimeFile, why)
	}
	if err := between(RuleFiles, path+".files", t.Files, 0, MaxSerial); err != nil {
		return err
	}
	if err := between(RuleBytes, path+".bytes", t.Bytes, 0, MaxSerial); err != nil {
		return err
	}
	if n := t.Nodes; n.Verified < 0 || n.Quorum < 0 || n.Verified > n.Counted || n.Counted > MaxEntries || n.Quorum > MaxEntries {
		return broken(RuleNodes, path+".nodes", "found verified %d, counted %d, quorum %d, expected none negative or above %d, and verified at most counted", n.Verified, n.Counted, n.Quorum, MaxEntries)
	}
	if err := between(RuleAdmit, path+".admit", t.Admit, 0, FullAdmission); err != nil {
		return err
	}
	if err := checkAnchors(path+".anchors", t.Anchors); err != nil {
		return err
	}
	return t.checkLater(path + ".later")
}

func (t Tree) checkLater(path string) error {
	if len(t.Later) > MaxLater {
		return broken(RuleLaterCount, path, "found %d newer timestamps, expected at most %d", len(t.Later), MaxLater)
	}
	newest := t.Timestamp
	for i, l := range t.Later {
		at := path + index(i)
		if err := checkTimestamp(at, l.Timestamp); err != nil {
			return err
		}
		if l.Timestamp <= newest {
			return broken(RuleLaterOrder, at+".timestamp", "found %d after %d, expected timestamps newer than the announced one, ascending", l.Timestamp, newest)
		}
		newest = l.Timestamp
		if err := checkAnchors(at+".anchors", l.Anchors); err != nil {
			return err
		}
	}
	return nil
}

func checkAnchors(path string, anchors []Anchor) error {
	seen := make(map[string]bool, len(anchors))
	for i, a := range anchors {
		at := path + index(i)
		if why := badPath(a.Path); why != "" {
			return broken(RuleAnchorPath, at+".path", "found %.100q, %s", a.Path, why)
		}
		if seen[a.Path] {
			return broken(RuleAnchorTwice, at+".path", "found %.100q twice in one set, expected each path once", a.Path)
		}
		seen[a.Path] = true
		if err := between(RuleAnchorSize, at+".size", a.Size, 0, MaxSerial); err != nil {
			return err
		}
		if !isSHA256(a.SHA256) {
			return broken(RuleAnchorHash, at+".sha256", "found %.80q, expected a SHA-256 in 64 lower-case hex digits", a.SHA256)
		}
	}
	return nil
}

func (p Policy) check() error {
	if err := between(RuleCheckInterval, "policy.check_interval", p.CheckInterval, 1, maxInterval); err != nil {
		return err
	}
	if err := between(RuleMaxHold, "policy.max_hold", p.MaxHold, 1, maxInterval); err != nil {
		return err
	}
	for _, country := range slices.Sorted(maps.Keys(p.Nearby)) {
		if !geo.ValidCountry(country) {
			return broken(RuleNearby, "policy.nearby", "found country %.20q, expected an ISO 3166-1 alpha-2 code", country)
		}
		path := "policy.nearby." + country
		seen := map[string]bool{country: true}
		for i, near := range p.Nearby[country] {
			if !geo.ValidCountry(near) {
				return broken(RuleNearby, path+index(i), "found country %.20q, expected an ISO 3166-1 alpha-2 code", near)
			}
			if seen[near] {
				return broken(RuleNearby, path+index(i), "found %s twice or near itself, expected each other country once", near)
			}
			seen[near] = true
		}
	}
	return nil
}

func checkTimestamp(path string, t int64) error {
	return between(RuleTimestamp, path+".timestamp", t, 1, maxTimestamp)
}

func between(r Rule, path string, n, least, most int64) error {
	if n < least || n > most {
		return broken(r, path, "found %d, expected %d to %d", n, least, most)
	}
	return nil
}

// badPath says what is wrong with a path in a tree, "" when nothing is. Such a path is
// handed to rsync in filters and lists, so it holds no wildcard and no option.
func badPath(p string) string {
	switch {
	case p == "" || len(p) > MaxPath:
		return "expected a path of 1 to 4096 bytes"
	case !utf8.ValidString(p):
		return "expected UTF-8"
	case strings.HasPrefix(p, "/"):
		return "expected a path relative to the tree"
	case strings.HasPrefix(p, "-"):
		return "expected a path that does not begin with -"
	case strings.ContainsAny(p, `\*?[]`):
		return `expected a path without any of \*?[]`
	case strings.ContainsFunc(p, isControl):
		return "expected a path without control characters"
	}
	for segment := range strings.SplitSeq(p, "/") {
		if segment == "" || segment == "." || segment == ".." {
			return `expected a clean path, without empty, "." or ".." segments`
		}
	}
	return ""
}

func isControl(r rune) bool {
	return r < 0x20 || 0x7f <= r && r < 0xa0 || r == '\u2028' || r == '\u2029'
}

func isSHA256(s string) bool {
	if len(s) != 64 {
		return false
	}
	for i := range len(s) {
		if c := s[i]; (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return false
		}
	}
	return true
}
