package lab

import (
	"context"
	"fmt"
	"io"
	"math/rand/v2"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"

	"tidemark/internal/filelist"
)

const (
	listFiles    = 240_000 // the design's figure is for a tree of that size
	listReplayed = 1_000_000
	listMaxSize  = 400_000

	mostListWall    = 0.7 // of rsync -r --list-only
	mostListCPU     = 0.2
	mostCompareCPU  = 0.25 // to sort it, and to compare it with the master's, comes on top
	mostListMemory  = 64 << 20
	mostListGrowing = 24 << 20 // from 240,000 entries to 1,000,000
)

// BenchList measures how long it takes to read the file list of a large tree, and to compare it with the master's, beside
// rsync; and that memory stays flat when a list is longer.
func BenchList(ctx context.Context, o BenchOptions, files, replayed int) (tables []BenchTable, err error) {
	o = o.withDefaults()
	b := &listBench{o: o, files: files, replayed: replayed}
	if b.files == 0 {
		b.files, b.replayed = listFiles, listReplayed
	}
	if err := b.prepare(ctx); err != nil {
		return nil, fmt.Errorf("preparing the benchmark: %w", err)
	}
	defer b.daemon.Stop()
	defer b.front.Close()
	disk, err := b.onDisk(ctx)
	if err != nil {
		return nil, err
	}
	long, err := b.long(ctx)
	return []BenchTable{disk, long}, err
}

type listBench struct {
	o               BenchOptions
	files, replayed int
	daemon          *Running
	front           *Front
	short, longer   netip.Addr
}

func (b *listBench) path(name string) string { return filepath.Join(b.o.Dir, name) }

// prepare makes the tree, the replayed lists, and an index of each.
func (b *listBench) prepare(ctx context.Context) error {
	tree := b.path("tree")
	if err := Bulk(tree, b.files, listMaxSize, 3, benchTimestamp); err != nil {
		return err
	}
	if err := WriteTime(tree, benchTimestamp); err != nil {
		return err
	}
	var err error
	if b.daemon, err = StartDaemon(ctx, Daemon{Dir: b.path("daemon"), Address: "127.0.0.1", Modules: map[string]string{"centos": tree}}); err != nil {
		return err
	}
	b.short, b.longer = netip.MustParseAddr("127.0.7.1"), netip.MustParseAddr("127.0.7.2")
	if b.front, err = StartFront(ctx, 873, map[netip.Addr]Door{b.short: ToList(b.files, manyFiles), b.longer: ToList(b.replayed, manyFiles)}); err != nil {
		b.daemon.Stop()
		return err
	}
	disk := func(add func(filelist.Entry) error) error { return eachFile(ctx, b.daemon.URL("centos"), add) }
	replay := func(n int) func(add func(filelist.Entry) error) error {
		return func(add func(filelist.Entry) error) error {
			for i := range n {
				e := manyFiles(i)
				if err := add(filelist.Entry{Path: e.Name, Size: e.Size, MTime: e.MTime}); err != nil {
					return err
				}
			}
			return nil
		}
	}
	for name, each := range map[string]func(func(filelist.Entry) error) error{"disk": disk, "short": replay(b.files), "long": replay(b.replayed)} {
		if err := b.index(name, each); err != nil {
			return fmt.Errorf("the index of %s: %w", name, err)
		}
	}
	return nil
}

// index sorts entries and writes them as a master's list.
func (b *listBench) index(name string, each func(add func(filelist.Entry) error) error) error {
	s := filelist.NewSorter(filelist.Options{Dir: b.o.Dir})
	defer s.Close()
	if err := each(s.Add); err != nil {
		return err
	}
	from, err := s.Sorted()
	if err != nil {
		return err
	}
	defer from.Close()
	_, err = filelist.Write(b.path(name+".list"), filelist.Head{Tree: "centos", Timestamp: benchTimestamp}, from)
	return err
}

// manyFiles are names as a distribution's, 500 in each directory, in no order: file systems keep none.
func manyFiles(i int) ListEntry {
	rnd := rand.New(rand.NewPCG(uint64(i), 0))
	name := packageNames()[rnd.IntN(10)]
	return ListEntry{
		Name: fmt.Sprintf("%d/x86_64/Packages/%s-libs-%d.%d-%08x.el7_9.x86_64.rpm", 7+i/500, name, rnd.IntN(9), rnd.IntN(40), uint32(i)*2654435761),
		Size: rnd.Int64N(50_000_000), MTime: benchTimestamp - rnd.Int64N(2*365*86400),
	}
}

