package manifest

import (
	"encoding/json"
	"fmt"

	"tidemark/internal/strictjson"
)

// PointerSchema names the pointer's format.
const PointerSchema = "tidemark/pointer/v1"

// PointerFile is the pointer's name at the site.
const PointerFile = "latest.json"

// Pointer is latest.json: which manifest is published now (DESIGN 4.5). It is not signed; what it names is.
type Pointer struct {
	Schema string `json:"schema"` // tidemark/pointer/v1
	Serial int64  `json:"serial"`
	SHA256 string `json:"sha256"` // of manifest.json
	Path   string `json:"path"`   // "m/12/"
}

// PointTo is the pointer to the manifest of that serial, whose payload has that SHA-256.
func PointTo(serial int64, sha256 string) Pointer {
	return Pointer{Schema: PointerSchema, Serial: serial, SHA256: sha256, Path: SerialPath(serial)}
}

// SerialPath is where the immutable copies of a serial lie at the site: "m/12/".
func SerialPath(serial int64) string { return fmt.Sprintf("m/%d/", serial) }

// ParsePointer reads latest.json strictly: the path must be the serial's own.
func ParsePointer(b []byte) (*Pointer, error) {
	var p Pointer
	if err := strictjson.Unmarshal(b, &p); err != nil {
		return nil, err
	}
	switch {
	case p.Schema != PointerSchema:
		return nil, fmt.Errorf("schema %q, expected %q", p.Schema, PointerSchema)
	case p.Serial < 1 || p.Serial > MaxSerial:
		return nil, fmt.Errorf("serial %d is outside 1 to 2^53-1", p.Serial)
	case !isSHA256(p.SHA256):
		return nil, fmt.Errorf("sha256 %q is not 64 lower-case hex digits", p.SHA256)
	case p.Path != SerialPath(p.Serial):
		return nil, fmt.Errorf("path %q, expected %q", p.Path, SerialPath(p.Serial))
	}
	return &p, nil
}

// Encode writes the pointer: two-space indent, final LF.
func (p Pointer) Encode() ([]byte, error) {
	b, err := json.MarshalIndent(p, "", "  ")
	return append(b, '\n'), err
}
