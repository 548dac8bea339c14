package strictjson

// Plainer is a type of which documents hold thousands: it reads its values itself, without reflection, when they are
// spelled plainly: the members in one order, no escapes, integers of a few digits, nothing unknown. UnmarshalPlain leaves
// all else to Unmarshal, which then reads the same value from its beginning: so it refuses nothing, and what it takes must
// be what Unmarshal makes of the same text.
type Plainer interface{ UnmarshalPlain(*Plain) }

// Plain is the text from the beginning of a value on. Once something in it is not plain, every method gives zero, and the
// value is not used.
type Plain struct {
	*scanner
	first  bool // no member of this object was read yet
	failed bool
}

// plainly lets a type read its value itself.
func (d *decoder) plainly(u Plainer) bool {
	pos, depth := d.pos, d.depth
	p := Plain{scanner: &d.scanner}
	u.UnmarshalPlain(&p)
	if p.failed {
		d.pos, d.depth = pos, depth
	}
	return !p.failed
}

// Fail says that the value is not plain.
func (p *Plain) Fail() { p.failed = true }

// Begin goes into an object.
func (p *Plain) Begin() {
	p.open('{')
	p.first = true
}

// End leaves it; there must be no further member.
func (p *Plain) End() {
	p.close('}')
	p.first = false
}

func (p *Plain) open(bracket byte) {
	if p.failed || p.peek() != bracket || p.depth >= MaxDepth {
		p.failed = true
		return
	}
	p.depth++
	p.pos++
}

func (p *Plain) close(bracket byte) {
	if p.failed || p.peek() != bracket {
		p.failed = true
		return
	}
	p.leave()
}

// Name is the name of the next member, of which the value is next; "" when there is none. An empty one is not plain: it would
// pass for none, and its value be missing.
func (p *Plain) Name() string {
	if p.failed || !p.comma() {
		return ""
	}
	name := p.String()
	if name == "" {
		p.failed = true
	}
	p.colon()
	return name
}

// Member reports whether the next member has this name, and then goes to its value.
func (p *Plain) Member(name string) bool {
	if p.failed {
		return false
	}
	start, first := p.pos, p.first
	if p.comma() && p.peek() == '"' {
		end := p.pos + 1 + len(name)
		if end < len(p.data) && p.data[end] == '"' && string(p.data[p.pos+1:end]) == name {
			p.pos = end + 1
			p.colon()
			return true
		}
	}
	p.pos, p.first = start, first
	return false
}

// Need is Member for one that must come next.
func (p *Plain) Need(name string) {
	if !p.Member(name) {
		p.failed = true
	}
}

// comma goes over what is before a member that is not the first.
func (p *Plain) comma() bool {
	if p.first {
		p.first = false
		return p.peek() == '"'
	}
	if p.peek() != ',' {
		return false
	}
	p.pos++
	return true
}

func (p *Plain) colon() {
	if p.failed || p.peek() != ':' {
		p.failed = true
		return
	}
	p.pos++
}

// Text is a string as it stands; it is not kept.
func (p *Plain) Text() []byte {
	if p.failed || p.peek() != '"' {
		p.failed = true
		return nil
	}
	p.pos++
	start := p.pos
	for i := p.plain(); i < len(p.data); i++ {
		switch c := p.data[i]; {
		case c == '"':
			p.pos = i + 1
			return p.data[start:i:i]
		case c == '\\' || c < 0x20:
			p.failed = true
			return nil
		}
	}
	p.failed = true
	return nil
}

// String is a string.
func (p *Plain) String() string { return p.word(p.Text()) }

// Int is an integer from 0, of at most 18 digits.
func (p *Plain) Int() (n int64) {
	if p.failed {
		return 0
	}
	p.space()
	start := p.pos
	for p.pos < len(p.data) && '0' <= p.data[p.pos] && p.data[p.pos] <= '9' {
		n = n*10 + int64(p.data[p.pos]-'0') // one of too many digits may overflow, and is not used
		p.pos++
	}
	length := p.pos - start
	if length == 0 || length > 18 || length > 1 && p.data[start] == '0' || p.pos < len(p.data) && notInteger(p.data[p.pos]) {
		p.failed = true
		return 0
	}
	return n
}

// Small is an Int that int has room for.
func (p *Plain) Small() int {
	n := p.Int()
	if int64(int(n)) != n {
		p.failed = true
	}
	return int(n)
}

func notInteger(c byte) bool { return c == '.' || c|0x20 == 'e' }

// Ints is an array of at least one integer.
func (p *Plain) Ints() (list []int) {
	for p.open('['); !p.failed; p.pos++ {
		list = append(list, p.Small())
		if p.failed || p.peek() != ',' {
			break
		}
	}
	p.close(']')
	return list
}
