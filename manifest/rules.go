package manifest

import (
	"fmt"
	"slices"
)

// Rule names one rule of the format. A rule's name is stable, and is the name of the
// document in testdata/bad that breaks it.
type Rule string

// The rules of the text.
const (
	RuleSize      Rule = "size"             // at most MaxSize bytes
	RuleUTF8      Rule = "utf-8"            // valid UTF-8
	RuleBOM       Rule = "bom"              // no byte order mark
	RuleSyntax    Rule = "syntax"           // JSON by RFC 8259
	RuleControl   Rule = "control"          // no raw control character or NUL in a string
	RuleSurrogate Rule = "surrogate"        // no lone surrogate
	RuleDuplicate Rule = "duplicate-member" // one member of a name
	RuleCase      Rule = "member-case"      // names in exact case
	RuleTrailing  Rule = "trailing"         // nothing after the document
	RuleNesting   Rule = "nesting"          // not too deep
	RuleType      Rule = "type"             // the right JSON type
	RuleNull      Rule = "null"             // null is no value
	RuleMissing   Rule = "missing-member"   // required members are there
	RuleInteger   Rule = "integer"          // integers in digits only, of at most 64 bits
)

// The rules of the head.
const (
	RuleSchema       Rule = "schema"        // tidemark/manifest/v1
	RuleNetwork      Rule = "network"       // a name
	RuleSerial       Rule = "serial"        // 1 to MaxSerial
	RuleTime         Rule = "time"          // RFC 3339, UTC, whole seconds
	RuleExpires      Rule = "expires"       // after issued
	RuleTrustVersion Rule = "trust-version" // 1 to MaxSerial
	RulePrevious     Rule = "previous"      // SHA-256 in hex
)

// The rules of a tree.
const (
	RuleTreeCount   Rule = "tree-count"   // at most MaxTrees
	RuleTreeName    Rule = "tree-name"    // a name
	RuleTimestamp   Rule = "timestamp"    // Unix seconds from 1 to the end of the year 9999
	RuleTimeFile    Rule = "time-file"    // a path in the tree
	RuleFiles       Rule = "files"        // 0 to MaxSerial
	RuleBytes       Rule = "bytes"        // 0 to MaxSerial
	RuleNodes       Rule = "nodes"        // none negative, verified at most counted
	RuleAdmit       Rule = "admit"        // 0 to FullAdmission
	RuleAnchorCount Rule = "anchor-count" // at most MaxAnchors in all, later ones too
	RuleAnchorPath  Rule = "anchor-path"  // a path in the tree
	RuleAnchorTwice Rule = "anchor-twice" // a path once in a set
	RuleAnchorSize  Rule = "anchor-size"  // 0 to MaxSerial
	RuleAnchorHash  Rule = "anchor-hash"  // SHA-256 in hex
	RuleLaterCount  Rule = "later-count"  // 1 to MaxLater of a tree, or no such member
	RuleLaterOrder  Rule = "later-order"  // newer than announced, ascending
)

// The rules of a source.
const (
	RuleEntryCount      Rule = "entry-count"      // at most MaxEntries source-tree entries
	RuleSourceID        Rule = "source-id"        // a name
	RuleSourceOrder     Rule = "source-order"     // sorted by id, bytewise
	RuleSourceTwice     Rule = "source-twice"     // an id once
	RuleKind            Rule = "kind"             // node or mirror
	RuleCountry         Rule = "country"          // ISO 3166-1 alpha-2
	RuleContinent       Rule = "continent"        // one of seven
	RuleASN             Rule = "asn"              // 0 to 2^32-1; 0 is as if absent
	RuleSlots           Rule = "slots"            // 0 to MaxSlots
	RuleSourceTrees     Rule = "source-trees"     // at least one
	RuleSourceTree      Rule = "source-tree"      // one of the document's trees
	RuleURL             Rule = "url"              // an rsync URL
	RuleSourceTimestamp Rule = "source-timestamp" // the announced one or one of later
	RuleDepth           Rule = "depth"            // time, anchors or listing
	RuleFamilies        Rule = "families"         // 4, 6 or both, ascending
)

// The rules of the policy.
const (
	RuleCheckInterval Rule = "check-interval" // 1 s to a year
	RuleMaxHold       Rule = "max-hold"       // 1 s to a year
	RuleNearby        Rule = "nearby"         // countries, each once, none near itself
)

// Rules lists every rule, in the order of the document.
func Rules() []Rule {
	return slices.Concat(textRules(), []Rule{
		RuleSchema, RuleNetwork, RuleSerial, RuleTime, RuleExpires, RuleTrustVersion, RulePrevious,
		RuleTreeCount, RuleTreeName, RuleTimestamp, RuleTimeFile, RuleFiles, RuleBytes, RuleNodes, RuleAdmit,
		RuleAnchorCount, RuleAnchorPath, RuleAnchorTwice, RuleAnchorSize, RuleAnchorHash, RuleLaterCount, RuleLaterOrder,
		RuleEntryCount, RuleSourceID, RuleSourceOrder, RuleSourceTwice, RuleKind, RuleCountry, RuleContinent, RuleASN,
		RuleSlots, RuleSourceTrees, RuleSourceTree, RuleURL, RuleSourceTimestamp, RuleDepth, RuleFamilies,
		RuleCheckInterval, RuleMaxHold, RuleNearby,
	})
}

// textRules are the rules that only a text can break; the encoder meets none but the size.
func textRules() []Rule {
	return []Rule{
		RuleSize, RuleUTF8, RuleBOM, RuleSyntax, RuleControl, RuleSurrogate, RuleDuplicate, RuleCase,
		RuleTrailing, RuleNesting, RuleType, RuleNull, RuleMissing, RuleInteger,
	}
}

// RuleError is a document, or a value to encode, that breaks a rule.
type RuleError struct {
	Rule   Rule
	Path   string // e.g. "trees.centos.admit"; "" for the document itself
	Detail string // what was found and what was expected
}

func (e *RuleError) Error() string {
	if e.Path == "" {
		return fmt.Sprintf("manifest: %s [rule %s]", e.Detail, e.Rule)
	}
	return fmt.Sprintf("manifest: %s: %s [rule %s]", e.Path, e.Detail, e.Rule)
}

func broken(r Rule, path, format string, args ...any) error {
	return &RuleError{Rule: r, Path: path, Detail: fmt.Sprintf(format, args...)}
}
