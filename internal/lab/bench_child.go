package lab

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"

	"tidemark/internal/filelist"
	"tidemark/internal/rsyncurl"
	"tidemark/probe"
	"tidemark/quorum"
	"tidemark/rsync"
)

// benchJobEnv holds the job of a process that was started to do one, and nothing else: so its CPU time and memory are those
// of the work, as with the other programs.
const benchJobEnv = "TIDEMARK_LAB_JOB"

// benchJob is what such a process does.
type benchJob struct {
	What string // a key of benchJobs
	Out  string // where it writes its result

	Addresses   []string // of "time files"
	Concurrency int
	PerSecond   int
	Timeout     time.Duration

	URL, Index, Dir string // of "list" and "compare"
}

// benchResult is what it says.
type benchResult struct {
	Answers int // right ones, or entries of a list
	Failed  int // readings with a failure
	Equal   bool
	Memory  int64 // the peak, bytes
}

func benchJobs() map[string]func(context.Context, benchJob, func() time.Time) (benchResult, error) {
	return map[string]func(context.Context, benchJob, func() time.Time) (benchResult, error){
		"time files": jobTimeFiles, "list": jobList, "compare": jobCompare,
	}
}

// BenchJob does the job that this process was started for; none: it was started for something else. Every program that
// measures with [BenchOptions] calls it first.
func BenchJob(ctx context.Context, now func() time.Time) (done bool, err error) {
	file := os.Getenv(benchJobEnv)
	if file == "" {
		return false, nil
	}
	var j benchJob
	text, err := os.ReadFile(file)
	if err == nil {
		err = json.Unmarshal(text, &j)
	}
	if err != nil {
		return true, fmt.Errorf("reading a job of the benchmark: %w", err)
	}
	do, ok := benchJobs()[j.What]
	if !ok {
		return true, fmt.Errorf("a job of the benchmark: found %q, expected one that this program knows", j.What)
	}
	r, err := do(ctx, j, now)
	if err != nil {
		return true, fmt.Errorf("%s: %w", j.What, err)
	}
	if r.Memory, err = peakMemory(); err != nil {
		return true, err
	}
	if text, err = json.Marshal(r); err != nil {
		return true, err
	}
	return true, os.WriteFile(j.Out, text, 0o644)
}

// runJob does a job in a process of its own.
func runJob(ctx context.Context, o BenchOptions, j benchJob) (row BenchRow, r benchResult, err error) {
	j.Out = filepath.Join(o.Dir, "result.json")
	in := filepath.Join(o.Dir, "job.json")
	text, err := json.Marshal(j)
	if err != nil {
		return row, r, err
	}
	if err := os.WriteFile(in, text, 0o644); err != nil {
		return row, r, fmt.Errorf("starting a process of its own: %w", err)
	}
	self, err := os.Executable()
	if err != nil {
		return row, r, fmt.Errorf("starting a process of its own: %w", err)
	}
	c := exec.CommandContext(ctx, self, o.Self...)
	c.Env = append(os.Environ(), benchJobEnv+"="+in)
	c.WaitDelay = stopWithin
	start := o.Now()
	out, err := c.CombinedOutput()
	row = BenchRow{Wall: o.Now().Sub(start), Rounds: 1}
	if err != nil {
		return row, r, fmt.Errorf("in a process of its own: %w\n%s", err, out)
	}
	row.CPU = used(c.ProcessState)
	if text, err = os.ReadFile(j.Out); err != nil {
		return row, r, fmt.Errorf("in a process of its own: %w\n%s", err, out)
	}
	err = json.Unmarshal(text, &r)
	row.Answers, row.Memory = r.Answers, r.Memory
	return row, r, err
}

// used is the CPU time of a process and of those it waited for. Its peak of memory (ru_maxrss) is no use: a new program
// inherits that of the process which started it.
func used(p *os.ProcessState) time.Duration { return p.UserTime() + p.SystemTime() }

// peakMemory is the most that this program has had resident (proc(5), VmHWM).
func peakMemory() (int64, error) {
	b, err := os.ReadFile("/proc/self/status")
	if err != nil {
		return 0, fmt.Errorf("asking for the peak of memory: %w", err)
	}
	for line := range strings.Lines(string(b)) {
		f := strings.Fields(line)
		if len(f) == 3 && f[0] == "VmHWM:" {
			n, err := strconv.ParseInt(f[1], 10, 64)
			return n << 10, err
		}
	}
	return 0, errors.New("asking for the peak of memory: /proc/self/status has no VmHWM")
}

// jobTimeFiles asks as `tidemark run` does.
func jobTimeFiles(ctx context.Context, j benchJob, now func() time.Time) (r benchResult, err error) {
	asks := make([]quorum.Ask, len(j.Addresses))
	for i, addr := range j.Addresses {
		u, err := rsyncurl.Parse(fmt.Sprintf("rsync://%s/centos/", addr))
		if err != nil {
			return r, err
		}
		asks[i] = quorum.Ask{Server: fmt.Sprint("m", i), Tree: "centos", URL: u, TimeFile: TimeFile}
	}
	for _, got := range probe.All(ctx, asks, probe.Options{Concurrency: j.Concurrency, Timeout: j.Timeout, PerSecond: j.PerSecond, AllowPrivate: true, Now: now}) {
		switch {
		case got.Failure != nil:
			r.Failed++
		case got.Timestamp == benchTimestamp:
			r.Answers++
		}
	}
	return r, nil
}

// jobList reads a list and counts.
func jobList(ctx context.Context, j benchJob, _ func() time.Time) (r benchResult, err error) {
	return r, eachFile(ctx, j.URL, func(filelist.Entry) error { r.Answers++; return nil })
}

// jobCompare reads a list, sorts it and compares it with the master's, as the probe does.
func jobCompare(ctx context.Context, j benchJob, _ func() time.Time) (r benchResult, err error) {
	x, err := filelist.Open(j.Index)
	if err != nil {
		return r, err
	}
	defer x.Close()
	s := filelist.NewSorter(filelist.Options{Dir: j.Dir})
	defer s.Close()
	if err := eachFile(ctx, j.URL, s.Add); err != nil {
		return r, err
	}
	seen, err := s.Sorted()
	if err != nil {
		return r, err
	}
	defer seen.Close()
	want := x.Entries()
	defer want.Close()
	d, err := filelist.Compare(seen, want, nil, filelist.Rules{})
	r.Answers, r.Equal = int(d.Files), d.Equal()
	return r, err
}

// eachFile reads the file list below an URL whose host is an address.
func eachFile(ctx context.Context, url string, visit func(filelist.Entry) error) error {
	u, err := rsyncurl.Parse(url)
	if err != nil {
		return err
	}
	addr, _ := u.Addr()
	return (&rsync.Client{}).List(ctx, addr, u, nil, func(e rsync.Entry) error {
		if !e.IsRegular() || e.Name == TimeFile {
			return nil
		}
		return visit(filelist.Entry{Path: e.Name, Size: e.Size, MTime: e.MTime.Unix()})
	})
}
