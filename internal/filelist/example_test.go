package filelist_test

import (
	"fmt"
	"log"
	"os"
	"path/filepath"

	"tidemark/internal/filelist"
)

// A master's list is written once; a server's is sorted as it comes, and compared.
func Example() {
	dir, err := os.MkdirTemp("", "")
	if err != nil {
		log.Fatal(err)
	}
	defer os.RemoveAll(dir)

	sorted := func(entries ...filelist.Entry) (*filelist.Sorter, filelist.Source) {
		s := filelist.NewSorter(filelist.Options{Dir: dir})
		for _, e := range entries {
			if err := s.Add(e); err != nil {
				log.Fatal(err)
			}
		}
		source, err := s.Sorted()
		if err != nil {
			log.Fatal(err)
		}
		return s, source
	}

	s, master := sorted(
		filelist.Entry{Path: "7/os/b.rpm", Size: 20, MTime: 1488372000},
		filelist.Entry{Path: "7/os/a.rpm", Size: 10, MTime: 1488372000},
		filelist.Entry{Path: "README", Size: 5, MTime: 1488372000},
	)
	defer s.Close()
	name := filepath.Join(dir, "1488372781.list")
	if _, err := filelist.Write(name, filelist.Head{Tree: "centos", Timestamp: 1488372781}, master); err != nil {
		log.Fatal(err)
	}

	index, err := filelist.Open(name)
	if err != nil {
		log.Fatal(err)
	}
	defer index.Close()
	fmt.Println(index.Head.Tree, index.Head.Files, "files", index.Head.Bytes, "bytes")

	s, server := sorted(
		filelist.Entry{Path: "TIME", Size: 11, MTime: 1488372781},
		filelist.Entry{Path: "README", Size: 5, MTime: 1488372000},
		filelist.Entry{Path: "7/os/a.rpm", Size: 9, MTime: 1488372000},
	)
	defer s.Close()
	diff, err := filelist.Compare(server, index.Entries(), nil, filelist.Rules{Skip: func(path string) bool { return path == "TIME" }})
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(diff.Missing, "missing:", diff.MissingFirst[0].Path)
	fmt.Println(diff.Different, "different:", diff.DifferentFirst[0].Path)
	// Output:
	// centos 3 files 35 bytes
	// 1 missing: 7/os/b.rpm
	// 1 different: 7/os/a.rpm
}
