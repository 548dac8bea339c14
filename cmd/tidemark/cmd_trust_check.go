package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

func trustCheckCommand(e *console.Program) *cli.Command {
	return e.Command("check", "who signed a draft and who is missing; install it; or the health of the installed trust", "[DRAFT] [SIG…]", []cli.Flag{
		&cli.StringFlag{Name: "o", Usage: "when complete, write the signed trust.json to `FILE`"},
		trustFlag(), newChainFlag(), console.DryRun(),
	}, `With DRAFT: counts its signatures (default: the files DRAFT*.minisig beside it) by the root keys of the version before and
by its own, and says who is missing. When both thresholds are met, -o writes the trust.json, whole or not at all; over one that
is installed only if it follows that one, or is the same with more signatures. The next "tidemark run" publishes it. A version with
a certificate that is dated in the future is not written: by it every mirror would refuse today's manifest.

Without DRAFT: the installed trust.json, its signatures, its place in the chain that was published, and what ends within 90 days.

Exit codes: 0 complete, or in order; 2 usage; 4 signatures are missing, or something was refused.

Examples:
  tidemark trust check trust-4.json
  tidemark trust check trust-4.json -o trust.json
  tidemark trust check`, checkTrust)
}

func checkTrust(c *console.Call) error {
	if !c.Args().Present() {
		for _, flag := range []string{"o", "trust", "new-chain"} {
			if c.IsSet(flag) {
				return console.Exit(console.Misuse, fmt.Errorf("trust check: --%s needs a draft", flag), "tidemark trust check DRAFT")
			}
		}
		return checkInstalled(c)
	}
	b := &balloting{Call: c, newChain: c.Bool("new-chain"), out: c.String("o")}
	return b.run()
}

// balloting counts the signatures of one draft.
type balloting struct {
	*console.Call
	draft, old *trustFile
	newChain   bool
	out        string
	papers     []paper
	ballot     *sign.Ballot
	early      []keys.Pending // what nobody accepts yet
	replaced   []byte         // what lies where the trust.json goes
}

// paper is one signature file, and what became of it.
type paper struct {
	File   string `json:"file"`
	Key    string `json:"key,omitempty"`
	Holder string `json:"holder,omitempty"`
	Reason string `json:"rejected,omitempty"` // why it does not count
	sig    sign.Signature
}

// trustCheckDocument is `trust check DRAFT --json`.
type trustCheckDocument struct {
	Schema string `json:"schema"`
	trustDescription
	Roles      []rootTally `json:"roles"` // the version before, if it must sign, then its own
	Signatures []paper     `json:"signatures"`
	Complete   bool        `json:"complete"`
	Written    string      `json:"written,omitempty"` // the trust.json
	Next       string      `json:"next"`              // what to type, or to do
}

// rootTally is one root role's say.
type rootTally struct {
	Version   int64    `json:"version"`
	Threshold int      `json:"threshold"`
	Signed    []string `json:"signed"`
	Missing   []string `json:"missing"`
	Enough    bool     `json:"enough"`
}

func (b *balloting) run() error {
	var err error
	if b.draft, err = readTrustFile(b.Args().First()); err != nil {
		return err
	}
	if b.old, err = oldFor(b.Call, b.draft, b.out); err != nil {
		return err
	}
	if err := b.draft.sound(b.old, b.newChain, b.Now()); err != nil {
		return err
	}
	if err := b.readPapers(); err != nil {
		return err
	}
	doc := trustCheckDocument{Schema: "tidemark/trust-check/v1", trustDescription: described(b.draft), Roles: b.roles(), Signatures: b.papers, Complete: b.ballot.Complete}
	b.table()
	b.early = early(b.old, b.draft, b.Now())
	warnEarly(b.Call, b.early)
	if err := b.install(&doc); err != nil {
		return err
	}
	doc.Next = b.next(doc)
	if doc.Complete {
		b.Say("next: %s", doc.Next)
	}
	if err := b.Document(doc); err != nil || doc.Complete {
		return err
	}
	return console.Exit(console.Refused, fmt.Errorf("%s is not complete: %s", harmless(b.draft.name), lacking(doc.Roles)), "%s", doc.Next)
}

// readPapers reads the signatures, and judges each by itself and all together.
func (b *balloting) readPapers() error {
	names := b.Args().Tail()
	if len(names) == 0 {
		var err error
		if names, err = beside(b.draft.name); err != nil {
			return err
		}
	}
	var good []sign.Signature
	b.papers = []paper{}
	for _, name := range names {
		p := b.judge(name)
		if p.Reason == "" {
			if slices.ContainsFunc(good, func(s sign.Signature) bool { return s.Key == p.sig.Key }) {
				p.Reason = "this key's signature was counted already"
			} else {
				good = append(good, p.sig)
			}
		}
		b.papers = append(b.papers, p)
	}
	var err error
	if b.ballot, err = sign.Count(before(b.old, b.newChain), b.draft.payload, good); err != nil {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(b.draft.name), err), "do not install it; ask who made it")
	}
	return nil
}

