package publish_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/miekg/dns"
	"pgregory.net/rapid"

	"tidemark/internal/lab"
	"tidemark/publish"
)

// A real named includes the fragment, and is told by a signal.
func TestZoneFile_IncludedByNamed(t *testing.T) {
	t.Parallel()
	fragment := filepath.Join(t.TempDir(), "tidemark.txt")
	if err := os.WriteFile(fragment, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	n := startNamed(t, lab.NamedOptions{Zone: dnsZone, Records: []string{"$INCLUDE " + fragment}, Fixed: true})
	reload := []string{"sh", "-c", "kill -HUP " + strconv.Itoa(n.Pid())}
	servers, err := publish.NameServers(t.Context(), beaconName, publish.NameServersOptions{Given: []string{n.Addr.String()}})
	if err != nil {
		t.Fatal(err)
	}
	p := publish.ZoneFile(fragment, reload)
	old := publish.RRset{}
	plain := plainRecord("1488372781:1487767981")
	swap(t, p, plainName, publish.RRset{}, plain)
	for i, next := range append(oddRecords(), beaconOf(t, 1)) {
		swap(t, p, beaconName, old, next)
		holds(t, p, beaconName, next)
		for _, s := range publish.AwaitTXT(t.Context(), beaconName, next, servers, 10*time.Second) {
			if !s.Holds(next) {
				t.Errorf("records %d: the server says %+v, %v; expected %+v", i, s.Answer, s.Err, next)
			}
		}
		old = next
	}
	for name, want := range map[string]string{beaconName: quoted(old), plainName: quoted(plain)} {
		if got := typed(t, n.Dig("+short", name, "TXT")); got != want {
			t.Errorf("%s: dig prints\n%s, expected\n%s", name, got, want)
		}
	}
}

func readText(t *testing.T, file string) string {
	t.Helper()
	b, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

func TestZoneFile_OtherLinesStay(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fragment")
	before := "; by hand\n\n_other.example.org. IN 300 TXT plain \"and ; quoted\" ; a comment\n" +
		"_Tidemark.Centos.example.org.\t60\tTXT\told\n_tidemark.centos.example.org. 60 IN TXT \"second\" \"string\"\n_last.example.org. TXT x\n"
	if err := os.WriteFile(file, []byte(before), 0o640); err != nil {
		t.Fatal(err)
	}
	p := publish.ZoneFile(file, nil)
	old := publish.RRset{TTL: 60, Records: [][]string{{"second", "string"}, {"old"}}}
	holds(t, p, beaconName, old)
	holds(t, p, "_other.example.org", publish.RRset{TTL: 300, Records: [][]string{{"plain", "and ; quoted"}}})
	if err := p.Swap(t.Context(), beaconName, plainRecord("old"), plainRecord("x")); !errors.Is(err, publish.ErrConflict) {
		t.Errorf("a lost race: %v", err)
	}
	if got := readText(t, file); got != before {
		t.Errorf("a lost race changed the file:\n%s", got)
	}
	swap(t, p, beaconName, old, publish.RRset{TTL: 30, Records: [][]string{{`say "x\y"`, "\x01é"}}})
	want := "; by hand\n\n_other.example.org. IN 300 TXT plain \"and ; quoted\" ; a comment\n" +
		`_tidemark.centos.example.org. 30 IN TXT "say \"x\\y\"" "\001\195\169"` + "\n_last.example.org. TXT x\n"
	if diff := cmp.Diff(want, readText(t, file)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	if info, err := os.Stat(file); err != nil || info.Mode() != 0o640 {
		t.Errorf("mode %v, %v; expected 0640 as before", info.Mode(), err)
	}
	now, err := p.Get(t.Context(), beaconName)
	if err != nil {
		t.Fatal(err)
	}
	swap(t, p, beaconName, now, publish.RRset{})
	if got := readText(t, file); strings.Contains(got, "_tidemark") || !strings.Contains(got, "_last.example.org.") {
		t.Errorf("after removing:\n%s", got)
	}
	if left := names(t, filepath.Dir(file)); len(left) != 1 {
		t.Errorf("left in the directory: %q", left)
	}
}

func names(t *testing.T, dir string) (all []string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range entries {
		all = append(all, e.Name())
	}
	return all
}

// script is a reload command that notes each call, and does what a file beside it says.
func script(t *testing.T, dir, does string) []string {
	t.Helper()
	file := filepath.Join(dir, "reload.sh")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho called >>\"$1\"\n"+does+"\n"), 0o755); err != nil {
		t.Fatal(err)
	}
	return []string{"sh", file, filepath.Join(dir, "calls")}
}

// A server that did not take the records has the old ones: whoever compares finds that, and tries again.
func TestZoneFile_AFailedReloadIsTriedAgain(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := script(t, dir, `[ ! -e "$1.broken" ] || { echo "zone centos: not loaded" >&2; exit 3; }`)
	broken := filepath.Join(dir, "calls.broken")
	if err := os.WriteFile(broken, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := os.Mkdir(filepath.Join(dir, "zones"), 0o755); err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(dir, "zones", "fragment")
	p, next, plain := publish.ZoneFile(file, argv), beaconOf(t, 1), plainRecord("1")
	calls := func() int {
		b, _ := os.ReadFile(filepath.Join(dir, "calls"))
		return strings.Count(string(b), "called")
	}
	for i := range 2 {
		err := p.Swap(t.Context(), beaconName, publish.RRset{}, next)
		if err == nil || !strings.Contains(err.Error(), "exit status 3: zone centos: not loaded") || !strings.Contains(err.Error(), "the next run tries again") {
			t.Errorf("run %d: %v", i, err)
		}
		holds(t, p, beaconName, publish.RRset{})
		if !strings.Contains(readText(t, file), "v=tm1") || calls() != i+1 {
			t.Errorf("run %d: %d calls; the fragment:\n%s", i, calls(), readText(t, file))
		}
	}
	if err := p.Swap(t.Context(), plainName, publish.RRset{}, plain); err == nil {
		t.Error("another name's reload cannot have succeeded")
	}
	if err := os.Remove(broken); err != nil {
		t.Fatal(err)
	}
	swap(t, p, beaconName, publish.RRset{}, next)
	holds(t, p, beaconName, next)
	holds(t, p, plainName, plain)
	before := calls()
	swap(t, p, plainName, publish.RRset{}, plain)
	if calls() != before {
		t.Error("nothing was owed, and the server was told again")
	}
	if got := names(t, filepath.Dir(file)); !cmp.Equal(got, []string{"fragment"}) {
		t.Errorf("left: %q", got)
	}
}

func TestZoneFile_AReloadThatHangs(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	argv := script(t, dir, `echo waiting; sleep 300 & echo $! >"$1.child"; wait`)
	p := publish.ZoneFileWithin(filepath.Join(dir, "fragment"), argv, 300*time.Millisecond)
	err := p.Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x"))
	if err == nil || !strings.Contains(err.Error(), "it was ended after 300ms: waiting") {
		t.Error(err)
	}
	child, err := strconv.Atoi(strings.TrimSpace(readText(t, filepath.Join(dir, "calls.child"))))
	if err != nil {
		t.Fatal(err)
	}
	if !gone(child) {
		t.Errorf("the command's child %d goes on", child)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.Swap(ctx, beaconName, publish.RRset{}, plainRecord("x")); !errors.Is(err, context.Canceled) {
		t.Errorf("a canceled run: %v", err)
	}
	noSuch := publish.ZoneFile(filepath.Join(dir, "another"), []string{"no-such-rndc", "reload"})
	if err := noSuch.Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x")); err == nil || !strings.Contains(err.Error(), "no-such-rndc was not found in PATH, /usr/sbin or /sbin") {
		t.Error(err)
	}
}

// What is missing is known before a reload is due.
func TestReloadProgram(t *testing.T) {
	file := filepath.Join(t.TempDir(), "program")
	if err := os.WriteFile(file, nil, 0o644); err != nil {
		t.Fatal(err)
	}
	for program, want := range map[string]string{"": "", "sh": "", "/bin/sh": "", "no-such-rndc": "not found", file: "no program", file + "x": "no program", "/bin": "no program"} {
		var argv []string
		if program != "" {
			argv = []string{program, "reload"}
		}
		err := publish.ReloadProgram(argv)
		if (err != nil) != (want != "") || err != nil && !strings.Contains(err.Error(), want) {
			t.Errorf("%q: %v, expected %q", program, err, want)
		}
	}
}

// gone waits until a process has ended; nobody may have taken note of it yet.
func gone(pid int) bool {
	for range 500 {
		b, err := os.ReadFile(fmt.Sprintf("/proc/%d/stat", pid))
		if err != nil || strings.Contains(string(b), ") Z ") {
			return true
		}
		time.Sleep(10 * time.Millisecond)
	}
	return false
}

// The program is run as it is given, with nothing of ours in its environment.
func TestZoneFile_RunsNoShell(t *testing.T) {
	dir := t.TempDir()
	t.Setenv("SECRET_OF_THE_CALLER", "x")
	t.Setenv("PATH", "/usr/bin:/bin")
	out := filepath.Join(dir, "out")
	argv := []string{"sh", "-c", `printf '%s\n' "$@" >"$0"; env >>"$0"`, out, "$HOME; touch x", "*"}
	swap(t, publish.ZoneFile(filepath.Join(dir, "fragment"), argv), beaconName, publish.RRset{}, plainRecord("x"))
	got := readText(t, out)
	if !strings.HasPrefix(got, "$HOME; touch x\n*\n") || strings.Contains(got, "SECRET_OF_THE_CALLER") || !strings.Contains(got, "PATH=/usr/bin:/bin:/usr/sbin:/sbin\n") {
		t.Errorf("the command saw\n%s", got)
	}
}

// What is not a fragment of ours is never written over.
func TestZoneFile_Refuses(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"another type":        "www.example.org. A 192.0.2.1\n",
		"a relative name":     "_tidemark TXT x\n",
		"a directive":         "$ORIGIN example.org.\n",
		"a line without name": " 60 IN TXT x\n",
		"several lines":       "_a.example.org. TXT ( x\n y )\n",
		"an open string":      "_a.example.org. TXT \"x\n",
		"no strings":          "_a.example.org. TXT\n",
		"no type":             "_a.example.org. 60 IN\n",
		"another class":       "_a.example.org. CH TXT x\n",
		"a bad escape":        "_a.example.org. TXT \"\\999\"\n",
		"half an escape":      "_a.example.org. TXT \"\\1x\"\n",
		"a long string":       "_a.example.org. TXT " + strings.Repeat("x", 256) + "\n",
		"a quoted name":       "\"_a.example.org.\" TXT x\n",
		"not text":            "; \xff\n",
		"a large TTL":         "_a.example.org. 4294967296 TXT x\n",
		"a TTL in words":      "_a.example.org. 1h TXT x\n",
		"too large":           strings.Repeat("; comment\n", 7000),
	} {
		file := filepath.Join(t.TempDir(), "fragment")
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		p := publish.ZoneFile(file, nil)
		_, err := p.Get(t.Context(), beaconName)
		swapErr := p.Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x"))
		if err == nil || swapErr == nil || !strings.Contains(err.Error(), file) {
			t.Errorf("%s: %v; %v", name, err, swapErr)
		}
		if readText(t, file) != text {
			t.Errorf("%s: the file was changed", name)
		}
	}
}

func TestZoneFile_OnlyRegularFiles(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	link, real := filepath.Join(dir, "link"), filepath.Join(dir, "real")
	if err := errors.Join(os.WriteFile(real, nil, 0o644), os.Symlink(real, link)); err != nil {
		t.Fatal(err)
	}
	for _, file := range []string{link, dir, filepath.Join(dir, "no", "such")} {
		p := publish.ZoneFile(file, nil)
		err := p.Swap(t.Context(), beaconName, publish.RRset{}, plainRecord("x"))
		_, getErr := p.Get(t.Context(), beaconName)
		if err == nil || getErr == nil {
			t.Errorf("%s: %v; %v", file, err, getErr)
		}
	}
	if info, err := os.Lstat(link); err != nil || info.Mode()&os.ModeSymlink == 0 {
		t.Errorf("the link became %v, %v", info, err)
	}
}

// Beacon and plain record share a fragment, and two programs may write at once.
func TestZoneFile_WritersDoNotLoseEachOther(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "fragment")
	done := make(chan error)
	const writers, rounds = 4, 20
	for w := range writers {
		go func() {
			p, name, old := publish.ZoneFile(file, nil), fmt.Sprintf("_w%d.example.org", w), publish.RRset{}
			for r := range rounds {
				next := plainRecord(strconv.Itoa(r))
				if err := p.Swap(context.Background(), name, old, next); err != nil {
					done <- err
					return
				}
				old = next
			}
			done <- nil
		}()
	}
	for range writers {
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
	for w := range writers {
		holds(t, publish.ZoneFile(file, nil), fmt.Sprintf("_w%d.example.org", w), plainRecord(strconv.Itoa(rounds-1)))
	}
}

// Another reader of zone files reads what is written, byte for byte.
func TestZoneFile_EveryByte(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		one := rapid.SliceOfN(rapid.Byte(), 0, 255)
		var record []string
		for _, s := range rapid.SliceOfN(one, 1, 4).Draw(t, "strings") {
			record = append(record, string(s))
		}
		want := publish.RRset{TTL: rapid.IntRange(0, 1<<31-1).Draw(t, "ttl"), Records: [][]string{record}}
		text, err := publish.FragmentWith([]byte("; first\n"), beaconName+".", want)
		if err != nil {
			t.Fatal(err)
		}
		got, err := publish.FragmentOf(text, beaconName+".")
		if err != nil || !got.Same(want) || got.TTL != want.TTL {
			t.Fatalf("read back: %v, %+v, expected %+v, of\n%s", err, got, want, text)
		}
		rr, err := dns.NewRR(string(text))
		if err != nil {
			t.Fatalf("%v, of\n%s", err, text)
		}
		packed := make([]byte, 65535)
		end, err := dns.PackRR(rr, packed, 0, nil, false)
		if err != nil {
			t.Fatal(err)
		}
		var wire strings.Builder
		for _, s := range record {
			wire.WriteByte(byte(len(s)))
			wire.WriteString(s)
		}
		if !strings.HasSuffix(string(packed[:end]), wire.String()) || int(rr.Header().Ttl) != want.TTL {
			t.Fatalf("another reader has %q, expected %q", rr, record)
		}
	})
}
