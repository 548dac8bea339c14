package lab

import (
	"bufio"
	"context"
	"encoding/binary"
	"fmt"
	"io"
	"net"
)

// ListEntry is a regular file of a list that is sent without there being a tree.
type ListEntry struct {
	Name  string
	Size  int64
	MTime int64
}

// ToList is a server whose tree has n files, number i of which entry gives: a list of any length, from no disk. It speaks
// protocol 31 with clients that ask for a whole list, offer no incremental recursion and no other digests (package rsync's).
func ToList(n int, entry func(i int) ListEntry) Door {
	return func(ctx context.Context, c net.Conn) {
		in := bufio.NewReader(c)
		io.WriteString(c, "@RSYNCD: 31.0 md5 md4\n")
		for range 2 { // the client's greeting, and the module
			if _, err := in.ReadString('\n'); err != nil {
				return
			}
		}
		io.WriteString(c, "@RSYNCD: OK\n")
		for { // its arguments, up to an empty one
			arg, err := in.ReadString(0)
			if err != nil {
				return
			}
			if arg == "\x00" {
				break
			}
		}
		c.Write([]byte{0, 7, 0, 0, 0}) // no flags, the seed
		go io.Copy(io.Discard, in)     // its rules and its goodbye
		w := &listWriter{Writer: bufio.NewWriterSize(c, 64<<10)}
		w.list(n, entry)
		// The goodbye: three ends of phases, five figures, the last word.
		w.data = append(w.data, make([]byte, 3+5*3+1)...)
		w.frame()
		w.Flush()
		<-ctx.Done()
	}
}

// listWriter writes a file list in frames (rsync's flist.c, io.c).
type listWriter struct {
	*bufio.Writer
	data []byte
	name string // of the entry before
}

const (
	listSameMode = 1 << 1
	listSameName = 1 << 5
	listLongName = 1 << 6

	listRegular   = 0o100644
	listDirectory = 0o040755
	listFrame     = 32 << 10
	listTagData   = 7 // MPLEX_BASE + MSG_DATA
)

func (w *listWriter) list(n int, entry func(i int) ListEntry) {
	w.entry(ListEntry{Name: ".", Size: 4096, MTime: 1}, listDirectory)
	for i := range n {
		mode := uint32(0)
		if i == 0 {
			mode = listRegular
		}
		w.entry(entry(i), mode)
	}
	w.data = append(w.data, 0)
	w.frame()
}

// entry adds one; mode 0: that of the entry before.
func (w *listWriter) entry(e ListEntry, mode uint32) {
	same := 0
	for same < min(len(e.Name), len(w.name), 255) && e.Name[same] == w.name[same] {
		same++
	}
	flags, rest := byte(listSameName), e.Name[same:]
	if mode == 0 {
		flags |= listSameMode
	}
	if len(rest) > 255 {
		panic(fmt.Sprintf("the lab's list sender has no use for the long name %q", e.Name))
	}
	w.data = append(w.data, flags, byte(same), byte(len(rest)))
	w.data = append(w.data, rest...)
	w.data = appendVarlong(w.data, e.Size, 3)
	w.data = appendVarlong(w.data, e.MTime, 4)
	if mode != 0 {
		w.data = binary.LittleEndian.AppendUint32(w.data, mode)
	}
	w.name = e.Name
	if len(w.data) >= listFrame {
		w.frame()
	}
}

// frame sends what has come together. A client that is gone shows when its connection is closed.
func (w *listWriter) frame() {
	w.Write(binary.LittleEndian.AppendUint32(nil, listTagData<<24|uint32(len(w.data))))
	w.Write(w.data)
	w.data = w.data[:0]
}

// appendVarlong writes v as rsync does, in at least least bytes: the first says how many more than that follow (io.c,
// write_varlong).
func appendVarlong(b []byte, v int64, least int) []byte {
	le := binary.LittleEndian.AppendUint64(nil, uint64(v))
	n := 8
	for n > least && le[n-1] == 0 {
		n--
	}
	bit := byte(1 << (7 - n + least))
	switch {
	case le[n-1] >= bit:
		n++
		b = append(b, ^(bit - 1))
	case n > least:
		b = append(b, le[n-1]|^(bit*2-1))
	default:
		b = append(b, le[n-1])
	}
	return append(b, le[:n-1]...)
}
