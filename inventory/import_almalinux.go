package inventory

import (
	"bytes"
	"errors"
	"io"
	"io/fs"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v4"

	"tidemark/internal/strictyaml"
)

// parseAlmaLinux reads one file of mirrors.d (github.com/AlmaLinux/mirrors): a mapping with name, address.rsync,
// geolocation.country and .city, asn (one, or those whose clients are sent here), sponsor and private. The file's own name stands in
// for a missing one. Other trees (address_optional) are passed over.
func parseAlmaLinux(file listFile) entry {
	e := entry{file: file.name, name: strings.TrimSuffix(filepath.Base(file.name), filepath.Ext(file.name))}
	if file.err != nil {
		var pe *fs.PathError
		if errors.As(file.err, &pe) {
			file.err = pe.Err
		}
		e.skip(whyBroken, "cannot be read: %v", file.err)
		return e
	}
	var doc yaml.Node
	if err := yaml.NewDecoder(bytes.NewReader(file.data)).Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		e.line, e.text = yamlProblem(file, err)
		e.why = whyBroken
		return e
	}
	if len(doc.Content) == 0 || doc.Content[0].Kind != yaml.MappingNode {
		e.skip(whyBroken, "found no mapping, expected keys such as name and address")
		return e
	}
	m := foreignMap{&e, doc.Content[0]}
	e.line = m.node.Line
	if file.alone && m.get("name") == nil && m.get("address") == nil {
		e.skip(whyBroken, "found neither name nor address, the keys of a mirror")
		return e
	}
	if name := m.text("name"); name != "" {
		e.name = name
	}
	e.rsync = m.below("address").text("rsync")
	place := m.below("geolocation")
	e.country, e.city = place.text("country"), place.text("city")
	if e.asns = m.list("asn"); e.asns == nil {
		if e.asns = place.list("asn"); e.asns != nil {
			e.mended = append(e.mended, "asn was found below geolocation")
		}
	}
	e.group = m.text("sponsor")
	switch n := m.get("private"); {
	case n == nil:
	case n.Kind != yaml.ScalarNode:
		e.skip(whyUnclear, "private: expected true or false")
	default:
		e.private = e.truth("private", m.text("private"))
	}
	return e
}

// yamlProblem says where and why YAML cannot be read, in the words of the own files.
func yamlProblem(file listFile, err error) (line int, text string) {
	if problems := strictyaml.Read(file.name, file.data).Problems(); len(problems) > 0 {
		return problems[0].Line, problems[0].Text
	}
	return 0, err.Error()
}

// foreignMap reads a mapping leniently. The zero one is empty.
type foreignMap struct {
	entry *entry
	node  *yaml.Node
}

// get finds a key, whatever its capitals; the last one, as most readers do.
func (m foreignMap) get(key string) *yaml.Node {
	if m.node == nil || m.node.Kind != yaml.MappingNode {
		return nil
	}
	var found *yaml.Node
	var as string
	for i := 0; i+1 < len(m.node.Content); i += 2 {
		if k := m.node.Content[i].Value; strings.EqualFold(strings.TrimSpace(k), key) {
			found, as = m.node.Content[i+1], k
		}
	}
	if found != nil && as != key {
		m.entry.mended = append(m.entry.mended, "the key "+as+" was read as "+key)
	}
	return found
}

func (m foreignMap) below(key string) foreignMap { return foreignMap{m.entry, m.get(key)} }

// text is a scalar as it was written; "" for what is none. Aliases are not followed: no mirror needs one.
func (m foreignMap) text(key string) string {
	if n := m.get(key); n != nil && n.Kind == yaml.ScalarNode && n.Tag != "!!null" {
		return n.Value
	}
	return ""
}

// list is a list of scalars, or the one that stands for it.
func (m foreignMap) list(key string) (out []string) {
	n := m.get(key)
	switch {
	case n == nil:
	case n.Kind == yaml.ScalarNode && n.Tag != "!!null":
		return []string{n.Value}
	case n.Kind == yaml.SequenceNode:
		for _, c := range n.Content {
			if c.Kind == yaml.ScalarNode {
				out = append(out, c.Value)
			}
		}
	}
	return out
}

// truth reads yes and no as people write them; "" is no. An entry that says neither is skipped: whoever guessed might publish a server
// that its operator calls private.
func (e *entry) truth(what, s string) bool {
	yes, ok := readTruth(s)
	if !ok {
		e.skip(whyUnclear, "%s: found %.60q, expected yes or no", what, s)
	}
	return yes
}

func readTruth(s string) (yes, ok bool) {
	switch strings.ToLower(strings.TrimFunc(s, blank)) {
	case "true", "yes", "y", "t", "on", "1":
		return true, true
	case "", "false", "no", "n", "f", "off", "0":
		return false, true
	}
	return false, false
}
