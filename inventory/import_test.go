package inventory

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

const lists = "testdata/import/"

// TestImport compares what becomes of each list with the golden beside it: the inventory, then the notes.
func TestImport(t *testing.T) {
	for _, tt := range []struct {
		golden string
		format Format
		list   string
		o      ImportOptions
	}{
		{"almalinux", AlmaLinux, "mirrors.d", ImportOptions{Tree: "almalinux"}},
		{"dirt", AlmaLinux, "dirt.d", ImportOptions{Tree: "almalinux"}},
		{"debian", Debian, "Mirrors.masterlist", ImportOptions{Tree: "debian"}},
		{"centos", CentOS, "full-mirrorlist.csv", ImportOptions{Tree: "c7", Path: "/7/"}},
		{"arch", Arch, "arch-status.json", ImportOptions{Tree: "arch"}},
		{"csv", CSV, "plain.csv", ImportOptions{Tree: "almalinux"}},
	} {
		t.Run(tt.golden, func(t *testing.T) {
			im, err := Import(tt.format, lists+tt.list, tt.o)
			if err != nil {
				t.Fatal(err)
			}
			accounted(t, im)
			var b strings.Builder
			fmt.Fprintf(&b, "%d entries: %d servers, %d skipped, %d mended\n", im.Entries, len(im.Servers), im.Count(NoteSkipped), im.Count(NoteMended))
			b.Write(Marshal(im.Servers))
			for _, n := range im.Notes {
				fmt.Fprintf(&b, "%s %s:%d %s [%s] %s: %s\n", n.Kind, strings.TrimPrefix(n.File, lists), n.Line, n.Entry, n.ID, n.Why, strings.ReplaceAll(n.Text, lists, ""))
			}
			file := lists + tt.golden + ".golden"
			if *update {
				if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), b.String()); diff != "" {
				t.Errorf("(-want +got):\n%s", diff)
			}
		})
	}
}

// accounted wants each entry to be a server or a skipped note, the inventory to be read back the same, and all text to be fit for
// people.
func accounted(t *testing.T, im *Imported) {
	t.Helper()
	if im.Entries != len(im.Servers)+im.Count(NoteSkipped) {
		t.Errorf("%d entries, %d servers, %d skipped", im.Entries, len(im.Servers), im.Count(NoteSkipped))
	}
	again, problems := Parse("imported.yaml", Marshal(im.Servers))
	if problems != nil {
		t.Fatalf("the inventory made of it: %v", problems)
	}
	if diff := cmp.Diff(im.Servers, again, sameServers...); diff != "" {
		t.Errorf("read back (-imported +read):\n%s", diff)
	}
	ids := map[string]bool{}
	for _, s := range im.Servers {
		ids[s.ID] = true
		if s.File == "" || s.Kind != KindMirror || len(s.Trees) != 1 {
			t.Errorf("%+v", s)
		}
	}
	for _, n := range im.Notes {
		if text := n.Entry + n.Why + n.Text + n.ID; strings.ContainsFunc(text, func(r rune) bool { return !unicode.IsPrint(r) }) {
			t.Errorf("not printable: %q", text)
		}
		if ids[n.ID] == (n.Kind == NoteSkipped) || (n.Why == "") == (n.Kind == NoteSkipped) || n.Text == "" || n.Entry == "" || n.File == "" {
			t.Errorf("note %+v", n)
		}
	}
}

var sameServers = []cmp.Option{cmpopts.IgnoreFields(Server{}, "File", "Line"), cmpopts.EquateEmpty(), cmp.Comparer(func(a, b rsyncurl.URL) bool { return a == b })}

