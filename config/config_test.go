package config

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

var update = flag.Bool("update", false, "write the messages of testdata/bad anew")

// TestBad has one file for every rule; the .txt beside it is what the operator reads.
func TestBad(t *testing.T) {
	goldens(t, "testdata/bad", func(file string) error {
		_, err := LoadPublisher(file)
		return err
	})
}

// goldens compares what is said of each file of dir with the .txt beside it.
func goldens(t *testing.T, dir string, load func(file string) error) {
	t.Helper()
	files, err := filepath.Glob(dir + "/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	here, err := filepath.Abs(filepath.Dir(dir))
	if err != nil {
		t.Fatal(err)
	}
	for _, file := range files {
		t.Run(strings.TrimSuffix(filepath.Base(file), ".yaml"), func(t *testing.T) {
			var problems strictyaml.Problems
			if err := load(file); !errors.As(err, &problems) {
				t.Fatalf("accepted, or no problems: %v", err)
			}
			got := strings.ReplaceAll(problems.Error(), here+"/", "") + "\n"
			golden := strings.TrimSuffix(file, ".yaml") + ".txt"
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("messages differ (-want +got):\n%s", diff)
			}
		})
	}
}

// TestBad_OneRule: all but a few files break one rule once, so one line must say so: no mistake makes others up.
func TestBad_OneRule(t *testing.T) {
	oneRule(t, "testdata/bad",
		"everything", "beacon-plain-tree", "beacon-three-places", "nearby-country", "nearby-twice", "anchor-yaml",
		"inventory-bad", "inventory-private", "inventory-unknown-tree", "two-documents")
}

// oneRule wants one line in each golden message of dir, and more in those of several.
func oneRule(t *testing.T, dir string, several ...string) {
	t.Helper()
	files, _ := filepath.Glob(dir + "/*.txt")
	for _, file := range files {
		data, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := strings.TrimSuffix(filepath.Base(file), ".txt")
		if n := strings.Count(string(data), "\n"); (n == 1) == slices.Contains(several, name) {
			t.Errorf("%s: %d problems, not what is expected here:\n%s", name, n, data)
		}
		if _, err := os.Stat(strings.TrimSuffix(file, ".txt") + ".yaml"); err != nil {
			t.Errorf("%s: messages without a file", name)
		}
	}
}

