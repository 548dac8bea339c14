package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"

	"tidemark/internal/lab"
)

// demoMirror is a mirror that runs the other program. It is in no inventory: whoever has the trust document can follow.
type demoMirror struct{ id, country string }

func finland() demoMirror { return demoMirror{"new.mirror.fi", "FI"} } // another mirror of the country is a source
func brazil() demoMirror  { return demoMirror{"new.mirror.br", "BR"} } // the other one there is partial: never a source
func kenya() demoMirror   { return demoMirror{"new.mirror.ke", "KE"} } // no source is near

// The exit codes of `tidemark-mirror check`.
const (
	checkInDate = 0
	checkNeeded = 100
	checkHeld   = 101
)

// join sets up three more mirrors, each with a configuration and a directory of its own.
func (d *demo) join(ctx context.Context) error {
	d.title("The other program: three new mirrors, in Finland, Brazil and Kenya, fill their empty trees")
	site, err := lab.ServeStatic(ctx, filepath.Join(d.dir, "tls"), filepath.Join(d.dir, "site"))
	if err != nil {
		return err
	}
	d.site = site
	for i, m := range []demoMirror{finland(), brazil(), kenya()} {
		if err := d.newMirror(ctx, m, i == 0); err != nil {
			return err
		}
	}
	return nil
}

// nearest shows what each would do now, and why: all of it once, then where the lists begin.
func (d *demo) nearest(ctx context.Context) error {
	d.title("Where each of the new mirrors would go, and why")
	if _, err := d.mirror(ctx, finland(), []int{0}, "sources", "centos"); err != nil {
		return err
	}
	for _, m := range []demoMirror{brazil(), kenya()} {
		args := d.of(m, "sources", "centos")
		d.typed(args)
		out, _, err := d.captured(ctx, []int{0}, args...)
		if err != nil {
			return err
		}
		const shown = 7 // with three sources
		lines := strings.SplitAfter(out, "\n")
		fmt.Fprintf(d.out, "%s  …\n", strings.Join(lines[:min(shown, len(lines))], ""))
	}
	return nil
}

// newMirror configures a mirror and fills its tree; what init says is not told twice.
func (d *demo) newMirror(ctx context.Context, m demoMirror, whole bool) error {
	dir := d.mirrorDir(m)
	tree := filepath.Join(dir, "centos")
	if err := os.MkdirAll(tree, 0o755); err != nil {
		return err
	}
	args := []string{"init", dir, "--url", d.site.URL, "--trust", filepath.Join(d.dir, "trust.json"), "--id", m.id,
		"--country", m.country, "--state", filepath.Join(dir, "state"), "--tree", "centos=" + tree}
	var err error
	if whole {
		_, err = d.run(ctx, []int{0}, args...)
	} else {
		fmt.Fprintf(d.out, "\n$ tidemark-mirror init %s … --id %s --country %s …\n(as above)\n", dir, m.id, m.country)
		_, _, err = d.captured(ctx, []int{0}, args...)
	}
	if err != nil {
		return err
	}
	if err := d.addTo(m, fmt.Sprintf("ca: %q    # the demo's site has a certificate of its own authority", d.site.CA)); err != nil {
		return err
	}
	_, err = d.mirror(ctx, m, []int{0}, "run", "--now")
	return err
}

func appendLine(file, line string) error {
	f, err := os.OpenFile(file, os.O_APPEND|os.O_WRONLY, 0)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(f, "%s\n", line)
	return errors.Join(err, f.Close())
}

// follow is what cron does all day: look, sync when there is something new, and look again.
func (d *demo) follow(ctx context.Context, m demoMirror) error {
	d.title(fmt.Sprintf("%s: something is new, it syncs, nothing is new", m.id))
	code, err := d.mirror(ctx, m, []int{checkNeeded, checkHeld}, "check")
	if err != nil {
		return err
	}
	if err := d.sync(ctx, m, code == checkHeld); err != nil {
		return err
	}
	_, err = d.mirror(ctx, m, []int{checkInDate}, "check")
	return err
}

