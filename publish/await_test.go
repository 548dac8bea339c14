package publish_test

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"tidemark/manifest"
	"tidemark/publish"
)

// answers gives one answer after the other, and the last for ever.
func answers(list ...any) (fetch func(context.Context, string) ([]byte, error), asked *int) {
	asked = new(int)
	return func(ctx context.Context, _ string) ([]byte, error) {
		a := list[min(*asked, len(list)-1)]
		*asked++
		if err, ok := a.(error); ok {
			return nil, err
		}
		return a.([]byte), nil
	}, asked
}

func TestAwait(t *testing.T) {
	old, want, newer, fork := release(1, "one"), release(2, "two"), release(3, "three"), release(2, "other")
	pointer := func(r publish.Release) []byte {
		b, _ := manifest.PointTo(r.Serial, r.SHA256).Encode()
		return b
	}
	down := errors.New("connection refused")
	gone := fmt.Errorf("GET: %w", fs.ErrNotExist)
	for name, test := range map[string]struct {
		name    string
		want    []byte
		answers []any
		result  string // type of the error
		asked   int
		waited  time.Duration
	}{
		"at once":                  {"latest.json", pointer(want), []any{pointer(want)}, "<nil>", 1, 0},
		"older at first":           {"latest.json", pointer(want), []any{pointer(old), pointer(old), pointer(want)}, "<nil>", 3, 1500 * time.Millisecond},
		"older bundle at first":    {"manifest.bundle.json", want.Bundle, []any{old.Bundle, want.Bundle}, "<nil>", 2, 500 * time.Millisecond},
		"older mark":               {"latest.txt", []byte("m/2/\n"), []any{[]byte("m/1/\n"), []byte("m/2/\n")}, "<nil>", 2, 500 * time.Millisecond},
		"older for ever":           {"manifest.json", want.Files["manifest.json"], []any{old.Files["manifest.json"]}, "*publish.StaleError", 11, 65 * time.Second},
		"nothing for ever":         {"latest.json", pointer(want), []any{gone}, "*publish.StaleError", 11, 65 * time.Second},
		"nothing at first":         {"m/2/manifest.json", want.Files["manifest.json"], []any{publish.ErrNotFound, want.Files["manifest.json"]}, "<nil>", 2, 500 * time.Millisecond},
		"serials unseen":           {"manifest.json.asc", []byte("b"), []any{[]byte("a"), []byte("b")}, "<nil>", 2, 500 * time.Millisecond},
		"newer":                    {"latest.json", pointer(want), []any{pointer(newer)}, "*publish.DifferentError", 1, 0},
		"newer later":              {"manifest.bundle.json", want.Bundle, []any{old.Bundle, newer.Bundle}, "*publish.DifferentError", 2, 500 * time.Millisecond},
		"same serial, other bytes": {"manifest.json", want.Files["manifest.json"], []any{fork.Files["manifest.json"]}, "*publish.DifferentError", 1, 0},
		"an error page":            {"latest.json", pointer(want), []any{[]byte("<html>")}, "*publish.DifferentError", 1, 0},
		"a newer mark":             {"latest.txt", []byte("m/2/\n"), []any{[]byte("m/3/\n")}, "*publish.DifferentError", 1, 0},
		"immutable, other bytes":   {"m/2/manifest.json.asc", []byte("b"), []any{[]byte("a")}, "*publish.DifferentError", 1, 0},
		"down":                     {"latest.json", pointer(want), []any{down}, "*publish.UnreachableError", 3, 1500 * time.Millisecond},
		"down once":                {"latest.json", pointer(want), []any{down, pointer(old), down, pointer(want)}, "<nil>", 4, 3500 * time.Millisecond},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				fetch, asked := answers(test.answers...)
				begin := time.Now()
				err := publish.Await(t.Context(), fetch, test.name, test.want, 65*time.Second)
				if got := fmt.Sprintf("%T", err); got != test.result || *asked != test.asked || time.Since(begin) != test.waited {
					t.Errorf("%s (%v) after %d requests and %s, expected %s after %d and %s", got, err, *asked, time.Since(begin), test.result, test.asked, test.waited)
				}
			})
		})
	}
}

func TestAwait_NoPatience(t *testing.T) {
	fetch, asked := answers([]byte("m/1/\n"))
	var stale *publish.StaleError
	if err := publish.Await(t.Context(), fetch, "latest.txt", []byte("m/2/\n"), 0); !errors.As(err, &stale) || stale.Serial != 1 || *asked != 1 {
		t.Errorf("%v after %d requests, expected serial 1 after one", err, *asked)
	}
}

func TestAwait_Stopped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
		defer cancel()
		fetch, _ := answers([]byte("m/1/\n"))
		var unreachable *publish.UnreachableError
		if err := publish.Await(ctx, fetch, "latest.txt", []byte("m/2/\n"), time.Hour); !errors.As(err, &unreachable) || !errors.Is(err, context.DeadlineExceeded) {
			t.Errorf("found %v, expected the end of the context", err)
		}
	})
}

// TestAwait_RealCaches: a change is seen when its time to live is over, and not before.
func TestAwait_RealCaches(t *testing.T) {
	need(t, "curl", "curl")
	g, caches := realCaches(t, 2*time.Second)
	header := http.Header{"Cache-Control": {publish.CacheBrief}}
	for kind, cache := range caches {
		t.Run(kind, func(t *testing.T) {
			fetch := asReaders(t, cache.URL())
			for _, text := range []string{"m/1/\n", "m/2/\n"} {
				if err := g.Put(t.Context(), "latest.txt", []byte(text), header); err != nil {
					t.Fatal(err)
				}
				if got, err := fetch(t.Context(), "latest.txt"); err != nil || string(got) != "m/1/\n" {
					t.Fatalf("found %q, %v; expected the first mark", got, err)
				}
			}
			var stale *publish.StaleError
			if err := publish.Await(t.Context(), fetch, "latest.txt", []byte("m/2/\n"), 0); !errors.As(err, &stale) {
				t.Errorf("without patience: %v, expected a stale answer", err)
			}
			if err := publish.Await(t.Context(), fetch, "latest.txt", []byte("m/2/\n"), time.Minute); err != nil {
				t.Errorf("with patience: %v", err)
			}
			publish.Purge(t.Context(), publish.PurgeOptions{Caches: []publish.Cache{{URL: cache.URL(), Host: "mirrors.example.org"}}}, []string{"latest.txt"})
			if err := cache.Stop(); err != nil {
				t.Fatal(err)
			}
			var unreachable *publish.UnreachableError
			if err := publish.Await(t.Context(), fetch, "latest.txt", []byte("m/2/\n"), 10*time.Second); !errors.As(err, &unreachable) {
				t.Errorf("stopped: %v, expected it to be unreachable", err)
			}
		})
	}
}
