package rsync

import (
	"flag"
	"fmt"
	"net/netip"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"tidemark/internal/rsyncurl"
)

var update = flag.Bool("update", false, "rewrite the golden files")

func mustURL(t testing.TB, s string) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

// job is what all runs of a mirror have in common.
func job(t testing.TB) Job {
	return Job{Source: mustURL(t, "rsync://mirror.example.org/CentOS/"), Dest: "/srv/mirror/centos", MaxDelete: -1,
		Timeout: 10 * time.Minute, ConnectTimeout: 30 * time.Second}
}

// TestArgs holds the whole argument list of every kind of job in testdata/args.golden (go test -update writes it).
func TestArgs(t *testing.T) {
	var b strings.Builder
	for _, tt := range jobs() {
		j := job(t)
		tt.change(&j)
		args, err := j.Args()
		if err != nil {
			t.Fatalf("%s: %v", tt.name, err)
		}
		fmt.Fprintf(&b, "%s\n", tt.name)
		for _, a := range args {
			fmt.Fprintf(&b, "    %s\n", strings.ReplaceAll(a, "\t", "<tab>"))
		}
		fmt.Fprintf(&b, "    $ %s\n\n", j.Command(""))
	}
	const golden = "testdata/args.golden"
	if *update {
		if err := os.WriteFile(golden, []byte(b.String()), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(golden)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), b.String()); diff != "" {
		t.Errorf("arguments changed (-%s +now):\n%s", golden, diff)
	}
}

type namedJob struct {
	name   string
	change func(*Job)
}

func jobs() []namedJob {
	const token = "00112233445566778899aabbccddeeff"
	anchors := func(j *Job) {
		j.Rules = []Rule{{false, "/isos/"}, {true, "/7/"}, {true, "/7/os/"}, {true, "/7/os/repomd.xml"}, {false, "*"}}
	}
	return []namedJob{
		{"pre-flight", func(j *Job) { j.Dest, j.MaxSize = "/var/lib/tidemark-mirror/staging", 64<<20; anchors(j) }},
		{"dry run", func(j *Job) {
			j.DryRun, j.Itemize, j.Token, j.Rules = true, true, token, []Rule{{false, "/HEADER.html"}, {false, "*/isos/"}}
		}},
		{"dry run, for people", func(j *Job) { j.DryRun, j.Itemize = true, true }},
		{"dry run with deletions", func(j *Job) { j.DryRun, j.Itemize, j.Delete, j.Token = true, true, true, token }},
		{"content from a list", func(j *Job) {
			j.FilesFrom, j.DelayUpdates, j.Progress = "/var/lib/tidemark-mirror/staging/content", true, true
		}},
		{"full run with rules", func(j *Job) {
			j.DelayUpdates, j.Rules = true, []Rule{{false, "repodata/"}, {false, "Release*"}, {false, "/a b/it's [1]"}}
		}},
		{"rules from a file", func(j *Job) {
			j.RulesFile, j.Rules = "/var/lib/tidemark-mirror/staging/rules", []Rule{{false, "/isos/"}}
		}},
		{"anchors with checksum", func(j *Job) { j.Checksum = true; anchors(j) }},
		{"anchors where checksum is refused", func(j *Job) { j.IgnoreTimes = true; anchors(j) }},
		{"full run with deletions", func(j *Job) { j.DelayUpdates, j.Delete, j.MaxDelete = true, true, 40000 }},
		{"IPv4, bound, slow", func(j *Job) {
			j.Family, j.Bind, j.Bandwidth = 4, netip.MustParseAddr("192.0.2.7"), 50_000_000
		}},
		{"IPv6, bound, slower than can be said", func(j *Job) {
			j.Source = rsyncurl.URL{}
			j.Source, _ = rsyncurl.Parse("rsync://[2001:db8::1]:8730/m/a")
			j.Family, j.Bind, j.Bandwidth, j.Timeout, j.ConnectTimeout = 6, netip.MustParseAddr("2001:db8::7"), 1, time.Millisecond, 1500*time.Millisecond
		}},
		{"options", func(j *Job) {
			j.Options, j.Timeout, j.ConnectTimeout = []string{"--chmod=Du=rwx,Dgo=rx,Fu=rw,Fgo=r", "-z", "--modify-window=1"}, 0, 0
		}},
	}
}

