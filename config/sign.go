package config

import (
	"fmt"
	"path/filepath"
	"regexp"
	"slices"
	"strings"

	"tidemark/internal/strictyaml"
)

var envName = regexp.MustCompile(`^[A-Za-z_][A-Za-z0-9_]*$`)

// The kinds of keys, as the file calls them.
const (
	openpgp = "openpgp"
	ed25519 = "ed25519"
)

// all lists the keys of both kinds, in the order of the file.
func (s Sign) all() []SigningKey { return slices.Concat(s.OpenPGP, s.Ed25519) }

// home is gpg's home directory, if one was given.
func (k SigningKey) home() string {
	if k.GPG == nil {
		return ""
	}
	return k.GPG.Home
}

// socket is the agent's, if the file names it.
func (k SigningKey) socket() string {
	if k.SSHAgent == AgentOfEnvironment {
		return ""
	}
	return k.SSHAgent
}

// keys checks the keys of one kind; field is where they stand.
func (c *checker) keys(field string, list []keyFile, kind string) []SigningKey {
	if len(list) == 0 {
		c.doc.Refuse(field, "", "found an empty list, expected at least one key")
	}
	var out []SigningKey
	seen := map[string]bool{}
	for _, f := range list {
		if f.Line == 0 { // no key at all, and reported as such
			continue
		}
		k := c.key(f, kind)
		name := k.String()
		if k.File != "" {
			name = "key " + name
		}
		if name != "" && seen[name] {
			c.doc.Refuse(f.At(f.forms()[0]), "remove one of the two", "the %s is given twice", name)
		} else {
			seen[name] = true
		}
		out = append(out, k)
	}
	return out
}

// forms are the places that a key names to live in: one, if all is well.
func (f keyFile) forms() (forms []string) {
	for _, form := range []struct {
		name  string
		given bool
	}{{"key", f.Key != nil}, {"gpg", f.GPG != nil}, {"ssh_agent", f.SSHAgent != nil}, {"kms", f.KMS != nil}} {
		if form.given {
			forms = append(forms, form.name)
		}
	}
	return forms
}

func (c *checker) key(f keyFile, kind string) SigningKey {
	var k SigningKey
	switch forms := f.forms(); {
	case len(forms) == 0:
		c.noForm(f, kind)
		return k
	case len(forms) > 1:
		c.doc.Refuse(f.At(forms[1]), "make two keys of them: a list", "found %s in one key, expected one place where it lives", strings.Join(forms, " and "))
		return k
	case f.Key != nil:
		k.File = c.path(f.At("key"), *f.Key)
	case f.GPG != nil:
		k.GPG = c.gpg(f, kind)
	case f.SSHAgent != nil:
		k.SSHAgent = c.agent(f, kind)
	default:
		k.KMS = c.kms(*f.KMS)
	}
	if f.GPG == nil && f.GPGHome != nil {
		c.doc.Refuse(f.At("gpg_home"), "remove it, or name the key by gpg:", "it goes with gpg only")
	}
	c.public(f, &k)
	c.passphrase(f, &k)
	return k
}

// noForm reports a key that lives nowhere. One whose place has no value, or the wrong one, is reported already.
func (c *checker) noForm(f keyFile, kind string) {
	for _, form := range []string{"key", "gpg", "ssh_agent", "kms"} {
		if c.doc.Given(f.At(form)) {
			return
		}
	}
	other := "gpg: FINGERPRINT"
	if kind == ed25519 {
		other = "ssh_agent: SOCKET"
	}
	c.doc.Refuse(f.At("key"), "or "+other+", or kms: KEY", "missing, expected the private key's file")
}

func (c *checker) gpg(f keyFile, kind string) *GPGKey {
	k := &GPGKey{Fingerprint: strings.ToUpper(strings.ReplaceAll(*f.GPG, " ", ""))} // gpg prints it with spaces
	if kind != openpgp {
		c.doc.Refuse(f.At("gpg"), "move it to sign.openpgp", "gpg makes OpenPGP signatures, expected an %s key", kind)
		return k
	}
	if !fingerprint.MatchString(k.Fingerprint) {
		c.doc.Refuse(f.At("gpg"), "gpg --list-secret-keys --with-subkey-fingerprint prints it", "found %.120q, expected a whole fingerprint of 40 hex digits", *f.GPG)
	}
	if f.GPGHome != nil {
		k.Home = c.path(f.At("gpg_home"), *f.GPGHome)
	}
	return k
}

