package client

import (
	"fmt"
	"path/filepath"
	"slices"
	"strings"

	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// SeenFile is the name of the seen-state in the state directory.
const SeenFile = "seen.json"

const (
	maxSeen   = 4 << 10
	maxResets = 16 // documents with reset_serial that are remembered
)

// Seen is what a reader remembers between runs.
type Seen struct {
	Serial int64           `json:"serial"`
	SHA256 string          `json:"sha256"` // of the payload, 64 lower-case hex digits
	Issued strictjson.Time `json:"issued"`
	// Reset is the version of the trust document whose reset_serial was obeyed last; ResetBy are the SHA-256 of the payloads
	// of those obeyed, at most 16: another chain may begin at a lower version.
	Reset   int64    `json:"reset,omitempty"`
	ResetBy []string `json:"reset_by,omitempty"`
}

func (s Seen) same(o Seen) bool {
	return s.Serial == o.Serial && s.SHA256 == o.SHA256 && s.Issued == o.Issued && s.Reset == o.Reset && slices.Equal(s.ResetBy, o.ResetBy)
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
	if len(s.ResetBy) > maxResets {
		return nil, fmt.Errorf("reset_by has %d members, expected at most %d", len(s.ResetBy), maxResets)
	}
	for _, sum := range append([]string{s.SHA256}, s.ResetBy...) {
		if len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "" {
			return nil, fmt.Errorf("sha256 is %.70q, expected 64 lower-case hex digits", sum)
		}
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

// obeyed reports whether the chain's newest reset_serial was obeyed. A chain that begins anew may do so at any version, so
// it is the document that counts; the version alone in a file from before documents were remembered.
func (s Seen) obeyed(c chain) bool {
	switch {
	case c.reset == 0:
		return true
	case len(s.ResetBy) == 0:
		return s.Reset >= c.reset
	}
	return slices.Contains(s.ResetBy, c.resets[len(c.resets)-1])
}

// obeying remembers that all resets of the chain were obeyed; its newest come last, and are the last to be forgotten.
func (s Seen) obeying(c chain) Seen {
	if c.reset == 0 {
		return s
	}
	all := slices.DeleteFunc(slices.Clone(s.ResetBy), func(sum string) bool { return slices.Contains(c.resets, sum) })
	all = append(all, c.resets...)
	s.Reset, s.ResetBy = c.reset, all[max(len(all)-maxResets, 0):]
	return s
}

// resetBy is what is remembered once a trust document with reset_serial was accepted: anything from min_serial on may
// come, and the clock's floor stays. No manifest has the serial before it with that SHA-256, so it is no fork of any.
func (s Seen) resetBy(c chain) Seen {
	s.Serial, s.SHA256 = max(c.trust.MinSerial-1, 0), strings.Repeat("0", 64)
	return s.obeying(c)
}
