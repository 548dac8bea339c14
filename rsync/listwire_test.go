package rsync

import (
	"encoding/binary"
	"strconv"
	"time"
)

// mirrorEntry is the n-th of the entries of a made-up mirror, 200 packages a directory.
func mirrorEntry(n int64) Entry {
	dir, file := n/201, n%201
	name := append(strconv.AppendInt([]byte("centos/"), dir, 10), "/os/x86_64/Packages"...)
	if file == 0 {
		return Entry{Name: string(name), Size: 4096, MTime: time.Unix(1488372781+dir, 0).UTC(), Mode: typeDirectory | 0o755}
	}
	name = strconv.AppendInt(append(name, '/', 'a'+byte(file%26), '-'), file*7919%100_000, 10)
	name = append(strconv.AppendInt(append(name, "-1."...), file, 10), oddEnding(n)...)
	return Entry{Name: string(append(name, ".el7.x86_64.rpm"...)),
		Size: 1000 + n*7919%30_000_000, MTime: time.Unix(1400000000+n*104_729%88_000_000, n%1000*1_000_000).UTC(), Mode: typeRegular | 0o644}
}

// oddEnding gives one name in 997 something that a list's reader may trip over.
func oddEnding(n int64) string {
	if n%997 != 0 {
		return ""
	}
	return []string{"new\nline", "\xff\xfe", `\#012`, " -> x", "two  words", "\t\x1b[1m", "\u00fc"}[n/997%7]
}

// listWriter writes entries as rsync's sender does in protocol 31: only what differs from the entry before.
type listWriter struct {
	w    *wire
	last Entry
	buf  []byte
}

func (l *listWriter) add(e Entry) {
	flags, keep := 0, 0
	for keep < min(len(e.Name), len(l.last.Name), 255) && e.Name[keep] == l.last.Name[keep] {
		keep++
	}
	if keep > 0 {
		flags |= flagSameName
	}
	rest := e.Name[keep:]
	if len(rest) > 255 {
		flags |= flagLongName
	}
	if e.Mode == l.last.Mode {
		flags |= flagSameMode
	}
	if e.MTime.Unix() == l.last.MTime.Unix() {
		flags |= flagSameTime
	}
	if e.MTime.Nanosecond() != 0 {
		flags |= flagNanos
	}
	if flags == 0 || flags > 255 {
		l.buf = append(l.buf, byte(flags|flagExtended), byte(flags>>8))
	} else {
		l.buf = append(l.buf, byte(flags))
	}
	if keep > 0 {
		l.buf = append(l.buf, byte(keep))
	}
	if len(rest) > 255 {
		l.buf = appendVarint(l.buf, int32(len(rest)))
	} else {
		l.buf = append(l.buf, byte(len(rest)))
	}
	l.buf = append(l.buf, rest...)
	l.buf = appendShort(l.buf, e.Size, 3)
	if flags&flagSameTime == 0 {
		l.buf = appendShort(l.buf, e.MTime.Unix(), 4)
	}
	if flags&flagNanos != 0 {
		l.buf = appendShort(l.buf, int64(e.MTime.Nanosecond()), 1)
	}
	if flags&flagSameMode == 0 {
		l.buf = binary.LittleEndian.AppendUint32(l.buf, e.Mode)
	}
	l.last = e
	if l.w != nil && len(l.buf) > 8<<10 {
		l.flush()
	}
}

// flush writes what has come together as one frame, which ends anywhere in an entry, as rsync's do.
func (l *listWriter) flush() {
	if len(l.buf) > 0 {
		n := len(l.buf) - len(l.buf)/3
		l.w.data(l.buf[:n]...)
		l.w.data(l.buf[n:]...)
	}
	l.buf = l.buf[:0]
}

// appendShort adds v in the shortest form of at least least bytes; of one byte it is a varint.
func appendShort(b []byte, v int64, least int) []byte {
	var x [9]byte
	binary.LittleEndian.PutUint64(x[1:], uint64(v))
	n := 8
	for n > least && x[n] == 0 {
		n--
	}
	bit := byte(1) << (7 - n + least)
	switch {
	case x[n] >= bit:
		n++
		x[0] = ^(bit - 1)
	case n > least:
		x[0] = x[n] | ^(bit*2 - 1)
	default:
		x[0] = x[n]
	}
	return append(append(b, x[0]), x[1:n]...)
}

func topEntry() Entry {
	return Entry{Name: ".", Size: 4096, MTime: time.Unix(1488372781, 0).UTC(), Mode: typeDirectory | 0o755}
}

// mirrorList says all of a session that lists n entries, the top among them.
func mirrorList(w *wire, n int64) {
	w.textPhase(31)
	w.binaryStart(31)
	l := &listWriter{w: w}
	l.add(topEntry())
	for i := range n - 1 {
		l.add(mirrorEntry(i))
	}
	l.buf = append(l.buf, 0)
	l.flush()
	w.goodbye(31)
}
