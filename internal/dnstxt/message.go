package dnstxt

import (
	"encoding/binary"
	"math"
	"strings"

	"github.com/miekg/dns"
)

const (
	headerBytes = 12
	maxAliases  = 8
)

// judge reads a message, and gives it when it is an answer to the question: number, name and type are its own. A truncated
// one may be cut anywhere, so of that the question alone must be whole. A server that could not read the question may leave
// it out of its refusal.
func judge(b []byte, id uint16, name string) *dns.Msg {
	if len(b) < headerBytes || len(b) > MaxMessage || binary.BigEndian.Uint16(b) != id {
		return nil
	}
	var m dns.Msg
	err := m.Unpack(b)
	if !m.Response || m.Opcode != dns.OpcodeQuery || !m.Truncated && (err != nil || cut(b, &m)) {
		return nil
	}
	if len(m.Question) == 0 && m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError && err == nil {
		return &m
	}
	if len(m.Question) != 1 || m.Question[0].Qtype != dns.TypeTXT || m.Question[0].Qclass != dns.ClassINET || !strings.EqualFold(m.Question[0].Name, name) {
		return nil
	}
	return &m
}

// cut reports whether the header counts more records than there are: the library reads what is there without complaint.
func cut(b []byte, m *dns.Msg) bool {
	return int(binary.BigEndian.Uint16(b[4:])) != len(m.Question) || int(binary.BigEndian.Uint16(b[6:])) != len(m.Answer)
}

// records are the TXT records of the name, or of what it is an alias for.
func records(m *dns.Msg, name string) (found [][]string, ttl uint32) {
	lowest := uint32(math.MaxUint32)
	for range maxAliases + 1 {
		alias := ""
		for _, rr := range m.Answer {
			h := rr.Header()
			if h.Class != dns.ClassINET || !strings.EqualFold(h.Name, name) {
				continue
			}
			switch rr := rr.(type) {
			case *dns.TXT:
				lowest = min(lowest, h.Ttl)
				found = append(found, characterStrings(rr))
			case *dns.CNAME:
				lowest = min(lowest, h.Ttl)
				alias = rr.Target
			}
		}
		if len(found) > 0 {
			return found, lowest
		}
		if alias == "" {
			break
		}
		name = alias
	}
	return nil, 0
}

// characterStrings are the bytes on the wire: the library has them as a zone file would write them.
func characterStrings(t *dns.TXT) []string {
	plain := make([]string, 0, len(t.Txt))
	for _, s := range t.Txt {
		plain = append(plain, unescape(s))
	}
	return plain
}

// unescape undoes \DDD and \X (RFC 1035, 5.1).
func unescape(s string) string {
	if !strings.Contains(s, `\`) {
		return s
	}
	var b strings.Builder
	for i := 0; i < len(s); i++ {
		switch {
		case s[i] != '\\' || i+1 == len(s):
			b.WriteByte(s[i])
		case i+3 < len(s) && digit(s[i+1]) && digit(s[i+2]) && digit(s[i+3]):
			b.WriteByte((s[i+1]-'0')*100 + (s[i+2]-'0')*10 + (s[i+3] - '0'))
			i += 3
		default:
			i++
			b.WriteByte(s[i])
		}
	}
	return b.String()
}

func digit(c byte) bool { return '0' <= c && c <= '9' }
