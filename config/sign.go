package config

import (
	"regexp"
	"strings"

	"tidemark/internal/strictyaml"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// keys checks the keys of one kind; field is where they stand.
func (c *checker) keys(field string, list []keyFile) []KeyFile {
	if len(list) == 0 {
		c.doc.Refuse(field, "", "found an empty list, expected at least one key")
	}
	var out []KeyFile
	seen := map[string]bool{}
	for _, f := range list {
		if f.Line == 0 { // no key at all, and reported as such
			continue
		}
		k := c.key(f)
		if seen[k.Key] && k.Key != "" {
			c.doc.Refuse(f.At("key"), "remove one of the two", "the key %s is given twice", k.Key)
		}
		seen[k.Key] = true
		out = append(out, k)
	}
	return out
}

func (c *checker) key(f keyFile) KeyFile {
	k := KeyFile{Key: c.path(f.At("key"), f.Key)}
	var sources []string
	if f.PassphraseFile != nil {
		sources = append(sources, "passphrase_file")
		k.PassphraseFile = c.path(f.At("passphrase_file"), *f.PassphraseFile)
	}
	if f.PassphraseEnv != nil {
		sources = append(sources, "passphrase_env")
		k.PassphraseEnv = *f.PassphraseEnv
		if !envName.MatchString(k.PassphraseEnv) {
			// not quoted: it may be the passphrase itself
			c.doc.Refuse(f.At("passphrase_env"), "the name of the variable, not the passphrase", "expected a variable's name, letters, digits and _")
		}
	}
	if f.Credential != nil {
		sources = append(sources, "credential")
		k.Credential = *f.Credential
		if !credentialName(k.Credential) {
			c.doc.Refuse(f.At("credential"), "the name given to LoadCredential= in the unit", "expected a credential's name, one without /")
		}
	}
	if len(sources) > 1 {
		c.doc.Refuse(strictyaml.Path(f.Field, sources[1]), "keep one of them", "found %s, expected one source of the passphrase", strings.Join(sources, " and "))
	}
	return k
}

// credentialName follows systemd.exec(5): a file name.
func credentialName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 255 && !strings.Contains(s, "/")
}
