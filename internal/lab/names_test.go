package lab_test

import (
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// needNames skips, or under CI fails, where a name server or its tools are missing.
func needNames(t *testing.T) {
	t.Helper()
	for file, pkg := range map[string]string{"/usr/sbin/named": "bind9", "/usr/sbin/knotd": "knot", "/usr/bin/delv": "bind9-dnsutils"} {
		if _, err := os.Stat(file); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install -y %s", file, pkg)
		}
		t.Skipf("%s is missing: apt-get install -y %s", file, pkg)
	}
}

func says(t *testing.T, argv []string) string {
	t.Helper()
	out, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).CombinedOutput()
	if err != nil {
		t.Errorf("%s: %v\n%s", strings.Join(argv, " "), err, out)
	}
	return strings.TrimSpace(string(out))
}

// Each kind of server is the other's secondary; a secondary lags until it is told, and a server started again goes on
// with what it had.
func TestNameServers(t *testing.T) {
	t.Parallel()
	needNames(t)
	const name = "_beacon.example.org"
	records := []string{`_beacon TXT "one"`}
	dir := t.TempDir()
	first, err := lab.StartNamed(t.Context(), dir, lab.NamedOptions{Zone: "example.org", Records: records, DNSSEC: true})
	if err != nil {
		t.Fatal(err)
	}
	second, err := lab.StartKnot(t.Context(), t.TempDir(), lab.KnotOptions{Of: first, Address: "127.0.62.7"})
	if err != nil {
		t.Fatal(err)
	}
	third, err := lab.StartKnot(t.Context(), t.TempDir(), lab.KnotOptions{Zone: "example.org", Records: records, DNSSEC: true})
	if err != nil {
		t.Fatal(err)
	}
	fourth, err := lab.StartNamed(t.Context(), t.TempDir(), lab.NamedOptions{Of: third})
	if err != nil {
		t.Fatal(err)
	}
	for _, n := range []*lab.NameServer{first, second, third, fourth} {
		if got := says(t, n.Dig("+short", name, "TXT")); got != `"one"` {
			t.Errorf("%s says %s", n.Addr, got)
		}
	}
	for _, n := range []*lab.NameServer{first, third} {
		if got := says(t, n.Delv(name, "TXT")); !strings.Contains(got, "; fully validated") {
			t.Errorf("%s: delv says\n%s", n.Addr, got)
		}
	}
	update(t, first, name, "two")
	if got := says(t, second.Dig("+short", name, "TXT")); got != `"one"` {
		t.Errorf("a secondary that was not told says %s", got)
	}
	if err := second.Notify(t.Context()); err != nil {
		t.Fatal(err)
	}
	for range 500 {
		if says(t, second.Dig("+short", name, "TXT")) == `"two"` {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	if got := says(t, second.Dig("+short", name, "TXT")); got != `"two"` {
		t.Errorf("a secondary that was told says %s", got)
	}
	if err := first.Stop(); err != nil {
		t.Fatal(err)
	}
	again, err := lab.StartNamed(t.Context(), dir, lab.NamedOptions{Zone: "example.org", DNSSEC: true, Port: int(first.Addr.Port())})
	if err != nil {
		t.Fatal(err)
	}
	if got := says(t, again.Dig("+short", name, "TXT")); got != `"two"` {
		t.Errorf("started again it says %s", got)
	}
}

func update(t *testing.T, n *lab.NameServer, name, text string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "nsupdate", "-k", n.KeyFile)
	cmd.Stdin = strings.NewReader("server " + n.Addr.Addr().String() + " " + strings.TrimPrefix(n.Addr.String(), n.Addr.Addr().String()+":") +
		"\nzone " + n.Zone + "\nupdate delete " + name + " TXT\nupdate add " + name + " 60 TXT \"" + text + "\"\nsend\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("nsupdate: %v\n%s", err, out)
	}
}