// judge reads one signature file.
func (b *balloting) judge(name string) paper {
	p := paper{File: name}
	text, err := console.ReadInput(name, sign.MaxSignature)
	if err == nil {
		p.sig, err = sign.FromMinisig(text)
	}
	if err != nil {
		p.Reason = harmless(err.Error())
		return p
	}
	p.Key = p.sig.Key
	one, err := sign.Count(before(b.old, b.newChain), b.draft.payload, []sign.Signature{p.sig})
	switch {
	case err != nil:
		p.Reason = harmless(err.Error())
	case len(one.Old.Signed) > 0:
		p.Holder = one.Old.Signed[0]
	case len(one.New.Signed) > 0:
		p.Holder = one.New.Signed[0]
	default:
		p.Reason = reasons(one.Rejected)
	}
	return p
}

// beside finds the signatures that lie beside a draft: DRAFT.minisig, DRAFT.<anything>.minisig.
func beside(draft string) (names []string, err error) {
	entries, err := os.ReadDir(filepath.Dir(draft))
	if err != nil {
		return nil, fmt.Errorf("look for signatures: %w", err)
	}
	for _, e := range entries {
		if n := e.Name(); strings.HasPrefix(n, filepath.Base(draft)+".") && strings.HasSuffix(n, ".minisig") && !e.IsDir() {
			names = append(names, filepath.Join(filepath.Dir(draft), n))
		}
	}
	return names, nil
}

func (b *balloting) roles() (list []rootTally) {
	add := func(t sign.Tally) {
		list = append(list, rootTally{Version: t.Version, Threshold: t.Threshold, Signed: append([]string{}, t.Signed...), Missing: append([]string{}, t.Missing...), Enough: t.Enough()})
	}
	if before(b.old, b.newChain) != nil {
		add(b.ballot.Old)
	}
	add(b.ballot.New)
	return list
}

// table prints who signed, by each role.
func (b *balloting) table() {
	b.Say("%s: version %d of network %s, SHA-256 %x", harmless(b.draft.name), b.draft.trust.Version, b.draft.trust.Network, b.draft.sum())
	roles, holders := b.roles(), []string{}
	columns := []column[string]{{name: "HOLDER", cell: func(h string) string { return h }}}
	for _, r := range roles {
		holders = append(append(holders, r.Signed...), r.Missing...)
		columns = append(columns, column[string]{name: fmt.Sprintf("VERSION %d", r.Version), cell: func(h string) string {
			switch {
			case slices.Contains(r.Signed, h):
				return "signed"
			case slices.Contains(r.Missing, h):
				return "missing"
			}
			return "no root holder"
		}})
	}
	columns = append(columns, column[string]{name: "SIGNATURE", cell: func(h string) string {
		var files []string
		for _, p := range b.papers {
			if p.Holder == h && p.Reason == "" {
				files = append(files, harmless(p.File))
			}
		}
		return strings.Join(files, ", ")
	}})
	b.Say("%s", draw(columns, distinct(holders), screenOf(b.Call)))
	for _, r := range roles {
		b.Say("by the root keys of version %d: %d signed, %d needed", r.Version, len(r.Signed), r.Threshold)
	}
	for _, p := range b.papers {
		if p.Reason != "" {
			b.Say("rejected: %s: %s", harmless(p.File), p.Reason)
		}
	}
}

// next is what to do, in one line.
func (b *balloting) next(doc trustCheckDocument) string {
	switch {
	case !doc.Complete:
		return fmt.Sprintf("have it signed by %s: %s", strings.Join(missing(doc.Roles), ", "), signLine(b.draft, "THEIR.key", b.newChain))
	case doc.Written == "":
		return countLine(b.Call, b.draft, b.newChain) + " -o " + b.target()
	case b.newChain:
		return withConfig(b.Call, "tidemark run --bootstrap") + "; then have every mirror pin the new trust.json by hand"
	}
	return withConfig(b.Call, "tidemark run")
}

// target is where the trust.json belongs.
func (b *balloting) target() string {
	if b.String("trust") == "" {
		if i, err := findInstalled(b.Call); err == nil && i != nil {
			return shellWord(near(i.file))
		}
	}
	return "trust.json"
}