// TestImport_Real530 imports the list of AlmaLinux as it was on one day, which is no part of the sources: where it is not there, the
// selection of it in testdata is all that is tried.
func TestImport_Real530(t *testing.T) {
	const real = "../../shared/data/"
	if _, err := os.Stat(real + "almalinux-mirrors.d"); err != nil {
		t.Skip("the full list is not here; testdata/import has a selection of it")
	}
	im, err := Import(AlmaLinux, real+"almalinux-mirrors.d", ImportOptions{Tree: "almalinux"})
	if err != nil {
		t.Fatal(err)
	}
	accounted(t, im)
	why := map[string]int{}
	for _, n := range im.Notes {
		why[n.Why]++
	}
	// 263 have an rsync URL: five of these name no module, one has a user.
	if im.Entries != 530 || len(im.Servers) != 257 || why[whyNoRsync] != 267 || why[whyRefused] != 6 {
		t.Errorf("%d entries, %d servers, %v", im.Entries, len(im.Servers), why)
	}
	table, err := Import(CSV, real+"real-mirrors.csv", ImportOptions{Tree: "almalinux"})
	if err != nil {
		t.Fatal(err)
	}
	accounted(t, table)
	same := append(slices.Clone(sameServers), cmpopts.IgnoreFields(Server{}, "ASN", "Group")) // columns that the table lacks
	same = append(same, cmp.FilterPath(func(p cmp.Path) bool { return p.String() == "City" }, cmp.Ignore()))
	if diff := cmp.Diff(im.Servers, table.Servers, same...); diff != "" {
		t.Errorf("the same list in two formats (-mirrors.d +csv):\n%s", diff)
	}
	var text []string
	for _, n := range im.Notes {
		text = append(text, n.Text)
	}
	for _, want := range []string{`country "UK" -> GB`, `country "Germany" -> DE`, `country "Australia" -> AU`} {
		if !strings.Contains(strings.Join(text, "\n"), want) {
			t.Errorf("nothing says %s", want)
		}
	}
}

// TestImport_URL has what stands in lists for an rsync URL, what is made of it, and whether that is said.
func TestImport_URL(t *testing.T) {
	for _, tt := range []struct {
		written, path, want string
		mended              bool
	}{
		{"rsync://a.example.org/m/", "", "rsync://a.example.org/m/", false},
		{"rsync://a.example.org/m", "", "rsync://a.example.org/m/", false},
		{"rsync://a.example.org/m/p", "", "rsync://a.example.org/m/p/", true},
		{"rsync://a.example.org/m/p/", "", "rsync://a.example.org/m/p/", false},
		{" rsync://a.example.org/m/\t", "", "rsync://a.example.org/m/", true},
		{"\u00a0rsync://a.example.org/m/", "", "rsync://a.example.org/m/", true},
		{"RSYNC://A.example.org/m/", "", "rsync://a.example.org/m/", true},
		{"rsync://a.example.org./m/", "", "rsync://a.example.org/m/", true},
		{"rsync://a.example.org:873/m/", "", "rsync://a.example.org/m/", true},
		{"rsync://a.example.org:8730/m/", "", "rsync://a.example.org:8730/m/", false},
		{"rsync://a.example.org:/m/", "", "rsync://a.example.org/m/", true},
		{"rsync://a.example.org//m//p//", "", "rsync://a.example.org/m/p/", true},
		{"rsync:///a.example.org/m/", "", "rsync://a.example.org/m/", true},
		{"a.example.org::m", "", "rsync://a.example.org/m/", true},
		{"a.example.org::m/p", "", "rsync://a.example.org/m/p/", true},
		{"rsync://a.example.org::m/", "", "rsync://a.example.org/m/", true},
		{"rsync://[2001:DB8::1]/m/", "", "rsync://[2001:db8::1]/m/", true},
		{"rsync+tls://a.example.org/m/", "", "rsync+tls://a.example.org/m/", false},
		{"rsync://a.example.org/m", "p/", "rsync://a.example.org/m/p/", false},
		{"rsync://a.example.org/m/", "p/q/", "rsync://a.example.org/m/p/q/", false},
		{"rsync://a.example.org", "m/", "rsync://a.example.org/m/", false},
		{"A.example.org::m", "p/", "rsync://a.example.org/m/p/", true},
		{"", "", "", false}, {"  ", "", "", false}, {"rsync://a.example.org", "", "", false}, {"rsync://a.example.org/", "", "", false},
		{"https://a.example.org/m/", "", "", false}, {"ftp://a.example.org/m/", "", "", false}, {"a.example.org/m", "", "", false}, {"a.example.org:m", "", "", false},
		{"rsync://user@a.example.org/m/", "", "", false}, {"user@a.example.org::m", "", "", false}, {"rsync://u:secret@a.example.org/m/", "", "", false},
		{"rsync://a.example.org/m/../p", "", "", false}, {"rsync://--rsh=sh/m/", "", "", false}, {"rsync://a.example.org/m p/", "", "", false},
		{"rsync://2130706433/m/", "", "", false}, {"rsync://a.example.org/#list", "", "", false}, {"rsync://a.example.org/m/\n", "", "rsync://a.example.org/m/", true},
		{"rsync://" + strings.Repeat("a", 1100), "", "", false}, {"::", "", "", false}, {"::m", "", "", false}, {"rsync://", "", "", false},
	} {
		m := mender{entry: &entry{rsync: tt.written}}
		got := m.url(tt.path)
		if got.String() != tt.want || len(m.mended) > 0 != tt.mended || (m.why == "") != (tt.want != "") {
			t.Errorf("%.60q + %q: %v, %v, skipped for %q; expected %q, mended %v", tt.written, tt.path, got, m.mended, m.text, tt.want, tt.mended)
		}
		if strings.Contains(m.text+strings.Join(m.mended, ""), "secret") {
			t.Errorf("a password is shown: %s %v", m.text, m.mended)
		}
	}
}

