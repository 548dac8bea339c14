package config

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
)

//go:embed tidemark.yaml
var template string

// TemplateValues go into a new configuration. Empty ones get the value in the comment; relative paths start at the file's directory.
type TemplateValues struct {
	Network    string // required
	Tree       string // the network's name
	Master     string // /srv/master/<tree>
	State      string // state
	Inventory  string // inventory.yaml
	OpenPGPKey string // keys/openpgp.asc
	Ed25519Key string // keys/ed25519.key
	Trust      string // trust.json
	Passphrase string // none: the file that holds the passphrase of both keys
	Publish    string // site
	URL        string // none: the key is left as a comment
}

// Template is a commented tidemark.yaml for a new network. It loads without problems once the inventory has a node
// ([tidemark/inventory.Template] has one).
func Template(v TemplateValues) []byte {
	tree := otherwise(v.Tree, v.Network)
	url := `# url: https://mirrors.example.org/` + v.Network + `/`
	if v.URL != "" {
		url = "url: " + strconv.Quote(v.URL)
	}
	passphrase := ""
	if v.Passphrase != "" {
		passphrase = ", passphrase_file: " + quote(v.Passphrase)
	}
	values := strings.NewReplacer(
		"@NETWORK@", v.Network,
		"@TREE@", tree,
		"@MASTER@", quote(otherwise(v.Master, "/srv/master/"+tree)),
		"@STATE@", quote(otherwise(v.State, "state")),
		"@INVENTORY@", quote(otherwise(v.Inventory, "inventory.yaml")),
		"@OPENPGP@", quote(otherwise(v.OpenPGPKey, "keys/openpgp.asc"))+passphrase,
		"@ED25519@", quote(otherwise(v.Ed25519Key, "keys/ed25519.key"))+passphrase,
		"@TRUST@", quote(otherwise(v.Trust, "trust.json")),
		"@PUBLISH@", quote(otherwise(v.Publish, "site")),
		"@URL@", url,
	)
	var out strings.Builder
	for line := range strings.Lines(template) {
		out.WriteString(fill(line, values))
	}
	return []byte(out.String())
}

// fill puts values into one line of a template, and the comment behind one back into its column.
func fill(line string, values *strings.Replacer) string {
	text := strings.TrimLeft(line, "# ") // an example begins with a # of its own
	value, comment, ok := strings.Cut(text, " # ")
	if !ok {
		return values.Replace(line)
	}
	value = line[:len(line)-len(text)] + value
	column := len(value) + 1
	return fmt.Sprintf("%-*s# %s", column, values.Replace(strings.TrimRight(value, " "))+" ", values.Replace(comment))
}

func otherwise(s, value string) string {
	if s == "" {
		return value
	}
	return s
}

// quote leaves a plain word plain; Go's quoted strings are YAML's.
func quote(s string) string {
	switch strings.ToLower(s) {
	case "null", "true", "false": // words of YAML's core schema
		return strconv.Quote(s)
	}
	if strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-") == "" && strings.Trim(s, "0123456789._-") != "" {
		return s
	}
	return strconv.Quote(s)
}
