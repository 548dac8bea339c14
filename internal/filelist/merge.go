package filelist

import "bytes"

// merge walks several cursors as one: a heap of them, the one with the first item on top.
type merge struct {
	heap    []head
	current []byte // copy of the directory of the last item
	started bool
	alone   bool // no other cursor is in the top's directory
	failure error
}

type head struct {
	it   *item
	from cursor
}

func newMerge(from []cursor) cursor {
	m := &merge{}
	for _, c := range from {
		if it := c.next(); it != nil {
			m.heap = append(m.heap, head{it, c})
		} else if m.failure = c.err(); m.failure != nil {
			break
		}
	}
	for i := len(m.heap)/2 - 1; i >= 0; i-- {
		m.down(i)
	}
	return m
}

func (m *merge) err() error { return m.failure }

// next implements cursor.
func (m *merge) next() *item {
	if m.failure != nil || len(m.heap) == 0 || m.started && !m.advance() {
		return nil
	}
	it := m.heap[0].it
	fresh := !m.started || !m.alone && !bytes.Equal(it.dir, m.current)
	if fresh {
		m.current = append(m.current[:0], it.dir...)
		m.alone = !m.also(1) && !m.also(2)
	}
	it.fresh, m.started = fresh, true
	if !m.alone && (m.same(1, it) || m.same(2, it)) { // an equal one is right below the top
		m.failure = twice(it)
		return nil
	}
	return it
}

// advance takes the top's next item; false at the end of all and after a failure.
func (m *merge) advance() bool {
	top := &m.heap[0]
	if it := top.from.next(); it != nil {
		top.it = it
		if m.alone && !it.fresh {
			return true
		}
	} else {
		if m.failure = top.from.err(); m.failure != nil {
			return false
		}
		last := len(m.heap) - 1
		*top = m.heap[last]
		m.heap = m.heap[:last]
	}
	m.down(0)
	m.alone = false
	return len(m.heap) > 0
}

// also reports whether the heap's i-th cursor is in the top's directory.
func (m *merge) also(i int) bool {
	return i < len(m.heap) && bytes.Equal(m.heap[i].it.dir, m.heap[0].it.dir)
}

func (m *merge) same(i int, it *item) bool {
	return i < len(m.heap) && compareItems(m.heap[i].it, it) == 0
}

// down lets the i-th sink to its place.
func (m *merge) down(i int) {
	for {
		child := 2*i + 1
		if child >= len(m.heap) {
			return
		}
		if right := child + 1; right < len(m.heap) && compareItems(m.heap[right].it, m.heap[child].it) < 0 {
			child = right
		}
		if compareItems(m.heap[i].it, m.heap[child].it) <= 0 {
			return
		}
		m.heap[i], m.heap[child] = m.heap[child], m.heap[i]
		i = child
	}
}
