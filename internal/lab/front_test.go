package lab_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/lab"
	"tidemark/internal/rsyncurl"
	wire "tidemark/rsync"
)

func front(t *testing.T, doors map[netip.Addr]lab.Door) *lab.Front {
	t.Helper()
	for range 5 { // somebody else may have the port at one of the addresses
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			t.Fatal(err)
		}
		port := l.Addr().(*net.TCPAddr).Port
		l.Close()
		f, err := lab.StartFront(t.Context(), port, doors)
		if err == nil {
			t.Cleanup(func() { f.Close() })
			return f
		}
	}
	t.Fatal("no port is free at all addresses")
	return nil
}

// TestFront: each address has its own door, one without has nobody, and a door can change.
func TestFront(t *testing.T) {
	needRsync(t)
	tree, err := lab.NewTree(t.TempDir(), "centos", 1, start)
	if err != nil {
		t.Fatal(err)
	}
	d, err := lab.StartDaemon(t.Context(), lab.Daemon{Dir: t.TempDir(), Address: "127.0.0.1", Modules: map[string]string{"centos": tree.Dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Stop() })
	good, late, drips, none := netip.MustParseAddr("127.9.0.1"), netip.MustParseAddr("127.9.0.2"), netip.MustParseAddr("127.9.0.3"), netip.MustParseAddr("127.9.0.4")
	f := front(t, map[netip.Addr]lab.Door{good: lab.ToDaemon(d.Addr), late: lab.Late(50*time.Millisecond, lab.ToDaemon(d.Addr)), drips: lab.Loris(time.Millisecond, 100*time.Millisecond)})
	ask := func(addr netip.Addr) error {
		u, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/centos/", netip.AddrPortFrom(addr, uint16(f.Port))))
		if err != nil {
			t.Fatal(err)
		}
		got, err := (&wire.Client{}).FetchFile(t.Context(), addr, u, lab.TimeFile)
		if err == nil && strings.TrimSpace(string(got.Data)) != fmt.Sprint(start) {
			t.Errorf("%s: the time file holds %q", addr, got.Data)
		}
		return err
	}
	for _, addr := range []netip.Addr{good, late} {
		if err := ask(addr); err != nil {
			t.Errorf("%s: %v", addr, err)
		}
	}
	if err := ask(none); !errors.Is(err, syscall.ECONNREFUSED) {
		t.Errorf("an address without a door: %v, expected connection refused", err)
	}
	if err := ask(drips); err == nil {
		t.Error("the one that drips answered")
	}
	f.Set(good, lab.Shut)
	if err := ask(good); err == nil {
		t.Error("a door that was shut is open")
	}
}

// TestToList: the list arrives as it was meant, entry by entry.
func TestToList(t *testing.T) {
	at := netip.MustParseAddr("127.9.0.9")
	want := []lab.ListEntry{
		{Name: "TIME", Size: 11, MTime: start}, {Name: "a", Size: 0, MTime: 0}, {Name: "a/b", Size: 1 << 40, MTime: 127}, {Name: "a/b/" + strings.Repeat("c", 200), Size: 0xffffff, MTime: 128},
		{Name: "a/b/" + strings.Repeat("c", 199) + "d", Size: 0x1000000, MTime: 1 << 31}, {Name: strings.Repeat("e", 255), Size: 0x7fffffff, MTime: 1<<32 + 5},
	}
	for i := range 3000 {
		want = append(want, lab.ListEntry{Name: fmt.Sprintf("x/%08x", uint32(i)*2654435761), Size: int64(i) * int64(i) * 1001, MTime: start - int64(i)*7919})
	}
	f := front(t, map[netip.Addr]lab.Door{at: lab.ToList(len(want), func(i int) lab.ListEntry { return want[i] })})
	u, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/centos/", netip.AddrPortFrom(at, uint16(f.Port))))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	var got []lab.ListEntry
	err = (&wire.Client{}).List(ctx, at, u, nil, func(e wire.Entry) error {
		if e.IsRegular() {
			got = append(got, lab.ListEntry{Name: e.Name, Size: e.Size, MTime: e.MTime.Unix()})
		}
		return nil
	})
	if diff := cmp.Diff(want, got); err != nil || diff != "" {
		t.Errorf("%v (-expected +found)\n%s", err, diff)
	}
}
