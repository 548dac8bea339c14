package rsync_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"os"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/rsync"
)

// recorded is a connection to a daemon that was recorded, so that the example needs none.
type recorded struct {
	net.Conn
	said *bytes.Reader
}

func (r recorded) Read(p []byte) (int, error)     { return r.said.Read(p) }
func (recorded) Write(p []byte) (int, error)      { return len(p), nil }
func (recorded) Close() error                     { return nil }
func (recorded) SetDeadline(time.Time) error      { return nil }
func (recorded) SetReadDeadline(time.Time) error  { return nil }
func (recorded) SetWriteDeadline(time.Time) error { return nil }

func dialRecorded(name string) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		b, err := os.ReadFile("testdata/session/" + name)
		return recorded{said: bytes.NewReader(b)}, err
	}
}

func ExampleClient_FetchFile() {
	u, err := rsyncurl.Parse("rsync://mirror.example.org/centos/")
	if err != nil {
		panic(err)
	}
	ctx, cancel := context.WithTimeout(context.Background(), 10*time.Second)
	defer cancel()
	c := &rsync.Client{Dial: dialRecorded("fetch-31-installed.server")} // without Dial: a real connection
	f, err := c.FetchFile(ctx, netip.MustParseAddr("192.0.2.1"), u, "TIME")
	fmt.Printf("%s: %q, %v\n", f.Name, f.Data, err)

	c.Dial = dialRecorded("missing-31-installed.server")
	_, err = c.FetchFile(ctx, netip.MustParseAddr("192.0.2.1"), u, "nope")
	if e, ok := errors.AsType[*rsync.Error](err); ok {
		fmt.Println(e.Code)
	}
	// Output:
	// TIME: "1488372781\n", <nil>
	// not-found
}

func ExampleClient_List() {
	u, err := rsyncurl.Parse("rsync://mirror.example.org/centos/")
	if err != nil {
		panic(err)
	}
	c := &rsync.Client{Dial: dialRecorded("list-31-installed.server")}
	files, size := 0, int64(0)
	err = c.List(context.Background(), netip.MustParseAddr("192.0.2.1"), u, []string{"isos/"}, func(e rsync.Entry) error {
		if e.IsRegular() {
			files, size = files+1, size+e.Size
		}
		return nil
	})
	fmt.Println(files, "files,", size, "bytes,", err)
	// Output: 4 files, 22 bytes, <nil>
}

func ExampleJob_Command() {
	u, err := rsyncurl.Parse("rsync://mirror.example.org/centos")
	if err != nil {
		panic(err)
	}
	j := rsync.Job{Source: u, Dest: "/srv/mirror/centos", DelayUpdates: true, Rules: []rsync.Rule{{Pattern: "*/isos/"}}}
	fmt.Println(j.Command("rsync"))
	// Output: rsync -rltpH --safe-links --no-motd --no-human-readable --stats --contimeout=30 --timeout=600 --delay-updates --exclude='.~tmp~/' --exclude='*/isos/' -- rsync://mirror.example.org/centos/ /srv/mirror/centos/
}

func ExampleHidden() {
	isos, err := rsync.ParsePattern("*/isos/")
	if err != nil {
		panic(err)
	}
	exclude := []rsync.Pattern{isos}
	fmt.Println(rsync.Hidden(exclude, "7/isos/x86_64/CentOS.iso", false), rsync.Hidden(exclude, "7/os/Packages/a.rpm", false))
	// Output: true false
}
