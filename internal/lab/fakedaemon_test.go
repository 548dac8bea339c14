package lab_test

import (
	"context"
	"os/exec"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
)

// TestFake shows each kind to the real client: what ends by itself, and with which words.
func TestFake(t *testing.T) {
	needRsync(t)
	for kind, want := range map[lab.FakeKind]string{
		lab.FakeSilent:  "timeout",
		lab.FakeChatter: "", // for ever: only who runs rsync can end it
		lab.FakeFlood:   "rsync error",
		lab.FakeGarbage: "rsync error",
		lab.FakeHangup:  "rsync error",
		lab.FakeStuck:   "timeout",
		lab.FakeWeb:     "rsync error",
	} {
		t.Run(string(kind), func(t *testing.T) {
			t.Parallel()
			f, err := lab.StartFake(t.Context(), kind)
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { f.Close() })
			patience := time.Minute
			if want == "" {
				patience = 4 * time.Second // more than the client's own
			}
			ctx, cancel := context.WithTimeout(t.Context(), patience)
			defer cancel()
			cmd := exec.CommandContext(ctx, "rsync", "-rt", "--no-motd", "--timeout=2", "--contimeout=2", f.URL("centos"), t.TempDir())
			out, err := cmd.CombinedOutput()
			if err == nil || (ctx.Err() != nil) != (want == "") || !strings.Contains(string(out), want) {
				t.Errorf("%v (%v), expected %q in\n%s", err, ctx.Err(), want, out)
			}
			if named := f.Asked() > 0; named == (kind == lab.FakeSilent || kind == lab.FakeWeb) {
				t.Errorf("a module was named: %v", named)
			}
		})
	}
}
