package inventory_test

import (
	"fmt"

	"tidemark/inventory"
)

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
