package rsync

import (
	"bufio"
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"net"
	"os"
	"path/filepath"
	"testing"
)

// TestList_Big compares the list of a large tree on disk with that of the real client, for daemons of two versions.
func TestList_Big(t *testing.T) { bigList(t, 4_000) }

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

// appendLine adds all that an entry says to b.
func appendLine(b []byte, e Entry) []byte {
	b = append(append(b, e.Name...), 0)
	for _, v := range []int64{e.Size, e.MTime.UnixNano(), int64(e.Mode)} {
		b = binary.LittleEndian.AppendUint64(b, uint64(v))
	}
	return b
}

// TestList_Million replays a list of a million entries over TCP: all of it arrives as it is, in its order, and memory does not
// know of it.
func TestList_Million(t *testing.T) {
	const parts, part = 250, 4000 // the same again and again, which the client cannot know
	var said bytes.Buffer
	var lines []byte
	var sizes, seconds int64
	l := &listWriter{w: &wire{bufio.NewWriter(&said)}}
	for i := range int64(part) {
		e := mirrorEntry(i * 61)
		l.add(e)
		lines, sizes, seconds = appendLine(lines, e), sizes+e.Size, seconds+e.MTime.Unix()
	}
	l.flush()
	l.w.Flush()
	want := sha256.New()
	for range parts {
		want.Write(lines)
	}
	d := &daemon{}
	d.addr, d.port = listen(t, func(c net.Conn) {
		w := &wire{bufio.NewWriterSize(c, 32<<10)}
		w.textPhase(31)
		w.binaryStart(31)
		for range parts {
			w.Write(said.Bytes())
		}
		w.data(0)
		w.goodbye(31)
		w.Flush()
		hold(c)
	})

	count, sum, heap := 0, sha256.New(), newHeap()
	sizes, seconds, lines = sizes*parts, seconds*parts, nil
	err := new(Client).List(short(t), d.addr, d.url(t, "m/"), nil, func(e Entry) error {
		count++
		sizes, seconds, lines = sizes-e.Size, seconds-e.MTime.Unix(), appendLine(lines, e)
		if len(lines) > 64<<10 {
			heap.look()
			sum.Write(lines)
			lines = lines[:0]
		}
		return nil
	})
	sum.Write(lines)
	if err != nil || count != parts*part || sizes != 0 || seconds != 0 || !bytes.Equal(sum.Sum(nil), want.Sum(nil)) {
		t.Errorf("%d entries, %d bytes and %d seconds fewer than expected, %x, expected %x: %v", count, sizes, seconds, sum.Sum(nil), want.Sum(nil), err)
	}
	heap.below(t, 16<<20)
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
