package rsync

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
)

// needTool gives the path of a program; without it the test is skipped, and fails where nothing may be missing.
func needTool(t testing.TB, name, pkg string) string {
	t.Helper()
	p, err := exec.LookPath(name)
	if err != nil {
		missing(t, "%s is missing: apt-get install -y %s", name, pkg)
	}
	return p
}

func missing(t testing.TB, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// otherRsync gives an rsync of another minor version than the installed one.
var otherRsync = sync.OnceValues(func() (string, error) {
	cmd := exec.Command("../scripts/rsync-other")
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	out, err := cmd.Output()
	if err != nil {
		return "", fmt.Errorf("scripts/rsync-other: %w: %s", err, stderr.String())
	}
	return strings.TrimSpace(string(out)), nil
})

// eachRsync runs the test with the installed rsync as server, and with the other one.
func eachRsync(t *testing.T, test func(t *testing.T, bin string)) {
	t.Run("installed", func(t *testing.T) { test(t, needTool(t, "rsync", "rsync")) })
	t.Run("other", func(t *testing.T) {
		bin, err := otherRsync()
		if err != nil {
			missing(t, "%v", err)
		}
		test(t, bin)
	})
}

// daemon is a running rsync daemon.
type daemon struct {
	addr netip.Addr
	port int
	dir  string
	log  string
	bin  string

	secure bool // url gives rsync+tls
}

func freePort(t testing.TB, host string) int {
	t.Helper()
	l, err := net.Listen("tcp", net.JoinHostPort(host, "0"))
	if err != nil {
		t.Skipf("no listener on %s: %v", host, err)
	}
	defer l.Close()
	return l.Addr().(*net.TCPAddr).Port
}

// startDaemon runs bin as a daemon on loopback. In modules, %DIR% is the daemon's own directory.
func startDaemon(t testing.TB, bin, modules string) *daemon {
	return startDaemonOn(t, bin, "127.0.0.1", modules)
}

func startDaemonOn(t testing.TB, bin, host, modules string) *daemon {
	t.Helper()
	d := &daemon{addr: netip.MustParseAddr(host), port: freePort(t, host), dir: t.TempDir(), bin: bin}
	d.log = filepath.Join(d.dir, "log")
	conf := filepath.Join(d.dir, "rsyncd.conf")
	listen := host
	if d.addr.Is4() {
		listen = "0.0.0.0" // all of 127.0.0.0/8, for many addresses of one daemon
	}
	text := fmt.Sprintf("address = %s\nport = %d\nuse chroot = no\nlisten backlog = 1024\nreverse lookup = no\nlog file = %s\nhosts allow = 127.0.0.0/8 ::1\nhosts deny = *\n%s",
		listen, d.port, d.log, strings.ReplaceAll(modules, "%DIR%", d.dir))
	if os.Getuid() == 0 {
		text = "uid = 0\ngid = 0\n" + text
	}
	writeFile(t, conf, text)
	cmd := exec.Command(bin, "--daemon", "--no-detach", "--config="+conf)
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
	})
	for start := 0; start < 3000; start++ {
		// Another process may have taken the port since it was found free, and even answer there.
		if log, _ := os.ReadFile(d.log); bytes.Contains(log, []byte("unable to bind")) {
			return startDaemonOn(t, bin, host, modules)
		}
		if d.answers(host) {
			return d
		}
		time.Sleep(10 * time.Millisecond)
	}
	log, _ := os.ReadFile(d.log)
	t.Fatalf("the daemon does not answer: %s", log)
	return nil
}

// answers asks for the list of modules, so that the log shows no broken session.
func (d *daemon) answers(host string) bool {
	c, err := net.Dial("tcp", net.JoinHostPort(host, fmt.Sprint(d.port)))
	if err != nil {
		return false
	}
	defer c.Close()
	c.SetDeadline(time.Now().Add(10 * time.Second))
	fmt.Fprintf(c, "@RSYNCD: 29.0\n#list\n")
	b, _ := io.ReadAll(c)
	return strings.HasPrefix(string(b), serverTag)
}

func (d *daemon) url(t testing.TB, path string) rsyncurl.URL {
	t.Helper()
	scheme := "rsync://"
	if d.secure {
		scheme = "rsync+tls://"
	}
	u, err := rsyncurl.ParseAny(scheme + net.JoinHostPort(d.addr.String(), fmt.Sprint(d.port)) + "/" + path)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// logText waits until the daemon's log has want lines with the text.
func (d *daemon) logText(t testing.TB, text string, want int) string {
	t.Helper()
	for range 3000 {
		b, _ := os.ReadFile(d.log)
		if strings.Count(string(b), text) >= want {
			return string(b)
		}
		time.Sleep(10 * time.Millisecond)
	}
	b, _ := os.ReadFile(d.log)
	t.Fatalf("the daemon's log has not %d times %q:\n%s", want, text, b)
	return ""
}

func writeFile(t testing.TB, name, text string) {
	t.Helper()
	if err := os.MkdirAll(filepath.Dir(name), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(name, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

func short(t testing.TB) context.Context {
	t.Helper()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Minute) // a bound, not a measure
	t.Cleanup(cancel)
	return ctx
}

// eachProtocol runs the test with all protocols on both servers.
func eachProtocol(t *testing.T, modules string, test func(t *testing.T, d *daemon, proto int)) {
	eachRsync(t, func(t *testing.T, bin string) {
		d := startDaemon(t, bin, modules)
		for proto := minProtocol; proto <= maxProtocol; proto++ {
			t.Run(fmt.Sprint(proto), func(t *testing.T) { test(t, d, proto) })
		}
	})
}
