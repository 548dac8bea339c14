package rsync

import (
	"crypto/md5"
	"encoding/binary"
	"hash"
	"slices"

	"golang.org/x/crypto/md4" //lint:ignore SA1019 the protocol below version 30 has no other digest
)

// itemTransfer is the bit of an item's flags that asks for the file's content (protocol 29 on).
const itemTransfer = 1 << 15

// transfer asks for the files with the given indices (rising), reads what comes, and ends the session. Files that the
// server could not send are missing from the result. All questions and the goodbye are written while answers are read:
// below protocol 30 nothing tells that a file is not coming, but the end of the phase.
func (s *session) transfer(want []Entry, indices []int32) ([]File, error) {
	questions := s.encodeQuestions(indices)
	done := make(chan struct{})
	go func() {
		defer close(done)
		s.conn.Write(questions) // a failure shows in the reads
	}()
	files, err := s.answers(want, indices)
	if err == nil {
		err = s.end()
	}
	if err != nil {
		s.raw.Close() // lets the writer go
	}
	<-done
	return files, err
}

// encodeQuestions gives, for each index, "send it whole": an empty list of block sums; and the goodbye.
func (s *session) encodeQuestions(indices []int32) []byte {
	w := newIndexWriter()
	var b []byte
	for _, i := range indices {
		b = w.append(b, i, s.proto)
		if s.proto >= 29 {
			b = binary.LittleEndian.AppendUint16(b, itemTransfer)
		}
		b = append(b, make([]byte, 16)...)
	}
	return s.appendOut(nil, s.appendGoodbye(b, &w))
}

// answers reads files until the last phase is done.
func (s *session) answers(want []Entry, indices []int32) ([]File, error) {
	var files []File
	room := s.in.limits.Files
	for phase := 0; phase < s.phases(); {
		i := s.index.read(s.in, s.proto)
		if s.in.err != nil {
			return files, s.in.err
		}
		if i == ndxDone {
			phase++
			continue
		}
		at := slices.Index(indices, i)
		if at < 0 || phase > 0 {
			return files, failf(CodeProtocol, "the server sends the file with index %d, which is not awaited", i)
		}
		f, err := s.receive(want[at], min(s.in.limits.File, room))
		if err != nil {
			return files, err
		}
		files, room = append(files, f), room-f.Size
		want, indices = want[at+1:], indices[at+1:]
	}
	return files, nil
}

// receive reads one file: the echo of our question, the content in pieces, and its digest.
func (s *session) receive(e Entry, most int64) (File, error) {
	if s.proto >= 29 {
		var b [2]byte
		s.in.full(b[:])
		if flags := binary.LittleEndian.Uint16(b[:]); s.in.err == nil && flags != itemTransfer {
			return File{}, failf(CodeProtocol, "%q comes with the flags %#x, expected %#x", e.Name, flags, itemTransfer)
		}
	}
	for range 4 {
		if v := s.in.int32(); v != 0 {
			return File{}, failf(CodeProtocol, "%q comes as a difference to blocks that we do not have (%d)", e.Name, v)
		}
	}
	data, err := s.content(e, most)
	if err != nil {
		return File{}, err
	}
	sum := s.digest()
	sum.Write(data)
	var sent [16]byte
	s.in.full(sent[:])
	if s.in.err != nil {
		return File{}, s.in.err
	}
	if string(sum.Sum(nil)) != string(sent[:]) {
		return File{}, failf(CodeCorrupt, "%q (%d bytes) does not match its checksum", e.Name, len(data))
	}
	e.Size = int64(len(data))
	return File{Entry: e, Data: data}, nil
}

// content reads pieces up to the empty one. Memory grows with what has come, not with what was promised.
func (s *session) content(e Entry, most int64) ([]byte, error) {
	data := make([]byte, 0, min(e.Size, 64<<10))
	for {
		n := int64(s.in.int32())
		switch {
		case s.in.err != nil:
			return nil, s.in.err
		case n == 0:
			return data, nil
		case n < 0:
			return nil, failf(CodeProtocol, "%q refers to block %d of a file that we do not have", e.Name, -(n + 1))
		case n > most-int64(len(data)):
			return nil, failf(CodeTooLarge, "%q has more than %d bytes", e.Name, most)
		}
		for n > 0 && s.in.err == nil {
			size := int(min(n, 32<<10))
			data = slices.Grow(data, size)[:len(data)+size]
			s.in.full(data[len(data)-size:])
			n -= int64(size)
		}
	}
}

// digest is MD5, and below protocol 30 MD4 that begins with the session's seed.
func (s *session) digest() hash.Hash {
	if s.proto >= 30 {
		return md5.New()
	}
	h := md4.New()
	h.Write(binary.LittleEndian.AppendUint32(nil, uint32(s.seed)))
	return h
}
