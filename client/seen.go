package client

import (
	"fmt"
	"path/filepath"
	"strings"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// SeenFile is the name of the seen-state in the state directory.
const SeenFile = "seen.json"

const maxSeen = 4 << 10

// Seen is what a reader remembers between runs.
type Seen struct {
	Serial int64           `json:"serial"`
	SHA256 string          `json:"sha256"` // of the payload, 64 lower-case hex digits
	Issued strictjson.Time `json:"issued"`
	Reset  int64           `json:"reset,omitempty"` // the newest trust version whose reset_serial was obeyed
}

// LoadSeen reads what was seen; nil when nothing was yet. A damaged file is an
// error: to go on without it would let an old manifest in.
func LoadSeen(dir string) (*Seen, error) {
	b, err := (&store{dir: dir}).read(SeenFile, maxSeen)
	if b == nil || err != nil {
		return nil, err
	}
	s, err := parseSeen(b)
	if err != nil {
		return nil, fmt.Errorf("%s is damaged: %w; it guards against old manifests: if nobody can have tampered here, remove it and run again", filepath.Join(dir, SeenFile), err)
	}
	return s, nil
}

func parseSeen(b []byte) (*Seen, error) {
	if len(b) > maxSeen {
		return nil, fmt.Errorf("more than %d bytes", maxSeen)
	}
	var s Seen
	if err := strictjson.Unmarshal(b, &s); err != nil {
		return nil, err
	}
	if s.Serial < 0 || s.Serial > manifest.MaxSerial {
		return nil, fmt.Errorf("serial is %d, expected 0 to 2^53-1", s.Serial)
	}
	if s.Reset < 0 || s.Reset > manifest.MaxSerial {
		return nil, fmt.Errorf("reset is %d, expected a version", s.Reset)
	}
	if len(s.SHA256) != 64 || strings.Trim(s.SHA256, "0123456789abcdef") != "" {
		return nil, fmt.Errorf("sha256 is %.70q, expected 64 lower-case hex digits", s.SHA256)
	}
	return &s, nil
}

// SaveSeen writes s atomically: after a crash the old or the new state is there.
func SaveSeen(dir string, s Seen) error {
	b, err := strictjson.Marshal(s)
	if err != nil {
		return fmt.Errorf("save what was seen: %w", err)
	}
	if err := replaceFile(dir, SeenFile, b); err != nil {
		return fmt.Errorf("save what was seen: %w", err)
	}
	return nil
}

// resetBy is what is remembered once a trust document with reset_serial was accepted: anything from min_serial on may
// come, and the clock's floor stays. No manifest has the serial before it with that SHA-256, so it is no fork of any.
func (s Seen) resetBy(version, minSerial int64) Seen {
	return Seen{Serial: max(minSerial-1, 0), SHA256: strings.Repeat("0", 64), Issued: s.Issued, Reset: version}
}
