package s3_test

import (
	"context"
	"crypto/sha256"
	"errors"
	"os"
	"path/filepath"
	"testing"

	"tidemark/publish"
	"tidemark/publish/s3"
	"tidemark/publish/storetest"
)

var (
	release = storetest.Release
	next    = storetest.Next
)

// onDisk watches a site in the gateway's directory, behind all proxies.
func (s *server) onDisk(prefix string) *storetest.World {
	dir := filepath.Join(s.root, bucket, prefix)
	return &storetest.World{
		Read: func(name string) []byte {
			b, err := os.ReadFile(filepath.Join(dir, name))
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				panic(err)
			}
			return b
		},
		Copies: func() []string {
			all, err := filepath.Glob(filepath.Join(dir, "m/*/manifest*"))
			if err != nil {
				panic(err)
			}
			for i, p := range all {
				all[i], _ = filepath.Rel(dir, p)
			}
			return all
		},
	}
}

// overStore watches a site through the store.
func overStore(t *testing.T, s *s3.Store) *storetest.World {
	return &storetest.World{
		Read: func(name string) []byte {
			o, err := s.Get(context.Background(), name, 1<<20)
			if err != nil && !errors.Is(err, publish.ErrNotFound) {
				t.Error(err)
			}
			return o.Data
		},
		Copies: func() []string {
			all, err := s.List(context.Background(), "m/")
			if err != nil {
				t.Error(err)
			}
			var names []string
			for _, l := range all {
				names = append(names, l.Name)
			}
			return names
		},
	}
}

func mustPush(t *testing.T, s publish.Store, r publish.Release) {
	t.Helper()
	if err := storetest.Push(t.Context(), s, r); err != nil {
		t.Fatal(err)
	}
}

func hash(text string) []byte {
	sum := sha256.Sum256([]byte(text))
	return sum[:8]
}