func TestLoadPublisher_Full(t *testing.T) {
	got, err := LoadPublisher("testdata/good/full.yaml")
	if err != nil {
		t.Fatal(err)
	}
	dir, err := filepath.Abs("testdata/good")
	if err != nil {
		t.Fatal(err)
	}
	share, err := inventory.ParseQuorum("80%")
	if err != nil {
		t.Fatal(err)
	}
	want := &Publisher{
		File: dir + "/full.yaml", Network: "centos", State: "/var/lib/tidemark", Validity: 36 * time.Hour, Keep: 14 * day,
		Inventory: []string{filepath.Dir(dir) + "/nodes.yaml", filepath.Dir(dir) + "/vault.yaml"},
		Trees: map[string]Tree{
			"centos": {Master: filepath.Dir(filepath.Dir(dir)) + "/master", TimeFile: "project/trace/TIME",
				Anchors: []string{"**/repodata/repomd.xml", "7/**/Release"}, Exclude: []string{".htpasswd", "/private/", "**/.snapshot/"}, Quorum: share, MaxWait: 36 * time.Hour},
			"vault": {Master: "rsync://build.example.org/vault/", TimeFile: "TIME", Anchors: []string{"repomd.xml"}, MaxWait: 12 * time.Hour},
		},
		Sign: Sign{
			OpenPGP: []SigningKey{
				{File: dir + "/keys/openpgp.asc", PassphraseFile: "/run/credentials/tidemark/pgp"},
				{File: dir + "/keys/second.asc", PassphraseEnv: "SECOND_PASS"},
				{GPG: &GPGKey{Fingerprint: "0123456789ABCDEF0123456789ABCDEF01234567", Home: dir + "/gnupg"}, Credential: "card"},
				{GPG: &GPGKey{Fingerprint: "76543210FEDCBA9876543210FEDCBA9876543210"}},
				{KMS: &KMSKey{Key: "arn:aws:kms:eu-north-1:111122223333:key/1234abcd-12ab-34cd-56ef-1234567890ab", Region: "eu-north-1", Endpoint: "https://kms.example.org", CA: dir + "/kms.pem"},
					Public: dir + "/keys/kms.asc"},
			},
			Ed25519: []SigningKey{
				{File: dir + "/keys/ed25519.key", Credential: "ed25519"},
				{SSHAgent: "/run/tidemark/agent", Public: dir + "/keys/token.pub"},
				{SSHAgent: AgentOfEnvironment, Public: dir + "/keys/other.pub"},
				{KMS: &KMSKey{Key: "alias/centos"}, Public: dir + "/keys/kms.pub"},
			},
		},
		Trust:   dir + "/trust.json",
		Publish: []Target{{Dir: dir + "/site", URL: "https://mirrors.example.org/centos/"}, {Dir: "/srv/www/copy"}},
		Beacon: &Beacon{Name: "_tidemark.centos.example.org", TTL: 5 * time.Minute, PlainName: "plain.centos.example.org", PlainOrder: []string{"vault", "centos"},
			RFC2136: &RFC2136{Server: "ns.example.org", Zone: "centos.example.org", TSIGFile: dir + "/tsig.key"},
			Servers: []string{"ns1.example.org", "192.0.2.1:53", "[2001:db8::53]:53", "[2001:db8::54]:5353"}},
		Checkin: &Checkin{Listen: "[::]:8443", Spool: "/var/spool/tidemark", Cert: dir + "/tls/cert.pem", Key: dir + "/tls/key.pem", PerMirror: 30 * time.Second, PerSecond: 5},
		Probe: Probe{Concurrency: 8, Timeout: 10 * time.Second, Recheck: time.Hour, ListShare: 100, PerGroup: 1, Lists: 2, ListTimeout: 90 * time.Second,
			AllowPrivate: true, CA: dir + "/tls/ca.pem"},
		Settle: 0,
		Guard:  Guard{Share: 50, Least: 2, Runs: 1},
		Policy: Policy{CheckInterval: time.Minute, MaxHold: 30 * time.Minute, Nearby: map[string][]string{"FI": {"SE", "NO"}, "AX": {}}},
	}
	opts := []cmp.Option{cmpopts.IgnoreFields(Publisher{}, "Servers"), cmp.Comparer(func(a, b inventory.Quorum) bool { return a == b })}
	if diff := cmp.Diff(want, got, opts...); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
	if len(got.Servers) != 5 || got.Servers[0].ID != "ftp.example.org" {
		t.Errorf("servers: %+v", got.Servers)
	}
}

func TestLoadPublisher_Keep(t *testing.T) {
	for text, want := range map[string]time.Duration{
		"":                           7 * day,
		"validity: 10d\n":            10*day + time.Hour,
		"validity: 24h\nkeep: 25h\n": 25 * time.Hour,
	} {
		p, err := LoadPublisher(writeConfig(t, text))
		if err != nil {
			t.Fatal(err)
		}
		if p.Keep != want {
			t.Errorf("%q: keep %v, want %v", text, p.Keep, want)
		}
	}
}

// TestLoadPublisher_Limits: the limits themselves are allowed.
func TestLoadPublisher_Limits(t *testing.T) {
	for _, text := range []string{
		"validity: 2h\nsettle: 1h\n", "validity: 30d\n", "probe: {concurrency: 1024, timeout: 10m, recheck: 0s, sample: 1000}\n",
		"probe: {list_share: 100, spot: 1000, backoff: 7d, per_second: 10000, per_group: 1024, lists: 64, list_timeout: 6h}\n",
		"probe: {list_share: 0, spot: 0, backoff: 0s, per_second: 0, per_group: 1, lists: 0, list_timeout: 1s, allow_private: false}\n",
		"guard: {share: 100, least: 1, runs: 100}\n", "policy: {check_interval: 55m, max_hold: 1s}\n",
	} {
		if _, err := LoadPublisher(writeConfig(t, text)); err != nil {
			t.Errorf("%q: %v", text, err)
		}
	}
}

// TestWithin: what lies in a published directory is public.
func TestWithin(t *testing.T) {
	for _, tt := range []struct {
		file, dir string
		want      bool
	}{
		{"/srv/www/keys/a", "/srv/www", true}, {"/srv/www", "/srv/www", true}, {"/srv/www/..a", "/srv/www", true}, {"/a", "/", true},
		{"/srv", "/srv/www", false}, {"/srv/www2/a", "/srv/www", false}, {"/srv/keys", "/srv/www", false}, {"", "/srv/www", false},
	} {
		if got := within(tt.file, tt.dir); got != tt.want {
			t.Errorf("%s in %s: %v", tt.file, tt.dir, got)
		}
	}
}

