package config

import (
	"net/netip"
	"net/url"
	"slices"
	"strings"

	"tidemark/internal/ident"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

const (
	defaultMaxDelete = 40000
	mostMaxDelete    = 1_000_000_000
	defaultFormat    = "auto"
)

func (c *mirrorChecker) mirrorTrees(f mirrorFile, m *Mirror) {
	m.Trees = map[string]MirrorTree{}
	if n := len(f.Trees); n == 0 || n > maxTrees {
		c.doc.Refuse(f.At("trees"), "", "found %d trees, expected 1 to %d", n, maxTrees)
	}
	names := sortedKeys(f.Trees)
	for i, name := range names {
		if err := ident.Check(name); err != nil {
			c.doc.Refuse(f.At("trees", name), lowerHint(name), "%v", err)
		}
		tree := f.Trees[name]
		if tree.Line == 0 { // no tree at all, and reported as such
			continue
		}
		m.Trees[name] = c.mirrorTree(tree)
		c.place(tree, m.Trees[name].Path, m)
		for _, other := range names[:i] {
			if mine, theirs := m.Trees[name].Path, m.Trees[other].Path; overlap(mine, theirs) {
				c.doc.Refuse(tree.At("path"), "each tree needs a directory of its own", "%s and %s of the tree %s lie in one another", mine, theirs, other)
			}
		}
	}
}

func (c *mirrorChecker) mirrorTree(f mirrorTreeFile) MirrorTree {
	t := MirrorTree{
		Path:       c.path(f.At("path"), f.Path),
		Exclude:    c.patterns(f.At("exclude"), f.Exclude),
		Keep:       c.patterns(f.At("keep"), f.Keep),
		Late:       c.patterns(f.At("late"), f.Late),
		MaxDelete:  c.number(f.At("max_delete"), f.MaxDelete, defaultMaxDelete, 0, mostMaxDelete),
		Options:    f.Options,
		TimeFormat: defaultFormat,
	}
	if f.Bandwidth != nil {
		t.Bandwidth = int64(*f.Bandwidth)
	}
	for i, option := range f.Options {
		c.rule(strictyaml.Item(f.At("options"), i), c.rules.Option, option)
	}
	if f.TimeFormat != nil && *f.TimeFormat != defaultFormat {
		c.doc.Refuse(f.At("time_format"), "leave it out: the format is recognised",
			"found %.60q, expected auto, which reads epoch seconds, RFC 3339, the output of date, a Debian trace and Arch's lastsync", *f.TimeFormat)
	}
	return t
}

func (c *mirrorChecker) patterns(field string, list []string) []string {
	for i, s := range list {
		item := strictyaml.Item(field, i)
		if s == "" {
			c.doc.Refuse(item, "", "found an empty pattern")
			continue
		}
		c.rule(item, c.rules.Pattern, s)
	}
	return list
}

func (c *mirrorChecker) rule(field string, check func(string) error, s string) {
	if check == nil {
		return
	}
	if err := check(s); err != nil {
		c.doc.Refuse(field, "", "%v", err)
	}
}

// systemDirs are no trees: a typing error there would delete the machine.
var systemDirs = []string{"/", "/bin", "/boot", "/dev", "/etc", "/home", "/lib", "/lib64", "/opt", "/proc", "/root", "/run", "/sbin", "/sys", "/tmp", "/usr", "/var"}

// place keeps a tree, in which a sync deletes, away from all that is none. Paths are compared as they are written.
func (c *mirrorChecker) place(f mirrorTreeFile, path string, m *Mirror) {
	field, hint := f.At("path"), "choose a directory that holds the tree alone"
	if path == "" {
		return
	}
	if slices.Contains(systemDirs, path) {
		c.doc.Refuse(field, hint, "%s is a directory of the system, in which a sync would delete", path)
		return
	}
	if overlap(path, m.State) {
		c.doc.Refuse(field, hint, "%s and the state directory %s lie in one another", path, m.State)
	}
	files := []string{m.File, m.Trust, m.CA, m.Lock, m.Rsync}
	if m.Checkin != nil {
		files = append(files, m.Checkin.Key)
	}
	for _, file := range files {
		if within(file, path) {
			c.doc.Refuse(field, hint, "a sync would delete %s, which lies in %s", file, path)
		}
	}
}

// overlap says whether one is the other, or lies below it; both absolute and clean, "" overlaps nothing.
func overlap(a, b string) bool { return a != "" && b != "" && (within(a, b) || within(b, a)) }

// origin is the site's address with a final slash, or an absolute directory.
func (c *mirrorChecker) origin(field, s string) string {
	if first, _, _ := strings.Cut(s, "/"); !strings.Contains(first, ":") {
		return c.path(field, s)
	}
	u := c.webAddress(field, s, "expected an address like https://mirrors.example.org/centos/, or a directory")
	if u == nil {
		return ""
	}
	if strings.HasSuffix(u.Path, ".json") || strings.Contains(u.Path+"/", "/../") {
		c.doc.Refuse(field, "leave the file's name out", "found %.120q, expected the address of the site itself", s)
	}
	return strings.TrimRight(u.String(), "/") + "/"
}

// webAddress judges an https URL, or an http one of this machine; nil: it is of no use, which is reported with what was
// wanted. Hosts keep to the rule of rsync URLs: no number in another base, which resolvers read as an address.
func (c *mirrorChecker) webAddress(field, s, wanted string) *url.URL {
	if strings.ContainsAny(s, "@?#") { // not quoted: a password may be in it
		c.doc.Refuse(field, "", "found an address with a user, a ? or a #, %s", wanted)
		return nil
	}
	u, err := url.Parse(s)
	if err != nil || u.Host == "" || u.Scheme != "https" && u.Scheme != "http" {
		c.doc.Refuse(field, "", "found %.120q, %s", s, wanted)
		return nil
	}
	if _, err := rsyncurl.Parse("rsync://" + u.Host + "/m/"); err != nil {
		c.doc.Refuse(field, "", "found the host %.120q, expected a name, or an IP address in full", u.Host)
		return nil
	}
	if u.Scheme == "http" && !loopback(u.Hostname()) {
		c.doc.Refuse(field, "write https://", "found %.120q: http:// is for loopback addresses only", s)
	}
	return u
}

func loopback(host string) bool {
	a, err := netip.ParseAddr(host)
	return host == "localhost" || err == nil && a.IsLoopback()
}

func (c *mirrorChecker) optionalPath(field string, s *string) string {
	if s == nil {
		return ""
	}
	return c.path(field, *s)
}

// program is the path of something to start. A plain name is refused: cron's PATH is not the one it was tried with.
func (c *checker) program(field string, s *string, hint string) string {
	if s == nil {
		return ""
	}
	if !strings.Contains(*s, "/") && *s != "" {
		c.doc.Refuse(field, hint, "found %.120q, expected a path with a slash, like /usr/local/bin/%[1]s", *s)
		return ""
	}
	return c.path(field, *s)
}

// hook is a command without a shell: a program and its arguments as they are.
func (c *checker) hook(field string, argv []string) []string {
	if argv == nil {
		return nil
	}
	if len(argv) == 0 {
		c.doc.Refuse(field, "leave it out", "found an empty list, expected a program and its arguments")
		return nil
	}
	first := strictyaml.Item(field, 0)
	if strings.Contains(argv[0], " ") {
		c.doc.Refuse(first, "no shell reads it: give each argument a place in the list", "found %.120q, expected a program's path", argv[0])
		return nil
	}
	return append([]string{c.program(first, &argv[0], "no shell looks for it")}, argv[1:]...)
}