// TestImport_WholeList: what is wrong with a list as a whole is an error, and names what was expected.
func TestImport_WholeList(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "empty", "")
	write(t, dir, "words", "This page has moved.\n")
	write(t, dir, "page.html", "<html><body>Not Found</body></html>\n")
	write(t, dir, "short.csv", "country,city,rsync\nSE,Lund,rsync://a.se/a/\n")
	write(t, dir, "own.csv", "region,country,sponsor,rsync,private\nEU,SE,A,rsync://a.se/a/,yes\n")
	write(t, dir, "object.json", `{"mirrors": []}`)
	write(t, dir, "many.csv", "id,rsync\n"+strings.Repeat("a,\n", maxListEntries+1))
	write(t, dir, "many.json", `{"urls": [`+strings.Repeat(`{},`, maxListEntries)+`{}]}`)
	write(t, dir, "many.list", strings.Repeat("Site: a\n\n", maxListEntries+1))
	for _, tt := range []struct {
		format Format
		list   string
		o      ImportOptions
		want   string
	}{
		{AlmaLinux, dir, ImportOptions{Tree: "a"}, "has no *.yml file"},
		{AlmaLinux, dir + "/absent", ImportOptions{Tree: "a"}, "no such file"},
		{CSV, dir, ImportOptions{Tree: "a"}, "is a directory"},
		{Debian, dir + "/empty", ImportOptions{Tree: "a"}, "empty"},
		{CentOS, dir + "/empty", ImportOptions{Tree: "a"}, "empty"},
		{Arch, dir + "/empty", ImportOptions{Tree: "a"}, "expected an object with a list urls"},
		{Arch, dir + "/page.html", ImportOptions{Tree: "a"}, "expected an object with a list urls"},
		{Debian, lists + "full-mirrorlist.csv", ImportOptions{Tree: "a"}, "no paragraph has a field Site"},
		{AlmaLinux, lists + "full-mirrorlist.csv", ImportOptions{Tree: "a"}, "full-mirrorlist.csv: not valid YAML"},
		{CentOS, lists + "plain.csv", ImportOptions{Tree: "a"}, "not those of the full mirror list of CentOS"},
		{CentOS, dir + "/short.csv", ImportOptions{Tree: "a"}, "not those of the full mirror list of CentOS"},
		{CentOS, dir + "/own.csv", ImportOptions{Tree: "a"}, "not those of the full mirror list of CentOS"},
		{CSV, lists + "full-mirrorlist.csv", ImportOptions{Tree: "a"}, "those of the full mirror list of CentOS, where a country may be a state"},
		{Arch, dir + "/object.json", ImportOptions{Tree: "a"}, "empty"},
		{CSV, dir + "/words", ImportOptions{Tree: "a"}, `"This page has moved.", expected the names of columns, one of them rsync`},
		{CentOS, dir + "/page.html", ImportOptions{Tree: "a"}, "expected the names of columns"},
		{CSV, dir + "/many.csv", ImportOptions{Tree: "a"}, "more than 20000 entries"},
		{Arch, dir + "/many.json", ImportOptions{Tree: "a"}, "more than 20000 entries"},
		{Debian, dir + "/many.list", ImportOptions{Tree: "a"}, "more than 20000 entries"},
		{"fedora", dir + "/words", ImportOptions{Tree: "a"}, "expected one of [almalinux debian centos arch csv]"},
		{CSV, lists + "plain.csv", ImportOptions{}, "the tree's name"},
		{CSV, lists + "plain.csv", ImportOptions{Tree: "A"}, "the tree's name"},
		{CSV, lists + "plain.csv", ImportOptions{Tree: "a", Path: "../x"}, `".." in the path`},
	} {
		im, err := Import(tt.format, tt.list, tt.o)
		if err == nil || !strings.Contains(err.Error(), tt.want) {
			t.Errorf("%s %s: %+v, %v, expected %q", tt.format, tt.list, im, err, tt.want)
		}
	}
}

