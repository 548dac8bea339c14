package contrib_test

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/rsyncurl"
)

// decides has the script read a document, without a site.
func decides(t *testing.T, dir, file string) result {
	t.Helper()
	conf := settings{"NETWORK": "centos", "ID": "mirror.se", "URL": "https://127.0.0.1/", "KEYRING": "/k", "TREE": "centos", "DIR": "/d", "STATE": dir}.write(t, dir)
	return perform(t, nil, []string{"HELD=1", "NOW=1795334500"}, conf, "decide", file)
}

// TestURLs: what rsyncurl refuses, the script refuses, whatever else rsync would make of it; what it writes, the script takes.
func TestURLs(t *testing.T) {
	t.Parallel()
	needScriptTools(t)
	dir := shortLived(t)
	document := read(t, "../testdata/good/small.json")
	const was = `"rsync://ftp.funet.fi/centos/"`
	if !strings.Contains(document, was) {
		t.Fatalf("no %s in the vector", was)
	}
	for _, url := range []string{
		"rsync://ftp.funet.fi/centos/", "rsync://ftp.funet.fi/centos/7/os", "rsync://h/m/", "rsync://h:8730/m/", "rsync://192.0.2.1/m/", "rsync://192.0.2.1:8730/m/a",
		"rsync://[2001:db8::1]/m/", "rsync://[2001:db8::1]:8730/m/", "rsync://[::1]/m/", "rsync://a.be/m/", "rsync://1.2.3.example/m/", "rsync://h.3com/m/",
		"rsync://xn--mller-kva.example/m/", "rsync://h/m/a.b-c_d~e+f,g;h=i@j:k&l%20m!$()^`{|}", "rsync://h/m/.hidden/", "rsync://h:65535/m/",
		"", "--rsh=sh", "-e sh", "rsync://-oProxyCommand=sh/m/", "h::m", "h:m", "/srv/mirror", "rsync:/h/m", "rsync:///m", "RSYNC://h/m/", "https://h/m/", " rsync://h/m/",
		"\nrsync://h/m/", "rsync://h/m \n", "rsync://h/m\n--config=/tmp/x", "rsync://h/m\r", "rsync://h/m\x00/x", "rsync://h/m\t", "rsync://h/m\x7f", "rsync://h/mé", "rsync://é/m/",
		"rsync://h h/m/", "rsync://h", "rsync://h/", "rsync://h//m", "rsync://h/#list", "rsync://h/-m", "rsync://:873/m/", "rsync://u@h/m/", "rsync://u:p@h/m/", "rsync://@h/m/",
		"rsync://h:0/m/", "rsync://h:65536/m/", "rsync://h:65537/m/", "rsync://h:0x50/m/", "rsync://h:+873/m/", "rsync://h:0873/m/", "rsync://h:/m/", "rsync://h:1:2/m/",
		"rsync://2130706433/m/", "rsync://127.1/m/", "rsync://0x7f.1/m/", "rsync://127.0.0.0x1/m/", "rsync://0x7f000001/m/", "rsync://0177.0.0.1/m/", "rsync://127.0.0.01/m/",
		"rsync://256.0.0.1/m/", "rsync://1.2.3.4.5/m/", "rsync://example.123/m/", "rsync://example.org./m/", "rsync://.example.org/m/", "rsync://a..b/m/", "rsync://a_b/m/",
		"rsync://a.-b.example/m/", "rsync://a-.example/m/", "rsync://[1]/m/", "rsync://[::1/m/", "rsync://[::1%lo]/m/", "rsync://[::1]x/m/", "rsync://[]/m/",
		"rsync://h/m/../x", "rsync://h/m/..", "rsync://h/m/./x", "rsync://h/m/.", "rsync://h/./m", "rsync://h/m//x", "rsync://h/m/*", "rsync://h/m/?", "rsync://h/m/[a]", `rsync://h/m/\x`,
		`rsync://h/m/"x`, "rsync://h/m/'x", "rsync://h/m/<x", "rsync://h/m/>x", "rsync://" + strings.Repeat("a", 64) + "/m/", "rsync://h/m/" + strings.Repeat("a", 1020),
	} {
		parsed, err := rsyncurl.Parse(url)
		quoted, _ := json.Marshal(url)
		write(t, filepath.Join(dir, "m.json"), strings.Replace(document, was, string(quoted), 1))
		r := decides(t, dir, filepath.Join(dir, "m.json"))
		switch {
		case err != nil && r.code != 4:
			t.Errorf("%q is taken, but: %v", url, err)
		case err == nil && parsed.String() == url && (r.code != 0 || !strings.Contains(r.stdout, url)):
			t.Errorf("%q is refused: %v", url, r)
		}
	}
}

// TestVectors: every good document is taken; of the bad ones, those that would bring something bad to this shell or to
// rsync are refused. (The others break rules that the script says it leaves to the program.)
func TestVectors(t *testing.T) {
	t.Parallel()
	needScriptTools(t)
	dir := shortLived(t)
	good, err := filepath.Glob("../testdata/good/*.json")
	check(t, err)
	for _, file := range good {
		if r := decides(t, dir, file); r.code != 0 || r.stderr != "" {
			t.Errorf("%s: %v", file, r)
		}
	}
	bad, err := filepath.Glob("../testdata/bad/*.json")
	check(t, err)
	refused := 0
	for _, file := range bad {
		rule, _, _ := strings.Cut(strings.TrimSuffix(filepath.Base(file), ".json"), ".")
		switch rule {
		case "url", "anchor-path", "anchor-hash", "anchor-size", "time-file", "schema", "source-id", "network", "timestamp", "files", "bytes", "admit", "max-hold":
		default:
			continue
		}
		if name := filepath.Base(file); name == "anchor-path.c1-control.json" || name == "timestamp.json" {
			continue // harmless here
		}
		if r := decides(t, dir, file); r.code != 4 || r.stdout != "" {
			t.Errorf("%s: expected exit code 4: %v", file, r)
		}
		refused++
	}
	if len(good) < 5 || refused < 20 {
		t.Errorf("%d good and %d bad vectors: where are they?", len(good), refused)
	}
	if _, err := os.Stat(filepath.Join(dir, "seen")); err == nil {
		t.Error("decide remembers something")
	}
}
