package publish_test

import (
	"context"
	"encoding/hex"
	"errors"
	"io"
	"net"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/miekg/dns"

	"tidemark/internal/lab"
	"tidemark/publish"
)

// lossy passes connections on to a server. Each Update exchange has one of its own: the first is the update, when the zone
// is given, and those after it read back.
type lossy struct {
	net.Listener
	to    string
	count atomic.Int32
	fault func(n int, client net.Conn, server net.Conn) // what happens on connection n, from 1
}

func startLossy(t *testing.T, to string, fault func(n int, client, server net.Conn)) *lossy {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	r := &lossy{Listener: l, to: to, fault: fault}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go r.pass(int(r.count.Add(1)), c)
		}
	}()
	return r
}

func (r *lossy) pass(n int, client net.Conn) {
	defer client.Close()
	server, err := net.Dial("tcp", r.to)
	if err != nil {
		return
	}
	defer server.Close()
	r.fault(n, client, server)
}

func message(from io.Reader) []byte {
	length := make([]byte, 2)
	if _, err := io.ReadFull(from, length); err != nil {
		return nil
	}
	b := make([]byte, 2+int(length[0])<<8+int(length[1]))
	copy(b, length)
	if _, err := io.ReadFull(from, b[2:]); err != nil {
		return nil
	}
	return b
}

func passOn(client, server net.Conn) {
	server.Write(message(client))
	client.Write(message(server))
}

// An answer that is lost says nothing: what the primary holds afterwards does.
func TestUpdate_ItsAnswerIsLost(t *testing.T) {
	t.Parallel()
	n := startNamed(t, lab.NamedOptions{Zone: dnsZone})
	old, next, others := beaconOf(t, 1), beaconOf(t, 2), beaconOf(t, 3)
	otherwise := at(t, n)
	for _, c := range []struct {
		name  string
		fault func(client, server net.Conn) // of the update
		after func(n int) bool              // whether reading back number n is answered
		want  string                        // "": success
		then  publish.RRset
	}{
		{"the answer is cut", func(c, s net.Conn) { s.Write(message(c)); message(s) }, nil, "", next},
		{"no answer comes", func(c, s net.Conn) { s.Write(message(c)); message(s); io.Copy(io.Discard, c) }, nil, "", next},
		{"half an answer comes", func(c, s net.Conn) { s.Write(message(c)); b := message(s); c.Write(b[:len(b)/2]) }, nil, "", next},
		{"the answer's signature is damaged", func(c, s net.Conn) { s.Write(message(c)); b := message(s); b[len(b)-10] ^= 1; c.Write(b) }, nil, "", next},
		{"the first reading is lost, too", func(c, s net.Conn) { s.Write(message(c)); message(s) }, func(n int) bool { return n > 1 }, "", next},
		{"every reading is lost, too", func(c, s net.Conn) { s.Write(message(c)); message(s) }, func(int) bool { return false }, "what became of it is not known", next},
		{"the update itself is lost", func(c, _ net.Conn) { message(c) }, nil, "it still holds the old records", old},
		{"somebody else came after", func(c, s net.Conn) {
			s.Write(message(c))
			message(s)
			otherwise.Swap(context.Background(), beaconName, next, others)
		}, nil, publish.ErrConflict.Error(), others},
		{"somebody else came before", func(c, s net.Conn) {
			otherwise.Swap(context.Background(), beaconName, old, others)
			s.Write(message(c))
			message(s)
		}, nil, publish.ErrConflict.Error(), others},
	} {
		t.Run(c.name, func(t *testing.T) {
			was, err := otherwise.Get(t.Context(), beaconName)
			if err != nil {
				t.Fatal(err)
			}
			swap(t, otherwise, beaconName, was, old)
			r := startLossy(t, n.Addr.String(), func(n int, client, server net.Conn) {
				switch {
				case n == 1:
					c.fault(client, server)
				case c.after == nil || c.after(n-1):
					passOn(client, server)
				}
			})
			p := publish.Update(publish.UpdateOptions{Server: r.Addr().String(), Zone: dnsZone, Key: keyOf(t, n), Timeout: 500 * time.Millisecond})
			err = p.Swap(t.Context(), beaconName, old, next)
			if c.want == "" && err != nil || c.want != "" && (err == nil || !strings.Contains(err.Error(), c.want)) {
				t.Errorf("%v, expected %q", err, c.want)
			}
			if isConflict := c.want == publish.ErrConflict.Error(); errors.Is(err, publish.ErrConflict) != isConflict {
				t.Errorf("%v: a conflict: expected %t", err, isConflict)
			}
			holds(t, otherwise, beaconName, c.then)
		})
	}
}