func TestLoadPublisher_Unreadable(t *testing.T) {
	dir := t.TempDir()
	for _, file := range []string{dir, filepath.Join(dir, "absent.yaml")} {
		_, err := LoadPublisher(file)
		var problems strictyaml.Problems
		if err == nil || errors.As(err, &problems) {
			t.Errorf("%s: got %v, want a plain error", file, err)
		}
	}
}

// TestTemplate: what init writes loads as it is.
func TestTemplate(t *testing.T) {
	for _, v := range []TemplateValues{
		{Network: "centos"},
		{Network: "2024", Tree: "true"},
		{Network: "centos", Tree: "c7", Master: `/srv/my "odd" mäster: #1`, Publish: "/srv/www/centos", URL: "https://mirrors.example.org/centos/",
			State: "/var/lib/tidemark", OpenPGPKey: "/etc/tidemark/pgp.asc", Ed25519Key: "ed.key", Passphrase: "keys/pass phrase", Trust: "t.json", Inventory: "inventory.yaml"},
	} {
		dir := t.TempDir()
		write(t, filepath.Join(dir, "tidemark.yaml"), Template(v))
		write(t, filepath.Join(dir, "inventory.yaml"), inventory.Template(otherwise(v.Tree, v.Network)))
		p, err := LoadPublisher(filepath.Join(dir, "tidemark.yaml"))
		if err != nil {
			t.Errorf("%+v:\n%v", v, err)
			continue
		}
		tree := p.Trees[otherwise(v.Tree, v.Network)]
		if v.Master != "" && tree.Master != v.Master {
			t.Errorf("master %q, want %q", tree.Master, v.Master)
		}
		if pass := p.Sign.OpenPGP[0].PassphraseFile; v.Passphrase != "" && (pass != filepath.Join(dir, v.Passphrase) || pass != p.Sign.Ed25519[0].PassphraseFile) {
			t.Errorf("passphrase file %q", pass)
		}
		if v.URL != "" && p.Publish[0].URL != v.URL {
			t.Errorf("url %q, want %q", p.Publish[0].URL, v.URL)
		}
	}
}

// TestTemplate_Comments: the settings that the template shows as comments are valid, and are the defaults they claim to be.
func TestTemplate_Comments(t *testing.T) {
	plain, err := LoadPublisher(writeConfig(t, ""))
	if err != nil {
		t.Fatal(err)
	}
	text := uncommented(string(Template(TemplateValues{Network: "centos"})))
	file := writeConfig(t, "")
	write(t, file, []byte(text))
	full, err := LoadPublisher(file)
	if err != nil {
		t.Fatalf("%v\n%s", err, text)
	}
	if full.Beacon == nil || full.Beacon.RFC2136 == nil || full.Checkin == nil || full.Publish[0].URL == "" || len(full.Publish) != 2 {
		t.Errorf("comments were not all taken in: %+v", full)
	}
	ignore := cmpopts.IgnoreFields(Publisher{}, "File", "State", "Inventory", "Trees", "Sign", "Trust", "Publish", "Beacon", "Checkin", "Servers")
	if diff := cmp.Diff(plain, full, ignore); diff != "" {
		t.Errorf("the comments do not show the defaults (-default +comment):\n%s", diff)
	}
	if full.Trees["centos"].MaxWait != defaultMaxWait || full.Trees["centos"].TimeFile != defaultTimeFile {
		t.Errorf("tree: %+v", full.Trees["centos"])
	}
}

// TestTemplate_Filled: no place is left empty, in comments behind a value either.
func TestTemplate_Filled(t *testing.T) {
	if left := regexp.MustCompile(`.*@[A-Z0-9]+@.*`).FindAllString(string(Template(TemplateValues{Network: "centos"})), -1); len(left) > 0 {
		t.Errorf("not filled in: %q", left)
	}
}

// uncommented is a text without the "# " at the start of its lines, but for the title: what an editor does in one stroke.
func uncommented(text string) string {
	title, rest, _ := strings.Cut(text, "\n\n")
	return title + "\n\n" + regexp.MustCompile(`(?m)^( *)# `).ReplaceAllString(rest, "$1")
}

