package inventory

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/geo"
	"tidemark/internal/rsyncurl"
)

var update = flag.Bool("update", false, "write the messages of testdata/bad anew")

// TestBad has one file for every rule; the .txt beside it is what the operator reads.
func TestBad(t *testing.T) {
	files, err := filepath.Glob("testdata/bad/*.yaml")
	if err != nil || len(files) == 0 {
		t.Fatalf("no files: %v", err)
	}
	for _, file := range files {
		name := strings.TrimSuffix(filepath.Base(file), ".yaml")
		t.Run(name, func(t *testing.T) {
			_, problems := Load([]string{file})
			got := strings.ReplaceAll(problems.Error(), "testdata/bad/", "") + "\n"
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
			if len(problems) != 1 && name != "everything" && name != "one-server" {
				t.Errorf("%d problems for one mistake", len(problems))
			}
		})
	}
}

func TestLoad(t *testing.T) {
	dir := "testdata/mirrors.d"
	got, problems := Load([]string{dir, dir + "/../mirrors.d/20-one.yml"}) // one file twice
	if problems != nil {
		t.Fatal(problems)
	}
	want := []Server{
		{ID: "eu-msync-1", Kind: KindNode, Slots: 4, Private: true, Maintenance: true,
			Trees: map[string]rsyncurl.URL{"centos": url(t, "rsync://eu-msync.example.org/CentOS/")}, File: dir + "/20-one.yml", Line: 1},
		{ID: "ftp.funet.fi", Kind: KindMirror, Country: "FI", City: "Espoo", ASN: 1741, Slots: 2, Key: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
			Trees: map[string]rsyncurl.URL{"centos": url(t, "rsync://ftp.funet.fi/centos/")}, File: dir + "/10-many.yaml", Line: 1},
		{ID: "isos.example.org", Kind: KindMirror, Slots: 1, Partial: true, Exclude: []string{"*/isos/", "/debug"}, MaxConnections: 1,
			Trees: map[string]rsyncurl.URL{"centos": url(t, "rsync://isos.example.org/centos/")}, File: dir + "/40-keys.yaml", Line: 1},
		{ID: "mirror.example.no", Kind: KindMirror, Country: "NO", City: "Ås", Slots: 0, Partial: true, Group: "uni",
			Trees: map[string]rsyncurl.URL{"centos": url(t, "rsync://[2001:db8::1]:8730/pub/linux/centos"), "vault": url(t, "rsync://192.0.2.1/vault/")},
			File:  dir + "/10-many.yaml", Line: 2},
		{ID: "wide.example.org", Kind: KindNode, Slots: 4, MaxConnections: 10000,
			Trees: map[string]rsyncurl.URL{"centos": url(t, "rsync://wide.example.org/centos/")}, File: dir + "/40-keys.yaml", Line: 2},
	}
	if diff := cmp.Diff(want, got, cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b })); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

// TestLoad_TwoFiles: ids and node URLs are unique over all files, and a refusal names both places.
func TestLoad_TwoFiles(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", "# nodes\n- {id: one, kind: node, trees: {c: rsync://a.example.org/c/}}\n")
	write(t, dir, "b.yaml", "- {id: one, trees: {c: rsync://b.example.org/c/}}\n- {id: two, kind: node, trees: {c: rsync://a.example.org/c/}}\n")
	_, problems := Load([]string{dir})
	want := "b.yaml:1: one: id: the id one is taken, it was first declared at a.yaml:2 (remove one of the two)\n" +
		"b.yaml:2: two: trees.c: rsync://a.example.org/c/ is already a node, one, declared at a.yaml:2 (a server is one node, with one id)"
	if got := strings.ReplaceAll(problems.Error(), dir+"/", ""); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestLoad_MirrorsMayShare: real networks have one host behind two entries; only nodes are counted.
func TestLoad_MirrorsMayShare(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "a.yaml", "- {id: one, trees: {c: rsync://a.example.org/c/}}\n- {id: two, trees: {c: rsync://a.example.org/c/}}\n- {id: n, kind: node, trees: {c: rsync://a.example.org/c/}}\n")
	if _, problems := Load([]string{dir}); problems != nil {
		t.Error(problems)
	}
}

func TestLoad_Unreadable(t *testing.T) {
	dir := t.TempDir()
	if err := os.Symlink(dir, filepath.Join(dir, "dir.yaml")); err != nil {
		t.Fatal(err)
	}
	if err := os.Symlink("nowhere", filepath.Join(dir, "gone.yaml")); err != nil {
		t.Fatal(err)
	}
	_, problems := Load([]string{filepath.Join(dir, "absent"), dir})
	want := "absent: cannot be read: no such file or directory (relative paths start at the directory of the file that names them)\n" +
		"dir.yaml: cannot be read: found no regular file\n" +
		"gone.yaml: cannot be read: no such file or directory (relative paths start at the directory of the file that names them)"
	if got := strings.ReplaceAll(problems.Error(), dir+"/", ""); got != want {
		t.Errorf("got:\n%s\nwant:\n%s", got, want)
	}
}

// TestLoad_Large: three times the mirrors of the largest network, over several files.
func TestLoad_Large(t *testing.T) {
	dir := t.TempDir()
	for f := range 5 {
		var b strings.Builder
		for i := range 400 {
			fmt.Fprintf(&b, "- {id: mirror-%d.example.org, country: SE, city: Umeå, asn: %d, trees: {centos: rsync://mirror-%[1]d.example.org/pub/centos/}}\n", f*400+i, i+1)
		}
		write(t, dir, fmt.Sprintf("%d.yaml", f), b.String())
	}
	got, problems := Load([]string{dir})
	if problems != nil || len(got) != 2000 {
		t.Errorf("got %d servers, %.500v", len(got), problems)
	}
}

