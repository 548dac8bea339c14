package main

import (
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// What is tested of the shipped program, which is built once for it.
func TestShipped(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "tidemark-mirror")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	t.Run("LinksNoAWS", func(t *testing.T) { linksNoAWS(t, file) })
	t.Run("QuietBeaconBySystemCalls", func(t *testing.T) { quietBySystemCalls(t, file) })
}

// linksNoAWS: the program's own list of modules says it. (internal/arch says by which imports it would.)
func linksNoAWS(t *testing.T, file string) {
	info, err := buildinfo.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	known := false
	for _, m := range info.Deps {
		known = known || m.Path == "github.com/urfave/cli/v2"
		if strings.HasPrefix(m.Path, "github.com/aws/") {
			t.Errorf("%s is linked", m.Path)
		}
	}
	if !known {
		t.Errorf("these cannot be all modules: %v", info.Deps)
	}
}
