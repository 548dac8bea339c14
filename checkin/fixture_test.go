package checkin

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"testing"
	"time"

	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/sign"
)

// noon is the receiver's clock in tests.
var noon = time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)

// mirror is one that can check in.
type mirror struct {
	id     string
	signer sign.Signer
	secret []byte // its key file
	public string // RW…
}

func newMirror(t testing.TB, id string) mirror {
	t.Helper()
	secret, _, err := keys.GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.MinisignFile(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	return mirror{id: id, signer: s, secret: secret, public: s.Key().Public}
}

// server is the mirror's entry of the inventory.
func (m mirror) server(t testing.TB, trees ...string) inventory.Server {
	t.Helper()
	s := inventory.Server{ID: m.id, Kind: inventory.KindMirror, Key: m.public, Trees: map[string]rsyncurl.URL{}, File: "mirrors.yaml", Line: 1}
	for _, tree := range trees {
		u, err := rsyncurl.Parse("rsync://" + m.id + "/" + tree + "/")
		if err != nil {
			t.Fatal(err)
		}
		s.Trees[tree] = u
	}
	return s
}

func nonce() string {
	b := make([]byte, nonceDigits/2)
	rand.Read(b)
	return hex.EncodeToString(b)
}

// message is a good one, at an instant.
func (m mirror) message(at time.Time) Message {
	return Message{Schema: Schema, Network: "centos", Mirror: m.id, At: strictjson.At(at), Nonce: nonce(), Trees: map[string]int64{"centos": 1488372781}}
}

func (m mirror) seal(t testing.TB, msg Message) []byte {
	t.Helper()
	body, err := Seal(context.Background(), msg, m.signer)
	if err != nil {
		t.Fatal(err)
	}
	return body
}

// sealed signs any payload, whether a Message or not.
func (m mirror) sealed(t testing.TB, payload string) []byte {
	t.Helper()
	sig, err := m.signer.Sign(context.Background(), sign.Request{Payload: []byte(payload)})
	if err != nil {
		t.Fatal(err)
	}
	return envelope(t, payload, sig)
}

func envelope(t testing.TB, payload string, sigs ...sign.Signature) []byte {
	t.Helper()
	b, err := (&sign.Envelope{Payload: []byte(payload), Signatures: sigs}).Encode()
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func senders(t testing.TB, servers ...inventory.Server) *Senders {
	t.Helper()
	s, err := NewSenders("centos", servers)
	if err != nil {
		t.Fatal(err)
	}
	return s
}