// TestImport_Files: what cannot be read in a directory is a skipped entry, a pipe is not waited for, a large file not read.
func TestImport_Files(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "good.yml", "name: good.example.org\naddress: {rsync: rsync://good.example.org/a/}\n")
	write(t, dir, "large.yml", "name: large.example.org\n"+strings.Repeat("#", maxEntrySize))
	write(t, dir, ".hidden.yml", "name: hidden.example.org\n")
	write(t, dir, "README.md", "words\n")
	if err := errors.Join(os.Symlink("nowhere", filepath.Join(dir, "gone.yml")), os.Mkdir(filepath.Join(dir, "dir.yml"), 0o755),
		syscall.Mkfifo(filepath.Join(dir, "pipe.yaml"), 0o644)); err != nil {
		t.Fatal(err)
	}
	im, err := Import(AlmaLinux, dir, ImportOptions{Tree: "a"})
	if err != nil {
		t.Fatal(err)
	}
	accounted(t, im)
	var got []string
	for _, n := range im.Notes {
		got = append(got, n.Entry+": "+strings.ReplaceAll(n.Text, dir+"/", ""))
	}
	want := []string{"dir: cannot be read: no regular file (d---------)", "gone: cannot be read: no such file or directory",
		"large: cannot be read: large.yml: larger than 65536 bytes", "pipe: cannot be read: no regular file (p---------)"}
	if diff := cmp.Diff(want, got); diff != "" || len(im.Servers) != 1 {
		t.Errorf("%d servers (-want +got):\n%s", len(im.Servers), diff)
	}
}

// TestImport_YAMLBomb: aliases are not followed, so that a few bytes do not become many.
func TestImport_YAMLBomb(t *testing.T) {
	bomb := "a: &a [x,x,x,x,x,x,x,x,x]\n"
	for c := 'b'; c < 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%[1]c [%s]\n", c, strings.TrimSuffix(strings.Repeat("*"+string(c-1)+",", 9), ","))
	}
	e := parseAlmaLinux(listFile{name: "bomb.yml", data: []byte(bomb + "name: bomb\naddress: *y\nasn: *y\n")})
	if e.name != "bomb" || e.rsync != "" || e.asns != nil {
		t.Errorf("%+v", e)
	}
}

