package config

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// FuzzMirror: no file makes the reader panic; from an accepted one no tree lies where a sync must not delete, and nothing
// that is handed to rsync could be something else.
func FuzzMirror(f *testing.F) {
	for _, pattern := range []string{"testdata/mirror/bad/*.yaml", "testdata/mirror/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(data, "Europe/Helsinki")
		}
	}
	f.Add(MirrorTemplate(MirrorTemplateValues{Network: "centos", ID: "a"}), "")
	f.Fuzz(func(t *testing.T, data []byte, zone string) {
		m, err := parseMirror("/etc/tidemark/mirror.yaml", data, zone, testRules())
		if err == nil {
			sound(t, m)
			return
		}
		if m != nil {
			t.Errorf("a configuration and an error: %v", err)
		}
		for _, one := range err.(strictyaml.Problems) {
			if one.Text == "" || one.File == "" || one.Line < 0 || one.Line > bytes.Count(data, []byte("\n"))+2 {
				t.Errorf("odd problem %+v", one)
			}
		}
	})
}

// sound asserts what callers rely on without looking.
func sound(t *testing.T, m *Mirror) {
	t.Helper()
	paths := []string{m.State, m.Trust}
	for _, p := range append([][]string{m.Before, m.After}, []string{m.Rsync}, []string{m.Lock}, []string{m.CA}) {
		if len(p) > 0 && p[0] != "" {
			paths = append(paths, p[0])
		}
	}
	for name, tree := range m.Trees {
		paths = append(paths, tree.Path)
		if ident.Check(name) != nil || tree.Path == "/" || overlap(tree.Path, m.State) || tree.MaxDelete < 0 || tree.Bandwidth < 0 {
			t.Errorf("tree %q is not fit for use: %+v", name, tree)
		}
		for other, two := range m.Trees {
			if other != name && overlap(tree.Path, two.Path) {
				t.Errorf("trees %s and %s lie in one another: %s, %s", name, other, tree.Path, two.Path)
			}
		}
	}
	for _, path := range paths {
		if !filepath.IsAbs(path) || filepath.Clean(path) != path {
			t.Errorf("path %q is not absolute and clean", path)
		}
	}
	if len(m.Trees) == 0 || ident.Check(m.ID) != nil || ident.Check(m.Network) != nil || m.Timeout < 1e9 || m.ConnectTimeout < 1e9 ||
		m.Splay < 0 || m.Splay > maxSplay || (m.Family != 0 && m.Family != 4 && m.Family != 6) || m.URL == "" {
		t.Errorf("not fit for use: %+v", m)
	}
	if strings.Contains(m.URL, "://") && !strings.HasSuffix(m.URL, "/") {
		t.Errorf("origin %q without a final slash", m.URL)
	}
	if m.Fallback != nil {
		for _, u := range m.Fallback.Sources {
			if again, err := rsyncurl.Parse(u.String()); err != nil || again != u {
				t.Errorf("fallback %q is no URL: %v", u, err)
			}
		}
	}
}
