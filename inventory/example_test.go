package inventory_test

import (
	"fmt"
	"strings"

	"tidemark/inventory"
)

func ExampleImport() {
	im, err := inventory.Import(inventory.CentOS, "testdata/import/full-mirrorlist.csv", inventory.ImportOptions{Tree: "centos"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(im.Entries, len(im.Servers), im.Count(inventory.NoteSkipped))
	fmt.Println(im.Notes[0].Entry+":", im.Notes[0].Text)
	first, _, _ := strings.Cut(string(inventory.Marshal(im.Servers)), "\n")
	fmt.Println(first)
	// Output:
	// 7 4 3
	// No rsync Inc.: no rsync URL
	// - {id: ftp.example.de, country: DE, group: "Beispiel GmbH", trees: {centos: rsync://ftp.example.de/centos/}}
}

func Example() {
	servers, problems := inventory.Parse("nodes.yaml", []byte(`
- {id: eu-msync-1, kind: node, country: DE, trees: {centos: rsync://eu-msync.example.org/CentOS/}}
- {id: ftp.funet.fi, country: FI, city: Espoo, asn: 1741, trees: {centos: rsync://ftp.funet.fi/centos/}}
`))
	fmt.Println(problems.Err())
	for _, s := range servers {
		fmt.Println(s.ID, s.Kind, s.Slots, s.Trees["centos"])
	}
	// Output:
	// <nil>
	// eu-msync-1 node 4 rsync://eu-msync.example.org/CentOS/
	// ftp.funet.fi mirror 2 rsync://ftp.funet.fi/centos/
}
