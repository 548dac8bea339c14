package inventory

import (
	_ "embed"
	"strings"
)

//go:embed inventory.yaml
var template string

// Template is a commented inventory for a new network, with one node for tree. It loads without problems; its host is an
// example (RFC 2606) and must be replaced.
func Template(tree string) []byte {
	return []byte(strings.ReplaceAll(template, "@TREE@", tree))
}
