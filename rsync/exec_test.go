package rsync

import (
	"os"
	"path/filepath"
	"testing"
)

// eachPair runs the test with both programs as client, each against both as server.
func eachPair(t *testing.T, modules string, test func(t *testing.T, d *daemon, x *Exec)) {
	eachRsync(t, func(t *testing.T, client string) {
		eachRsync(t, func(t *testing.T, server string) {
			test(t, startDaemon(t, server, modules), &Exec{Program: client})
		})
	})
}

const plainModule = "[tree]\npath = %DIR%/tree\n"

func collect(items *[]Item) Watch {
	return Watch{Item: func(i Item) { *items = append(*items, i) }}
}

func TestExecCopies(t *testing.T) {
	eachPair(t, plainModule, func(t *testing.T, d *daemon, x *Exec) {
		fillTree(t, d.dir)
		dest := filepath.Join(t.TempDir(), "dest")
		var items []Item
		j := Job{Source: d.url(t, "tree/"), Dest: dest, Itemize: true, DelayUpdates: true, MaxDelete: -1}
		res, err := x.Run(short(t), j, collect(&items))
		if err != nil || res.Stats.Transferred != 8 || res.Unreadable != 0 || len(items) == 0 {
			t.Fatalf("%+v %v, %d items", res, err, len(items))
		}
		if b, err := os.ReadFile(filepath.Join(dest, "7/os/repodata/repomd.xml")); string(b) != "<repomd/>\n" {
			t.Error(err)
		}
	})
}
