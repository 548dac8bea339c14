package main

import (
	"context"
	"fmt"
	"os/exec"
	"strings"
)

// demoLoser is a mirror that loses a package.
const demoLoser = "mirror.jp"

// why shows what a look at the whole list is good for, and the beginning of one server's story.
func (d *demo) why(ctx context.Context) error {
	d.title(demoLoser + " has the new time file and true metadata, and lost one package: only its file list tells")
	args := []string{"status", "--why", demoLoser, "--tree", "centos", "--config", d.config()}
	fmt.Fprintf(d.out, "\n$ tidemark %s\n", strings.Join(args, " "))
	out, err := exec.CommandContext(ctx, d.tidemark, args...).CombinedOutput()
	if err != nil {
		return fmt.Errorf("tidemark %s: %w\n%s", strings.Join(args, " "), err, out)
	}
	const shown = 13
	lines := strings.SplitAfter(string(out), "\n")
	fmt.Fprintf(d.out, "%s  …\n", strings.Join(lines[:min(shown, len(lines))], ""))
	if !strings.Contains(string(out), "incomplete") {
		return fmt.Errorf("%s lost a package, and nobody saw it", demoLoser)
	}
	return nil
}