// Each paragraph of examples can be taken in alone, in one stroke, and each place of the beacon can be the one.
func TestTemplate_Blocks(t *testing.T) {
	template := string(Template(TemplateValues{Network: "centos"}))
	file := writeConfig(t, "")
	load := func(text string) *Publisher {
		t.Helper()
		write(t, file, []byte(text))
		p, err := LoadPublisher(file)
		if err != nil {
			t.Fatalf("%v\n%s", err, text)
		}
		return p
	}
	blocks := 0
	for _, block := range strings.Split(template, "\n\n")[1:] {
		if strings.HasPrefix(block, "# ") {
			_, bare, _ := strings.Cut(uncommented("\n\n"+block), "\n\n")
			load(strings.Replace(template, block, bare, 1))
			blocks++
		}
	}
	if blocks < 4 {
		t.Errorf("found %d paragraphs of examples", blocks)
	}
	_, block, _ := strings.Cut(uncommented(template), "\nbeacon:")
	block, _, _ = strings.Cut(block, "\n\n")
	for key, taken := range map[string]func(*Beacon) bool{
		"route53":   func(b *Beacon) bool { return b.Route53 != nil },
		"zone_file": func(b *Beacon) bool { return b.ZoneFile != nil },
	} {
		one := strings.Replace(strings.Replace(block, "  rfc2136:", "  # rfc2136:", 1), "  # "+key+":", "  "+key+":", 1)
		if p := load(strings.Replace(uncommented(template), block, one, 1)); p.Beacon.RFC2136 != nil || !taken(p.Beacon) {
			t.Errorf("%s was not taken in:\n%s", key, one)
		}
	}
}

// The other places of a key that the template shows can each be the one.
func TestTemplate_KeysElsewhere(t *testing.T) {
	text := string(Template(TemplateValues{Network: "centos"}))
	file := writeConfig(t, "")
	examples := regexp.MustCompile(`(?m)^# # ((openpgp|ed25519): .*)$`).FindAllStringSubmatch(text, -1)
	if len(examples) != 3 {
		t.Fatalf("found %q", examples)
	}
	for _, e := range examples {
		one := strings.Replace(e[1], "FINGERPRINT", strings.Repeat("0123456789", 4), 1)
		write(t, file, regexp.MustCompile(`(?m)^  `+e[2]+`: .*$`).ReplaceAll([]byte(text), []byte("  "+one)))
		p, err := LoadPublisher(file)
		if err != nil {
			t.Fatalf("%s: %v", one, err)
		}
		elsewhere := 0
		for _, k := range p.Sign.all() {
			if k.File == "" {
				elsewhere++
			}
		}
		if elsewhere != 1 {
			t.Errorf("%s was not taken in: %+v", one, p.Sign)
		}
	}
}

// The places that the template shows are those that the documentation sets up.
func TestTemplate_Documented(t *testing.T) {
	docs, err := os.ReadFile("../docs/publisher.md")
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`(?m)# ((?:route53|zone_file): \{.*\})`).FindAllStringSubmatch(string(Template(TemplateValues{Network: "centos"})), -1)
	if len(found) != 2 {
		t.Fatalf("found %q", found)
	}
	for _, example := range found {
		if !strings.Contains(string(docs), example[1]) {
			t.Errorf("docs/publisher.md does not have %s", example[1])
		}
	}
}

// A name of another length leaves the comments in their columns.
func TestTemplate_Columns(t *testing.T) {
	for _, name := range []string{"a", "centos", "longnetwork"} {
		for _, line := range strings.Split(string(Template(TemplateValues{Network: name, Inventory: "i.yaml", State: "st"})), "\n") {
			if key := strings.TrimLeft(line, "# "); strings.HasPrefix(key, "network:") || strings.HasPrefix(key, "state:") || strings.HasPrefix(key, "beacon:") {
				if at := strings.LastIndex(line, " # ") + 1; at != 36 {
					t.Errorf("%s: comment in column %d: %s", name, at, line)
				}
			}
		}
	}
}

// writeConfig writes the smallest good configuration, and more at its end.
func writeConfig(t *testing.T, more string) string {
	t.Helper()
	dir := t.TempDir()
	file := filepath.Join(dir, "tidemark.yaml")
	write(t, file, []byte(`network: centos
state: state
inventory: inventory.yaml
trees: {centos: {master: master, anchors: [repomd.xml]}}
sign: {openpgp: {key: pgp.asc}, ed25519: {key: ed.key}}
trust: trust.json
publish: [{dir: site}]
`+more))
	write(t, filepath.Join(dir, "inventory.yaml"), inventory.Template("centos"))
	return file
}

func write(t *testing.T, file string, data []byte) {
	t.Helper()
	if err := os.WriteFile(file, data, 0o644); err != nil {
		t.Fatal(err)
	}
}
