package main

import (
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/keys"
)

// harmless makes a text from a file fit for a terminal and for eyes.
func harmless(s string) string { return keys.Legible(s) }

// grouped writes hex digits as people compare them: groups of four.
func grouped(digits string) string {
	var groups []string
	for part := range slices.Chunk([]byte(digits), 4) {
		groups = append(groups, string(part))
	}
	return strings.Join(groups, " ")
}

// aloud spells bytes for the telephone, eight a line: hex groups, then words.
func aloud(b []byte) (lines []string) {
	words := keys.Words(b)
	for at := 0; at < len(b); at += 8 {
		end := min(at+8, len(b))
		lines = append(lines, fmt.Sprintf("%-19s  %s", grouped(hex.EncodeToString(b[at:end])), strings.Join(words[at:end], " ")))
	}
	return lines
}

// keyBytes are what is spelled of a key: the fingerprint of OpenPGP; all of a minisign key, since anybody can choose its id.
func keyBytes(kind keys.Kind, key, public string) []byte {
	if kind == keys.OpenPGP {
		b, _ := hex.DecodeString(key)
		return b
	}
	k, err := keys.ParseMinisign(public)
	if err != nil {
		return nil
	}
	return k.Public
}

// describer prints trust documents.
type describer struct {
	*console.Call
	words  bool // fingerprints in words, too
	colour bool
}

func describe(c *console.Call, words bool) describer {
	return describer{Call: c, words: words, colour: screenOf(c).colour}
}

// alarm prints a line that must not be overlooked: by its word, and in red where there are colours.
func (d describer) alarm(format string, args ...any) {
	text := "  ALARM  " + fmt.Sprintf(format, args...)
	if d.colour {
		text = "\x1b[1;31m" + text + "\x1b[0m"
	}
	d.Say("%s", text)
}

// document prints a whole document.
func (d describer) document(f *trustFile) {
	t, now := f.trust, d.Now()
	what := "a draft: no signatures yet"
	if f.sealed != nil {
		what = "signed by its own root keys"
	}
	d.Say("%s: version %d of the trust document of network %s (%s)", harmless(f.name), t.Version, t.Network, what)
	if f.hidden {
		d.alarm("%s: %v", harmless(f.name), errHidden)
	}
	if !now.Before(t.Expires.Time) {
		d.alarm("it ended at %s: by this clock nobody accepts anything by it", console.Clock(t.Expires.Time))
	}
	d.Say("  issued   %s", console.Clock(t.Issued.Time))
	d.Say("  ends     %s, %s", console.Clock(t.Expires.Time), timeLeft(t.Expires.Time, now))
	d.Say("  serials  from %d on", t.MinSerial)
	if t.ResetSerial {
		d.Say("  reset    every mirror forgets the serials that it has seen (reset_serial)")
	}
	d.Say("Trust documents are signed by %d of these root holders:", t.Root.Threshold)
	for _, k := range t.Root.Keys {
		d.Say("  %-12s %-8s %s  %s", k.Holder, keys.Minisign, k.Key, k.Public)
		d.spell(keyBytes(keys.Minisign, k.Key, k.Public))
	}
	d.Say("Manifests are signed by %d of these holders, with every kind of %s:", t.Manifest.Threshold, kinds(t.Manifest.Required))
	for _, k := range t.Manifest.Keys {
		d.key(k, now)
	}
}

func (d describer) key(k keys.ManifestKey, now time.Time) {
	life := "never ends"
	if end := k.End(); end != nil {
		life = "ends " + console.Clock(*end) + ", " + timeLeft(*end, now)
	}
	if k.Revoked {
		life = "REVOKED: nothing it signs counts"
	}
	shown := k.Key + "  " + k.Public
	if k.Kind == keys.OpenPGP {
		shown = grouped(k.Key)
	}
	d.Say("  %-12s %-8s %s", k.Holder, k.Kind, shown)
	d.Say("  %21s %s", "", life)
	if k.Kind == keys.OpenPGP {
		if cert, err := keys.ReadCertificate([]byte(k.Public)); err == nil && cert.UserID != "" {
			d.Say("  %21s calls itself \"%s\"", "", harmless(cert.UserID))
		}
		for _, s := range k.Signing {
			d.Say("  %21s signs with %s", "", grouped(s))
		}
	}
	d.spell(keyBytes(k.Kind, k.Key, k.Public))
}

func (d describer) spell(b []byte) {
	if !d.words {
		return
	}
	for _, line := range aloud(b) {
		d.Say("  %21s %s", "", line)
	}
}