// followToo is follow without the looks before and after.
func (d *demo) followToo(ctx context.Context, m demoMirror) error {
	_, code, err := d.captured(ctx, []int{checkNeeded, checkHeld}, d.of(m, "check")...)
	if err != nil {
		return err
	}
	return d.sync(ctx, m, code == checkHeld)
}

// sync syncs a mirror and compares it with the master.
func (d *demo) sync(ctx context.Context, m demoMirror, held bool) error {
	run := []string{"run", "--now"}
	if held {
		fmt.Fprintln(d.out, "(not yet its turn: the first mirrors leave the sources free for the next ones. The demo does not wait for it)")
		run = append(run, "--ignore-admission")
	}
	if _, err := d.mirror(ctx, m, []int{0}, run...); err != nil {
		return err
	}
	return d.compare(m)
}

// compare looks at every file of a mirror. Old files may lie about where the source was not one that may tell what to delete.
func (d *demo) compare(m demoMirror) error {
	diffs, err := lab.DiffTrees(d.network.Master("centos"), filepath.Join(d.mirrorDir(m), "centos"), lab.DiffOptions{})
	if err != nil {
		return err
	}
	wrong := slices.DeleteFunc(slices.Clone(diffs), func(s string) bool { return strings.HasSuffix(s, ": only in the second") })
	switch {
	case len(wrong) > 0:
		return fmt.Errorf("%s is not as the master is: %q", m.id, wrong)
	case len(diffs) > 0:
		fmt.Fprintf(d.out, "(compared with the master, file by file: all is there. %d old files wait for a source that may say what to delete: a node,\nor a mirror whose whole listing was compared)\n", len(diffs))
	default:
		fmt.Fprintln(d.out, "(compared with the master, file by file: the same)")
	}
	return nil
}

func (d *demo) mirrorDir(m demoMirror) string { return filepath.Join(d.dir, "mirrors", m.id) }

// mirror runs the mirror's program with a mirror's configuration.
func (d *demo) mirror(ctx context.Context, m demoMirror, codes []int, args ...string) (int, error) {
	return d.run(ctx, codes, d.of(m, args...)...)
}

// of are arguments with a mirror's configuration.
func (d *demo) of(m demoMirror, args ...string) []string {
	return append(args, "--config", filepath.Join(d.mirrorDir(m), "mirror.yaml"))
}

// run runs the mirror's program, shows it as typed, and insists on one of the exit codes.
func (d *demo) run(ctx context.Context, codes []int, args ...string) (int, error) {
	d.typed(args)
	code, err := d.start(ctx, d.out, codes, args)
	if err != nil {
		return code, err
	}
	fmt.Fprintf(d.out, "(exit code %d)\n", code)
	return code, nil
}

// captured is run without a word; what the program says is returned, and part of the error.
func (d *demo) captured(ctx context.Context, codes []int, args ...string) (string, int, error) {
	var out strings.Builder
	code, err := d.start(ctx, &out, codes, args)
	if err != nil {
		err = fmt.Errorf("%w\n%s", err, &out)
	}
	return out.String(), code, err
}

func (d *demo) typed(args []string) {
	fmt.Fprintf(d.out, "\n$ tidemark-mirror %s\n", strings.Join(args, " "))
}

func (d *demo) start(ctx context.Context, out io.Writer, codes []int, args []string) (int, error) {
	c := exec.CommandContext(ctx, filepath.Join(filepath.Dir(d.tidemark), "tidemark-mirror"), args...)
	c.Stdout, c.Stderr = out, out
	err := c.Run()
	if c.ProcessState == nil {
		return 0, fmt.Errorf("tidemark-mirror %s: %w", strings.Join(args, " "), err)
	}
	code := c.ProcessState.ExitCode()
	if !slices.Contains(codes, code) {
		return code, fmt.Errorf("tidemark-mirror %s: exit code %d, expected %d", strings.Join(args, " "), code, codes)
	}
	return code, nil
}
