package treesync_test

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/treesync"
)

// failing ends the dry run at a source, or all runs with a list of names, as an rsync that says this.
type failing struct {
	rsync.Runner
	source string
	exit   rsync.ExitError
}

func (r failing) Run(ctx context.Context, j rsync.Job, w rsync.Watch) (rsync.Result, error) {
	if j.DryRun && j.Source.String() == r.source || r.source == "" && j.FilesFrom != "" {
		return rsync.Result{}, &r.exit
	}
	return r.Runner.Run(ctx, j, w)
}

// What the server says, or what becomes of it, is its own affair: the next source is taken.
func TestRun_ServersWords(t *testing.T) {
	for name, exit := range map[string]rsync.ExitError{
		"words":                {Code: 5, Text: "@ERROR: could not make way for new customers"},
		"a directory":          {Code: 23, Text: "could not make way for new symlink: nothing-here"},
		"was killed":           {Code: 20, Text: "rsync error: received SIGINT, SIGTERM, or SIGHUP (code 20) at rsync.c(713) [sender=3.2.7]"},
		"has no memory":        {Code: 22, Text: "rsync error: error allocating core memory buffers (code 22) at util2.c(80) [sender=3.2.7]"},
		"cannot read":          {Code: 23, Text: `rsync: [sender] send_files failed to open "/x": Permission denied (13)`},
		"errors in selecting":  {Code: 3, Text: "rsync error: errors selecting input/output files, dirs (code 3) at main.c(7) [sender=3.2.7]"},
		"our rsync is crashed": {Code: -1},
	} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t)
			bad := l.serve("bad", l.at[1], true)
			o := l.options(l.tree[1], bad, l.serve("good", l.at[1], true))
			o.Runner = failing{l.runs, bad.URL.String(), exit}
			if out := l.sync(o); out.Source.ID != "good" || len(out.Attempts) != 1 {
				t.Errorf("%+v", out)
			}
		})
	}
}

// What fails here fails with every source: none is asked in vain, and none is blamed.
func TestRun_LocalProblem(t *testing.T) {
	for _, text := range []string{
		`rsync: [receiver] mkstemp "/srv/m/7/.x.abc" failed: Permission denied (13)`,
		`rsync: [receiver] write failed on "/srv/m/7/x": No space left on device (28)`,
		`rsync: [generator] recv_generator: mkdir "/srv/m/7/x" failed: Read-only file system (30)`,
		`rsync: [receiver] write failed on "/srv/m/7/x": Disk quota exceeded (122)`,
	} {
		t.Run(text, func(t *testing.T) {
			l := newTimeline(t)
			o := l.options(l.tree[1], l.serve("a", l.at[1], true), l.serve("b", l.at[1], true))
			o.Runner = failing{l.runs, "", rsync.ExitError{Code: 23, Text: text}}
			out, err := treesync.Run(context.Background(), o)
			var none *treesync.NoSource
			if err == nil || errors.As(err, &none) || len(out.Attempts) > 0 || !strings.Contains(err.Error(), text) {
				t.Errorf("%v, %+v", err, out.Attempts)
			}
		})
	}
}

// A source that lists what nobody has does not keep the mirror from all others, be it too much for the disk or not.
func TestRun_HugeFile(t *testing.T) {
	for name, size := range map[string]int64{"too large for the tree": 2 << 30, "too large for the disk": 8 << 40} {
		t.Run(name, func(t *testing.T) {
			l := newTimeline(t)
			bad := filepath.Join(l.dir, "bad")
			l.replaceWith(bad, l.snap[1])
			f, err := os.Create(filepath.Join(bad, "junk"))
			l.must(err)
			if err := f.Truncate(size); err != nil {
				t.Skip(err)
			}
			f.Close()
			out := l.sync(l.options(l.tree[1], l.serve("bad", bad, false), l.serve("good", l.at[1], true)))
			if attempts(out.Attempts) != "bad:list:wrong" {
				t.Errorf("%+v", out.Attempts)
			}
		})
	}
}

// A directory where the time file has to be is for people to look at.
func TestRun_TimeIsADirectory(t *testing.T) {
	l := newTimeline(t)
	l.must(os.Remove(filepath.Join(l.mirror, "TIME")))
	l.write(l.mirror, "TIME/x", "y")
	l.refused(l.options(l.tree[1], l.serve("a", l.at[1], true)), "move it away")
}

// A clock that is behind does not make a time file one of the future; and a sync without a manifest is remembered as such.
func TestRun_FloorAndUnproven(t *testing.T) {
	l := newTimeline(t)
	o := l.options(manifest.Tree{TimeFile: lab.TimeFile}, l.serve("a", l.at[1], true))
	o.Fallback = true
	o.Now = func() time.Time { return time.Unix(first-86400, 0) }
	l.left(o, "a:pre-flight:wrong")
	o.Floor = now()
	if out := l.sync(o); !out.Memory.Unproven || out.Timestamp != second {
		t.Errorf("%+v", out)
	}
	o = l.options(l.tree[1], l.serve("b", l.at[1], true))
	if out := l.sync(o); out.Memory.Unproven {
		t.Errorf("%+v", out.Memory)
	}
}