// missing are the holders of roles that have not enough signatures.
func missing(roles []rootTally) (names []string) {
	for _, r := range roles {
		if !r.Enough {
			names = append(names, r.Missing...)
		}
	}
	return distinct(names)
}

func lacking(roles []rootTally) string {
	var words []string
	for _, r := range roles {
		if !r.Enough {
			words = append(words, fmt.Sprintf("by the root keys of version %d, %d of %d needed holders signed", r.Version, len(r.Signed), r.Threshold))
		}
	}
	return strings.Join(words, "; ")
}

// install writes the trust.json of a complete ballot.
func (b *balloting) install(doc *trustCheckDocument) error {
	if b.out == "" || !doc.Complete {
		return nil
	}
	if len(b.early) > 0 {
		return refuseEarly(b.draft, b.early, b.Now())
	}
	more, err := b.over()
	if err != nil {
		return err
	}
	sealed, err := sign.Seal(before(b.old, b.newChain), b.draft.payload, append(b.signatures(), more...))
	if err != nil {
		return fmt.Errorf("write %s: %w", harmless(b.out), err)
	}
	if b.Dry {
		b.Say("would write %s", harmless(b.out))
		return nil
	}
	if err := console.WriteFile(b.out, sealed, 0o644); err != nil {
		return fmt.Errorf("write %s: %w", harmless(b.out), err)
	}
	if i, err := findInstalled(b.Call); err == nil && i != nil && sameFile(i.file, b.out) {
		i.keepSealed(b.Call, b.replaced, sealed)
	}
	doc.Written = b.out
	b.Say("%s: version %d, signed", harmless(b.out), b.draft.trust.Version)
	return nil
}

// over looks at what lies where the new trust.json goes, and at what was published: only a successor comes over either. The
// signatures that the same document has there are kept.
func (b *balloting) over() ([]sign.Signature, error) {
	refuse := func(format string, args ...any) error {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w; it is left as it is", harmless(b.out), fmt.Errorf(format, args...)), "see: tidemark trust show %s", shellWord(b.out))
	}
	if err := b.published(); err != nil {
		return nil, err
	}
	if info, err := os.Stat(b.out); errors.Is(err, fs.ErrNotExist) || err == nil && !info.Mode().IsRegular() {
		return nil, nil
	}
	there, err := readTrustFile(b.out)
	if err != nil {
		return nil, refuse("what is there is no trust.json: %w", err)
	}
	if there.sealed != nil {
		if b.replaced, err = console.ReadFile(b.out, sign.MaxTrustFile); err != nil {
			return nil, refuse("%w", err)
		}
	}
	mine, its := b.draft.trust, there.trust
	switch {
	case there.sealed == nil:
		return nil, refuse("a draft is there, expected a trust.json or nothing")
	case its.Network != mine.Network:
		return nil, refuse("the trust of network %q is there, and this is of %q", its.Network, mine.Network)
	case its.Version == mine.Version && string(there.payload) == string(b.draft.payload):
		return there.sealed.Signatures, nil
	case its.Version == mine.Version:
		return nil, refuse("another version %d is there", its.Version)
	case its.Version > mine.Version:
		return nil, refuse("version %d is there, which is newer than %d", its.Version, mine.Version)
	case b.newChain:
		return nil, nil
	case its.Version+1 != mine.Version:
		return nil, refuse("version %d is there, and version %d cannot follow it", its.Version, mine.Version)
	}
	ballot, err := sign.Count(its, b.draft.payload, b.signatures())
	if err != nil {
		return nil, refuse("version %d is there: %w", its.Version, err)
	}
	if !ballot.Complete {
		return nil, refuse("the version %d that is there is another than %s, and its root keys have not signed enough", its.Version, harmless(b.old.name))
	}
	return nil, nil
}

func (b *balloting) signatures() (sigs []sign.Signature) {
	for _, p := range b.papers {
		if p.Reason == "" {
			sigs = append(sigs, p.sig)
		}
	}
	return sigs
}

// published refuses another document under a number that mirrors may have seen.
func (b *balloting) published() error {
	i, err := findInstalled(b.Call)
	if err != nil || i == nil || i.network != b.draft.trust.Network {
		return nil // the run judges its own trust; here is nothing to compare with
	}
	kept, err := i.kept(b.draft.trust.Version)
	if err != nil || kept == nil || string(kept.payload) == string(b.draft.payload) {
		return err
	}
	return console.Exit(console.Refused, fmt.Errorf("another version %d was published already (%s)", kept.trust.Version, harmless(kept.name)), "a number is never used twice; make the next version: tidemark trust new")
}
