package history

import (
	"slices"
	"time"

	"tidemark/manifest"
	"tidemark/quorum"
)

// gap: what was not seen for longer is not known to have lasted, so a new span begins.
const gap = dayLength

// answeredWithin: a mirror that was silent for longer could not get what was announced.
const answeredWithin = dayLength

// hold is Round.Hold's default.
const hold = 2 * time.Hour

// key names a server's tree; Server is "" for a tree, both are for the whole.
type key struct{ server, tree string }

// place is a server's tree at one address.
type place struct {
	target  int64
	address string
}

// openVerdict and openReading are spans that the round may lengthen.
type openVerdict struct {
	id        int64
	state     string
	timestamp int64
	depth     string
	until     int64
}

type openReading struct {
	id        int64
	failure   string
	timestamp int64
	until     int64
}

// known is what the history holds that matters to a round.
type known struct {
	targets   map[key]int64
	verdicts  map[int64]openVerdict
	readings  map[place]openReading
	awaited   map[int64][]int64       // announced timestamps that a target could get and has not, by target
	announced map[string]announcement // by tree: what is announced in the round
	answered  map[int64]bool          // targets that answered within the last day, loaded when something is announced
}

// announcement is what is announced in the round, or was when the history missed it.
type announcement struct {
	timestamp int64
	at        int64
	note      string
}

// plan is what a round changes: rows for the statements of write.
type plan struct {
	round         []any
	words         []string
	closeVerdicts []int64
	moreVerdicts  []int64 // to lengthen
	verdicts      [][]any
	closeReadings []int64
	moreReadings  map[[2]int][]int64 // by: looked at content, at the list
	readings      [][]any
	days          map[[2]int][]int64 // targets asked, by: answered, good
	events        [][]any
	await         [][2]int64 // target, timestamp
	arrived       [][2]int64
	at            int64
}

// plan compares a round with what is known. All ids of targets are known.
func (k *known) plan(r Round, at int64, l last) *plan {
	p := &plan{at: at, moreReadings: map[[2]int][]int64{}, days: map[[2]int][]int64{}}
	said := k.readingsOf(r)
	asked := k.takeReadings(p, said)
	verdicts := k.verdictsOf(r)
	k.announce(p, verdicts)
	k.takeVerdicts(p, r, verdicts, asked)
	k.takeDays(p, r, verdicts, asked)
	guard := guardWord(r.Guard)
	if r.Published != 0 && r.Published != l.published {
		p.event(KindPublished, k.targets[key{}], "", "", 0, r.Published, "")
	}
	if guard != "" && guard != l.guard {
		p.event(KindGuard, k.targets[key{}], "", "", 0, 0, p.word(r.Guard.Reason))
	}
	p.round = []any{at, r.Partial, len(asked), r.Published, guard}
	return p
}

func guardWord(g quorum.GuardReport) string {
	switch {
	case g.Held:
		return "held"
	case g.Spoke:
		return "spoke"
	}
	return ""
}

// seen is a reading with its target; of several at one address, the last counts.
type seen struct {
	place
	reading quorum.Reading
}

func (k *known) readingsOf(r Round) []seen {
	index := map[place]int{}
	var list []seen
	for _, reading := range r.Readings {
		s := seen{place{k.targets[name(reading.Server, reading.Tree)], clean(reading.Address, 64)}, reading}
		if i, ok := index[s.place]; ok {
			list[i] = s
			continue
		}
		index[s.place] = len(list)
		list = append(list, s)
	}
	return list
}

