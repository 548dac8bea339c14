package strictyaml

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v4"
)

const (
	maxDepth = 32
	maxKey   = 200
)

// Document is one parsed file, where its fields stand, and all that is wrong with it so far.
type Document struct {
	file     string
	broken   bool       // no YAML: nothing can be decoded
	root     *yaml.Node // nil when the file holds nothing but comments
	lines    map[string]int
	problems Problems
	refused  map[string]bool // fields that have a problem
}

// Read parses data, which came from file. Never nil; what is wrong is in [Document.Problems].
func Read(file string, data []byte) *Document {
	d := &Document{file: file, lines: map[string]int{}, refused: map[string]bool{}}
	if !d.checkBytes(data) {
		d.broken = true
		return d
	}
	dec := yaml.NewDecoder(bytes.NewReader(data))
	var doc yaml.Node
	switch err := dec.Decode(&doc); {
	case errors.Is(err, io.EOF):
		return d
	case err != nil:
		d.broken = true
		d.syntax(data, err)
		return d
	}
	if len(doc.Content) > 0 {
		d.root = doc.Content[0]
		d.check("", d.root, 1)
	}
	d.checkEnd(dec, data)
	return d
}

// Problems found so far, by line.
func (d *Document) Problems() Problems { return d.problems.sorted() }

// Given says whether the file has that field, well or badly written.
func (d *Document) Given(field string) bool {
	_, ok := d.lines[field]
	return ok
}

// Line of a field, or of the nearest thing around it; 0 when not known. Fields are written as in [Problem].
func (d *Document) Line(field string) int {
	for {
		if n, ok := d.lines[field]; ok {
			return n
		}
		cut := strings.LastIndexAny(field, ".[")
		if cut < 0 {
			return 0
		}
		field = field[:cut]
	}
}

// Refuse adds a problem of meaning. A field that has one already, or lies in something that has, gets no second.
func (d *Document) Refuse(field, hint, format string, args ...any) {
	for f := field; ; {
		if d.refused[f] {
			return
		}
		cut := strings.LastIndexAny(f, ".[")
		if cut < 0 {
			break
		}
		f = f[:cut]
	}
	d.add(d.Line(field), field, hint, format, args...)
}

func (d *Document) add(line int, field, hint, format string, args ...any) {
	d.refused[field] = true
	d.problems = append(d.problems, Problem{File: d.file, Line: line, Field: field, Text: fmt.Sprintf(format, args...), Hint: hint})
}

// checkBytes refuses what is no text, before YAML looks at it: its reader gives no lines.
func (d *Document) checkBytes(data []byte) bool {
	switch {
	case len(data) > MaxSize:
		d.add(0, "", "an inventory may be split over several files", "larger than %d bytes, the limit of a file", MaxSize)
	case bytes.HasPrefix(data, []byte{0xEF, 0xBB, 0xBF}):
		d.add(1, "", "save it as plain UTF-8, without a BOM", "begins with a byte-order mark, expected plain UTF-8")
	case bytes.HasPrefix(data, []byte{0xFF, 0xFE}), bytes.HasPrefix(data, []byte{0xFE, 0xFF}):
		d.add(1, "", "save it as plain UTF-8", "found UTF-16, expected UTF-8")
	default:
		return d.checkRunes(data)
	}
	return false
}

func (d *Document) checkRunes(data []byte) bool {
	line := 1
	for rest := data; len(rest) > 0; {
		r, n := utf8.DecodeRune(rest)
		switch {
		case r == utf8.RuneError && n == 1:
			d.add(line, "", "save it as plain UTF-8", "found byte 0x%02X, which is no UTF-8", rest[0])
			return false
		case r == '\n':
			line++
		case r == '\r' || r == '\t':
		case unicode.IsControl(r) || r == 0xFEFF:
			d.add(line, "", "", "found the control character U+%04X, expected text", r)
			return false
		}
		rest = rest[n:]
	}
	return true
}

