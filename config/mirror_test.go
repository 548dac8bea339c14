package config

import (
	"bytes"
	"errors"
	"net/netip"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
	"tidemark/rsync"
)

// testRules stand for package rsync's.
func testRules() RsyncRules {
	return RsyncRules{
		Pattern: func(s string) error { return unless(!strings.HasPrefix(s, "+ "), "pattern "+s+" is a rule") },
		Option:  func(s string) error { return unless(s == "--fuzzy", "option "+s+" is not allowed") },
	}
}

func unless(ok bool, text string) error {
	if ok {
		return nil
	}
	return errors.New(text)
}

func TestMirrorBad(t *testing.T) {
	goldens(t, "testdata/mirror/bad", func(file string) error {
		m, err := LoadMirror(file, "Europe/Helsinki", testRules())
		if m != nil && err != nil {
			t.Errorf("a configuration and an error: %v", err)
		}
		return err
	})
}

// No mistake makes others up.
func TestMirrorBad_OneRule(t *testing.T) {
	oneRule(t, "testdata/mirror/bad", "everything")
}

// What may hold a password is not repeated: messages end in mails.
func TestMirrorBad_NoSecrets(t *testing.T) {
	files, _ := filepath.Glob("testdata/mirror/bad/*.txt")
	for _, file := range files {
		if data, err := os.ReadFile(file); err != nil || bytes.Contains(data, []byte("secret")) {
			t.Errorf("%s: %v, or it tells the secret:\n%s", file, err, data)
		}
	}
}

