package config

import (
	"fmt"
	"path/filepath"
	"strings"
	"time"
	"unicode"

	"tidemark/internal/ident"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// Defaults and limits of the file's top.
const (
	defaultValidity = 24 * time.Hour
	minValidity     = 2 * time.Hour // less than an hour left refuses to sign
	maxValidity     = 30 * 24 * time.Hour
	defaultKeep     = 7 * 24 * time.Hour
	keepMargin      = time.Hour
	defaultSettle   = time.Minute
	maxTrees        = 64 // as in the manifest
)

// LoadPublisher reads file. The error is a strictyaml.Problems with every problem at once, or a plain error when the file cannot be read.
func LoadPublisher(file string) (*Publisher, error) {
	d, err := ReadPublisher(file)
	if err != nil {
		return nil, err
	}
	return d.sound()
}

// parsePublisher checks data, which came from file, an absolute path.
func parsePublisher(file string, data []byte) (*Publisher, error) {
	return parseDraft(file, data).sound()
}

func (d Draft) sound() (*Publisher, error) {
	if err := append(d.Own, d.Inventory...).Err(); err != nil {
		return nil, err
	}
	return d.Publisher, nil
}

// Draft is a configuration that may have problems, for those who look at what it names all the same.
type Draft struct {
	*Publisher                     // what could be understood; nil: nothing
	Own        strictyaml.Problems // of the file itself
	Inventory  strictyaml.Problems // of the inventory, and of its servers in this network
	ProbeLine  int                 // where the key probe stands; 0: nowhere
}

// TreeNames are those of the trees; nil: not known.
func (d Draft) TreeNames() []string {
	if d.Publisher == nil {
		return nil
	}
	return d.treeNames()
}

// ReadPublisher reads file as LoadPublisher does, with problems apart. The error is one of reading.
func ReadPublisher(file string) (Draft, error) {
	abs, err := filepath.Abs(file)
	if err != nil {
		return Draft{}, fmt.Errorf("find configuration: %w", err)
	}
	data, err := strictyaml.ReadFile(abs)
	if err != nil {
		return Draft{}, err
	}
	return parseDraft(abs, data), nil
}

func parseDraft(file string, data []byte) Draft {
	doc := strictyaml.Read(file, data)
	var f publisherFile
	doc.Decode(&f)
	if f.Line == 0 {
		return Draft{Own: doc.Problems()} // not understood at all: more would be noise
	}
	c := &checker{doc: doc, dir: filepath.Dir(file)}
	p := c.publisher(f)
	p.File = file

	servers, problems := inventory.Load(p.Inventory)
	p.Servers = servers
	unknown := c.servers(p, len(problems) == 0 && len(p.Inventory) > 0 && len(p.Inventory) == len(f.Inventory))
	return Draft{Publisher: p, Own: doc.Problems(), Inventory: append(problems, unknown...), ProbeLine: doc.Line("probe")}
}

// checker turns what was written into what is meant, and collects problems in the document.
type checker struct {
	doc *strictyaml.Document
	dir string // relative paths start here
}

func (c *checker) publisher(f publisherFile) *Publisher {
	p := &Publisher{
		Network: f.Network,
		State:   c.path(f.At("state"), f.State),
		Trust:   c.path(f.At("trust"), f.Trust),
		Trees:   map[string]Tree{},
		Settle:  c.duration(f.At("settle"), f.Settle, defaultSettle, 0, time.Hour),
	}
	if err := ident.Check(f.Network); err != nil {
		c.doc.Refuse(f.At("network"), lowerHint(f.Network), "%v", err)
	}
	c.times(f, p)
	c.inventory(f, p)
	c.trees(f, p)
	p.Sign = Sign{OpenPGP: c.keys(f.At("sign", "openpgp"), f.Sign.OpenPGP, openpgp), Ed25519: c.keys(f.At("sign", "ed25519"), f.Sign.Ed25519, ed25519)}
	p.Publish = c.targets(f)
	p.Beacon = c.beacon(f)
	p.Checkin = c.checkin(f, p)
	c.apart(f, p)
	p.Probe = c.probe(f.Probe)
	p.Guard = c.guard(f.Guard)
	p.Policy = c.policy(f.Policy)
	return p
}

// times checks validity and keep, which hang together.
func (c *checker) times(f publisherFile, p *Publisher) {
	p.Validity = c.duration(f.At("validity"), f.Validity, defaultValidity, minValidity, maxValidity)
	p.Keep = max(defaultKeep, p.Validity+keepMargin)
	if f.Keep == nil {
		return
	}
	p.Keep = f.Keep.Std()
	if least := p.Validity + keepMargin; p.Keep < least {
		c.doc.Refuse(f.At("keep"), "a mirror may still use a manifest that is in force",
			"found %v, expected at least %v: the validity and an hour", *f.Keep, strictyaml.Duration(least))
	}
}

func (c *checker) inventory(f publisherFile, p *Publisher) {
	field := f.At("inventory")
	if len(f.Inventory) == 0 {
		c.doc.Refuse(field, "", "found an empty list, expected files and directories with servers")
	}
	for i, path := range f.Inventory {
		at := field
		if item := strictyaml.Item(field, i); c.doc.Given(item) { // a list
			at = item
		}
		if path = c.path(at, path); path != "" {
			p.Inventory = append(p.Inventory, path)
		}
	}
}

// path makes a path absolute; "" stays, and is refused.
func (c *checker) path(field, s string) string {
	switch {
	case s == "":
		c.doc.Refuse(field, "", "found an empty path")
		return ""
	case strings.ContainsFunc(s, unicode.IsControl):
		c.doc.Refuse(field, "", "found the path %.120q with a control character, expected a plain one", s)
		return ""
	case strings.HasPrefix(s, "~"), strings.HasPrefix(s, "$"):
		c.doc.Refuse(field, "write the path out", "found %.120q: no shell reads this file", s)
		return ""
	case strings.Contains(s, "://"):
		c.doc.Refuse(field, "", "found %.120q, expected a path of this machine", s)
		return ""
	case filepath.IsAbs(s):
		return filepath.Clean(s)
	}
	return filepath.Join(c.dir, s)
}

// duration is what was given, within its limits, or the default.
func (c *checker) duration(field string, given *strictyaml.Duration, otherwise, least, most time.Duration) time.Duration {
	if given == nil {
		return otherwise
	}
	if d := given.Std(); d < least || d > most {
		c.doc.Refuse(field, "", "found %v, expected %v to %v", *given, strictyaml.Duration(least), strictyaml.Duration(most))
	}
	return given.Std()
}

// number is what was given, within its limits, or the default.
func (c *checker) number(field string, given *int, otherwise, least, most int) int {
	if given == nil {
		return otherwise
	}
	if *given < least || *given > most {
		c.doc.Refuse(field, "", "found %d, expected %d to %d", *given, least, most)
	}
	return *given
}

// lowerHint is for the commonest wrong name, one with capitals.
func lowerHint(s string) string {
	if low := strings.ToLower(s); low != s && ident.Check(low) == nil {
		return "did you mean " + low + "?"
	}
	return ""
}
