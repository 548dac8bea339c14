package filelist

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"hash"
	"os"
	"path/filepath"

	"github.com/google/renameio/v2"
)

// Head is what an index says of itself.
type Head struct {
	Tree      string
	Timestamp int64  // of the tree
	Files     int64  // entries of the index; the time file is not among them
	Bytes     int64  // of all entries together
	Digest    string // quorum.ListSum.Digest of the look that made it
}

const (
	magic     = "tidemark list 1\n"
	fixedHead = len(magic) + 2 + 2 + 4*8 + sha256.Size
	maxText   = 1024 // longest Tree and Digest
	maxHead   = fixedHead + 2*maxText + sha256.Size
)

// encode gives the head's bytes with blocks, the length and checksum of what follows it.
func (h Head) encode(length int64, sum []byte) []byte {
	b := []byte(magic)
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Tree)))
	b = binary.BigEndian.AppendUint16(b, uint16(len(h.Digest)))
	for _, v := range []int64{h.Timestamp, h.Files, h.Bytes, length} {
		b = binary.BigEndian.AppendUint64(b, uint64(v))
	}
	b = append(b, sum...)
	b = append(append(b, h.Tree...), h.Digest...)
	own := sha256.Sum256(b)
	return append(b, own[:]...)
}

// Write makes the index file name atomically from sorted entries. Head.Files and Head.Bytes are filled in by it.
func Write(name string, h Head, from Source) (Head, error) {
	if err := write(name, &h, from); err != nil {
		return Head{}, fmt.Errorf("write the index %s: %w", name, err)
	}
	return h, nil
}

func write(name string, h *Head, from Source) error {
	if len(h.Tree) > maxText || len(h.Digest) > maxText {
		return fmt.Errorf("a tree's name of %d and a digest of %d bytes: expected at most %d", len(h.Tree), len(h.Digest), maxText)
	}
	if info, err := os.Stat(name); err == nil && !info.Mode().IsRegular() { // as root, a device would be replaced
		return fmt.Errorf("it is there and no regular file (%s)", info.Mode())
	}
	f, err := renameio.NewPendingFile(name, renameio.WithTempDir(filepath.Dir(name)), renameio.WithPermissions(0o644))
	if err != nil {
		return err
	}
	defer f.Cleanup()
	sum := sha256.New()
	if _, err := f.Write(h.encode(0, make([]byte, sha256.Size))); err != nil { // its place; the real one is known at the end
		return err
	}
	e, err := encodeAll(summed{f.File, sum}, cursorOf(from))
	if err != nil {
		return err
	}
	h.Files, h.Bytes = e.files, e.bytes
	if _, err := f.WriteAt(h.encode(e.written, sum.Sum(nil)), 0); err != nil {
		return err
	}
	return f.CloseAtomicallyReplace()
}

// summed writes to a file and to a checksum.
type summed struct {
	file *os.File
	sum  hash.Hash
}

// Write implements io.Writer.
func (s summed) Write(b []byte) (int, error) {
	s.sum.Write(b)
	return s.file.Write(b)
}

// Index is an index file that is open for reading. Its methods may be used by several goroutines at a time.
type Index struct {
	Head Head

	name     string
	file     *os.File
	from, to int64  // the blocks
	sum      []byte // theirs
}

// Open reads an index's head and proves it, and that nothing of the file is missing; the checksum of the rest is proven by reading
// it to its end (Source.Err). Both fail with ErrDamaged.
func Open(name string) (*Index, error) {
	if info, err := os.Stat(name); err != nil {
		return nil, fmt.Errorf("open an index: %w", err)
	} else if !info.Mode().IsRegular() { // a pipe would hold us up
		return nil, fmt.Errorf("open the index %s: it is no regular file (%s)", name, info.Mode())
	}
	f, err := os.Open(name)
	if err != nil {
		return nil, fmt.Errorf("open an index: %w", err)
	}
	x := &Index{name: name, file: f}
	if err := x.readHead(); err != nil {
		return nil, errors.Join(fmt.Errorf("open the index %s: %w", name, err), f.Close())
	}
	return x, nil
}

func (x *Index) readHead() error {
	info, err := x.file.Stat()
	if err != nil {
		return err
	}
	b := make([]byte, min(int64(maxHead), info.Size()))
	if _, err := x.file.ReadAt(b, 0); err != nil {
		return err
	}
	if len(b) < fixedHead {
		return fmt.Errorf("%w: it has %d bytes", ErrDamaged, len(b))
	}
	if string(b[:len(magic)]) != magic {
		return fmt.Errorf("%w: it begins with %q, expected %q", ErrDamaged, b[:len(magic)], magic)
	}
	f := b[len(magic):]
	tree, digest := int(binary.BigEndian.Uint16(f)), int(binary.BigEndian.Uint16(f[2:]))
	number := func(i int) int64 { return int64(binary.BigEndian.Uint64(f[4+8*i:])) }
	end := fixedHead + tree + digest
	if tree > maxText || digest > maxText || end+sha256.Size > len(b) {
		return fmt.Errorf("%w: its head ends early", ErrDamaged)
	}
	if own := sha256.Sum256(b[:end]); !bytes.Equal(own[:], b[end:end+sha256.Size]) {
		return fmt.Errorf("%w: its head does not have its checksum", ErrDamaged)
	}
	x.Head = Head{
		Tree: string(b[fixedHead : fixedHead+tree]), Digest: string(b[fixedHead+tree : end]),
		Timestamp: number(0), Files: number(1), Bytes: number(2),
	}
	x.from, x.to, x.sum = int64(end+sha256.Size), info.Size(), b[fixedHead-sha256.Size:fixedHead]
	if x.to-x.from != number(3) {
		return fmt.Errorf("%w: it has %d bytes after its head, expected %d", ErrDamaged, x.to-x.from, number(3))
	}
	return nil
}

// Entries walks the index from its beginning; each walk is independent of the others.
func (x *Index) Entries() Source {
	return &walk{cursor: &named{x.name, &decoder{src: x.file, off: x.from, end: x.to, sum: sha256.New(), last: x.prove}}}
}

// prove checks what can only be known at the end.
func (x *Index) prove(d *decoder) error {
	if !bytes.Equal(d.sum.Sum(nil), x.sum) {
		return fmt.Errorf("%w: it does not have its checksum", ErrDamaged)
	}
	if d.files != x.Head.Files || d.bytes != x.Head.Bytes {
		return fmt.Errorf("%w: %d files with %d bytes, expected %d with %d", ErrDamaged, d.files, d.bytes, x.Head.Files, x.Head.Bytes)
	}
	return nil
}

// named says of which file an error is.
type named struct {
	name string
	*decoder
}

func (n *named) err() error {
	if n.failure == nil {
		return nil
	}
	return fmt.Errorf("read the index %s: %w", n.name, n.failure)
}

// Close closes the file.
func (x *Index) Close() error { return x.file.Close() }
