package main

import (
	"testing"

	"tidemark/config"
	"tidemark/inventory"
)

// What init prints for the network's inventory is an entry as it stands there; only HOST and MODULE are still to be filled in.
func TestKeyLine_IsAnEntry(t *testing.T) {
	t.Parallel()
	cfg := &config.Mirror{ID: mirrorID, Country: "FI", Trees: map[string]config.MirrorTree{"centos": {}, "vault": {}}}
	line := keyLine(cfg, "RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3")
	servers, problems := inventory.Parse("inventory.yaml", []byte(line+"\n"))
	if len(problems) > 0 || len(servers) != 1 || servers[0].ID != mirrorID || len(servers[0].Trees) != 2 || servers[0].Key == "" {
		t.Errorf("%s: found %+v, %v", line, servers, problems)
	}
}
