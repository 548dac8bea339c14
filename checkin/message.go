package checkin

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/internal/ident"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/sign"
)

// Schema names the message's format.
const Schema = "tidemark/checkin/v1"

// MaxBody is the longest body that is read, in bytes.
const MaxBody = 4 << 10

// Window is how far the message's time may be from the receiver's clock, both ways.
const Window = 5 * time.Minute

// As in the manifest.
const (
	maxTrees     = 64
	maxTimestamp = 253402300799 // the end of the year 9999
)

// nonceDigits is how long a nonce is: 128 bits in hex.
const nonceDigits = 32

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
func Seal(ctx context.Context, m Message, s sign.Signer) ([]byte, error) {
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("check-in: %w", err)
	}
	if kind := s.Key().Kind; kind != keys.Minisign {
		return nil, fmt.Errorf("check-in: a key of kind %s, expected %s", kind, keys.Minisign)
	}
	payload, err := strictjson.Marshal(m)
	if err != nil {
		return nil, fmt.Errorf("write the check-in: %w", err)
	}
	sig, err := s.Sign(ctx, sign.Request{Payload: payload, Comment: "tidemark checkin " + m.Mirror + " " + m.Network, Issued: m.At.Time})
	if err != nil {
		return nil, fmt.Errorf("sign the check-in: %w", err)
	}
	body, err := (&sign.Envelope{Payload: payload, Signatures: []sign.Signature{sig}}).Encode()
	if err != nil {
		return nil, fmt.Errorf("write the check-in: %w", err)
	}
	if len(body) > MaxBody {
		return nil, fmt.Errorf("check-in: %d trees make %d bytes, a receiver reads at most %d: check in for fewer trees", len(m.Trees), len(body), MaxBody)
	}
	return body, nil
}

// check judges the form alone.
func (m *Message) check() error {
	if m.Schema != Schema {
		return fmt.Errorf("schema %.60q, expected %q", m.Schema, Schema)
	}
	if err := errors.Join(in("network", ident.Check(m.Network)), in("mirror", ident.Check(m.Mirror))); err != nil {
		return err
	}
	if len(m.Nonce) != nonceDigits || strings.Trim(m.Nonce, "0123456789abcdef") != "" {
		return fmt.Errorf("nonce %.40q, expected %d hex digits in lower case", m.Nonce, nonceDigits)
	}
	if n := len(m.Trees); n == 0 || n > maxTrees {
		return fmt.Errorf("%d trees, expected 1 to %d", n, maxTrees)
	}
	for tree, timestamp := range m.Trees {
		if err := in("trees", ident.Check(tree)); err != nil {
			return err
		}
		if timestamp < 1 || timestamp > maxTimestamp {
			return fmt.Errorf("tree %s: timestamp %d, expected Unix seconds from 1 to %d", tree, timestamp, int64(maxTimestamp))
		}
	}
	return nil
}

// Claims lists what m says of its trees, sorted, for one line of a log: "centos=1488372781 epel=1488371000".
func (m *Message) Claims() string {
	var list []string
	for _, tree := range slices.Sorted(maps.Keys(m.Trees)) {
		list = append(list, fmt.Sprintf("%s=%d", tree, m.Trees[tree]))
	}
	return strings.Join(list, " ")
}

func in(member string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w", member, err)
}

// Senders are the mirrors that may check in: those of the inventory that have a key. They never change, and may be used by
// many at once.
type Senders struct {
	network string
	mirrors map[string]sender // by id
	keyless map[string]bool   // the others of the inventory, who are refused
}

// sender is a role of one key, and the trees that the inventory gives its holder.
type sender struct {
	role  keys.ManifestRole
	trees map[string]bool
}

