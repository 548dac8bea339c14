package rsync

import (
	"bufio"
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"testing"
	"time"
)

// TestAttack_FiveMillion streams a list of 5,000,000 entries: the default limits allow it, and memory does not know of it.
func TestAttack_FiveMillion(t *testing.T) {
	const entries, part = 5_000_000, 50_000
	var b bytes.Buffer
	l := &listWriter{w: &wire{bufio.NewWriter(&b)}}
	for i := range int64(part) { // the first is whole, so that the part can follow itself
		l.add(Entry{Name: fmt.Sprintf("tree/%05d", i), Size: i, MTime: time.Unix(1488372781, 0), Mode: typeRegular | 0o644})
	}
	l.flush()
	l.w.Flush()
	said := b.String()
	script := func(w *wire) {
		w.textPhase(31)
		w.binaryStart(31)
		for range entries / part {
			w.text(said)
		}
		w.data(0)
		w.goodbye(31)
	}
	for name, tt := range map[string]struct {
		limits Limits
		count  int64
		want   string
	}{
		"default limits": {Limits{}, entries, "ok"},
		"lowered":        {Limits{Entries: 200_000}, 200_000, "too-large: more than 200000 entries"},
		"by bytes":       {Limits{Bytes: 1 << 20}, 0, "too-large: more than 1048576 bytes in one session"},
	} {
		t.Run(name, func(t *testing.T) {
			heap := newHeap()
			count := int64(0)
			err := returns(t, func() error {
				return (&Client{Dial: replay(script), Limits: tt.limits}).List(short(t), loopback, anyURL(t), nil, func(Entry) error {
					if count++; count%100_000 == 0 {
						heap.look()
					}
					return nil
				})
			})
			reason(t, err, tt.want)
			if tt.count > 0 && count != tt.count {
				t.Errorf("%d entries, expected %d", count, tt.count)
			}
			heap.below(t, 16<<20)
		})
	}
}

// heap watches how much the heap grows.
type heap struct{ before, peak uint64 }

func newHeap() *heap {
	runtime.GC()
	h := &heap{}
	h.before = h.look()
	return h
}

func (h *heap) look() uint64 {
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	h.peak = max(h.peak, m.HeapAlloc)
	return m.HeapAlloc
}

func (h *heap) below(t *testing.T, most uint64) {
	t.Helper()
	if grown := h.peak - h.before; grown > most {
		t.Errorf("the heap grew by %d KiB, expected at most %d", grown>>10, most>>10)
	}
	t.Logf("the heap grew by %d KiB", (h.peak-h.before)>>10)
}

// TestMOTD_LikeAListing: with real daemons a message of the day changes nothing.
func TestMOTD_LikeAListing(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		plain := startDaemon(t, bin, "[m]\npath = %DIR%/tree\n")
		d := startDaemon(t, bin, "motd file = %DIR%/motd\n[m]\npath = "+plain.dir+"/tree\n")
		fillTree(t, plain.dir)
		writeFile(t, d.dir+"/motd", motdLikeAList)
		want, got := listed(t, new(Client), plain.addr, plain.url(t, "m/")), listed(t, new(Client), d.addr, d.url(t, "m/"))
		if len(want) < 10 || fmt.Sprint(want) != fmt.Sprint(got) {
			t.Errorf("the list is\n%v\nexpected\n%v", got, want)
		}
		f, err := new(Client).FetchFile(short(t), d.addr, d.url(t, "m/"), "TIME")
		if err != nil || string(f.Data) != "1488372781\n" {
			t.Errorf("%+v %v", f, err)
		}
	})
}

// TestOddNames fetches files whose names are no text from real daemons; TestList lists them.
func TestOddNames(t *testing.T) {
	names := []string{"bad\xff\xfeutf8", "\xc0\x80", "d\xe9/\xe9", "ünï", " lead"}
	eachProtocol(t, "[m]\npath = %DIR%/tree\n", func(t *testing.T, d *daemon, proto int) {
		for _, n := range append([]string{"new\nline"}, names...) {
			writeFile(t, d.dir+"/tree/"+n, n)
		}
		c := &Client{Protocol: proto}
		for _, n := range names {
			f, err := c.FetchFile(short(t), d.addr, d.url(t, "m/"), n)
			if err != nil || string(f.Data) != n || f.Name != n {
				t.Errorf("%q: %q %q %v", n, f.Name, f.Data, err)
			}
		}
		files, err := c.Fetch(short(t), d.addr, d.url(t, "m/"), names)
		if err != nil || len(files) != len(names) {
			t.Errorf("%d files, %v", len(files), err)
		}
		if _, err := c.FetchFile(short(t), d.addr, d.url(t, "m/"), "new\nline"); err == nil || !strings.Contains(err.Error(), "control character") {
			t.Errorf("a line feed would end the argument: %v", err)
		}
		found := false
		for _, e := range listed(t, c, d.addr, d.url(t, "m/")) {
			found = found || e.Name == "new\nline"
		}
		if !found {
			t.Error("the name with a line feed is not in the list")
		}
	})
}
