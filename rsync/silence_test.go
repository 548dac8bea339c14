package rsync

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
)

// fallSilent passes connections on to a daemon until so many bytes of answer came; then the connection stays open, and
// what the client sends is taken.
func fallSilent(t *testing.T, d *daemon, after int64) rsyncurl.URL {
	t.Helper()
	u := d.url(t, "tree/")
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			client, err := l.Accept()
			if err != nil {
				return
			}
			host, err := net.Dial("tcp", u.HostPort())
			if err != nil {
				client.Close()
				return
			}
			t.Cleanup(func() {
				client.Close()
				host.Close()
			})
			go io.Copy(host, client)
			go io.CopyN(client, host, after)
		}
	}()
	silentURL, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/tree/", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	return silentURL
}

// TestExecSilentSource: a source that falls silent in mid-transfer is left after the time that the job gives it. rsync's own
// --timeout waits for ever there.
func TestExecSilentSource(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		t.Parallel()
		d := startDaemon(t, bin, plainModule)
		writeFile(t, d.dir+"/tree/large", strings.Repeat("0123456789abcdef", 1<<16))
		j := Job{Source: fallSilent(t, d, 1<<19), Dest: t.TempDir(), Timeout: 4 * time.Second}
		_, err := (&Exec{Program: bin}).Run(short(t), j, Watch{})
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitTimeout || !strings.Contains(exit.Text, "nothing was read for 4s") {
			t.Errorf("%v", err)
		}
		if left := names(t, j.Dest); len(left) > 0 {
			t.Errorf("left over: %q", left)
		}
	})
}

// TestExecSlowSource: slow is not silent.
func TestExecSlowSource(t *testing.T) {
	t.Parallel()
	bin := needTool(t, "rsync", "rsync")
	d := startDaemon(t, bin, plainModule)
	writeFile(t, d.dir+"/tree/large", strings.Repeat("0123456789abcdef", 10<<10))
	j := Job{Source: d.url(t, "tree/"), Dest: t.TempDir(), Timeout: 2 * time.Second, Bandwidth: 32 << 10}
	if _, err := (&Exec{Program: bin}).Run(short(t), j, Watch{}); err != nil {
		t.Error(err)
	}
}

// TestExecDrippingSource: a byte now and then is no transfer. The run is ended, and it is said why.
func TestExecDrippingSource(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		t.Parallel()
		d := startDaemon(t, bin, plainModule)
		writeFile(t, d.dir+"/tree/large", strings.Repeat("0123456789abcdef", 1<<16))
		j := Job{Source: drip(t, d, 1<<19, 300*time.Millisecond), Dest: t.TempDir(), Timeout: 3 * time.Second, LeastRate: 200}
		_, err := (&Exec{Program: bin}).Run(short(t), j, Watch{})
		var exit *ExitError
		if !errors.As(err, &exit) || exit.Code != ExitTimeout || !exit.TooSlow || !strings.Contains(exit.Text, "too slow: ") || exit.Cause() != CodeTimeout {
			t.Errorf("%v", err)
		}
	})
}

// drip is fallSilent, but then a byte comes now and then.
func drip(t *testing.T, d *daemon, after int64, every time.Duration) rsyncurl.URL {
	t.Helper()
	host := d.url(t, "tree/").HostPort()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	go func() {
		client, err := l.Accept()
		if err != nil {
			return
		}
		defer client.Close()
		server, err := net.Dial("tcp", host)
		if err != nil {
			return
		}
		defer server.Close()
		go io.Copy(server, client)
		for _, err = io.CopyN(client, server, after); err == nil; _, err = io.CopyN(client, server, 1) {
			time.Sleep(every)
		}
	}()
	u, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/tree/", l.Addr()))
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func TestBelow(t *testing.T) {
	full := make([]int64, samples*window)
	for i := range full {
		full[i] = 40
	}
	if below(full, time.Second, 200) != nil { // 600 bytes in 3 s
		t.Error("as fast as it must be")
	}
	if below(full[1:], time.Second, 1000) != nil {
		t.Error("too early to judge")
	}
	full[0]--
	if e := below(full, time.Second, 200); e == nil || e.bytes != 599 || e.in != 3*time.Second {
		t.Errorf("%+v", e)
	}
	if below(make([]int64, samples*window), time.Second, 0) != nil {
		t.Error("no least rate")
	}
}

func TestGroupOf(t *testing.T) {
	for text, want := range map[string]int{
		"12 (rsync) S 11 10 10 0":    10,
		"12 (a) b) S (c) S 11 10 10": 10,
		"12 (rsync) S 11":            0,
		"12 (rsync) S 11 x":          0,
		"":                           0,
	} {
		if got := groupOf([]byte(text)); got != want {
			t.Errorf("%q: %d, expected %d", text, got, want)
		}
	}
	if n, known := bytesRead(syscall.Getpgrp()); !known || n == 0 {
		if _, err := os.Stat("/proc/self/io"); err == nil {
			t.Errorf("this process has read %d bytes, known: %v", n, known)
		}
	}
}
