package main

import (
	"debug/buildinfo"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// The shipped program links no AWS SDK: its own list of modules says so. (internal/arch says by which imports it would.)
func TestLinks_NoAWS(t *testing.T) {
	file := filepath.Join(t.TempDir(), "tidemark-mirror")
	if out, err := exec.Command("go", "build", "-o", file, ".").CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
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