// TestArgsRefuses: nothing that could be read as an option, another host, or more than one argument gets through.
func TestArgsRefuses(t *testing.T) {
	for _, tt := range []struct {
		change func(*Job)
		words  string
	}{
		{func(j *Job) { j.Source = rsyncurl.URL{} }, "no source"},
		{func(j *Job) { j.Dest = "" }, "absolute"},
		{func(j *Job) { j.Dest = "srv/mirror" }, "absolute"},
		{func(j *Job) { j.Dest = "-e/bin/sh" }, "absolute"},
		{func(j *Job) { j.Dest = "host:/srv" }, "absolute"},
		{func(j *Job) { j.Dest = "/srv/\nmirror" }, "control"},
		{func(j *Job) { j.Dest = "/srv/.." }, "root"},
		{func(j *Job) { j.FilesFrom = "-" }, "absolute"},
		{func(j *Job) { j.FilesFrom = ":list" }, "absolute"},
		{func(j *Job) { j.FilesFrom = "/a\x00" }, "control"},
		{func(j *Job) { j.RulesFile = "rules" }, "absolute"},
		{func(j *Job) { j.Rules = []Rule{{false, "a\nb"}} }, "control"},
		{func(j *Job) { j.Rules = []Rule{{true, "- x"}} }, "include or exclude"},
		{func(j *Job) { j.Rules = []Rule{{true, ""}} }, "empty"},
		{func(j *Job) { j.Options = []string{"--rsh=sh"} }, "no other program"},
		{func(j *Job) { j.FilesFrom, j.Delete = "/l", true }, "neither"},
		{func(j *Job) { j.FilesFrom, j.Rules = "/l", []Rule{{false, "a"}} }, "neither"},
		{func(j *Job) { j.FilesFrom, j.RulesFile = "/l", "/r" }, "neither"},
		{func(j *Job) { j.Family = 5 }, "family 5"},
		{func(j *Job) { j.Bind = netip.MustParseAddr("fe80::1%eth0") }, "zone"},
		{func(j *Job) { j.Bandwidth = -1 }, "negative"},
		{func(j *Job) { j.MaxSize = -1 }, "-1 bytes"},
		{func(j *Job) { j.Token = "%n%n%n%n%n%n%n%n" }, "hexadecimal"},
		{func(j *Job) { j.Token = "00" }, "hexadecimal"},
	} {
		j := job(t)
		tt.change(&j)
		if args, err := j.Args(); err == nil || !strings.Contains(err.Error(), tt.words) || args != nil {
			t.Errorf("%q, %v, expected %q", args, err, tt.words)
		}
		if _, err := (&Exec{}).Run(t.Context(), j, Watch{}); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("Run: %v, expected %q", err, tt.words)
		}
		if got := j.Command("rsync"); !strings.HasPrefix(got, "rsync # refused: ") || strings.Contains(got, "\n") {
			t.Errorf("Command: %q", got)
		}
	}
}

// TestCommandIsForShells: what a person pastes is what is run.
func TestCommandIsForShells(t *testing.T) {
	from := mustURL(t, "rsync://mirror.example.org/m/")
	rapid.Check(t, func(t *rapid.T) {
		j := Job{Source: from, MaxDelete: -1}
		text := rapid.StringOfN(rapid.RuneFrom([]rune(`ab '"$\!*?~;&|<>(){}[]#=-+ü`+"`")), 1, 9, -1)
		j.Dest = "/" + text.Draw(t, "dest") + "x"
		for range 3 {
			if p := text.Draw(t, "pattern"); p != "!" && !strings.HasPrefix(p, "- ") && !strings.HasPrefix(p, "+ ") && !strings.HasPrefix(p, "# ") && !strings.HasPrefix(p, "; ") {
				j.Rules = append(j.Rules, Rule{Pattern: p})
			}
		}
		args, err := j.Args()
		if err != nil {
			t.Fatal(err)
		}
		out, err := exec.Command("sh", "-c", `show() { printf '%s\n' "$@"; }; `+j.Command("show")).Output()
		if diff := cmp.Diff(strings.Join(args, "\n")+"\n", string(out)); err != nil || diff != "" {
			t.Fatalf("%v: %s", err, diff)
		}
	})
}

func TestCheckOption(t *testing.T) {
	for _, o := range []string{"--chmod=D2775,F664", "--sparse", "-S", "--fuzzy", "-O", "--omit-link-times", "--modify-window=2", "-z", "--no-compress",
		"--whole-file", "--no-whole-file", "--fsync", "--preallocate", "--block-size=131072"} {
		if err := CheckOption(o); err != nil {
			t.Error(err)
		}
	}
	for _, tt := range []struct{ option, words string }{
		{"--bwlimit=100", "the key bandwidth"}, {"--delete", "max_delete"}, {"--max-delete=5", "max_delete"}, {"--exclude=a", "keys exclude and keep"},
		{"--timeout=5", "the key timeout"}, {"--contimeout=5", "connect_timeout"}, {"--address=::1", "the key address"}, {"-4", "the key family"}, {"--ipv6", "the key family"},
		{"-esh", "no other program"}, {"--rsh=sh", "no other program"}, {"--rsync-path=x", "no other program"}, {"--password-file=/x", "no password"}, {"--sockopts=x", "address"},
		{"--port=1", "URL"}, {"-a", "owners"}, {"-o", "owners"}, {"-L", "symbolic links"}, {"-v", "flag -v"}, {"--inplace", "readers"}, {"--ignore-errors", "counted"},
		{"--size-only", "proven"}, {"-rltp", "already"}, {"--modify-window=3", "expected one of"}, {"--modify-window=-1", "expected one of"}, {"--block-size=0", "expected one of"},
		{"--chmod=u+s;x", "expected one of"}, {"--sparse\n--delete", "expected one of"}, {"--sparse ", "expected one of"}, {"--nonsense", "expected one of"},
		{"-zW", "expected one of"}, {"", "not an rsync option"}, {"sparse", "not an rsync option"}, {"rsync://h/m", "not an rsync option"}, {"--", "expected one of"}, {"-", "expected one of"},
	} {
		if err := CheckOption(tt.option); err == nil || !strings.Contains(err.Error(), tt.words) {
			t.Errorf("%q: %v, expected %q", tt.option, err, tt.words)
		}
	}
}

// TestOptionsAreKnown: both programs know every option of every job.
func TestOptionsAreKnown(t *testing.T) {
	eachRsync(t, func(t *testing.T, bin string) {
		for _, o := range strings.Fields("--chmod=D2775,F664 --sparse -S --preallocate --fuzzy -y --omit-dir-times -O --omit-link-times -J --modify-window=2 " +
			"--compress -z --no-compress --whole-file -W --no-whole-file --fsync --block-size=131072") {
			if err := CheckOption(o); err != nil {
				t.Error(err)
			}
			if out, err := exec.Command(bin, "-rn", o, t.TempDir()+"/", t.TempDir()+"/").CombinedOutput(); err != nil {
				t.Errorf("%s: %v %s", o, err, out)
			}
		}
	})
}
