package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"tidemark/internal/lab"
	"tidemark/manifest"
)

// hostileURL is a source's URL with what it would do where it was passed on to rsync or to a resolver. TRAP stands for the
// trap's address, PORT for its port.
type hostileURL struct {
	name, url string
}

func hostileURLs() []hostileURL {
	return []hostileURL{
		{"Option_ShortShell", "-e touch canary"},
		{"Option_LongShell", "--rsh=touch canary"},
		{"Option_RsyncPath", "--rsync-path=touch canary"},
		{"Option_RemoteOption", "-M--log-file=canary"},
		{"Option_Files", "--files-from=/etc/passwd"},
		{"Option_LeadingSpace", " --rsh=touch canary"},
		{"Option_AfterScheme", "rsync://-e/centos/"},
		{"Option_User", "rsync://-oProxyCommand=touch@127.0.0.1/centos/"},
		{"Option_Module", "rsync://TRAP/--rsh=sh/"},
		{"Shell_Remote", "127.0.0.1:/srv/centos/"},
		{"Shell_Host", "-oProxyCommand=touch canary:/srv/"},
		{"Shell_Semicolon", "rsync://TRAP/centos/;touch canary"},
		{"Shell_Substitution", "rsync://TRAP/centos/$(touch${IFS}canary)\"/"},
		{"Shell_Backquotes", "rsync://TRAP/centos/`touch canary`/"},
		{"Shell_SchemeWithOneSlash", "rsync:/TRAP/centos/"},
		{"Shell_SchemeInCapitals", "RSYNC://TRAP/centos/"},
		{"Shell_LeadingSpace", " rsync://TRAP/centos/"},
		{"Shell_Ssh", "ssh://TRAP/centos/"},
		{"Local_Directory", "/etc/"},
		{"Local_File", "file:///etc/"},
		{"Module_DoubleColon", "127.0.0.1::secret/"},
		{"Module_DoubleColonBehindScheme", "rsync://TRAP::secret/centos/"},
		{"Module_Dots", "rsync://TRAP/centos/../secret/"},
		{"Module_EmptySegment", "rsync://TRAP//secret/"},
		{"Module_List", "rsync://TRAP/#list"},
		{"Module_None", "rsync://TRAP/"},
		{"Module_Wildcard", "rsync://TRAP/centos/*/"},
		{"Module_Class", "rsync://TRAP/centos/[a-z]/"},
		{"Newline_AfterModule", "rsync://TRAP/centos\n--rsh=sh/"},
		{"Newline_InHost", "rsync://127.0.0.1\n:PORT/centos/"},
		{"Newline_AtTheEnd", "rsync://TRAP/centos/\n"},
		{"CarriageReturn", "rsync://TRAP/centos\r/"},
		{"NUL", "rsync://TRAP/centos\x00/x/"},
		{"Tab", "rsync://TRAP/centos\t/"},
		{"Host_Decimal", "rsync://2130706433:PORT/centos/"},
		{"Host_Hex", "rsync://0x7f000001:PORT/centos/"},
		{"Host_HexParts", "rsync://0x7f.0.0.0x1:PORT/centos/"},
		{"Host_Octal", "rsync://0177.0.0.1:PORT/centos/"},
		{"Host_Short", "rsync://127.1:PORT/centos/"},
		{"Host_Mapped", "rsync://[::ffff:127.0.0.1]:PORT/centos/"},
		{"Host_Zone", "rsync://[fe80::1%25lo]:PORT/centos/"},
		{"Host_Empty", "rsync:///centos/"},
		{"Host_Unicode", "rsync://１２７.0.0.1:PORT/centos/"},
		{"Port_Wraps", "rsync://127.0.0.1:6553PORT/centos/"},
		{"Port_Zero", "rsync://127.0.0.1:0/centos/"},
		{"User", "rsync://root@TRAP/centos/"},
		{"Password", "rsync://root:geheim@TRAP/centos/"},
		{"Http", "http://TRAP/centos/"},
		{"Endless", "rsync://TRAP/centos/" + strings.Repeat("a/", 4096)},
	}
}

func (s *siege) aimed(url string) string {
	_, port, _ := strings.Cut(s.trap.Addr().String(), ":")
	return strings.NewReplacer("TRAP", s.trap.Addr().String(), "PORT", port).Replace(url)
}

// attackSourceURL: the network's real keys sign manifests whose source is no rsync URL but more. The reader refuses
// the whole document; rsync is not started, and nobody is asked.
func attackSourceURL(t *testing.T, s *siege) {
	for _, h := range hostileURLs() {
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			v := s.victim(t)
			url := v.aimed(h.url)
			text, err := json.Marshal(url)
			v.must(err)
			v.lay("manifest.bundle.json", v.genuine(fmt.Sprintf("%q", v.next.Sources[0].Trees["centos"].URL.String()), string(text)))
			before := v.remembered()
			out, exit := v.run("run", "--now")
			if exit != 4 || !strings.Contains(out, "(malformed)") || !strings.Contains(out, "sources[0]") {
				t.Errorf("exit code %d, expected 4, and the place of the URL:\n%s", exit, out)
			}
			if strings.Contains(out, "geheim") || strings.ContainsAny(out, "\r\x00") || len(out) > 4096 {
				t.Errorf("what was said repeats what it should not:\n%q", out)
			}
			v.unharmed(before)
		})
	}
}