// TestImport_Hostile: shapes that make careless readers slow or deep are read, or refused, at once; the test's deadline is the bound.
func TestImport_Hostile(t *testing.T) {
	var countries strings.Builder
	countries.WriteString("id,rsync,country\n")
	for i := range 1000 {
		fmt.Fprintf(&countries, "a%d,rsync://a%[1]d.se/c/,Q%[1]dz\n", i)
	}
	for _, tt := range []struct {
		format Format
		text   string
	}{
		{Debian, "Site: a\nArchive-rsync: m/\n" + strings.Repeat(" b\n", 200_000)}, {CSV, countries.String()},
		{CSV, "id,rsync\n\"" + strings.Repeat("\n", 200_000)}, {CSV, "id,rsync\n" + strings.Repeat(",", 200_000)},
		{AlmaLinux, strings.Repeat("[", 60_000)}, {AlmaLinux, strings.Repeat("- ", 30_000)}, {AlmaLinux, strings.Repeat("? ", 30_000)},
		{Arch, `{"urls":` + strings.Repeat("[", 200_000)}, {Arch, `{"urls":[` + strings.Repeat(`{"url":`, 5000)},
	} {
		im, err := importFiles(tt.format, []listFile{{name: "list", data: []byte(tt.text)}}, ImportOptions{Tree: "a"})
		if err == nil {
			accounted(t, im)
		}
	}
}

// TestMarshal: every key is written so that it is read back, and words that YAML may take for something else are quoted.
func TestMarshal(t *testing.T) {
	servers := []Server{
		{ID: "123", Kind: KindMirror, Country: "NO", City: "no", Slots: 2, Trees: map[string]rsyncurl.URL{"null": url(t, "rsync://[2001:db8::1]:8730/a,b/{c}/")}},
		{ID: "1e3", Kind: KindNode, Slots: 4, ASN: 1<<32 - 1, Maintenance: true, Private: true, Trees: map[string]rsyncurl.URL{"a": url(t, "rsync://a.example.org/m/"), "b": url(t, "rsync://a.example.org/m/#x/")}},
		{ID: "a.example.org", Kind: KindMirror, Slots: 0, Partial: true, Group: `"quoted" \ # : {x}`, City: "Århus – Ø", Trees: map[string]rsyncurl.URL{"a": url(t, "rsync://a.example.org/m/")}},
		{ID: "b.example.org", Kind: KindMirror, Slots: 1, MaxConnections: 1, Partial: true, Exclude: []string{"*/isos/", "- x-", `a"\b`, "é[!a]"[1:]}, Key: "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3",
			Trees: map[string]rsyncurl.URL{"a": url(t, "rsync://b.example.org/m/")}},
	}
	servers[3].Exclude = []string{"*/isos/", "-x", `a"\b`, "é[!a]"}
	text := Marshal(servers)
	got, problems := Parse("x.yaml", text)
	if problems != nil {
		t.Fatalf("%v\n%s", problems, text)
	}
	if diff := cmp.Diff(servers, got, sameServers...); diff != "" {
		t.Errorf("(-want +got):\n%s\n%s", diff, text)
	}
	if !strings.Contains(string(text), `country: "NO", city: "no"`) {
		t.Errorf("not quoted:\n%s", text)
	}
	if none, problems := Parse("x.yaml", Marshal(nil)); problems != nil || len(none) != 0 {
		t.Errorf("no servers: %v, %v", none, problems)
	}
}

