package dnstxt

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"net"

	"github.com/miekg/dns"
)

// MaxMessage is the largest answer that is read, in bytes.
const MaxMessage = 16 << 10

const (
	ednsSize = 1232 // https://www.dnsflagday.net/2020/
	maxWrong = 1000 // messages that are no answer to the question, in one exchange
)

// asker is one question on its way.
type asker struct {
	Question
	name   string // with the final dot
	counts Answer
}

// try asks one server, in whatever ways it can answer.
func (a *asker) try(ctx context.Context, server string) (*dns.Msg, error) {
	edns := true
	m, err := a.exchange(ctx, "udp", server, edns)
	if err == nil && knowsNoEDNS(m) {
		edns = false
		m, err = a.exchange(ctx, "udp", server, edns)
	}
	if err == nil && m.Truncated {
		if m, err = a.exchange(ctx, "tcp", server, edns); err != nil {
			return nil, fmt.Errorf("the answer is truncated, and over TCP: %w", err)
		}
		if m.Truncated {
			return nil, errors.New("the answer is truncated, over TCP as well")
		}
	}
	if err != nil {
		return nil, err
	}
	if m.Rcode != dns.RcodeSuccess && m.Rcode != dns.RcodeNameError {
		return nil, Rcode(m.Rcode)
	}
	return m, nil
}

func knowsNoEDNS(m *dns.Msg) bool {
	return m.Rcode == dns.RcodeFormatError || m.Rcode == dns.RcodeNotImplemented || m.Rcode == dns.RcodeBadVers
}

// exchange sends one question and waits for its answer.
func (a *asker) exchange(ctx context.Context, network, server string, edns bool) (*dns.Msg, error) {
	question, id, err := a.question(edns)
	if err != nil {
		return nil, err
	}
	limited, cancel := context.WithTimeout(ctx, a.Timeout)
	defer cancel()
	m, err := a.converse(limited, network, server, question, id)
	switch {
	case err == nil:
		return m, nil
	case ctx.Err() != nil:
		return nil, fmt.Errorf("%w: %w", ErrSilent, ctx.Err())
	case limited.Err() != nil:
		return nil, fmt.Errorf("%w within %v", ErrSilent, a.Timeout)
	}
	return nil, plain(err)
}

// plain leaves out the ports of this side, which are others each time: the same failure has the same words.
func plain(err error) error {
	var op *net.OpError
	if errors.As(err, &op) {
		return op.Err
	}
	return err
}

func (a *asker) question(edns bool) (packed []byte, id uint16, err error) {
	var m dns.Msg
	m.SetQuestion(a.name, dns.TypeTXT)
	m.RecursionDesired = a.Recurse
	if edns {
		m.SetEdns0(ednsSize, false)
	}
	packed, err = m.Pack()
	if err != nil {
		return nil, 0, fmt.Errorf("write the question: %w", err)
	}
	return packed, m.Id, nil
}

// converse opens a socket of its own for each question: its port is one more thing that a forger must guess.
func (a *asker) converse(ctx context.Context, network, server string, question []byte, id uint16) (*dns.Msg, error) {
	var d net.Dialer
	c, err := d.DialContext(ctx, network, server)
	if err != nil {
		return nil, err
	}
	defer c.Close()
	defer context.AfterFunc(ctx, func() { c.Close() })()
	a.counts.TCP = network == "tcp"
	read := readDatagram
	if a.counts.TCP {
		read = readFrame
		question = append(binary.BigEndian.AppendUint16(nil, uint16(len(question))), question...)
	}
	if _, err := c.Write(question); err != nil {
		return nil, err
	}
	a.counts.Exchanges++
	a.counts.Sent += len(question)
	if a.counts.TCP {
		a.counts.Sent -= 2
	}
	buffer := make([]byte, MaxMessage+1)
	for range maxWrong {
		b, err := read(c, buffer)
		a.counts.Received += len(b)
		if err != nil {
			return nil, err
		}
		if m := judge(b, id, a.name); m != nil {
			return m, nil
		}
	}
	return nil, fmt.Errorf("%d messages came, and none is an answer to the question", maxWrong)
}

func readDatagram(c net.Conn, buffer []byte) ([]byte, error) {
	n, err := c.Read(buffer)
	return buffer[:n], err
}

// readFrame reads a message after its length (RFC 1035, 4.2.2).
func readFrame(c net.Conn, buffer []byte) ([]byte, error) {
	if _, err := io.ReadFull(c, buffer[:2]); err != nil {
		return nil, ended(err)
	}
	n := int(binary.BigEndian.Uint16(buffer))
	if n > MaxMessage {
		return nil, fmt.Errorf("an answer of %d bytes is announced, expected at most %d", n, MaxMessage)
	}
	got, err := io.ReadFull(c, buffer[:n])
	return buffer[:got], ended(err)
}

func ended(err error) error {
	if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return errors.New("the connection was closed before the whole answer came")
	}
	return err
}
