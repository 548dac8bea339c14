package probe_test

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"slices"
)

// listEntry is an entry of a file list as protocol 31 sends it (package rsync's documentation): nothing is taken from the
// entry before it.
type listEntry struct {
	name        string
	size, mtime int64
	mode        uint32
}

func file(name string) listEntry { return listEntry{name, 5, start, 0o100644} }

// append adds the entry's bytes; names have at most 16383.
func (e listEntry) append(b []byte) []byte {
	if len(e.name) > 255 {
		b = append(b, 0x41, 0x80|byte(len(e.name)>>8), byte(len(e.name)))
	} else {
		b = append(b, 1, byte(len(e.name)))
	}
	b = append(b, e.name...)
	b = append(b, byte(e.size>>16), byte(e.size), byte(e.size>>8))
	b = append(b, byte(e.mtime>>24), byte(e.mtime), byte(e.mtime>>8), byte(e.mtime>>16))
	return append(b, byte(e.mode), byte(e.mode>>8), byte(e.mode>>16), byte(e.mode>>24))
}

// sendList is a server that sends these entries to whatever it is asked, and the error at the end.
func sendList(entries []listEntry, ioError byte) func(net.Conn) {
	var list []byte
	for _, e := range entries {
		list = e.append(list)
	}
	return sendSession(func(out io.Writer) {
		if ioError != 0 {
			list = append(list, 0x04, 0x10, ioError) // flags 0x1004: the end, with an error
		} else {
			list = append(list, 0)
		}
		for part := range slices.Chunk(list, 60_000) {
			out.Write(part)
		}
		out.Write(make([]byte, 3+5*3+1)) // three phases are done, five figures, the end
	})
}

// sendSome is a server that sends these entries and then nothing.
func sendSome(entries ...listEntry) func(net.Conn) {
	var list []byte
	for _, e := range entries {
		list = e.append(list)
	}
	return sendSession(func(out io.Writer) { out.Write(list) })
}

// sendEndless is a server whose list never ends.
func sendEndless(mode uint32) func(net.Conn) {
	return sendSession(func(out io.Writer) {
		for n := 0; ; {
			var part []byte
			for range 1000 {
				n++
				part = listEntry{"f" + string([]byte{'a' + byte(n>>12&15), 'a' + byte(n>>8&15), 'a' + byte(n>>4&15), 'a' + byte(n&15)}), 5, start, mode}.append(part)
			}
			if _, err := out.Write(part); err != nil {
				return
			}
		}
	})
}

// sendSession lets a client in, and send writes what comes then, in frames.
func sendSession(send func(io.Writer)) func(net.Conn) {
	return func(c net.Conn) {
		io.WriteString(c, "@RSYNCD: 31.0 md5 md4\n")
		in := bufio.NewReader(c)
		in.ReadString('\n') // version
		in.ReadString('\n') // module
		io.WriteString(c, "@RSYNCD: OK\n")
		c.Write([]byte{0, 7, 0, 0, 0}) // flags, and a seed
		send(frames{c})
		io.Copy(io.Discard, in)
	}
}

// frames writes data in frames of tag 0.
type frames struct{ io.Writer }

func (f frames) Write(b []byte) (int, error) {
	head := []byte{byte(len(b)), byte(len(b) >> 8), byte(len(b) >> 16), 7}
	n, err := f.Writer.Write(bytes.Join([][]byte{head, b}, nil))
	return n - len(head), err
}