func FuzzImport(f *testing.F) {
	formats := Formats()
	for i, format := range formats {
		seeds, err := filepath.Glob(lists + map[Format]string{AlmaLinux: "*.d/*.yml", Debian: "Mirrors.masterlist", CentOS: "full-mirrorlist.csv", Arch: "*.json", CSV: "plain.csv"}[format])
		if err != nil || len(seeds) == 0 {
			f.Fatalf("%s: no seeds, %v", format, err)
		}
		for _, seed := range seeds {
			data, err := os.ReadFile(seed)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(uint8(i), data)
		}
	}
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		if len(data) > strictyaml.MaxSize/4 {
			return
		}
		im, err := importFiles(formats[int(which)%len(formats)], []listFile{{name: "list", data: data}}, ImportOptions{Tree: "a"})
		if err == nil {
			accounted(t, im)
		}
	})
}

// TestImport_Truth: a word that is neither yes nor no makes no public server, in no format.
func TestImport_Truth(t *testing.T) {
	alma := "name: a.se\naddress: {rsync: rsync://a.se/a/}\n"
	csv := "id,rsync,private,active\na.se,rsync://a.se/a/,"
	debian := "Site: a.se\nArchive-rsync: a/\nSleep: "
	arch := `{"urls":[{"url":"rsync://a.se/a/","active":`
	for _, tt := range []struct {
		format           Format
		text             string
		want, why, text2 string // the server's line; or why it is skipped
	}{
		{CSV, csv + ",", "public", "", ""},
		{CSV, csv + " , ", "public", "", ""},
		{CSV, csv + "No,YES", "public", "", ""},
		{CSV, csv + "y,", "private", "", ""},
		{CSV, csv + "1,1", "private", "", ""},
		{CSV, csv + "maybe,", "", whyUnclear, `private: found "maybe", expected yes or no`},
		{CSV, csv + "privat,yes", "", whyUnclear, `private: found "privat", expected yes or no`},
		{CSV, csv + ",perhaps", "", whyUnclear, `active: found "perhaps", expected yes or no`},
		{CSV, csv + ",no", "", whyInactive, `active: "no"`},
		{CSV, csv + "b, c,yes,yes", "", whyBroken, "found 6 fields, expected 4: a comma within a field needs quotes about it"},
		{CSV, csv + "yes,yes,,", "private", "", ""},
		{AlmaLinux, alma, "public", "", ""},
		{AlmaLinux, alma + "private:\n", "public", "", ""},
		{AlmaLinux, alma + "Private: off\n", "public", "", ""},
		{AlmaLinux, alma + "private: Yes\n", "private", "", ""},
		{AlmaLinux, alma + "private: maybe\n", "", whyUnclear, `private: found "maybe", expected yes or no`},
		{AlmaLinux, alma + "private: [true]\n", "", whyUnclear, "private: expected true or false"},
		{AlmaLinux, "x: &x true\n" + alma + "private: *x\n", "", whyUnclear, "private: expected true or false"},
		{Debian, debian + "no", "public", "", ""},
		{Debian, debian + "yes", "", whyInactive, "Sleep: yes"},
		{Debian, debian + "since May", "", whyUnclear, `Sleep: found "since May", expected yes or no`},
		{Arch, arch + "null}]}", "public", "", ""},
		{Arch, arch + `"yes"}]}`, "", whyBroken, "active: found a string, expected another type"},
	} {
		im, err := importFiles(tt.format, []listFile{{name: "list", data: []byte(tt.text)}}, ImportOptions{Tree: "a"})
		if err != nil {
			t.Errorf("%q: %v", tt.text, err)
			continue
		}
		accounted(t, im)
		got, why, text := "", "", ""
		if len(im.Servers) > 0 {
			got = map[bool]string{true: "private", false: "public"}[im.Servers[0].Private]
		} else {
			why, text = im.Notes[0].Why, im.Notes[0].Text
		}
		if got != tt.want || why != tt.why || text != tt.text2 {
			t.Errorf("%q: %q, %q, %q; expected %q, %q, %q", tt.text, got, why, text, tt.want, tt.why, tt.text2)
		}
	}
}

