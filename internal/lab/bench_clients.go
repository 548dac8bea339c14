package lab

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/probe"
	"tidemark/quorum"
)

// tidemark asks as `tidemark run` does.
func (b *bench) tidemark(ctx context.Context) (row BenchRow, err error) {
	asks := make([]quorum.Ask, len(b.addresses))
	for i, addr := range b.addresses {
		u, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/centos/", addr))
		if err != nil {
			return row, err
		}
		asks[i] = quorum.Ask{Server: fmt.Sprint("m", i), Tree: "centos", URL: u, TimeFile: TimeFile}
	}
	before, err := ownCPU()
	if err != nil {
		return row, err
	}
	readings := probe.All(ctx, asks, probe.Options{Concurrency: b.o.Concurrency, Timeout: b.o.Timeout, Now: b.o.Now, AllowPrivate: true})
	after, err := ownCPU()
	if err != nil {
		return row, err
	}
	row.CPU = after - before
	for _, r := range readings {
		if r.Failure == nil && r.Timestamp == benchTimestamp {
			row.Answers++
		} else if r.Failure != nil {
			b.o.Log(fmt.Sprintf("tidemark: %s: %s", r.Address, r.Failure.Text))
		}
	}
	return row, nil
}

// ownCPU is what this process has used. Its children, the daemon among them, are not in it.
func ownCPU() (time.Duration, error) {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0, fmt.Errorf("asking for the CPU time: %w", err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano()), nil
}

// run runs a command and gives the CPU time of it and of the processes it waited for.
func (b *bench) run(ctx context.Context, stdin string, name string, args ...string) (row BenchRow, err error) {
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Stdin = strings.NewReader(stdin)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC", "HOME=" + b.o.Dir}
	cmd.WaitDelay = stopWithin
	out, err := cmd.CombinedOutput()
	if cmd.ProcessState == nil {
		return row, fmt.Errorf("running %s: %w", name, err)
	}
	if err != nil && !b.mixed {
		b.o.Log(fmt.Sprintf("%s: %v: %s", name, err, bytes.TrimSpace(out)))
	}
	row.CPU = used(cmd.ProcessState)
	return row, nil
}

// xargs is what a script would do: as many rsync processes at a time.
func (b *bench) xargs(ctx context.Context) (row BenchRow, err error) {
	out, err := b.emptyDir("xargs")
	if err != nil {
		return row, err
	}
	var lines strings.Builder
	for _, addr := range b.addresses {
		fmt.Fprintf(&lines, "rsync://%s/centos/%s %s\n", addr, TimeFile, filepath.Join(out, addr.String()))
	}
	seconds := strconv.Itoa(int(b.o.Timeout.Seconds()))
	row, err = b.run(ctx, lines.String(), "xargs", "-P", strconv.Itoa(b.o.Concurrency), "-n", "2",
		"rsync", "-q", "--no-motd", "--contimeout="+seconds, "--timeout="+seconds)
	if err != nil {
		return row, err
	}
	for _, addr := range b.addresses {
		data, err := os.ReadFile(filepath.Join(out, addr.String()))
		if err == nil && string(data) == fmt.Sprintf("%d\n", benchTimestamp) {
			row.Answers++
		}
	}
	return row, nil
}

// mirmon probes a list of names with the probe program of its Debian package.
func (b *bench) mirmon(ctx context.Context) (row BenchRow, err error) {
	dir, err := b.emptyDir("mirmon")
	if err != nil {
		return row, err
	}
	if err := b.mirmonFiles(dir); err != nil {
		return row, err
	}
	undo, err := coverFixedPaths(dir)
	if err != nil {
		return row, err
	}
	defer undo()
	if row, err = b.run(ctx, "", "mirmon", "-q", "-get", "all", "-c", filepath.Join(dir, "conf")); err != nil {
		return row, err
	}
	state, err := os.ReadFile(filepath.Join(dir, "state"))
	if err != nil {
		return row, fmt.Errorf("reading its state: %w", err)
	}
	row.Answers = mirmonAnswers(string(state))
	return row, nil
}

// mirmonAnswers counts the sites whose line says: the timestamp, then "ok".
func mirmonAnswers(state string) int {
	answers := 0
	for line := range strings.Lines(state) {
		f := strings.Fields(line)
		if len(f) > 2 && f[1] == strconv.Itoa(benchTimestamp) && f[2] == "ok" {
			answers++
		}
	}
	return answers
}

// mirmonFiles writes its configuration and list, a hosts file with a name for every address, and room for its probe.
func (b *bench) mirmonFiles(dir string) error {
	var list, hosts strings.Builder
	hosts.WriteString("127.0.0.1 localhost\n")
	for i, addr := range b.addresses {
		fmt.Fprintf(&list, "fi rsync://m%d.lab/centos/ admin@m%d.lab\n", i, i)
		fmt.Fprintf(&hosts, "%s m%d.lab\n", addr, i)
	}
	conf := fmt.Sprintf("project_name lab\nproject_url http://localhost/\nicons icons\ncountries /usr/share/mirmon/countries.list\n"+
		"max_probes %d\ntimeout %d\nmirror_list %s/list\nstate %s/state\nweb_page %s/page.html\nprobe /usr/bin/probe -q -t %%TIMEOUT%% %%URL%%%s\n",
		b.o.Concurrency, int(b.o.Timeout.Seconds()), dir, dir, dir, TimeFile)
	for name, text := range map[string]string{"conf": conf, "list": list.String(), "hosts": hosts.String(), "state": ""} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o644); err != nil {
			return fmt.Errorf("writing its files: %w", err)
		}
	}
	if err := os.Mkdir(filepath.Join(dir, "scratch"), 0o755); err != nil {
		return fmt.Errorf("writing its files: %w", err)
	}
	return nil
}

// coverFixedPaths has our namespace resolve names by the hosts file in dir, and mirmon's probe, which writes to a fixed
// directory, write to dir.
func coverFixedPaths(dir string) (undo func(), err error) {
	const fixed = "/tmp/mirmon"
	made := os.Mkdir(fixed, 0o755)
	if made != nil && !errors.Is(made, fs.ErrExist) {
		return nil, fmt.Errorf("making room for its probe: %w", made)
	}
	first, err := cover(filepath.Join(dir, "scratch"), fixed)
	if err != nil {
		return nil, err
	}
	second, err := cover(filepath.Join(dir, "hosts"), "/etc/hosts")
	if err != nil {
		return nil, errors.Join(err, first())
	}
	return func() {
		// What fails here is undone when the namespace ends, but for an empty directory.
		_, _ = first(), second()
		if made == nil {
			os.Remove(fixed)
		}
	}, nil
}

func (b *bench) emptyDir(name string) (string, error) {
	dir := filepath.Join(b.o.Dir, name)
	if err := os.RemoveAll(dir); err != nil {
		return "", fmt.Errorf("emptying %s: %w", dir, err)
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", fmt.Errorf("making %s: %w", dir, err)
	}
	return dir, nil
}
