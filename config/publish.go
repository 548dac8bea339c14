package config

import (
	"net/url"
	"path/filepath"
	"strings"

	"tidemark/internal/strictyaml"
)

func (c *checker) targets(f publisherFile) []Target {
	if len(f.Publish) == 0 {
		c.doc.Refuse(f.At("publish"), "e.g. [{dir: /srv/www/centos}]", "found an empty list, expected a place to publish at")
	}
	var out []Target
	seen := map[string]bool{}
	for _, t := range f.Publish {
		if t.Line == 0 { // no target at all, and reported as such
			continue
		}
		target := Target{}
		switch {
		case c.doc.Given(t.At("s3")) && !c.doc.Given(t.At("dir")): // refused already
		case !c.doc.Given(t.At("dir")):
			c.doc.Refuse(t.At("dir"), "", "missing, expected the directory that a web server serves")
		default:
			target.Dir = c.path(t.At("dir"), t.Dir)
		}
		if seen[target.Dir] && target.Dir != "" {
			c.doc.Refuse(t.At("dir"), "remove one of the two", "%s is published to twice", target.Dir)
		}
		seen[target.Dir] = true
		if t.URL != nil {
			target.URL = c.url(t.At("url"), *t.URL)
		}
		out = append(out, target)
	}
	return out
}

// url returns the address with a final slash.
func (c *checker) url(field, s string) string {
	u, err := url.Parse(s)
	switch {
	case err != nil, u.Scheme != "https" && u.Scheme != "http", u.Hostname() == "", u.Opaque != "":
		c.doc.Refuse(field, "", "found %.120q, expected an address like https://mirrors.example.org/centos/", s)
		return ""
	case u.User != nil, u.RawQuery != "", u.ForceQuery, u.Fragment != "":
		c.doc.Refuse(field, "", "found an address with a user, a ? or a #, expected a plain one like https://mirrors.example.org/centos/")
		return ""
	}
	return strings.TrimSuffix(u.String(), "/") + "/"
}

// apart keeps what is private out of what is published, and the site out of the master.
func (c *checker) apart(f publisherFile, p *Publisher) {
	for i, t := range p.Publish {
		if t.Dir == "" {
			continue
		}
		private := append(privateFiles(p), p.State)
		for _, file := range private {
			if within(file, t.Dir) {
				c.doc.Refuse(strictyaml.Path(strictyaml.Item(f.At("publish"), i), "dir"), "choose a directory that holds the site alone",
					"%s would be published: %s lies in it", t.Dir, file)
			}
		}
		for _, name := range sortedKeys(p.Trees) {
			if p.Trees[name].Master == t.Dir {
				c.doc.Refuse(strictyaml.Path(strictyaml.Item(f.At("publish"), i), "dir"), "choose a directory that holds the site alone",
					"%s is the master of the tree %s", t.Dir, name)
			}
		}
	}
}

func privateFiles(p *Publisher) []string {
	var out []string
	for _, k := range append(append([]KeyFile(nil), p.Sign.OpenPGP...), p.Sign.Ed25519...) {
		for _, file := range []string{k.Key, k.PassphraseFile} {
			if file != "" {
				out = append(out, file)
			}
		}
	}
	return out
}

// within says whether file is dir or lies below it; both absolute and clean.
func within(file, dir string) bool {
	rel, err := filepath.Rel(dir, file)
	return file != "" && err == nil && rel != ".." && !strings.HasPrefix(rel, "../")
}
