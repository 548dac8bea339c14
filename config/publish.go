package config

import (
	"net/url"
	"path"
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
		case t.Dir != nil && t.S3 != nil:
			c.doc.Refuse(t.At("s3"), "make two targets of them", "found dir and s3 in one target, expected one of them")
		case t.Dir != nil:
			target.Dir = c.path(t.At("dir"), *t.Dir)
		case t.S3 != nil:
			target.S3 = c.bucket(*t.S3)
		case !c.doc.Given(t.At("dir")) && !c.doc.Given(t.At("s3")):
			c.doc.Refuse(t.At("dir"), "or s3: {bucket: ..., region: ...}", "missing, expected the directory that a web server serves")
		}
		if place := target.place(); place != "" && seen[place] {
			c.doc.Refuse(t.At("dir"), "remove one of the two", "%s is published to twice", target)
		} else {
			seen[place] = true
		}
		if t.URL != nil {
			target.URL = c.url(t.At("url"), *t.URL)
		}
		target.Purge = c.purges(t.Purge)
		out = append(out, target)
	}
	return out
}

// place tells two targets apart.
func (t Target) place() string {
	if t.S3 != nil {
		return t.S3.Endpoint + " " + t.String()
	}
	return t.Dir
}

func (c *checker) bucket(f s3File) *S3 {
	out := &S3{Bucket: f.Bucket, PathStyle: f.PathStyle != nil && *f.PathStyle, Region: text(f.Region), Checksum: text(f.Checksum)}
	if strings.ContainsAny(f.Bucket, "/ ") {
		c.doc.Refuse(f.At("bucket"), "what follows the bucket goes into prefix", "found %.120q, expected a bucket's name alone", f.Bucket)
	}
	if p := strings.Trim(text(f.Prefix), "/"); p != "" {
		if path.Clean("/"+p) != "/"+p || strings.ContainsFunc(p, func(r rune) bool { return r <= ' ' || r > '~' }) {
			c.doc.Refuse(f.At("prefix"), "", "found %.120q, expected a plain path like centos/", *f.Prefix)
		}
		out.Prefix = p + "/"
	}
	if f.Endpoint != nil {
		out.Endpoint = strings.TrimSuffix(c.url(f.At("endpoint"), *f.Endpoint), "/")
	}
	if f.CA != nil {
		out.CA = c.path(f.At("ca"), *f.CA)
	}
	if out.Checksum != "" && out.Checksum != "when_required" {
		c.doc.Refuse(f.At("checksum"), "leave it out unless the store refuses checksums", "found %.40q, expected when_required", out.Checksum)
	}
	return out
}

func (c *checker) purges(files []purgeFile) (out []Purge) {
	for _, f := range files {
		if f.Line == 0 {
			continue
		}
		p := Purge{CloudFront: text(f.CloudFront), Method: text(f.Method)}
		switch {
		case (f.CloudFront != nil) == (f.URL != nil):
			c.doc.Refuse(f.At("url"), "", "expected either cloudfront or url")
		case f.URL != nil:
			p.URL = c.url(f.At("url"), *f.URL)
		case f.Method != nil || f.TokenFile != nil:
			c.doc.Refuse(f.At("cloudfront"), "remove method and token_file", "a distribution is purged with the AWS credentials alone")
		}
		if p.URL != "" && p.Method == "" {
			p.Method = "PURGE"
		}
		if p.Method != "" && p.Method != "PURGE" && p.Method != "BAN" {
			c.doc.Refuse(f.At("method"), "", "found %.40q, expected PURGE or BAN", p.Method)
		}
		if f.TokenFile != nil {
			p.TokenFile = c.path(f.At("token_file"), *f.TokenFile)
		}
		out = append(out, p)
	}
	return out
}

func text(s *string) string {
	if s == nil {
		return ""
	}
	return *s
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

// privateFiles are no reader's business.
func privateFiles(p *Publisher) []string {
	out := signFiles(p)
	if p.Beacon != nil && p.Beacon.RFC2136 != nil {
		out = append(out, p.Beacon.RFC2136.TSIGFile)
	}
	if p.Beacon != nil && p.Beacon.ZoneFile != nil {
		out = append(out, p.Beacon.ZoneFile.Path)
	}
	if p.Checkin != nil && p.Checkin.Key != "" {
		out = append(out, p.Checkin.Key)
	}
	return out
}

// signFiles are the private keys' files and those of their passphrases, directories of gpg and sockets of agents.
func signFiles(p *Publisher) []string {
	var out []string
	for _, k := range p.Sign.all() {
		for _, file := range []string{k.File, k.PassphraseFile, k.home(), k.socket()} {
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
