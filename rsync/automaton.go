package rsync

import (
	"math/bits"
	"strings"
)

// automaton is a compiled pattern. It reads a path once, and says at the end of each of its parts whether the pattern matches
// what was read: so one pass tells of a path and of all directories above it.
type automaton struct {
	pieces   wild
	words    int          // of 64 states; state i: the pieces before i have matched what was read
	table    *[256]uint64 // by byte: the pieces that are done with it; nil with more than one word
	stars    uint64       // the pieces that go on with any byte but a slash ...
	doubles  uint64       // ... and with a slash, too
	anywhere bool         // it may begin at each part, not at the top alone
	slashed  bool         // a slash is read before the top, so that **/x matches x there
	dirs     bool         // it matches directories alone
	within   bool         // x/*** matches the directory x: as if a slash followed it
}

// compile gives the automaton of a pattern that ParsePattern has let pass, nil for one that matches nothing.
func compile(text string) *automaton {
	a := &automaton{}
	if len(text) > 1 {
		text, a.dirs = strings.CutSuffix(text, "/")
	}
	slashes := strings.Count(text, "/")
	double := strings.Contains(text, "**") // it can match slashes
	a.within = double && strings.HasSuffix(text, "***")
	a.slashed = strings.HasPrefix(text, "**")
	body, anchored := strings.CutPrefix(text, "/")
	a.anywhere = !anchored && !a.slashed
	a.pieces = literal(body)
	if strings.ContainsAny(text, "*?[") {
		a.pieces = compileWild(body)
	}
	if a.anywhere && !double && a.pieces.slashes() != slashes {
		return nil // rsync looks at as many parts as the text has slashes, and one in brackets matches none
	}
	a.words = len(a.pieces)/64 + 1
	if a.words == 1 {
		a.tabulate()
	}
	return a
}

// slashes counts the pieces that are a slash.
func (w wild) slashes() int {
	n := 0
	for _, p := range w {
		if p.kind == pieceChar && p.char == '/' {
			n++
		}
	}
	return n
}

func (a *automaton) tabulate() {
	a.table = new([256]uint64)
	for n, p := range a.pieces {
		bit := uint64(1) << n
		switch {
		case p.kind == pieceStars:
			a.doubles |= bit
			a.stars |= bit
		case p.kind == pieceStar:
			a.stars |= bit
		case p.kind == pieceChar:
			a.table[p.char] |= bit
		default:
			for c := range a.table {
				if p.takes(byte(c)) {
					a.table[c] |= bit
				}
			}
		}
	}
}

// walk is an automaton on its way along a path.
type walk struct {
	*automaton
	one      uint64   // the states that it may be in, where they fit one word
	at, next []uint64 // else
	steps    int      // how much was done: states that were followed, or words of them
}

func (a *automaton) begin() *walk {
	w := &walk{automaton: a}
	if a.table == nil {
		both := make([]uint64, 2*a.words)
		w.at, w.next = both[:a.words], both[a.words:]
	}
	w.enter()
	if a.slashed {
		w.slash()
	}
	return w
}

// enter lets the pattern begin here.
func (w *walk) enter() {
	if w.table != nil {
		w.one = w.close(w.one | 1)
		return
	}
	w.set(w.at, 0)
}

// close adds the states in which stars match nothing more. Two stars never follow each other.
func (w *walk) close(states uint64) uint64 { return states | states&w.stars<<1 }

// set adds a state, and the one after it where a star may match nothing.
func (w *walk) set(states []uint64, n int) {
	states[n/64] |= 1 << (n % 64)
	if n < len(w.pieces) && w.pieces[n].stays() {
		n++
		states[n/64] |= 1 << (n % 64)
	}
}

// part reads a part of a path: no slashes.
func (w *walk) part(s string) {
	if w.table == nil {
		for i := 0; i < len(s) && w.step(s[i]); i++ {
		}
		return
	}
	at, i := w.one, 0
	for ; i < len(s) && at != 0; i++ {
		at = w.close(at&w.table[s[i]]<<1 | at&w.stars)
	}
	w.one = at
	w.steps += i
}

// slash reads a slash.
func (w *walk) slash() {
	if w.table == nil {
		w.step('/')
		return
	}
	w.one = w.close(w.one&w.table['/']<<1 | w.one&w.doubles)
	w.steps++
}

// step reads a byte where the states do not fit one word, and reports whether one is left.
func (w *walk) step(c byte) (alive bool) {
	clear(w.next)
	for k, states := range w.at {
		for w.steps++; states != 0; states &= states - 1 {
			w.steps++
			n := 64*k + bits.TrailingZeros64(states)
			if n == len(w.pieces) || !w.pieces[n].takes(c) {
				continue
			}
			if alive = true; w.pieces[n].stays() {
				w.set(w.next, n)
			} else {
				w.set(w.next, n+1)
			}
		}
	}
	w.at, w.next = w.next, w.at
	return alive
}

// matches reports whether the pattern matches what was read.
func (w *walk) matches() bool {
	n := len(w.pieces)
	if w.table != nil {
		return w.one>>n&1 != 0
	}
	return w.at[n/64]>>(n%64)&1 != 0
}

// directory reads a directory's name and the slash after it, and reports whether the pattern matches the directory.
func (w *walk) directory(name string) bool {
	w.part(name)
	found := w.matches()
	w.slash()
	found = found || w.within && w.matches()
	if w.anywhere {
		w.enter()
	}
	return found
}

// parents reads a path that ends with a slash, or is empty, and reports whether the pattern matches one of its directories.
func (w *walk) parents(path string) bool {
	found := false
	for path != "" {
		name, rest, _ := strings.Cut(path, "/")
		found = w.directory(name) || found
		path = rest
	}
	return found
}

// last reads the last part of a path, and reports whether the pattern matches the whole.
func (w *walk) last(name string, dir bool) bool {
	if dir {
		return w.directory(name)
	}
	w.part(name)
	return !w.dirs && w.matches()
}