var fingerprint = regexp.MustCompile(`^[0-9A-F]{40}$`)

// longestSocket is what a socket's address can hold (unix(7)).
const longestSocket = 107

func (c *checker) agent(f keyFile, kind string) string {
	field, s := f.At("ssh_agent"), *f.SSHAgent
	switch {
	case kind != ed25519:
		c.doc.Refuse(field, "move it to sign.ed25519", "an ssh-agent makes Ed25519 signatures, expected an %s key", kind)
	case s == AgentOfEnvironment:
	case s != "" && !filepath.IsAbs(s):
		c.doc.Refuse(field, "write the path out, or env for the agent of SSH_AUTH_SOCK", "found %.120q, expected the absolute path of an agent's socket", s)
	case len(s) > longestSocket:
		c.doc.Refuse(field, "let the agent make it elsewhere: ssh-agent -a SOCKET", "found a path of %d bytes, expected at most %d: the system takes no longer one for a socket", len(s), longestSocket)
	default:
		s = c.path(field, s)
	}
	return s
}

// kmsKey is an id, an ARN, or alias/NAME.
var kmsKey = regexp.MustCompile(`^[A-Za-z0-9][A-Za-z0-9:/_.-]*$`)

func (c *checker) kms(f kmsFile) *KMSKey {
	k := &KMSKey{Key: f.Key, Region: text(f.Region)}
	if f.Line == 0 {
		return k
	}
	if c.doc.Given(f.At("key")) && !kmsKey.MatchString(f.Key) {
		c.doc.Refuse(f.At("key"), "aws kms list-aliases shows them", "found %.120q, expected a key's id, its ARN, or alias/NAME", f.Key)
	}
	if f.Region != nil && !regionName.MatchString(*f.Region) {
		c.doc.Refuse(f.At("region"), "", "found %.120q, expected a region like eu-north-1", *f.Region)
	}
	if f.Endpoint != nil {
		k.Endpoint = strings.TrimSuffix(c.url(f.At("endpoint"), *f.Endpoint), "/")
	}
	if f.CA != nil {
		k.CA = c.path(f.At("ca"), *f.CA)
	}
	return k
}

var regionName = regexp.MustCompile(`^[a-z0-9-]{1,64}$`)

// public checks the public half, which those who sign elsewhere need, and nobody else.
func (c *checker) public(f keyFile, k *SigningKey) {
	elsewhere := f.SSHAgent != nil || f.KMS != nil
	switch {
	case f.Public != nil && !elsewhere:
		c.doc.Refuse(f.At("public"), "remove it: the private key has its public half beside it", "it goes with ssh_agent and kms only")
	case f.Public != nil:
		k.Public = c.path(f.At("public"), *f.Public)
	case elsewhere && !c.doc.Given(f.At("public")):
		c.doc.Refuse(f.At("public"), fmt.Sprintf("write it with: tidemark keys adopt FILE --%s …", strings.ReplaceAll(f.forms()[0], "_", "-")), "missing, expected the file with the key's public half")
	}
}

func (c *checker) passphrase(f keyFile, k *SigningKey) {
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
	switch {
	case len(sources) == 0:
	case f.SSHAgent != nil || f.KMS != nil:
		c.doc.Refuse(f.At(sources[0]), "remove it", "nobody asks for a passphrase here: it goes with key and gpg only")
	case len(sources) > 1:
		c.doc.Refuse(strictyaml.Path(f.Field, sources[1]), "keep one of them", "found %s, expected one source of the passphrase", strings.Join(sources, " and "))
	}
}

// credentialName follows systemd.exec(5): a file name.
func credentialName(s string) bool {
	return s != "" && s != "." && s != ".." && len(s) <= 255 && !strings.Contains(s, "/")
}
