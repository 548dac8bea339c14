package publish_test

import (
	"context"
	"fmt"
	"os"
	"path/filepath"

	"tidemark/publish"
)

// A release goes to a directory; the files are listed as they lie there then.
func Example() {
	ctx := context.Background()
	dir, err := os.MkdirTemp("", "site")
	if err != nil {
		panic(err)
	}
	defer os.RemoveAll(dir)
	store, err := publish.Dir(dir)
	if err != nil {
		panic(err)
	}
	standing, err := publish.Look(ctx, store)
	if err != nil {
		panic(err)
	}
	serial, err := publish.NextSerial(standing.Serial(), 11, 0) // the publisher's own state remembers 11
	if err != nil {
		panic(err)
	}
	r := release(serial, "news")
	if err := publish.Push(ctx, store, standing, r, genuine); err != nil {
		panic(err)
	}

	filepath.WalkDir(dir, func(path string, e os.DirEntry, err error) error {
		if err == nil && !e.IsDir() {
			name, _ := filepath.Rel(dir, path)
			fmt.Println(name)
		}
		return err
	})
	mark, _ := os.ReadFile(filepath.Join(dir, "latest.txt"))
	fmt.Printf("mark: %s", mark)
	// Output:
	// keys/centos.asc
	// latest.json
	// latest.txt
	// m/12/manifest.bundle.json
	// m/12/manifest.json
	// m/12/manifest.json.CCCCCCCCCCCCCCCC.minisig
	// m/12/manifest.json.asc
	// m/12/manifest.json.gpg
	// m/12/manifest.json.minisig
	// manifest.bundle.json
	// manifest.json
	// manifest.json.CCCCCCCCCCCCCCCC.minisig
	// manifest.json.asc
	// manifest.json.gpg
	// manifest.json.minisig
	// status.json
	// trust/1.json
	// trust.json
	// mark: m/12/
}
