package config

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// FuzzConfig: no file makes the reader panic; an accepted one is fit for use, whatever it says.
func FuzzConfig(f *testing.F) {
	for _, pattern := range []string{"testdata/bad/*.yaml", "testdata/good/*.yaml"} {
		files, err := filepath.Glob(pattern)
		if err != nil {
			f.Fatal(err)
		}
		for _, file := range files {
			data, err := os.ReadFile(file)
			if err != nil {
				f.Fatal(err)
			}
			f.Add(bytes.ReplaceAll(data, []byte("../nodes.yaml"), []byte("nodes.yaml")))
		}
	}
	f.Add(Template(TemplateValues{Network: "centos", Inventory: "nodes.yaml"}))
	dir := f.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "nodes.yaml"), inventory.Template("centos"), 0o644); err != nil {
		f.Fatal(err)
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := parsePublisher(filepath.Join(dir, "tidemark.yaml"), data)
		if err != nil {
			if p != nil {
				t.Errorf("a configuration and an error: %v", err)
			}
			for _, one := range err.(strictyaml.Problems) {
				if one.Text == "" || one.File == "" || one.Line < 0 || one.Line > bytes.Count(data, []byte("\n"))+2 && one.File == filepath.Join(dir, "tidemark.yaml") {
					t.Errorf("odd problem %+v", one)
				}
			}
			return
		}
		usable(t, p)
	})
}

// usable asserts what callers rely on without looking.
func usable(t *testing.T, p *Publisher) {
	t.Helper()
	for _, path := range append(append(privateFiles(p), p.Inventory...), p.File, p.State, p.Trust, p.Publish[0].Dir) {
		if !filepath.IsAbs(path) {
			t.Errorf("path %q is not absolute", path)
		}
	}
	if len(p.Sign.OpenPGP) == 0 || len(p.Sign.Ed25519) == 0 || len(p.Trees) == 0 || p.Keep < p.Validity+keepMargin || p.Validity < minValidity {
		t.Errorf("not fit for use: %+v", p)
	}
	for _, k := range p.Sign.all() {
		places := 0
		for _, given := range []bool{k.File != "", k.GPG != nil, k.SSHAgent != "", k.KMS != nil} {
			if given {
				places++
			}
		}
		if places != 1 || k.String() == "" || (k.Public != "") != (k.SSHAgent != "" || k.KMS != nil) || k.Public != "" && !filepath.IsAbs(k.Public) {
			t.Errorf("a key that lives in %d places, or without its public half: %+v", places, k)
		}
	}
	for name, tree := range p.Trees {
		if tree.Master == "" || tree.TimeFile == "" || len(tree.Anchors) == 0 || tree.MaxWait <= 0 {
			t.Errorf("tree %s is not fit for use: %+v", name, tree)
		}
	}
}
