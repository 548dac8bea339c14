package rsync

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"fmt"
	"hash"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestList_Big compares the list of a large tree on disk with that of the real client, for daemons of two versions.
func TestList_Big(t *testing.T) { bigList(t, 10_000) }

// TestSoakList_Big is TestList_Big with as many files as a large tree has.
func TestSoakList_Big(t *testing.T) {
	soak(t)
	bigList(t, 240_000)
}

func bigList(t *testing.T, files int64) {
	client := needTool(t, "rsync", "rsync")
	tree := t.TempDir()
	made := makeMirror(t, tree, files)
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, "[m]\npath = "+tree+"\n")
		u := d.url(t, "m/")
		entries := listed(t, new(Client), d.addr, u)
		sortEntries(entries, maxProtocol)
		want := realList(t, client, u.String())
		if int64(len(want)) < files || len(want) != len(entries) || int64(len(entries)) <= made {
			t.Fatalf("%d entries, rsync has %d, %d files were made", len(entries), len(want), made)
		}
		odd := 0
		for i, e := range entries {
			if got := printed(e); got != want[i] {
				if odd++; odd < 10 {
					t.Errorf("entry %d is\n%s, rsync has\n%s", i, got, want[i])
				}
			}
		}
		t.Logf("%d entries, %d differ", len(entries), odd)
	})
}

// makeMirror makes the first entries of the made-up mirror, at least n files, and gives how many. They hold nothing.
func makeMirror(t *testing.T, tree string, n int64) (made int64) {
	t.Helper()
	for i := int64(0); made < n; i++ {
		e := mirrorEntry(i)
		name := filepath.Join(tree, e.Name)
		if e.IsDir() {
			if err := os.MkdirAll(name, 0o755); err != nil {
				t.Fatal(err)
			}
			continue
		}
		made++
		f, err := os.OpenFile(name, os.O_CREATE|os.O_WRONLY, 0o644)
		if err == nil {
			err = f.Truncate(e.Size)
			f.Close()
		}
		if err == nil {
			err = os.Chtimes(name, e.MTime, e.MTime)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	return made
}

// tally is what a list comes down to.
type tally struct {
	count, size, seconds int64
	hash                 hash.Hash
	line                 []byte
}

func (s *tally) add(e Entry) {
	s.count++
	s.size += e.Size
	s.seconds += e.MTime.Unix()
	s.line = append(append(s.line[:0], e.Name...), 0)
	for _, v := range []int64{e.Size, e.MTime.UnixNano(), int64(e.Mode)} {
		s.line = binary.LittleEndian.AppendUint64(s.line, uint64(v))
	}
	s.hash.Write(s.line)
}

func (s *tally) String() string {
	return fmt.Sprintf("%d entries, %d bytes, %d seconds, %x", s.count, s.size, s.seconds, s.hash.Sum(nil))
}

// TestList_Million replays a list of a million entries over TCP: all of it arrives as it is, and memory does not know of it.
func TestList_Million(t *testing.T) {
	const entries = 1_000_000
	addr, port := listen(t, func(c net.Conn) {
		w := &wire{bufio.NewWriterSize(c, 32<<10)}
		mirrorList(w, entries)
		w.Flush()
		hold(c)
	})
	d := &daemon{addr: addr, port: port}
	got := &tally{hash: sha256.New()}
	heap := newHeap()
	err := new(Client).List(short(t), d.addr, d.url(t, "m/"), nil, func(e Entry) error {
		if got.count%50_000 == 0 {
			heap.look()
		}
		got.add(e)
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	heap.below(t, 16<<20)
	want := &tally{hash: sha256.New()}
	want.add(topEntry())
	for i := range int64(entries - 1) {
		want.add(mirrorEntry(i))
	}
	if got.String() != want.String() {
		t.Errorf("%s, expected %s", got, want)
	}
}

// TestList_Allocations: a long list is read without an allocation for each entry, whatever its names.
func TestList_Allocations(t *testing.T) {
	const entries = 20_000
	var said bytes.Buffer
	w := &wire{bufio.NewWriter(&said)}
	mirrorList(w, entries)
	w.Flush()
	c := &Client{Dial: scripted(said.Bytes())}
	got := testing.AllocsPerRun(3, func() {
		if err := c.List(t.Context(), loopback, anyURL(t), nil, func(Entry) error { return nil }); err != nil {
			t.Error(err)
		}
	})
	if got > entries/4 {
		t.Errorf("%.0f allocations for %d entries, expected at most one for 4", got, entries)
	}
}