func TestTemplate(t *testing.T) {
	servers, problems := Parse("inventory.yaml", Template("centos"))
	if problems != nil || len(servers) != 1 || servers[0].Kind != KindNode || servers[0].Trees["centos"].Host() != "node-1.example.org" {
		t.Errorf("got %+v, %v", servers, problems)
	}
	text := string(Template("centos"))
	head, mirror, ok := strings.Cut(text, "# Mirrors.\n")
	if !ok {
		t.Fatal("no mirror is shown")
	}
	mirror = strings.ReplaceAll(strings.ReplaceAll(mirror, "\n# ", "\n"), "RWQ...", "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
	text = strings.ReplaceAll(head, "  # ", "  ") + strings.TrimPrefix(mirror, "# ")
	text = strings.NewReplacer("DE                       ISO", "DE # ISO").Replace(text)
	servers, problems = Parse("inventory.yaml", []byte(uncommented(text)))
	if problems != nil || len(servers) != 2 || !servers[1].Private || !servers[0].Partial {
		t.Errorf("what the comments show does not load: %+v, %v\n%s", servers, problems, text)
	}
}

// uncommented keeps of each line "key: value" what stands before the second run of blanks.
func uncommented(text string) string {
	var out []string
	for _, line := range strings.Split(text, "\n") {
		indent := len(line) - len(strings.TrimLeft(line, " "))
		if i := strings.Index(line[indent:], "   "); i >= 0 {
			line = line[:indent+i]
		}
		out = append(out, line)
	}
	return strings.Join(out, "\n")
}

func TestParse_Limits(t *testing.T) {
	for text, ok := range map[string]bool{
		"slots: 8": true, "slots: 0": true, "asn: 1": true, "asn: 4294967295": true,
		"key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3":     true,
		"key: RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3AAAA": false,
		"key: RUQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3":     false, // "ED" is a signature's
	} {
		_, problems := Parse("f", []byte("- {id: a, trees: {c: rsync://a.example.org/c/}, "+text+"}\n"))
		if (problems == nil) != ok {
			t.Errorf("%s: %v", text, problems)
		}
	}
}

func TestCountryHint(t *testing.T) {
	for found, want := range map[string]string{
		"UK": "did you mean GB?", "uk": "did you mean GB?", "EL": "did you mean GR?", "fi": "did you mean FI?", "Finland": "leave it out when it is not known",
	} {
		if got := CountryHint(found); got != want {
			t.Errorf("%s: got %q", found, got)
		}
	}
}

func TestURLHint(t *testing.T) {
	for found, want := range map[string]string{
		"ftp.example.org::centos/":            "did you mean rsync://ftp.example.org/centos/?",
		"rsync://ftp.example.org::centos":     "did you mean rsync://ftp.example.org/centos/?",
		"rsync://me@ftp.example.org:/centos":  "did you mean rsync://ftp.example.org/centos/?",
		"RSYNC://ftp.example.org:8730/centos": "did you mean rsync://ftp.example.org:8730/centos/?",
		"rsync://ftp.example.org":             "name the module: rsync rsync://ftp.example.org/ lists them",
		"rsync://ftp.example.org/":            "name the module: rsync rsync://ftp.example.org/ lists them",
		"http://ftp.example.org/centos":       "only rsync daemons are probed; http and ftp addresses are not",
		"ftp.example.org/centos":              "did you mean rsync://ftp.example.org/centos/?",
		"--rsh=sh":                            "", "centos": "", "": "", "/srv/centos": "", "rsync://-x/centos": "", "rsync://ftp.example.org/a b": "",
	} {
		if got := urlHint(found); got != want {
			t.Errorf("%s: got %q, want %q", found, got, want)
		}
	}
}

// FuzzInventory: nothing panics, and a server that was accepted without problems keeps every promise of Server.
func FuzzInventory(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/mirrors.d/*"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data)
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		servers, problems := Parse("f", data)
		for _, p := range problems {
			if p.Text == "" || p.Line < 0 || p.Line > len(data)+1 {
				t.Errorf("odd problem %+v", p)
			}
		}
		if problems != nil {
			return
		}
		ids := map[string]bool{}
		for _, s := range servers {
			if s.ID == "" || ids[s.ID] || s.Line == 0 || len(s.Trees) == 0 || s.Slots < 0 || s.Slots > MaxSlots || s.ASN < 0 ||
				s.Kind != KindNode && s.Kind != KindMirror || s.Country != "" && !geo.ValidCountry(s.Country) {
				t.Errorf("accepted %+v", s)
			}
			for name, u := range s.Trees {
				if again, err := rsyncurl.ParseAny(u.String()); err != nil || again != u {
					t.Errorf("%s: %v, %v", name, u, err)
				}
			}
			ids[s.ID] = true
		}
	})
}

func url(t *testing.T, s string) rsyncurl.URL {
	t.Helper()
	u, err := rsyncurl.Parse(s)
	if err != nil {
		t.Fatal(err)
	}
	return u
}

func write(t *testing.T, dir, name, text string) {
	t.Helper()
	if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}
