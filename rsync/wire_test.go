package rsync

import (
	"bufio"
	"context"
	"crypto/md5"
	"encoding/binary"
	"io"
	"net"
	"net/netip"
	"runtime"
	"testing"

	"tidemark/internal/rsyncurl"
)

var loopback = netip.MustParseAddr("127.0.0.1")

func anyURL(t testing.TB) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.Parse("rsync://mirror.example.org/m/")
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// wire writes a server's side of a session, as the protocol or a hostile server has it. When nobody listens any more, the
// script ends with its goroutine.
type wire struct{ *bufio.Writer }

func (w *wire) text(s string) {
	if _, err := w.WriteString(s); err != nil {
		runtime.Goexit()
	}
}

func (w *wire) textPhase(proto int) {
	w.text(map[int]string{27: "@RSYNCD: 27\n", 29: "@RSYNCD: 29\n", 30: "@RSYNCD: 30.0\n", 31: "@RSYNCD: 31.0 md5 md4\n"}[proto])
	w.text("@RSYNCD: OK\n")
}

// binaryStart writes what stands before the frames; the seed is 7.
func (w *wire) binaryStart(proto int) {
	if proto >= 30 {
		w.WriteByte(0)
	}
	w.Write([]byte{7, 0, 0, 0})
}

func (w *wire) frame(tag int, p []byte) {
	w.Write(binary.LittleEndian.AppendUint32(w.AvailableBuffer(), uint32(tag+tagBase)<<24|uint32(len(p))))
	if _, err := w.Write(p); err != nil {
		runtime.Goexit()
	}
}

func (w *wire) data(p ...byte) { w.frame(tagData, p) }

// entry writes an entry with all of its parts.
func (w *wire) entry(proto int, name string, size, mtime int64, mode uint32) {
	b := []byte{flagLongName}
	if proto >= 30 {
		b = appendVarint(b, int32(len(name)))
		b = append(b, name...)
		b = appendVarlong(b, size, 3)
		b = appendVarlong(b, mtime, 4)
	} else {
		b = binary.LittleEndian.AppendUint32(b, uint32(len(name)))
		b = append(b, name...)
		b = binary.LittleEndian.AppendUint32(b, uint32(size))
		b = binary.LittleEndian.AppendUint32(b, uint32(mtime))
	}
	w.data(binary.LittleEndian.AppendUint32(b, mode)...)
}

// appendVarint and appendVarlong always take the longest form, which every reader must know.
func appendVarint(b []byte, v int32) []byte {
	return binary.LittleEndian.AppendUint32(append(b, 0xf0), uint32(v))
}

func appendVarlong(b []byte, v int64, min int) []byte {
	return binary.LittleEndian.AppendUint64(append(b, [...]byte{3: 0xfc, 4: 0xf8}[min]), uint64(v))
}

// file answers the first question of protocol 31 with data.
func (w *wire) file(data string) {
	w.data(append([]byte{1, 0, 0x80}, make([]byte, 16)...)...)
	if data != "" {
		w.data(append(binary.LittleEndian.AppendUint32(nil, uint32(len(data))), data...)...)
	}
	sum := md5.Sum([]byte(data))
	w.data(append(make([]byte, 4), sum[:]...)...)
}

// goodbye writes the ends of phases, the statistics and the last word.
func (w *wire) goodbye(proto int) {
	switch proto {
	case 31:
		w.data(append(make([]byte, 3+5*3), 0)...)
	case 29:
		for range 3 {
			w.data(0xff, 0xff, 0xff, 0xff)
		}
		w.data(make([]byte, 20)...)
	}
}

// replay gives a Dial whose server writes what script says, without listening; then it hangs up.
func replay(script func(w *wire)) func(context.Context, string, string) (net.Conn, error) {
	return serve(func(c net.Conn) {
		w := &wire{bufio.NewWriterSize(c, 64<<10)}
		script(w)
		w.Flush()
	})
}

// serve gives a Dial to a server that runs on a pipe and swallows what it is sent.
func serve(server func(c net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		ours, theirs := net.Pipe()
		go io.Copy(io.Discard, theirs)
		go func() {
			defer theirs.Close()
			server(theirs)
		}()
		return ours, nil
	}
}
