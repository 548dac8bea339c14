package lab

import (
	"fmt"
	"maps"
	"net/netip"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// Hosts has names lead to addresses, several each if need be, for all programs within the namespaces of [Isolate]: a hosts
// file in dir is mounted over the system's (hosts(5)).
func Hosts(dir string, names map[string][]netip.Addr) (undo func() error, err error) {
	var b strings.Builder
	b.WriteString("127.0.0.1 localhost\n")
	for _, name := range slices.Sorted(maps.Keys(names)) {
		for _, addr := range names[name] {
			fmt.Fprintf(&b, "%s %s\n", addr, name)
		}
	}
	file := filepath.Join(dir, "hosts")
	if err := os.WriteFile(file, []byte(b.String()), 0o644); err != nil {
		return nil, fmt.Errorf("writing a hosts file: %w", err)
	}
	return cover(file, "/etc/hosts")
}
