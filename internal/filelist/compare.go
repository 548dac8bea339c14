package filelist

import (
	"bytes"
	"fmt"
)

// Compare walks seen beside want, the master's list at the timestamp that the server claims, and others, those of other recorded
// timestamps: what differs from want but is as one of these is Moved. What the master has deleted, and what it does not have yet,
// belongs to newer timestamps only: a file that is missing is Moved only by a newer one. Two mtimes are the same when
// their lower 32 bits are: more does not come through the older versions of rsync's protocol. An extra file that is as a newer one
// has it is Early: nothing that belongs to the claimed timestamp is touched by it. A source that fails is an error, and so is what
// Rules.Stop says. Sources are not closed; of others only those are read that were asked.
func Compare(seen, want Source, others []Other, r Rules) (Diff, error) {
	c := comparison{rules: r, seen: cursorOf(seen), want: cursorOf(want)}
	for _, o := range others {
		c.others = append(c.others, &other{cursor: cursorOf(o.Source), newer: o.Newer})
	}
	if err := c.run(); err != nil {
		return Diff{}, fmt.Errorf("compare two lists: %w", err)
	}
	return c.diff, nil
}

type comparison struct {
	rules      Rules
	seen, want cursor
	others     []*other
	diff       Diff
	paths      paths
	judged     int // entries since Stop was asked last
}

// stopEvery is after how many entries Rules.Stop is asked.
const stopEvery = 1024

func (c *comparison) run() error {
	x, y := c.seen.next(), c.want.next()
	order := 0 // of the two directories
	for x != nil && y != nil {
		if err := c.stopped(); err != nil {
			return err
		}
		if x.fresh || y.fresh {
			order = bytes.Compare(x.dir, y.dir)
		}
		o := order
		if o == 0 {
			o = bytes.Compare(x.base, y.base)
		}
		switch {
		case o < 0:
			c.judge(x, nil)
			x = c.seen.next()
		case o > 0:
			c.judge(nil, y)
			y = c.want.next()
		default:
			c.judge(x, y)
			x, y = c.seen.next(), c.want.next()
		}
	}
	// One that failed gave no more either: nothing may be concluded from what is missing then.
	if err := c.err(); err != nil {
		return err
	}
	for ; x != nil; x = c.seen.next() {
		if err := c.stopped(); err != nil {
			return err
		}
		c.judge(x, nil)
	}
	for ; y != nil; y = c.want.next() {
		if err := c.stopped(); err != nil {
			return err
		}
		c.judge(nil, y)
	}
	for _, o := range c.others {
		if err := o.drain(c.stopped); err != nil {
			return err
		}
	}
	return c.err()
}

// stopped asks, now and then, whether to go on.
func (c *comparison) stopped() error {
	if c.judged++; c.rules.Stop == nil || c.judged%stopEvery != 0 {
		return nil
	}
	return c.rules.Stop()
}

// err is what made a source fail.
func (c *comparison) err() error {
	if err := c.seen.err(); err != nil {
		return fmt.Errorf("the server's: %w", err)
	}
	if err := c.want.err(); err != nil {
		return fmt.Errorf("the master's: %w", err)
	}
	for _, o := range c.others {
		if err := o.cursor.err(); err != nil {
			return fmt.Errorf("the master's of another timestamp: %w", err)
		}
	}
	return nil
}

// judge judges one path, as it is on the server and on the master.
func (c *comparison) judge(seen, want *item) {
	at := seen
	if at == nil {
		at = want
	}
	if c.rules.Skip != nil && c.rules.Skip(c.paths.of(at)) {
		return
	}
	d := &c.diff
	if seen != nil {
		d.Files++
		d.Bytes = addBytes(d.Bytes, seen.size)
	}
	switch {
	case seen != nil && want != nil && equal(seen, want):
	case seen == nil && c.rules.Subset:
	case want == nil && c.elsewhere(at, seen, false):
		odd(&d.Early, &d.EarlyFirst, seen, want)
	case want == nil:
		odd(&d.Extra, &d.ExtraFirst, seen, want)
	case c.elsewhere(at, seen, seen != nil):
		odd(&d.Moved, &d.MovedFirst, seen, want)
	case seen == nil:
		odd(&d.Missing, &d.MissingFirst, seen, want)
	default:
		odd(&d.Different, &d.DifferentFirst, seen, want)
	}
}

func equal(a, b *item) bool { return a.size == b.size && uint32(a.mtime) == uint32(b.mtime) }

// elsewhere reports whether the file is as seen at another timestamp, at an older one too if both lists have it.
func (c *comparison) elsewhere(at, seen *item, older bool) bool {
	for _, o := range c.others {
		if !o.newer && !older {
			continue
		}
		held := o.find(at)
		if held == nil && seen == nil || held != nil && seen != nil && equal(held, seen) {
			return true
		}
	}
	return false
}

// other is a list that is read only as far as it is asked.
type other struct {
	cursor cursor
	it     *item // the first that is not before what was asked last
	began  bool
	newer  bool
}

// find gives what the list has at the path of at, nil if nothing. The paths that are asked rise.
func (o *other) find(at *item) *item {
	if !o.began {
		o.began, o.it = true, o.cursor.next()
	}
	order := -1
	for o.it != nil {
		if order = bytes.Compare(o.it.dir, at.dir); order >= 0 {
			break
		}
		for o.it = o.cursor.next(); o.it != nil && !o.it.fresh; {
			o.it = o.cursor.next()
		}
	}
	for order == 0 && o.it != nil {
		if order = bytes.Compare(o.it.base, at.base); order >= 0 {
			break
		}
		if o.it = o.cursor.next(); o.it != nil && !o.it.fresh {
			order = 0
		}
	}
	if o.it == nil || order != 0 {
		return nil
	}
	return o.it
}

// drain reads the rest of a list that was asked: its checksum is at its end.
func (o *other) drain(stopped func() error) error {
	for o.began && o.it != nil {
		if err := stopped(); err != nil {
			return err
		}
		o.it = o.cursor.next()
	}
	return nil
}
