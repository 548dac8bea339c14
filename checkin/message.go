package checkin

import (
	"context"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/sign"
)

// Schema names the message's format.
const Schema = "tidemark/checkin/v1"

// MaxBody is the longest body that is read, in bytes.
const MaxBody = 4 << 10

// Window is how far the message's time may be from the receiver's clock, both ways.
const Window = 5 * time.Minute

// Message is what a mirror says: the payload of an envelope (sign.Envelope) with one minisign signature by the mirror's own
// key.
type Message struct {
	Schema  string           `json:"schema"`
	Network string           `json:"network"`
	Mirror  string           `json:"mirror"` // its id in the inventory
	At      strictjson.Time  `json:"at"`
	Nonce   string           `json:"nonce"` // 32 hex digits, by chance
	Trees   map[string]int64 `json:"trees"` // what its time files say
}

// Seal signs m and gives the body to send. The signer is a minisign key (sign.MinisignFile).
func Seal(ctx context.Context, m Message, s sign.Signer) ([]byte, error) { panic("stub") }

// Senders are the mirrors that may check in: those of the inventory that have a key.
type Senders struct{}

// NewSenders takes the servers of the inventory. A key that cannot be read is an error.
func NewSenders(network string, servers []inventory.Server) (*Senders, error) { panic("stub") }

// Open checks a body: size, envelope, message, sender, signature, network, trees. The error is a *Refused. The clock and
// replays are the receiver's to check: a message in the spool may be old.
func (s *Senders) Open(body []byte, now time.Time) (*Message, error) { panic("stub") }
