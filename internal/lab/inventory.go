package lab

import (
	"fmt"
	"os"
	"strconv"
	"strings"

	"tidemark/manifest"
)

// DefaultServers are 5 nodes and 12 mirrors in several countries, with one of each trouble. The AS numbers are those
// set aside for documentation (RFC 5398).
func DefaultServers() []Server {
	node, mirror := manifest.KindNode, manifest.KindMirror
	return []Server{
		{ID: "eu-msync-1", Kind: node, Country: "DE", City: "Frankfurt", ASN: 64496},
		{ID: "eu-msync-2", Kind: node, Country: "GB", City: "London", ASN: 64497},
		{ID: "us-msync-1", Kind: node, Country: "US", City: "Chicago", ASN: 64498},
		{ID: "us-msync-2", Kind: node, Country: "US", City: "Dallas", ASN: 64498, Role: Behind},
		{ID: "ap-msync-1", Kind: node, Country: "SG", City: "Singapore", ASN: 64499, Role: Maintenance},
		{ID: "mirror.fi", Kind: mirror, Country: "FI", City: "Espoo", ASN: 64500},
		{ID: "mirror.se", Kind: mirror, Country: "SE", City: "Umeå", ASN: 64501},
		{ID: "mirror.de", Kind: mirror, Country: "DE", City: "Esslingen", ASN: 64496},
		{ID: "mirror.nl", Kind: mirror, Country: "NL", City: "Amsterdam", ASN: 64502, Role: Busy},
		{ID: "mirror.fr", Kind: mirror, Country: "FR", City: "Paris", ASN: 64503},
		{ID: "mirror.us", Kind: mirror, Country: "US", City: "Portland", ASN: 64504},
		{ID: "mirror.ca", Kind: mirror, Country: "CA", City: "Waterloo", ASN: 64505, Role: Liar},
		{ID: "mirror.br", Kind: mirror, Country: "BR", City: "Curitiba", ASN: 64506, Role: Partial},
		{ID: "mirror.jp", Kind: mirror, Country: "JP", City: "Nomi", ASN: 64507},
		{ID: "mirror.au", Kind: mirror, Country: "AU", City: "Perth", ASN: 64508},
		{ID: "mirror.za", Kind: mirror, Country: "ZA", City: "Johannesburg", ASN: 64509, Role: DeadRole},
		{ID: "mirror.in", Kind: mirror, Country: "IN", City: "Mumbai", ASN: 64510},
	}
}

func (s Server) isNode() bool { return s.Kind == manifest.KindNode }

func (s Server) kind() string {
	if s.isNode() {
		return manifest.KindNode
	}
	return manifest.KindMirror
}

// Inventory is the network's servers as an inventory file, in the order of the servers.
func (n *Network) Inventory() string {
	var b strings.Builder
	b.WriteString("# The servers of a lab network: all of them on loopback.\n")
	for _, s := range n.Servers {
		s.writeEntry(&b)
	}
	return b.String()
}

// WriteInventory writes Inventory to file.
func (n *Network) WriteInventory(file string) error {
	if err := os.WriteFile(file, []byte(n.Inventory()), 0o644); err != nil {
		return fmt.Errorf("writing the lab's inventory: %w", err)
	}
	return nil
}

// writeEntry writes one line. Strings are quoted as JSON has it, which is YAML, too.
func (s *Site) writeEntry(b *strings.Builder) {
	fmt.Fprintf(b, "- {id: %s, kind: %s", s.ID, s.kind())
	if s.Country != "" {
		// Quoted: in old YAML the country NO is a boolean.
		fmt.Fprintf(b, ", country: %q", s.Country)
	}
	if s.City != "" {
		fmt.Fprintf(b, ", city: %s", strconv.Quote(s.City))
	}
	if s.ASN != 0 {
		fmt.Fprintf(b, ", asn: %d", s.ASN)
	}
	if s.Slots != 0 {
		fmt.Fprintf(b, ", slots: %d", s.Slots)
	}
	if s.Key != "" {
		fmt.Fprintf(b, ", key: %s", s.Key)
	}
	switch s.Role {
	case Maintenance:
		b.WriteString(", maintenance: true")
	case Partial:
		b.WriteString(", partial: true")
	}
	b.WriteString(", trees: {")
	for i, tree := range s.Trees {
		if i > 0 {
			b.WriteString(", ")
		}
		fmt.Fprintf(b, "%s: %q", tree, s.URL(tree))
	}
	b.WriteString("}}\n")
}
