package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"slices"

	"go.yaml.in/yaml/v4"
)

// ErrForm is what a list is refused with that has not the form of its format.
var ErrForm = errors.New("the list has another form")

// formError says why, and is ErrForm.
type formError struct{ error }

func (e *formError) Unwrap() []error { return []error{e.error, ErrForm} }

// Sniff says of which format a list at path probably is; "" where it looks like none.
func Sniff(path string) Format {
	files, err := listFiles(AlmaLinux, path)
	if err != nil {
		return ""
	}
	for _, file := range files {
		if f := sniff(file); f != "" {
			return f
		}
	}
	return ""
}

func sniff(file listFile) Format {
	var arch struct {
		URLs []json.RawMessage `json:"urls"`
	}
	if json.Unmarshal(file.data, &arch) == nil && arch.URLs != nil {
		return Arch
	}
	for _, line := range bytes.SplitN(file.data, []byte("\n"), 1000) {
		if len(line) > 5 && bytes.EqualFold(line[:5], []byte("site:")) {
			return Debian
		}
	}
	if first, err := rows(file).Read(); err == nil {
		c := header(first)
		switch {
		case c.has("region") && c.has("sponsor") && !c.has(ids...):
			return CentOS
		case c != nil && len(first) > 1:
			return CSV
		}
	}
	if len(file.data) > maxEntrySize {
		return ""
	}
	var doc yaml.Node
	if yaml.Unmarshal(file.data, &doc) != nil || len(doc.Content) == 0 {
		return ""
	}
	m := foreignMap{&entry{}, doc.Content[0]}
	if m.get("name") != nil || m.get("address") != nil {
		return AlmaLinux
	}
	return ""
}

// unread names the columns of a table that no field is made of. The columns of CentOS's list are known.
func unread(f Format, file listFile) (out []string) {
	if f != CSV {
		return nil
	}
	first, err := rows(file).Read()
	if err != nil {
		return nil
	}
	c := header(first)
	for i, field := range first {
		used := slices.ContainsFunc(csvColumns, func(name string) bool { at, ok := c[name]; return ok && at == i })
		if name := Printable(field); !used && nonEmpty(name) != nil {
			out = append(out, name)
		}
	}
	return out
}