// onDisk reads the list of a real tree from a real daemon.
func (b *listBench) onDisk(ctx context.Context) (BenchTable, error) {
	t := BenchTable{Title: fmt.Sprintf("list of %d files on disk (answers: entries)", b.files)}
	url := b.daemon.URL("centos")
	medians := make([]BenchRow, 3)
	rows := make([][]BenchRow, 3)
	for range b.o.Rounds {
		for i, measure := range []func() (BenchRow, error){
			func() (BenchRow, error) { return b.ours(ctx, benchJob{What: "list", URL: url}, b.files) },
			func() (BenchRow, error) {
				return b.ours(ctx, benchJob{What: "compare", URL: url, Index: b.path("disk.list"), Dir: b.o.Dir}, b.files)
			},
			func() (BenchRow, error) { return b.rsync(ctx, url) },
		} {
			row, err := measure()
			if err != nil {
				return t, err
			}
			rows[i] = append(rows[i], row)
		}
	}
	for i, name := range []string{"tidemark, read", "tidemark, read, sorted and compared", "rsync -r --list-only"} {
		medians[i] = median(rows[i])
		medians[i].Client = name
	}
	read, compared, rsync := medians[0], medians[1], medians[2]
	t.Rows = medians
	t.Targets = []BenchTarget{
		ratio("wall to read it, of rsync", read.Wall, rsync.Wall, mostListWall),
		ratio("CPU to read it, of rsync", read.CPU, rsync.CPU, mostListCPU),
		ratio("wall to read and compare it, of rsync", compared.Wall, rsync.Wall, mostListWall),
		ratio("CPU to read and compare it, of rsync", compared.CPU, rsync.CPU, mostCompareCPU),
	}
	return t, nil
}

// long reads and compares lists that are sent without a tree, a short one and a long one.
func (b *listBench) long(ctx context.Context) (BenchTable, error) {
	t := BenchTable{Title: "lists that are replayed: memory (answers: entries)"}
	for _, l := range []struct {
		index string
		addr  netip.Addr
		files int
	}{{"short", b.short, b.files}, {"long", b.longer, b.replayed}} {
		row, err := b.ours(ctx, benchJob{What: "compare", URL: fmt.Sprintf("rsync://%s/centos/", l.addr), Index: b.path(l.index + ".list"), Dir: b.o.Dir}, l.files)
		if err != nil {
			return t, err
		}
		row.Client = fmt.Sprintf("tidemark, %d entries read, sorted and compared", l.files)
		t.Rows = append(t.Rows, row)
	}
	t.Targets = []BenchTarget{
		mebibytes(fmt.Sprintf("memory for %d entries", b.replayed), t.Rows[1].Memory, mostListMemory),
		mebibytes("more memory than for the short one", t.Rows[1].Memory-t.Rows[0].Memory, mostListGrowing),
	}
	return t, nil
}

// ours does a job, and insists that the list is the one that is there.
func (b *listBench) ours(ctx context.Context, j benchJob, files int) (BenchRow, error) {
	row, r, err := runJob(ctx, b.o, j)
	if err == nil && (r.Answers != files || j.What == "compare" && !r.Equal) {
		err = fmt.Errorf("to %s a list of %d files: it found %d, the same: %t", j.What, files, r.Answers, r.Equal)
	}
	return row, err
}

// rsync counts the lines of files; the time file and directories are left out.
func (b *listBench) rsync(ctx context.Context, url string) (row BenchRow, err error) {
	c := exec.CommandContext(ctx, "rsync", "-r", "--list-only", "--no-motd", url)
	c.Env = []string{"PATH=" + os.Getenv("PATH"), "LC_ALL=C", "TZ=UTC"}
	c.WaitDelay = stopWithin
	out, err := c.StdoutPipe()
	if err != nil {
		return row, err
	}
	start := b.o.Now()
	if err := c.Start(); err != nil {
		return row, fmt.Errorf("running rsync: %w", err)
	}
	files, err := countListed(out)
	if err == nil {
		err = c.Wait()
	}
	if err != nil {
		return row, fmt.Errorf("running rsync: %w", err)
	}
	row = BenchRow{Wall: b.o.Now().Sub(start), Answers: files, Rounds: 1}
	row.CPU = used(c.ProcessState)
	if files != b.files {
		return row, fmt.Errorf("rsync listed %d files, expected %d", files, b.files)
	}
	return row, nil
}

// countListed counts regular files in what rsync prints: lines that begin with "-", but that of the time file.
func countListed(r io.Reader) (files int, err error) {
	begin := true
	buf := make([]byte, 256<<10)
	for {
		n, err := r.Read(buf)
		for _, c := range buf[:n] {
			if begin && c == '-' {
				files++
			}
			begin = c == '\n'
		}
		if err == io.EOF {
			return files - 1, nil
		}
		if err != nil {
			return 0, err
		}
	}
}
