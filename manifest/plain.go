package manifest

import "tidemark/internal/strictjson"

// UnmarshalPlain reads a source as Encode writes it, strictjson the others: a manifest has up to 20,000.
func (s *Source) UnmarshalPlain(p *strictjson.Plain) {
	p.Begin()
	p.Need("id")
	s.ID = p.String()
	p.Need("kind")
	s.Kind = p.String()
	if p.Member("country") {
		s.Country = p.String()
	}
	if p.Member("continent") {
		s.Continent = p.String()
	}
	if p.Member("asn") {
		s.ASN = p.Int()
	}
	p.Need("slots")
	s.Slots = p.Small()
	p.Need("trees")
	p.Begin()
	s.Trees = make(map[string]SourceTree)
	for name := p.Name(); name != ""; name = p.Name() {
		if _, twice := s.Trees[name]; twice {
			p.Fail()
		}
		s.Trees[name] = plainTree(p)
	}
	p.End()
	p.End()
}

func plainTree(p *strictjson.Plain) (t SourceTree) {
	p.Begin()
	p.Need("url")
	if t.URL.UnmarshalText(p.Text()) != nil {
		p.Fail()
	}
	p.Need("timestamp")
	t.Timestamp = p.Int()
	p.Need("since")
	if t.Since.UnmarshalText(p.Text()) != nil {
		p.Fail()
	}
	p.Need("depth")
	t.Depth = p.String()
	p.Need("families")
	t.Families = p.Ints()
	p.End()
	return t
}
