package main

import (
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/quorum"
)

// TestHistoryRound: the history hears when what stands was announced; of what could not be published it hears the readings alone.
func TestHistoryRound(t *testing.T) {
	t.Parallel()
	p := &publisher{Call: &console.Call{Program: &console.Program{Env: console.Env{Now: func() time.Time { return tableNow }}}}, cfg: &config.Publisher{}}
	stands := func(timestamp int64, hours float64) *manifest.Manifest {
		return &manifest.Manifest{Trees: map[string]manifest.Tree{"centos": {Timestamp: timestamp, Announced: hoursAgo(hours)}}}
	}
	r := round{prev: &predecessor{manifest: stands(100, 5)}, readings: quorum.Readings{Servers: []quorum.Reading{{Server: "a", Tree: "centos"}}}}
	for _, tt := range []struct {
		name      string
		o         outcome
		announced int64
		want      map[string]time.Time
		trees     int
	}{
		{"nothing published", outcome{}, 100, map[string]time.Time{"centos": hoursAgo(5).Time}, 1},
		{"announced and held back", outcome{}, 200, map[string]time.Time{}, 1},
		{"published", outcome{published: &publish.Release{Serial: 9}}, 200, map[string]time.Time{"centos": hoursAgo(1).Time}, 1},
		{"failed", outcome{failed: true}, 200, nil, 0},
	} {
		tt.o.decision = quorum.Decision{Manifest: stands(200, 1), Trees: []quorum.TreeReport{{Tree: "centos", Announced: tt.announced, New: true}}}
		h := p.historyRound(&tt.o, r)
		if d := cmp.Diff(tt.want, h.Announced); d != "" || len(h.Trees) != tt.trees || len(h.Readings) != 1 {
			t.Errorf("%s: %d trees, %d readings, announced -want +got\n%s", tt.name, len(h.Trees), len(h.Readings), d)
		}
	}
}
