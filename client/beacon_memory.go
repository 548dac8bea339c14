package client

import (
	"fmt"
	"maps"
	"path/filepath"
	"slices"
	"strings"

	"tidemark/internal/ident"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

const (
	beaconFile = "beacon.json"
	maxBeacons = 64 << 10 // bytes of it
)

// beaconMemory is beacon.json: what a reader remembers of the beacon, and of what it is compared with. Nothing in it makes a
// beacon good, or puts HTTPS off for more than a day.
type beaconMemory struct {
	Serial  int64    `json:"serial,omitempty"`   // of the newest beacon seen,
	SHA256  string   `json:"sha256,omitempty"`   // and of its content: all before " k="
	ResetBy []string `json:"reset_by,omitempty"` // as Seen has it: the serial was seen after these trust documents were obeyed

	Answered strictjson.Time       `json:"answered,omitzero"` // HTTPS last answered then,
	Due      strictjson.Time       `json:"due,omitzero"`      // is asked again then,
	Trees    map[string]beaconTree `json:"trees,omitempty"`   // and announced these

	FailingSince strictjson.Time `json:"failing_since,omitzero"` // no beacon was to be had, as may pass by itself
}

type beaconTree struct {
	Announced int64  `json:"announced"`
	TimeFile  string `json:"time_file"`
}

func parseBeaconMemory(b []byte) (beaconMemory, error) {
	var m beaconMemory
	if len(b) > maxBeacons {
		return beaconMemory{}, fmt.Errorf("more than %d bytes", maxBeacons)
	}
	if err := strictjson.Unmarshal(b, &m); err != nil {
		return beaconMemory{}, err
	}
	if err := m.check(); err != nil {
		return beaconMemory{}, err
	}
	return m, nil
}

func (m beaconMemory) check() error {
	if m.Serial < 0 || m.Serial > manifest.MaxSerial {
		return fmt.Errorf("serial is %d, expected 0 to 2^53-1", m.Serial)
	}
	if (m.Serial == 0) != (m.SHA256 == "") {
		return fmt.Errorf("serial is %d and sha256 is %.70q, expected both or none", m.Serial, m.SHA256)
	}
	if len(m.ResetBy) > maxResets {
		return fmt.Errorf("reset_by has %d members, expected at most %d", len(m.ResetBy), maxResets)
	}
	for _, sum := range append([]string{m.SHA256}, m.ResetBy...) {
		if sum != "" && (len(sum) != 64 || strings.Trim(sum, "0123456789abcdef") != "") {
			return fmt.Errorf("sha256 is %.70q, expected 64 lower-case hex digits", sum)
		}
	}
	if len(m.Trees) > manifest.MaxTrees {
		return fmt.Errorf("%d trees, expected at most %d", len(m.Trees), manifest.MaxTrees)
	}
	for name, t := range m.Trees {
		if err := ident.Check(name); err != nil {
			return err
		}
		if t.Announced < 1 || !filepath.IsLocal(t.TimeFile) {
			return fmt.Errorf("tree %s is announced at %d in the time file %.100q, expected a timestamp, and a path below the tree", name, t.Announced, t.TimeFile)
		}
	}
	return nil
}

// loadBeacon reads beacon.json. A damaged one is set aside, since all in it can be learnt again: broken says so.
func (s *store) loadBeacon() (m beaconMemory, broken string, err error) {
	b, err := s.read(beaconFile, maxBeacons)
	if b == nil || err != nil {
		return beaconMemory{}, "", err
	}
	m, err = parseBeaconMemory(b)
	if err == nil {
		return m, "", nil
	}
	broken = fmt.Sprintf("%s/%s is damaged (%v), and does not count", s.dir, beaconFile, err)
	return beaconMemory{}, broken, s.setAside(beaconFile)
}

// save replaces beacon.json when something did change. The lock is held.
func (a *beaconAsk) save(after beaconMemory) error {
	if after.same(a.memory) && a.broken == "" {
		return nil
	}
	b, err := strictjson.Marshal(after)
	if err != nil {
		return fmt.Errorf("write %s: %w", beaconFile, err)
	}
	if err := a.store.write(beaconFile, b); err != nil {
		return err
	}
	a.memory = after
	return nil
}

func (m beaconMemory) same(o beaconMemory) bool {
	return m.Serial == o.Serial && m.SHA256 == o.SHA256 && slices.Equal(m.ResetBy, o.ResetBy) &&
		m.Answered == o.Answered && m.Due == o.Due && maps.Equal(m.Trees, o.Trees) && m.FailingSince == o.FailingSince
}

// obeyed reports whether the chain's newest reset_serial was obeyed when this was remembered: a beacon's serial is compared
// with those of its own count only.
func (m beaconMemory) obeyed(c chain) bool {
	return len(c.resets) == 0 || m.same(beaconMemory{}) || slices.Contains(m.ResetBy, c.resets[len(c.resets)-1])
}

func (a *beaconAsk) obeying() []string {
	return Seen{ResetBy: a.memory.ResetBy}.obeying(a.chain).ResetBy
}