// NewSenders takes the servers of the inventory. A key that cannot be read is an error, and so is one that two of them have:
// either could speak for the other.
func NewSenders(network string, servers []inventory.Server) (*Senders, error) {
	s := &Senders{network: network, mirrors: map[string]sender{}, keyless: map[string]bool{}}
	holder := map[string]string{} // of a key's id, and of a key
	for _, server := range servers {
		if server.Key == "" {
			s.keyless[server.ID] = true
			continue
		}
		key, err := keys.ParseMinisign(server.Key)
		if err != nil {
			return nil, fmt.Errorf("%s:%d: %s: %w", server.File, server.Line, server.ID, err)
		}
		for _, name := range []string{key.ID, string(key.Public)} {
			if other, twice := holder[name]; twice {
				return nil, fmt.Errorf("%s:%d: %s has the check-in key %s of %s: every mirror needs a key of its own", server.File, server.Line, server.ID, key.ID, other)
			}
			holder[name] = server.ID
		}
		trees := make(map[string]bool, len(server.Trees))
		for tree := range server.Trees {
			trees[tree] = true
		}
		s.mirrors[server.ID] = sender{trees: trees, role: keys.ManifestRole{Threshold: 1,
			Keys: []keys.ManifestKey{{Holder: server.ID, Kind: keys.Minisign, Key: key.ID, Public: server.Key}}}}
	}
	return s, nil
}

// Len is how many mirrors may check in.
func (s *Senders) Len() int { return len(s.mirrors) }

// Has reports whether a mirror may check in.
func (s *Senders) Has(mirror string) bool { _, ok := s.mirrors[mirror]; return ok }

// Open checks a body: size, envelope, message, network, sender, signature, trees. The error is a *Refused. The clock and
// replays are the receiver's to check: a message in the spool may be old.
//
// What is cheap comes first: a body of an unknown sender costs no look at a signature, and any body at most the one of one
// key over one payload. What depends on the inventory, beyond the sender's name and key, is judged behind the signature.
func (s *Senders) Open(body []byte, now time.Time) (*Message, error) {
	m, _, err := s.open(body, now)
	return m, err
}

// open also gives the payload's digest.
func (s *Senders) open(body []byte, now time.Time) (_ *Message, d digest, _ error) {
	e, m, err := parse(body)
	if err != nil {
		return nil, d, err
	}
	if m.Network != s.network {
		return nil, d, refuse(WrongNetwork, "network %s, expected %s", m.Network, s.network)
	}
	from, known := s.mirrors[m.Mirror]
	if !known {
		refused := refuse(UnknownSender, "the inventory has no key of %s", m.Mirror)
		if s.keyless[m.Mirror] {
			refused.claiming(m.Mirror)
		}
		return nil, d, refused
	}
	if key := from.role.Keys[0].Key; e.Signatures[0].Key != key {
		return nil, d, refuse(BadSignature, "signed by key %s, the inventory gives %s the key %s", e.Signatures[0].Key, m.Mirror, key).claiming(m.Mirror)
	}
	if _, err := sign.Verify(e.Payload, e.Signatures, from.role, now); err != nil {
		return nil, d, (&Refused{Reason: BadSignature, Detail: m.Mirror, err: err}).claiming(m.Mirror)
	}
	for tree := range m.Trees {
		if !from.trees[tree] {
			return nil, d, refuse(WrongTrees, "the inventory gives %s no tree %s", m.Mirror, tree).by(m.Mirror)
		}
	}
	return m, digest(sha256.Sum256(e.Payload)), nil
}

// parse reads the form of a body: nothing of it is proven yet.
func parse(body []byte) (*sign.Envelope, *Message, error) {
	if len(body) > MaxBody {
		return nil, nil, refuse(TooLarge, "more than %d bytes", MaxBody)
	}
	e, err := sign.ParseEnvelope(body, MaxBody)
	if err != nil {
		return nil, nil, &Refused{Reason: Malformed, Detail: "not an envelope", err: err}
	}
	if n := len(e.Signatures); n != 1 || e.Signatures[0].Kind != keys.Minisign {
		return nil, nil, refuse(Malformed, "%d signatures, the first of kind %s, expected one of kind %s", n, e.Signatures[0].Kind, keys.Minisign)
	}
	m := new(Message)
	if err := strictjson.Unmarshal(e.Payload, m); err != nil {
		return nil, nil, &Refused{Reason: Malformed, Detail: "not a check-in", err: err}
	}
	if err := m.check(); err != nil {
		return nil, nil, &Refused{Reason: Malformed, Detail: "not a check-in", err: err}
	}
	return e, m, nil
}