// syntax reports that data is no YAML; the parser stops at the first such place.
func (d *Document) syntax(data []byte, err error) {
	line, text := 0, err.Error()
	var le *yaml.LoadError
	if errors.As(err, &le) {
		line, text = le.Mark.Line, le.Message
		if le.ContextMsg != "" {
			text = fmt.Sprintf("%s, %s that began on line %d", text, le.ContextMsg, le.ContextMark.Line)
		}
	}
	hint := "check the quotes, brackets and indentation here and on the line before"
	if tabIndented(data, line) {
		text, hint = "indented with a tab", "YAML wants spaces"
	}
	d.add(line, "", hint, "not valid YAML: %s", text)
}

func tabIndented(data []byte, line int) bool {
	lines := bytes.Split(data, []byte("\n"))
	if line < 1 || line > len(lines) {
		return false
	}
	l := lines[line-1]
	return bytes.ContainsRune(l[:len(l)-len(bytes.TrimLeft(l, " \t"))], '\t')
}

// checkEnd refuses whatever follows the first document.
func (d *Document) checkEnd(dec *yaml.Decoder, data []byte) {
	var more yaml.Node
	switch err := dec.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		d.syntax(data, err)
	default:
		d.add(more.Line, "", "remove the --- or use a second file", "a second document begins, expected one in a file")
	}
}

// check walks the whole tree once: keeps the lines, refuses what YAML allows and we do not.
func (d *Document) check(path string, n *yaml.Node, depth int) {
	if depth > maxDepth {
		d.add(n.Line, path, "", "nested deeper than %d levels", maxDepth)
		n.Content = nil
		return
	}
	switch {
	case n.Kind == yaml.AliasNode:
		d.add(n.Line, path, "write the value out", "found the alias *%s: aliases are not accepted", clip(n.Value))
	case n.Anchor != "":
		d.add(n.Line, path, "write the value out where it is needed", "found the anchor &%s: anchors are not accepted", clip(n.Anchor))
	case n.Style&yaml.TaggedStyle != 0:
		d.add(n.Line, path, "remove the tag", "found the tag %s: tags are not accepted", clip(n.Tag))
	}
	switch n.Kind {
	case yaml.MappingNode:
		d.checkMapping(path, n, depth)
	case yaml.SequenceNode:
		for i, c := range n.Content {
			p := index(path, i)
			d.lines[p] = c.Line
			d.check(p, c, depth+1)
		}
	}
}

// checkMapping drops the keys it refuses, so that decoding sees each key once, as text.
func (d *Document) checkMapping(path string, n *yaml.Node, depth int) {
	var kept []*yaml.Node
	lines := map[string]int{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		k, v := n.Content[i], n.Content[i+1]
		switch {
		case k.Kind != yaml.ScalarNode || k.Anchor != "" || k.Style&yaml.TaggedStyle != 0:
			d.add(k.Line, path, "", "found a key that is no plain text")
			continue
		case k.Tag == "!!null": // nothing, ~ and null: the library passes over such a key without a word
			d.add(k.Line, path, "put quotes around a key of that name", "found a key without a name (%q)", k.Value)
			continue
		case len(k.Value) > maxKey:
			d.add(k.Line, path, "", "found a key of %d bytes, expected at most %d", len(k.Value), maxKey)
			continue
		case k.Tag == "!!merge":
			d.add(k.Line, join(path, "<<"), "write the values out", "merge keys are not accepted")
			continue
		}
		p := join(path, k.Value)
		if first, ok := lines[k.Value]; ok {
			d.add(k.Line, p, "remove one of the two", "given twice, first on line %d", first)
			continue
		}
		lines[k.Value], d.lines[p] = k.Line, k.Line
		kept = append(kept, k, v)
		d.check(p, v, depth+1)
	}
	n.Content = kept
}

// join is the path of a key below path.
func join(path, key string) string {
	if key == "" || strings.ContainsFunc(key, func(r rune) bool { return !unicode.IsPrint(r) }) {
		key = strconv.Quote(key)
	}
	if path == "" {
		return key
	}
	return path + "." + key
}

func index(path string, i int) string { return fmt.Sprintf("%s[%d]", path, i) }

// clip keeps what a file says short in a message.
func clip(s string) string {
	if r := []rune(s); len(r) > 60 {
		return string(r[:60]) + "..."
	}
	return s
}