// TestImport_Order: which of two entries has an id hangs neither on their order nor, once it is given, on the alphabet.
func TestImport_Order(t *testing.T) {
	const a, b = "h.se,rsync://h.se/fast/\n", "h.se,rsync://h.se/slow/\n"
	for _, tt := range []struct{ text, now, want string }{
		{a + b, "", "fast"}, {b + a, "", "fast"}, {a + b, "slow", "slow"}, {b + a, "slow", "slow"}, {b + a, "third", "fast"}, {a + a, "", "fast"},
	} {
		o := ImportOptions{Tree: "a"}
		if tt.now != "" {
			o.Now = parsed(t, "{id: h.se, trees: {a: rsync://h.se/"+tt.now+"/}}")
		}
		im, err := importFiles(CSV, []listFile{{name: "list", data: []byte("id,rsync\n" + tt.text)}}, o)
		if err != nil {
			t.Fatal(err)
		}
		accounted(t, im)
		if got := im.Servers[0].Trees["a"].String(); len(im.Servers) != 1 || got != "rsync://h.se/"+tt.want+"/" {
			t.Errorf("%q, now %s: %s", tt.text, tt.now, got)
		}
	}
}

// TestImport_PrivateTwin: a server that one of its entries calls private is private, whichever entry is taken.
func TestImport_PrivateTwin(t *testing.T) {
	im, err := importFiles(CSV, []listFile{{name: "list", data: []byte("id,rsync,private\nh.se,rsync://h.se/a/,no\nh.se,rsync://h.se/b/,yes\n")}}, ImportOptions{Tree: "a"})
	if err != nil {
		t.Fatal(err)
	}
	accounted(t, im)
	if s := im.Servers[0]; !s.Private || s.Trees["a"].String() != "rsync://h.se/a/" {
		t.Errorf("%+v", s)
	}
}

// TestSniff: each list of testdata is known by its form, and by that of no other.
func TestSniff(t *testing.T) {
	dir := t.TempDir()
	write(t, dir, "words", "This page has moved.\n")
	write(t, dir, "page.html", "<html><body>Not Found</body></html>\n")
	for path, want := range map[string]Format{
		lists + "mirrors.d": AlmaLinux, lists + "mirrors.d/ftp.arnes.si.yml": AlmaLinux, lists + "Mirrors.masterlist": Debian,
		lists + "full-mirrorlist.csv": CentOS, lists + "arch-status.json": Arch, lists + "plain.csv": CSV,
		dir + "/words": "", dir + "/page.html": "", dir: "", dir + "/absent": "",
	} {
		if got := Sniff(path); got != want {
			t.Errorf("%s: %q, expected %q", path, got, want)
		}
		for _, f := range Formats() {
			if _, err := Import(f, path, ImportOptions{Tree: "a"}); want != "" && err == nil && f != want {
				t.Errorf("%s was read as %s", path, f)
			}
		}
	}
}

// TestImport_Notes: what a person should know of a list beside its entries.
func TestImport_Notes(t *testing.T) {
	im, err := importFiles(CSV, []listFile{{name: "list", data: []byte("host, rsync ,State,URL,Privat\nten.se,rsync://10.0.0.5/a/,,,yes\n")}}, ImportOptions{Tree: "a"})
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff([]string{"State", "Privat"}, im.Unread); diff != "" {
		t.Errorf("unread (-want +got):\n%s", diff)
	}
	if len(im.Notes) != 1 || im.Notes[0].Kind != NoteKept || im.Notes[0].Text != "10.0.0.5 is a private address, which is not probed without probe.allow_private" {
		t.Errorf("%+v", im.Notes)
	}
	im, err = importFiles(Debian, []listFile{{name: "list", data: []byte("Site: a.se\nArchive-rsync: a/\n\nno field\n")}}, ImportOptions{Tree: "a"})
	if err != nil || im.Notes[0].Entry != "line 4" || im.Notes[0].Text != `found "no field", expected a field, a colon and a value` {
		t.Errorf("%+v, %v", im, err)
	}
}
