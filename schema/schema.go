package schema

import (
	"embed"
	"fmt"
	"io/fs"
	"path"
	"strings"
)

// FS has the schemas, each at its file name, e.g. "manifest.v1.json".
//
//go:embed *.json
var FS embed.FS

// BaseURI is what a schema's $id begins with; its file name follows.
const BaseURI = "https://tidemark.invalid/schema/"

// Get returns a schema's text, by file name ("manifest.v1.json") or by what documents
// say ("tidemark/manifest/v1").
func Get(name string) ([]byte, error) {
	b, err := FS.ReadFile(fileOf(name))
	if err != nil {
		return nil, fmt.Errorf("no schema %.100q, expected one of %s", name, strings.Join(Names(), ", "))
	}
	return b, nil
}

func fileOf(name string) string {
	document, ok := strings.CutPrefix(name, "tidemark/")
	if !ok {
		return name
	}
	return path.Dir(document) + "." + path.Base(document) + ".json"
}

// Names lists the schemas' file names, sorted.
func Names() []string {
	entries, err := fs.ReadDir(FS, ".")
	if err != nil {
		return nil // an embedded directory is always there
	}
	names := make([]string, len(entries))
	for i, e := range entries {
		names[i] = e.Name()
	}
	return names
}