// Whoever stands between, or pretends to be the primary, has no key: nothing of what it says counts.
func TestUpdate_AnswersNotToBelieve(t *testing.T) {
	t.Parallel()
	key := publish.TSIG{Name: "lab.", Algorithm: "hmac-sha256", Secret: "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVo="}
	txt := func(m *dns.Msg, text string) {
		m.Answer = append(m.Answer, &dns.TXT{Hdr: dns.RR_Header{Name: beaconName + ".", Rrtype: dns.TypeTXT, Class: dns.ClassINET, Ttl: 60}, Txt: []string{text}})
	}
	for _, c := range []struct {
		name   string
		answer func(question, m *dns.Msg) (secret string) // "": not signed
		want   string
	}{
		{"not signed", func(_, m *dns.Msg) string { txt(m, "forged"); return "" }, "not signed"},
		{"signed with another secret", func(_, m *dns.Msg) string { txt(m, "forged"); return "eHh4eHh4eHg=" }, "bad signature"},
		{"signed as another key", func(_, m *dns.Msg) string {
			txt(m, "forged")
			m.SetTsig("other.", key.Algorithm+".", 300, 0)
			return key.Secret
		}, "no secret"},
		{"a conflict, not signed", func(_, m *dns.Msg) string { m.Rcode = dns.RcodeNXRrset; return "" }, "NXRRSET"},
		{"not authoritative", func(_, m *dns.Msg) string { txt(m, "cached"); m.Authoritative = false; return key.Secret }, "not authoritative"},
		{"truncated", func(_, m *dns.Msg) string { m.Truncated = true; return key.Secret }, "truncated"},
		{"a question", func(_, m *dns.Msg) string { m.Response = false; return key.Secret }, "no answer to the question"},
		{"another number", func(_, m *dns.Msg) string { m.Id++; return key.Secret }, "id mismatch"},
		{"its clock differs", func(_, m *dns.Msg) string {
			m.Rcode = dns.RcodeNotAuth
			m.SetTsig(key.Name, key.Algorithm+".", 300, 1)
			m.IsTsig().Error, m.IsTsig().OtherData, m.IsTsig().OtherLen = dns.RcodeBadTime, hex.EncodeToString([]byte{0, 0, 0x58, 0xb6, 0xbe, 0xad}), 6
			return key.Secret
		}, "its own says 2017-03-01T12:29:33Z"},
		{"a TSIG error of a new kind", func(_, m *dns.Msg) string {
			m.Rcode = dns.RcodeNotAuth
			m.SetTsig(key.Name, key.Algorithm+".", 300, 1)
			m.IsTsig().Error = dns.RcodeBadTrunc
			return key.Secret
		}, "TSIG error 22"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			server := forger(t, key, c.answer)
			p := publish.Update(publish.UpdateOptions{Server: server, Zone: dnsZone, Key: key, Timeout: time.Second})
			got, err := p.Get(t.Context(), beaconName)
			if err == nil || !strings.Contains(err.Error(), c.want) {
				t.Errorf("a question: %v and %v, expected %q", got, err, c.want)
			}
			if strings.Contains(c.name, "authoritative") || strings.Contains(c.name, "truncated") {
				return // an update's answer is neither
			}
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			defer cancel()
			err = p.Swap(ctx, beaconName, publish.RRset{}, plainRecord("x"))
			if err == nil || errors.Is(err, publish.ErrConflict) || !strings.Contains(err.Error(), c.want) {
				t.Errorf("an update: %v, expected %q, and no conflict", err, c.want)
			}
		})
	}
}

// forger answers over TCP whatever answer makes of it.
func forger(t *testing.T, key publish.TSIG, answer func(question, m *dns.Msg) string) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	s := &dns.Server{Listener: l, TsigSecret: map[string]string{key.Name: key.Secret}, MsgAcceptFunc: func(dns.Header) dns.MsgAcceptAction { return dns.MsgAccept }}
	s.Handler = dns.HandlerFunc(func(w dns.ResponseWriter, q *dns.Msg) {
		m := new(dns.Msg).SetReply(q)
		m.Authoritative = true
		secret := answer(q, m)
		if secret == "" {
			w.WriteMsg(m)
			return
		}
		if m.IsTsig() == nil {
			m.SetTsig(key.Name, key.Algorithm+".", 300, 0)
		}
		b, _, err := dns.TsigGenerate(m, secret, q.IsTsig().MAC, false)
		if err != nil {
			t.Error(err)
			return
		}
		w.Write(b)
	})
	go s.ActivateAndServe()
	t.Cleanup(func() { s.Shutdown() })
	return l.Addr().String()
}
