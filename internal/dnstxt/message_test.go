package dnstxt

import (
	"encoding/binary"
	"strings"
	"testing"

	"github.com/miekg/dns"
)

const asked = "_tidemark.example.org."

func response(change func(*dns.Msg)) []byte {
	var m dns.Msg
	m.SetQuestion(asked, dns.TypeTXT)
	m.Id, m.Response = 7, true
	m.Answer = []dns.RR{&dns.TXT{Hdr: dns.RR_Header{Name: asked, Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{"x"}}}
	change(&m)
	b, err := m.Pack()
	if err != nil {
		panic(err)
	}
	return b
}

// What is an answer to the question, and what is dropped.
func TestJudge(t *testing.T) {
	t.Parallel()
	sound := response(func(*dns.Msg) {})
	lying := append([]byte(nil), sound...)
	binary.BigEndian.PutUint16(lying[6:], 2)
	for what, tt := range map[string]struct {
		b    []byte
		good bool
	}{
		"sound":                     {sound, true},
		"name in capitals":          {response(func(m *dns.Msg) { m.Question[0].Name = strings.ToUpper(asked) }), true},
		"other number":              {response(func(m *dns.Msg) { m.Id = 8 }), false},
		"a question":                {response(func(m *dns.Msg) { m.Response = false }), false},
		"another kind of message":   {response(func(m *dns.Msg) { m.Opcode = dns.OpcodeNotify }), false},
		"other name":                {response(func(m *dns.Msg) { m.Question[0].Name = "example.org." }), false},
		"other type":                {response(func(m *dns.Msg) { m.Question[0].Qtype = dns.TypeA }), false},
		"other class":               {response(func(m *dns.Msg) { m.Question[0].Qclass = dns.ClassCHAOS }), false},
		"two questions":             {response(func(m *dns.Msg) { m.Question = append(m.Question, m.Question[0]) }), false},
		"no question, a success":    {response(func(m *dns.Msg) { m.Question = nil }), false},
		"no question, no such name": {response(func(m *dns.Msg) { m.Question, m.Rcode = nil, dns.RcodeNameError }), false},
		"no question, a refusal":    {response(func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeRefused }), true},
		"cut":                       {sound[:len(sound)-1], false},
		"cut after a record":        {lying, false},
		"cut, and says so":          {response(func(m *dns.Msg) { m.Truncated = true })[:len(sound)-1], true},
		"cut in the question":       {response(func(m *dns.Msg) { m.Truncated = true })[:20], false},
		"a header":                  {sound[:12], false},
		"less than a header":        {sound[:11], false},
		"nothing":                   {nil, false},
		"more than is read":         {append(append([]byte(nil), sound...), make([]byte, MaxMessage)...), false},
	} {
		if got := judge(tt.b, 7, asked); (got != nil) != tt.good {
			t.Errorf("%s: %v, expected an answer: %v", what, got, tt.good)
		}
	}
}

// Records of other names, classes and types are not looked at; a name with records and an alias has records.
func TestRecords_OthersAreNotLookedAt(t *testing.T) {
	t.Parallel()
	txt := func(name string, class uint16, ttl uint32, s string) dns.RR {
		return &dns.TXT{Hdr: dns.RR_Header{Name: name, Rrtype: dns.TypeTXT, Class: class, Ttl: ttl}, Txt: []string{s}}
	}
	m := &dns.Msg{Answer: []dns.RR{
		txt("other.example.org.", dns.ClassINET, 1, "other"),
		txt("b.example.org.", dns.ClassCHAOS, 1, "chaos"),
		txt("B.example.org.", dns.ClassINET, 90, "ours"),
		&dns.CNAME{Hdr: dns.RR_Header{Name: asked, Rrtype: dns.TypeCNAME, Class: dns.ClassINET, Ttl: 30}, Target: "b.example.org."},
	}}
	got, ttl := records(m, asked)
	if len(got) != 1 || got[0][0] != "ours" || ttl != 30 {
		t.Errorf("%q for %d s, expected ours for 30 s", got, ttl)
	}
	m.Answer = append(m.Answer, txt(asked, dns.ClassINET, 0, "direct"))
	if got, ttl = records(m, asked); len(got) != 1 || got[0][0] != "direct" || ttl != 0 {
		t.Errorf("%q for %d s, expected the record of the name itself", got, ttl)
	}
}

// No message makes the reader fall, hang, or take records of another name.
func FuzzAnswer(f *testing.F) {
	sound := response(func(*dns.Msg) {})
	f.Add(sound)
	f.Add(response(func(m *dns.Msg) { m.Truncated = true })[:30])
	f.Add(response(func(m *dns.Msg) { m.Question, m.Answer, m.Rcode = nil, nil, dns.RcodeFormatError }))
	f.Add(response(func(m *dns.Msg) { m.SetEdns0(1232, false); m.IsEdns0().SetExtendedRcode(dns.RcodeBadVers) }))
	f.Add(response(func(m *dns.Msg) {
		m.Answer = append(m.Answer, &dns.CNAME{Hdr: dns.RR_Header{Name: asked, Rrtype: dns.TypeCNAME, Class: dns.ClassINET}, Target: asked})
	}))
	f.Add([]byte{0, 7, 0x80, 0, 0, 1, 0, 1, 0, 0, 0, 0, 0xc0, 12})
	f.Fuzz(func(t *testing.T, b []byte) {
		m := judge(b, 7, asked)
		if m == nil {
			return
		}
		if binary.BigEndian.Uint16(b) != 7 || !m.Response {
			t.Fatalf("%x is taken for an answer", b)
		}
		if len(m.Question) == 0 && (m.Rcode == dns.RcodeSuccess || m.Rcode == dns.RcodeNameError) {
			t.Fatalf("%x answers no question", b)
		}
		found, _ := records(m, asked)
		for _, record := range found {
			for _, s := range record {
				if len(s) > 255 {
					t.Fatalf("a string of %d bytes", len(s))
				}
			}
		}
		knowsNoEDNS(m)
		_ = Rcode(m.Rcode).Error()
	})
}