// The same by hand, one of each kind: exit 2 before anything is done.
func attackTypedURL(t *testing.T, s *siege) {
	kind := ""
	for _, h := range hostileURLs() {
		before, _, _ := strings.Cut(h.name, "_")
		if before == kind || strings.Contains(h.url, "\x00") { // which no argument can hold
			continue
		}
		kind = before
		t.Run(h.name, func(t *testing.T) {
			t.Parallel()
			v := s.victim(t)
			v.lay("manifest.bundle.json", v.bundle(v.next))
			before := v.remembered()
			if out, exit := v.run("run", "--now", "--source="+v.aimed(h.url)); exit != 2 || !strings.Contains(out, "--source") {
				t.Errorf("exit code %d, expected 2:\n%s", exit, out)
			}
			v.unharmed(before)
		})
	}
}

// The same as fallbacks of a configuration: each is named, all at once.
func attackFallbackURL(t *testing.T, s *siege) {
	for urls := range slices.Chunk(hostileURLs(), 16) {
		v := s.victim(t)
		v.lay("manifest.bundle.json", v.bundle(v.next))
		var list []string
		for _, h := range urls {
			text, err := json.Marshal(v.aimed(h.url)) // JSON's strings are YAML's
			v.must(err)
			list = append(list, string(text))
		}
		v.lines = []string{"fallback: {sources: [" + strings.Join(list, ", ") + "], after: 0s}"}
		before := v.remembered()
		out, exit := v.run("run", "--now")
		if exit != 2 {
			t.Errorf("exit code %d, expected 2:\n%s", exit, out)
		}
		for i, h := range urls {
			if !strings.Contains(out, fmt.Sprintf("fallback.sources[%d]: ", i)) {
				t.Errorf("%s: nothing is said of it:\n%s", h.name, out)
			}
		}
		v.unharmed(before)
	}
}

// A manifest that only sends readers to the wrong machine is none that can be told from a good one: the pre-flight tells. The
// source is left, and the tree is as it was.
func attackSourceOfOthers(t *testing.T, s *siege) {
	for name, fill := range map[string]func(dir string) error{
		"EmptyModule": func(string) error { return nil },
		"OtherTree": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, "passwd"), []byte("root:x:0:0\n"), 0o644)
		},
		"FreshTimeAlone": func(dir string) error {
			return os.WriteFile(filepath.Join(dir, lab.TimeFile), fmt.Appendln(nil, s.next.Trees["centos"].Timestamp), 0o644)
		},
		"LinksOutside": func(dir string) error {
			if err := os.Symlink("/etc", filepath.Join(dir, "7")); err != nil {
				return err
			}
			return os.WriteFile(filepath.Join(dir, lab.TimeFile), fmt.Appendln(nil, s.next.Trees["centos"].Timestamp), 0o644)
		},
	} {
		t.Run(name, func(t *testing.T) {
			v := s.victim(t)
			dir := filepath.Join(v.dir, "served")
			v.must(os.Mkdir(dir, 0o755))
			v.must(fill(dir))
			d, err := lab.StartDaemon(t.Context(), lab.Daemon{Dir: filepath.Join(v.dir, "daemon"), Address: "127.0.0.1", Modules: map[string]string{"centos": dir}})
			v.must(err)
			defer d.Stop()
			source, err := lab.Offer("node", manifest.KindNode, "FI", "centos", d.URL("centos"), v.next.Trees["centos"].Timestamp, v.now)
			v.must(err)
			v.lay("manifest.bundle.json", v.bundle(v.news(func(m *manifest.Manifest) { m.Sources = []manifest.Source{source} })))
			before := v.snapshot()
			out, exit := v.run("run", "--now", "-v")
			if exit != 6 || !strings.Contains(out, "node") {
				t.Errorf("exit code %d, expected 6, and the source:\n%s", exit, out)
			}
			v.same(before)
		})
	}
}

// snapshot copies the tree.
func (v *victim) snapshot() string {
	v.Helper()
	dir := filepath.Join(v.dir, "before")
	if out, err := exec.Command("cp", "-a", v.tree(), dir).CombinedOutput(); err != nil {
		v.Fatalf("%v: %s", err, out)
	}
	return dir
}

func (v *victim) same(dir string) {
	v.Helper()
	diffs, err := lab.DiffTrees(dir, v.tree(), lab.DiffOptions{Ignore: []string{".~tmp~"}})
	v.must(err)
	if len(diffs) > 0 {
		v.Errorf("the tree has changed:\n%s", strings.Join(diffs, "\n"))
	}
}