// changes prints what changes, alarms first.
func (d describer) changes(old *trustFile, list []keys.Change) {
	if old == nil {
		d.Say("All of it is new:")
	} else {
		d.Say("What changes from version %d (%s):", old.trust.Version, harmless(old.name))
	}
	for _, alarming := range []bool{true, false} {
		for _, f := range folds(list, alarming) {
			if alarming {
				d.alarm("%s%s", harmless(f.Alarm), f.more())
			}
			d.Say("  - %s%s", harmless(f.Text), f.more())
		}
	}
	if len(list) == 0 {
		d.Say("  - nothing")
	}
}

// fold is a change, and how many of its kind are not shown.
type fold struct {
	keys.Change
	hidden int
}

// maxAlike is how many changes of one kind are shown: a change that matters should not drown in a thousand that do not.
const maxAlike = 12

// folds picks the changes with an alarm, or those without. Of more than maxAlike of a kind only one is left, with their number.
func folds(list []keys.Change, alarming bool) (shown []fold) {
	count, at := map[string]int{}, map[string]int{}
	for _, ch := range list {
		if (ch.Alarm != "") == alarming {
			count[ch.Code]++
		}
	}
	for _, ch := range list {
		if (ch.Alarm != "") != alarming {
			continue
		}
		if first, ok := at[ch.Code]; ok && count[ch.Code] > maxAlike {
			shown[first].hidden++
			continue
		}
		at[ch.Code] = len(shown)
		shown = append(shown, fold{Change: ch})
	}
	return shown
}

func (f fold) more() string {
	if f.hidden == 0 {
		return ""
	}
	return fmt.Sprintf(" (and %d more like this: %s; --json has each)", f.hidden, f.Code)
}

// again repeats the alarms, as the last thing that is read before one decides, and counts them.
func (d describer) again(list []keys.Change) (alarms int) {
	for _, ch := range list {
		if ch.Alarm != "" {
			alarms++
		}
	}
	if alarms == 0 {
		return 0
	}
	d.Say("ALARMS in it: %d", alarms)
	for _, f := range folds(list, true) {
		d.alarm("%s%s", harmless(f.Alarm), f.more())
	}
	return alarms
}

// compared says by what the difference was made: a false version before shows a false difference.
func (d describer) compared(old *trustFile) {
	if old == nil {
		return
	}
	d.Say("Compared with version %d (%s): this must be your own copy, kept from the last time, and not one that came with the draft.", old.trust.Version, harmless(old.name))
	d.Say("SHA-256 of what is signed in it, as all holders read it to each other then:")
	d.sum(old)
}

// sum spells the SHA-256 of what is signed.
func (d describer) sum(f *trustFile) {
	for _, line := range aloud(f.sum()) {
		d.Say("  %s", line)
	}
}

// signing prints what the holders compare, and what minisign's own program needs.
func (d describer) signing(f *trustFile) {
	d.Say("SHA-256 of what is signed, to be compared with the other holders, by telephone:")
	d.sum(f)
	d.Say("  sha256sum: %x", f.sum())
	if f.sealed == nil {
		d.Say("Trusted comment: %s", f.comment())
		d.Say("  minisign -Sm %s -t '%s' -s YOUR.key", shellWord(f.name), f.comment())
	}
}

// timeLeft says how far an instant is.
func timeLeft(t, now time.Time) string {
	if !now.Before(t) {
		return "which is over"
	}
	if days := int(t.Sub(now).Hours() / 24); days > 1 {
		return fmt.Sprintf("in %d days", days)
	}
	return "in " + console.Span(t.Sub(now))
}

func kinds(list []keys.Kind) string {
	var names []string
	for _, k := range list {
		names = append(names, harmless(string(k)))
	}
	return strings.Join(names, ", ")
}

// changesOf is keys.Diff, with what the caller knows beside it: that the chain begins anew.
func changesOf(old, next *trustFile, newChain bool, now time.Time) []keys.Change {
	var from *keys.Trust
	if old != nil {
		from = old.trust
	}
	list := keys.Diff(from, next.trust, now)
	if newChain {
		list = append([]keys.Change{{Code: "new-chain", Text: "a new chain begins: the root holders of the version before need not sign it",
			Alarm: "no mirror follows by itself: each must pin the new trust.json by hand; sign only if the old root keys are lost, and if you heard so from the other holders themselves"}}, list...)
	}
	return list
}