func TestLoadMirror_Full(t *testing.T) {
	got, err := LoadMirror("testdata/mirror/good/full.yaml", "Europe/Helsinki", testRules())
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata/mirror/good")
	if err != nil {
		t.Fatal(err)
	}
	fallback, err := rsyncurl.Parse("rsync://eu-msync.example.org/CentOS")
	if err != nil {
		t.Fatal(err)
	}
	want := &Mirror{
		File: dir + "/full.yaml", Network: "centos", ID: "ftp.funet.fi", URL: "https://Mirrors.example.org:8443/centos/", CA: dir + "/ca.pem",
		Beacon:  &MirrorBeacon{Name: "_tidemark.centos.example.org", Servers: []string{"192.0.2.53:53", "[2001:db8::53]:5353", "[2001:db8::54]:53"}},
		Checkin: &MirrorCheckin{URL: "https://mirrors.example.org/centos/checkin", Key: dir + "/keys/mirror.key"}, Trust: filepath.Dir(dir) + "/trust.json", Country: "FI",
		Auto: "country FI, from the time zone Europe/Helsinki", ASN: 1741, Family: 4, State: dir + "/state",
		Address: netip.MustParseAddr("192.0.2.7"), Proxy: "proxy.example.org:3128", Lock: "/run/lock/mirror.lock",
		Splay: 0, WarnAfter: time.Hour, Avoid: []string{"ftp.example.net"},
		Before: []string{dir + "/bin/report", "it's starting; $HOME"}, After: []string{"/usr/bin/logger", ""},
		Fallback: &Fallback{Sources: []rsyncurl.URL{fallback}, After: 36 * time.Hour},
		Trees: map[string]MirrorTree{"centos": {
			Path: "/srv/mirror/centos", Exclude: []string{"*/isos/", "/7.0/"}, Keep: []string{"/HEADER.html"}, Late: []string{},
			MaxDelete: 0, Bandwidth: 50 << 20, Options: []string{"--fuzzy"}, TimeFormat: "auto",
		}},
		Timeout: 2 * time.Minute, ConnectTimeout: 5 * time.Second, Rsync: "/usr/local/bin/rsync",
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b }), cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadMirror_Defaults(t *testing.T) {
	got, err := LoadMirror("testdata/mirror/good/least.yaml", "Europe/Helsinki", RsyncRules{})
	if err != nil {
		t.Fatal(err)
	}
	want := &Mirror{
		File: got.File, Network: "centos", ID: "ftp.funet.fi", URL: "https://mirrors.example.org/centos/", Trust: filepath.Dir(got.File) + "/trust.json",
		State: "/var/lib/tidemark-mirror", Splay: 5 * time.Minute, WarnAfter: 6 * time.Hour, Timeout: 10 * time.Minute, ConnectTimeout: 30 * time.Second,
		Trees: map[string]MirrorTree{"centos": {Path: "/srv/mirror/centos", MaxDelete: 40000, TimeFormat: "auto"}},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b netip.Addr) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func TestLoadMirror_NoFile(t *testing.T) {
	_, err := LoadMirror(filepath.Join(t.TempDir(), "mirror.yaml"), "", RsyncRules{})
	if !errors.Is(err, os.ErrNotExist) {
		t.Errorf("found %v, expected that there is no file", err)
	}
}

func TestLoadMirror_Country(t *testing.T) {
	for _, tt := range []struct{ written, zone, country, auto string }{
		{"FI", "America/Sao_Paulo", "FI", ""},
		{"NO", "", "NO", ""}, // no YAML 1.1, in which that is false
		{"auto", "America/Sao_Paulo", "BR", "country BR, from the time zone America/Sao_Paulo"},
		{"auto", "Etc/UTC", "", "no country: the time zone Etc/UTC belongs to none; write the country down, e.g. country: FI"},
		{"auto", "Atlantis/Capital", "", "no country: the time zone Atlantis/Capital belongs to none; write the country down, e.g. country: FI"},
		{"auto", "", "", "no country: the time zone of this machine is not known; write the country down, e.g. country: FI"},
	} {
		m, err := parseMirror("/etc/tidemark/mirror.yaml", mirrorText(t, "country: "+tt.written), tt.zone, RsyncRules{})
		if err != nil {
			t.Error(err)
		} else if m.Country != tt.country || m.Auto != tt.auto {
			t.Errorf("%s in %s: found %q, %q, expected %q, %q", tt.written, tt.zone, m.Country, m.Auto, tt.country, tt.auto)
		}
	}
}

func TestLoadMirror_Origin(t *testing.T) {
	for written, want := range map[string]string{
		"https://mirrors.example.org":           "https://mirrors.example.org/",
		"https://mirrors.example.org/a/b//":     "https://mirrors.example.org/a/b/",
		"https://192.0.2.7/centos/":             "https://192.0.2.7/centos/",
		"https://[2001:db8::7]:8443/centos/":    "https://[2001:db8::7]:8443/centos/",
		"http://127.0.0.1:8080/centos/":         "http://127.0.0.1:8080/centos/",
		"http://[::1]/":                         "http://[::1]/",
		"http://localhost:8080":                 "http://localhost:8080/",
		"/srv/site/":                            "/srv/site",
		"site":                                  "/etc/tidemark/site",
		"../site":                               "/etc/site",
		"https://xn--bcher-kva.example/centos/": "https://xn--bcher-kva.example/centos/",
	} {
		text := bytes.Replace(mirrorText(t), []byte("https://mirrors.example.org/centos/"), []byte(`"`+written+`"`), 1)
		m, err := parseMirror("/etc/tidemark/mirror.yaml", text, "", RsyncRules{})
		if err != nil {
			t.Error(err)
		} else if m.URL != want {
			t.Errorf("%s: found %s, expected %s", written, m.URL, want)
		}
	}
}

func TestBandwidth(t *testing.T) {
	for written, want := range map[string]bandwidth{"1K": 1 << 10, "500K": 500 << 10, "50M": 50 << 20, "1G": 1 << 30, "1024G": 1 << 40, "007K": 7 << 10} {
		var got bandwidth
		if err := got.UnmarshalText([]byte(written)); err != nil || got != want {
			t.Errorf("%s: found %d, %v, expected %d", written, got, err, want)
		}
	}
}

// mirrorText is the smallest file, and further lines.
func mirrorText(t testing.TB, lines ...string) []byte {
	t.Helper()
	data, err := os.ReadFile("testdata/mirror/good/least.yaml")
	if err != nil {
		t.Fatal(err)
	}
	return append(data, strings.Join(lines, "\n")+"\n"...)
}

func TestMirrorTemplate(t *testing.T) {
	values := map[string]MirrorTemplateValues{
		"least": {Network: "centos", ID: "ftp.funet.fi"},
		"words": {Network: "null", ID: "true", Country: "NO", Trees: map[string]string{"false": "/srv/1", "1e3": "/srv/2", "7": "/srv/3"}},
		"full": {
			Network: "centos", ID: "ftp.funet.fi", URL: "http://127.0.0.1:8080/centos/", Trust: "/etc/tidemark/trust.json", Country: "FI",
			CA: "/etc/tidemark/the ca.pem", State: `/var/lib/it's "odd" # here: really`, Trees: map[string]string{"centos": "/srv/mirror/a  # b", "vault": "/srv/mirror/ö"},
			Exclude: []string{"*/isos/", `/it's "odd"/[ab]  # really`}, Beacon: "_tidemark.centos.example.org", Checkin: "https://mirrors.example.org/centos/checkin",
		},
		"directory": {Network: "centos", ID: "ftp.funet.fi", URL: "/srv/site"},
		"exclude":   {Network: "centos", ID: "ftp.funet.fi", Exclude: []string{"*/isos/", "a, b] # c", `it's "d"`}},
	}
	for name, v := range values {
		text := MirrorTemplate(v)
		m, err := parseMirror("/etc/tidemark/mirror.yaml", text, "Europe/Helsinki", RsyncRules{})
		if err != nil {
			t.Errorf("%s: %v\n%s", name, err, text)
			continue
		}
		got := MirrorTemplateValues{Network: m.Network, ID: m.ID, URL: m.URL, Trust: m.Trust, State: m.State, CA: m.CA, Country: m.Country, Trees: map[string]string{}}
		if m.Beacon != nil {
			got.Beacon = m.Beacon.Name
		}
		if m.Checkin != nil {
			got.Checkin = m.Checkin.URL
		}
		for tree, one := range m.Trees {
			got.Trees[tree], got.Exclude = one.Path, one.Exclude
			got.Exclude = one.Exclude
		}
		if diff := cmp.Diff(filled(v), got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", name, diff)
		}
		if bytes.Contains(text, []byte("@")) {
			t.Errorf("%s: a value was left out:\n%s", name, text)
		}
	}
}

// filled has the values that a template gives to empty ones.
func filled(v MirrorTemplateValues) MirrorTemplateValues {
	v.URL = otherwise(v.URL, "https://mirrors.example.org/"+v.Network+"/")
	v.Trust = otherwise(v.Trust, "/etc/tidemark/trust.json")
	v.State = otherwise(v.State, "/var/lib/tidemark-mirror")
	v.Country = otherwise(v.Country, "FI")
	if v.Trees == nil {
		v.Trees = map[string]string{v.Network: "/srv/mirror/" + v.Network}
	}
	return v
}

// Every key is in the template, and every comment that is a key can be uncommented.
func TestMirrorTemplate_Comments(t *testing.T) {
	text := string(MirrorTemplate(MirrorTemplateValues{Network: "centos", ID: "ftp.funet.fi"}))
	lines := strings.Split(text, "\n")
	for i, line := range lines {
		indent := line[:len(line)-len(strings.TrimLeft(line, " "))]
		if after, ok := strings.CutPrefix(strings.TrimLeft(line, " "), "# "); ok && i > 2 {
			lines[i] = indent + after
		}
	}
	all := strings.Join(lines, "\n")
	rules := RsyncRules{Option: rsync.CheckOption, Pattern: func(s string) error { _, err := rsync.ParsePattern(s); return err }}
	m, err := parseMirror("/etc/tidemark/mirror.yaml", []byte(all), "", rules)
	if err != nil {
		t.Fatalf("%v\n%s", err, all)
	}
	if m.Splay != defaultSplay || m.WarnAfter != defaultWarnAfter || m.Timeout != defaultTimeout || m.ConnectTimeout != defaultConnectTimeout ||
		m.Fallback.After != defaultFallbackAfter || m.Trees["centos"].MaxDelete != defaultMaxDelete {
		t.Errorf("a comment gives another value than the default: %+v", m)
	}
	known := mirrorFile{}
	problems := strictyaml.Decode("x", []byte(all), &known)
	if len(problems) > 0 || known.CA == nil || known.Beacon == nil || known.Checkin == nil || known.ASN == nil || known.Address == nil || known.Family == nil || known.Proxy == nil ||
		known.Lock == nil || known.Avoid == nil || known.Hooks.Before == nil || known.Hooks.After == nil || known.Rsync == nil {
		t.Errorf("the template leaves out a key: %v %+v", problems, known)
	}
}

func TestMirrorWarnings(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{"trust.json", "hook"} {
		write(t, filepath.Join(dir, name), []byte("x"))
	}
	for _, name := range []string{"state", "centos"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o755); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "mirror.yaml")
	write(t, file, []byte("checkin: https://mirrors.example.org/checkin\nnetwork: centos\nid: a\nurl: site\ntrust: trust.json\nstate: state\nhooks: {after: [./hook]}\ntrees: {centos: {path: centos}, vault: {path: vault}}\n"))
	m, err := LoadMirror(file, "", RsyncRules{})
	if err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, w := range m.Warnings() {
			got = append(got, strings.ReplaceAll(w.String(), dir+"/", ""))
		}
		if diff := cmp.Diff(append([]string{}, want...), got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	check("mirror.yaml: checkin.key: mirror.key is not there: check-ins cannot be signed (tidemark-mirror init makes one for a new mirror; " +
		"or type: minisign -G -W -s mirror.key -p mirror.key.pub; the network's inventory needs the public half)")
	write(t, m.Checkin.Key, []byte("key"))
	chmod(t, m.Checkin.Key, 0o600)
	check()

	chmod(t, m.Checkin.Key, 0o640)
	chmod(t, file, 0o664)
	chmod(t, m.Trust, 0o646)
	chmod(t, m.State, 0o777)
	chmod(t, m.After[0], 0o775)
	if err := os.Symlink("centos", filepath.Join(dir, "vault")); err != nil {
		t.Fatal(err)
	}
	check(
		"mirror.yaml: mirror.yaml may be changed by others than its owner (mode 0664) (chmod go-w mirror.yaml)",
		"mirror.yaml: trust: trust.json may be changed by others than its owner (mode 0646) (chmod go-w trust.json)",
		"mirror.yaml: state: state may be changed by others than its owner (mode 0777) (chmod go-w state)",
		"mirror.yaml: hooks.after: hook may be changed by others than its owner (mode 0775) (chmod go-w hook)",
		"mirror.yaml: checkin.key: mirror.key may be read by others than its owner (mode 0640) (chmod 600 mirror.key)",
		"mirror.yaml: trees.vault.path: vault and the tree centos are, without symlinks, centos and centos, which lie in one another (each tree needs a directory of its own)",
	)
}