// takeReadings lengthens or begins spans, and tells of each target that was asked whether it answered.
func (k *known) takeReadings(p *plan, list []seen) map[int64]bool {
	asked := map[int64]bool{}
	for _, s := range list {
		failure, text := "", ""
		switch f := s.reading.Failure; {
		case f != nil:
			failure, text = clean(string(f.Kind), 32), f.Text
		case s.reading.Void:
			failure = "void"
		}
		asked[s.target] = asked[s.target] || judgeable(failure)
		if heard(failure) {
			k.answered[s.target] = true
		}
		deep, listed := looked(s.reading)
		open, ok := k.readings[s.place]
		if ok && open.failure == failure && open.timestamp == s.reading.Timestamp && p.at-open.until <= gap {
			by := [2]int{deep, listed}
			p.moreReadings[by] = append(p.moreReadings[by], open.id)
			continue
		}
		if ok {
			p.closeReadings = append(p.closeReadings, open.id)
		}
		p.readings = append(p.readings, []any{s.target, s.address, failure, s.reading.Timestamp, deep, listed, p.word(text)})
	}
	return asked
}

// judgeable: it said something that tells what it holds; a time file that is missing or no number does.
func judgeable(failure string) bool {
	switch quorum.FailureKind(failure) {
	case "", "void", quorum.FailMissing, quorum.FailNotNumber:
		return true
	}
	return false
}

// heard: it is there, and would serve.
func heard(failure string) bool {
	return judgeable(failure) || failure == string(quorum.FailBusy) || failure == string(quorum.FailMoving)
}

func looked(r quorum.Reading) (deep, listed int) {
	if r.Depth == manifest.DepthAnchors || r.Depth == manifest.DepthListing {
		deep = 1
	}
	if r.List != nil {
		deep, listed = 1, 1
	}
	return deep, listed
}

// judged is a verdict with its target.
type judged struct {
	target  int64
	verdict quorum.Verdict
}

// verdictsOf leaves out what stands twice.
func (k *known) verdictsOf(r Round) []judged {
	taken := map[int64]bool{}
	var list []judged
	for _, v := range r.Verdicts {
		if target := k.targets[name(v.Server, v.Tree)]; !taken[target] {
			taken[target] = true
			list = append(list, judged{target, v})
		}
	}
	return list
}

// takeVerdicts lengthens or begins spans. Of a server that was not asked in a partial round, only a change is news.
func (k *known) takeVerdicts(p *plan, r Round, list []judged, asked map[int64]bool) {
	for _, j := range list {
		v, state, depth := j.verdict, clean(string(j.verdict.State), 32), clean(j.verdict.Depth, 32)
		open, ok := k.verdicts[j.target]
		_, wasAsked := asked[j.target]
		if ok && open.state == state && open.timestamp == v.Timestamp && open.depth == depth && p.at-open.until <= gap {
			if wasAsked || !r.Partial {
				p.moreVerdicts = append(p.moreVerdicts, open.id)
			}
			continue
		}
		reason := p.word(v.Reason)
		if ok {
			p.closeVerdicts = append(p.closeVerdicts, open.id)
		}
		if ok && open.state != state {
			p.event(KindState, j.target, open.state, state, 0, 0, reason)
		}
		p.verdicts = append(p.verdicts, []any{j.target, state, v.Timestamp, depth, reason})
	}
}

// takeDays counts the rounds of those that were asked.
func (k *known) takeDays(p *plan, r Round, list []judged, asked map[int64]bool) {
	allowed := r.Hold
	if allowed <= 0 {
		allowed = hold
	}
	good := map[int64]bool{}
	for _, j := range list {
		v := j.verdict
		behind := v.State == quorum.Behind && !v.Since.IsZero() && r.At.Sub(v.Since.Time) <= allowed
		good[j.target] = v.State == quorum.Verified || v.State == quorum.Ahead || behind
	}
	for target, answered := range asked {
		by := [2]int{bit(answered), bit(good[target])}
		p.days[by] = append(p.days[by], target)
	}
	for _, targets := range p.days {
		slices.Sort(targets)
	}
}

func bit(b bool) int {
	if b {
		return 1
	}
	return 0
}

// word keeps a text that a foreign server may have had a hand in, bounded, and returns what stands for it.
func (p *plan) word(text string) string {
	text = clean(text, maxText)
	p.words = append(p.words, text)
	return text
}

func (p *plan) event(kind EventKind, target int64, was, became string, timestamp, of int64, word string) {
	p.events = append(p.events, []any{kind, target, was, became, timestamp, of, word, p.at})
}
