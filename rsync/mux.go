package rsync

import (
	"bufio"
	"encoding/binary"
	"io"
	"strings"
)

// Tags of the server's frames: the header's top byte less 7.
const (
	tagBase      = 7
	tagData      = 0
	tagErrorXfer = 1
	tagInfo      = 2
	tagErrorUTF8 = 8 // 1 to 8 are text
	tagStats     = 10
	tagIOError   = 22
	tagIOTimeout = 33
	tagNoop      = 42
	tagErrorExit = 86
	tagNoSend    = 102
)

// stream reads the server's bytes: plain ones, and after demux those inside data frames. The first error sticks, and all
// reads after it give zeros, so that decoders look at err once an item.
type stream struct {
	r       *bufio.Reader
	limits  Limits
	muxed   bool
	left    int // of the data frame at hand
	err     error
	log     messages
	ioError int32 // or'ed of all the server reported
	noSend  int   // files that the server could not send
	word    [4]byte
}

func newStream(r io.Reader, limits Limits) *stream {
	capped := &cappedReader{r: r, left: limits.Bytes, max: limits.Bytes}
	return &stream{r: bufio.NewReaderSize(capped, 16<<10), limits: limits}
}

func (s *stream) fail(err error) {
	if s.err == nil {
		s.err = err
	}
}

func (s *stream) failf(code Code, format string, args ...any) { s.fail(failf(code, format, args...)) }

// byte reads one byte.
func (s *stream) byte() byte {
	if s.err != nil || s.muxed && s.left == 0 && !s.nextData() {
		return 0
	}
	b, err := s.r.ReadByte()
	if err != nil {
		s.fail(err)
		return 0
	}
	if s.muxed {
		s.left--
	}
	return b
}

// ahead gives what lies in the buffer of the data at hand, after waiting for some; nothing after an error.
func (s *stream) ahead() []byte {
	if s.err != nil || s.muxed && s.left == 0 && !s.nextData() {
		return nil
	}
	if s.r.Buffered() == 0 {
		if _, err := s.r.Peek(1); err != nil {
			s.fail(err)
			return nil
		}
	}
	n := s.r.Buffered()
	if s.muxed {
		n = min(n, s.left)
	}
	b, _ := s.r.Peek(n)
	return b
}

// skip goes on by n bytes of ahead.
func (s *stream) skip(n int) {
	s.r.Discard(n)
	if s.muxed {
		s.left -= n
	}
}

// full fills p, with zeros after an error.
func (s *stream) full(p []byte) {
	for len(p) > 0 {
		n := len(p)
		if s.muxed && s.err == nil && (s.left > 0 || s.nextData()) {
			n = min(n, s.left)
		}
		if s.err != nil {
			clear(p)
			return
		}
		s.raw(p[:n])
		if s.muxed {
			s.left -= n
		}
		p = p[n:]
	}
}

// raw fills p from below the frames.
func (s *stream) raw(p []byte) {
	if _, err := io.ReadFull(s.r, p); err != nil {
		clear(p)
		s.fail(err)
	}
}

// nextData handles frames until one brings data.
func (s *stream) nextData() bool {
	for s.err == nil && s.left == 0 {
		header := uint32(s.rawInt32())
		if s.err != nil {
			break
		}
		tag, size := int(header>>24)-tagBase, int(header&0xffffff)
		if tag == tagData {
			s.left = size
			continue
		}
		s.control(tag, size)
	}
	return s.err == nil
}

// control handles a frame that is not data.
func (s *stream) control(tag, size int) {
	switch {
	case tag >= tagErrorXfer && tag <= tagErrorUTF8:
		s.message(tag, size)
	case tag == tagErrorExit && (size == 0 || size == 4):
		s.raw(make([]byte, size))
		s.fail(errExit)
	case tag == tagIOError && size == 4:
		s.ioError |= s.rawInt32()
	case tag == tagNoSend && size == 4:
		s.rawInt32()
		s.noSend++
	case tag == tagIOTimeout && size == 4:
		s.rawInt32()
	case tag == tagNoop && size == 0:
	case tag == tagStats && size <= 64:
		s.raw(make([]byte, size))
	default:
		s.failf(CodeProtocol, "frame with tag %d and %d bytes", tag, size)
	}
}

func (s *stream) rawInt32() int32 {
	s.raw(s.word[:])
	return int32(binary.LittleEndian.Uint32(s.word[:]))
}

// message keeps a log message.
func (s *stream) message(tag, size int) {
	s.log.bytes += size
	if s.log.bytes > s.limits.Message {
		s.failf(CodeTooLarge, "the server sent more than %d bytes of messages", s.limits.Message)
		return
	}
	if size == 0 {
		return
	}
	text := make([]byte, size)
	s.raw(text)
	if s.err != nil {
		return
	}
	s.log.add(tag, string(text))
	if strings.Contains(string(text), refusal) {
		s.fail(errExit) // the server hangs up by itself, but half a second later
	}
}

// refusal is in the message of a server that does not take one of our options.
const refusal = "is configured to refuse"

// errExit is the server's own end of a session by an error; its messages say which.
var errExit = failf(CodeServer, "the server ended the session with an error")

// messages are the server's log messages, cleaned; the first few are enough to tell what happened.
type messages struct {
	bytes int
	kept  []message
}

type message struct {
	tag  int
	text string
}

const maxMessages = 16

func (m *messages) add(tag int, text string) {
	if text = clean(text); text != "" && len(m.kept) < maxMessages {
		m.kept = append(m.kept, message{tag, text})
	}
}

// reason gives the first message with a class of its own, else the first error message, else nil.
func (m *messages) reason() *Error {
	var other *Error
	for _, msg := range m.kept {
		if code := classifyMessage(msg.text); code != CodeServer {
			return said(code, msg.text)
		}
		if other == nil && msg.tag != tagInfo && !isSummary(msg.text) {
			other = said(CodeServer, msg.text)
		}
	}
	return other
}

// onlyNotFound reports that all that was complained of are things that are not there, as a link that points nowhere.
func (m *messages) onlyNotFound() bool {
	for _, msg := range m.kept {
		if classifyMessage(msg.text) != CodeNotFound {
			return false
		}
	}
	return len(m.kept) > 0 && len(m.kept) < maxMessages
}

// isSummary reports the line that rsync adds after the message that matters.
func isSummary(text string) bool { return strings.HasPrefix(text, "rsync error:") }

// appendFrame adds payload to b, framed for a server that reads frames.
func appendFrame(b, payload []byte) []byte {
	const most = 32 << 10
	for len(payload) > 0 {
		n := min(len(payload), most)
		b = binary.LittleEndian.AppendUint32(b, uint32(tagBase)<<24|uint32(n))
		b = append(b, payload[:n]...)
		payload = payload[n:]
	}
	return b
}
