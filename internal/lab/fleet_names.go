package lab

import (
	_ "embed"
	"encoding/csv"
	"fmt"
	"strconv"
	"strings"
)

// realServers are 263 mirrors of a real distribution that offer rsync: name, country, AS number, where they are known.
//
//go:embed testdata/servers.csv
var realServers string

// identity is who a server of a fleet is.
type identity struct {
	id, country string
	asn         int64
}

// identities are n servers: the real ones, then clones of them.
func identities(n int) ([]identity, error) {
	rows, err := csv.NewReader(strings.NewReader(realServers)).ReadAll()
	if err != nil {
		return nil, fmt.Errorf("reading the list of real servers: %w", err)
	}
	var list []identity
	for i := 0; len(list) < n; i++ {
		row, clone := rows[1+i%(len(rows)-1)], i/(len(rows)-1)
		who := identity{id: row[0], country: row[1]}
		if clone > 0 {
			who.id = fmt.Sprintf("clone-%d.%s", clone, who.id)
		}
		if row[2] != "" {
			if who.asn, err = strconv.ParseInt(row[2], 10, 64); err != nil {
				return nil, fmt.Errorf("reading the list of real servers: %w", err)
			}
		}
		list = append(list, who)
	}
	return list, nil
}
