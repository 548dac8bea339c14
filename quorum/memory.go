package quorum

import (
	"fmt"
	"maps"
	"net/netip"
	"regexp"
	"slices"

	"tidemark/internal/ident"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// NewMemory is the memory of a publisher that has seen nothing yet.
func NewMemory() Memory {
	return Memory{Schema: MemorySchema, Trees: map[string]TreeMemory{}, Servers: map[string]map[string]ServerMemory{}}
}

// clone copies what Record and Decide change. What is frozen, like the anchors
// of a recorded timestamp, is shared and never written to.
func clone(mem Memory) Memory {
	c := NewMemory()
	maps.Copy(c.Trees, mem.Trees)
	for id, trees := range mem.Servers {
		c.Servers[id] = maps.Clone(trees)
	}
	c.Guard = mem.Guard
	return c
}

// EncodeMemory writes the state file: the one text that internal/strictjson gives it.
func EncodeMemory(mem Memory) ([]byte, error) {
	mem = clone(mem)
	if err := mem.check(); err != nil {
		return nil, fmt.Errorf("encode memory: %w", err)
	}
	b, err := strictjson.Marshal(mem)
	if err != nil {
		return nil, fmt.Errorf("encode memory: %w", err)
	}
	return b, nil
}

// LoadMemory reads the state file strictly. A refused one is best moved away: what
// must not go backwards is taken from the manifest published last.
func LoadMemory(data []byte) (Memory, error) {
	var mem Memory
	if err := strictjson.Unmarshal(data, &mem); err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	if mem.Schema != MemorySchema {
		return Memory{}, fmt.Errorf("read memory: schema %.60q: expected %q", mem.Schema, MemorySchema)
	}
	if err := mem.check(); err != nil {
		return Memory{}, fmt.Errorf("read memory: %w", err)
	}
	return clone(mem), nil
}

var sha256Form = regexp.MustCompile(`^[0-9a-f]{64}$`)

// check refuses what Record and Decide could not have made and could not work with.
func (mem Memory) check() error {
	for name, tm := range mem.Trees {
		if err := ident.Check(name); err != nil {
			return fmt.Errorf("tree: %w", err)
		}
		if err := tm.check(); err != nil {
			return fmt.Errorf("tree %s: %w", name, err)
		}
	}
	for id, trees := range mem.Servers {
		if err := ident.Check(id); err != nil {
			return fmt.Errorf("server: %w", err)
		}
		for name, sm := range trees {
			if err := ident.Check(name); err != nil {
				return fmt.Errorf("server %s: tree: %w", id, err)
			}
			if err := sm.check(); err != nil {
				return fmt.Errorf("server %s: tree %s: %w", id, name, err)
			}
		}
	}
	if mem.Guard.Runs < 0 {
		return fmt.Errorf("guard: %d runs: expected 0 or more", mem.Guard.Runs)
	}
	return nil
}

func (tm TreeMemory) check() error {
	last := int64(0)
	for _, r := range tm.Recorded {
		if r.Timestamp <= last {
			return fmt.Errorf("recorded timestamp %d after %d: expected rising positive timestamps", r.Timestamp, last)
		}
		last = r.Timestamp
		if err := checkContent(r.Anchors, r.List); err != nil {
			return fmt.Errorf("recorded timestamp %d: %w", r.Timestamp, err)
		}
	}
	if tm.Announced != 0 && tm.find(tm.Announced) == nil {
		return fmt.Errorf("announced timestamp %d: expected one that is recorded", tm.Announced)
	}
	for _, look := range []*MasterReading{tm.Unsettled, tm.Master} {
		if look == nil {
			continue
		}
		if look.Timestamp <= 0 || look.Failure != nil {
			return fmt.Errorf("look at the master with timestamp %d: expected a successful one with a positive timestamp", look.Timestamp)
		}
		if err := checkContent(look.Anchors, look.List); err != nil {
			return fmt.Errorf("look at the master: %w", err)
		}
	}
	return nil
}

func checkContent(anchors []manifest.Anchor, list *ListSum) error {
	if list != nil && (list.Files < 0 || list.Bytes < 0) {
		return fmt.Errorf("list of %d files and %d bytes: expected 0 or more", list.Files, list.Bytes)
	}
	for i, a := range anchors {
		switch {
		case a.Path == "" || i > 0 && a.Path <= anchors[i-1].Path:
			return fmt.Errorf("anchor %.200q: expected paths in rising order", a.Path)
		case a.Size < 0:
			return fmt.Errorf("anchor %.200q: size %d: expected 0 or more", a.Path, a.Size)
		case !sha256Form.MatchString(a.SHA256):
			return fmt.Errorf("anchor %.200q: SHA-256 %.80q: expected 64 lower-case hex digits", a.Path, a.SHA256)
		}
	}
	return nil
}

func (sm ServerMemory) check() error {
	switch {
	case sm.State != "" && !slices.Contains(States(), sm.State):
		return fmt.Errorf("state %.40q: expected one of %v", sm.State, States())
	case sm.Timestamp < 0 || sm.Highest < 0 || sm.Seen < 0 && sm.State != Wrong || sm.Soft < 0:
		return fmt.Errorf("timestamps %d, %d and %d, soft errors %d: expected 0 or more", sm.Timestamp, sm.Highest, sm.Seen, sm.Soft)
	case sm.Valid && sm.Timestamp == 0:
		return fmt.Errorf("a valid verification at timestamp 0: expected the timestamp")
	case sm.Depth != "" && !slices.Contains([]string{manifest.DepthTime, manifest.DepthAnchors, manifest.DepthListing}, sm.Depth):
		return fmt.Errorf("depth %.40q: expected time, anchors or listing", sm.Depth)
	}
	if err := sm.List.check(); err != nil {
		return err
	}
	if a := sm.Last.Address; a != "" {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("last address %.60q: expected an IP address", a)
		}
	}
	for _, f := range sm.Families {
		if f != 4 && f != 6 {
			return fmt.Errorf("family %d: expected 4 or 6", f)
		}
	}
	for _, a := range sm.Addresses {
		if _, err := netip.ParseAddr(a); err != nil {
			return fmt.Errorf("address %.60q: expected an IP address", a)
		}
	}
	return nil
}

// States lists all states a verdict may have, in the order of DESIGN 7.
func States() []State {
	return []State{Verified, Ahead, Behind, Moving, Mixed, Wrong, Incomplete, Busy, Unreachable, Refused, Unknown, Maintenance}
}
