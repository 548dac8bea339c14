package sshagent

import (
	"bytes"
	"context"
	"crypto"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tidemark/sign"
)

// Options say which key of which agent.
type Options struct {
	Socket string // path of the agent's socket
	Public []byte // the Ed25519 key: 32 bytes, or an OpenSSH public key line ("ssh-ed25519 AAAA…")
}

// maxMessage is what sign.Remote promises.
const maxMessage = 4096

// Open finds the key in the agent. A connection is made for each question, so that an agent may be started anew.
func Open(ctx context.Context, o Options) (sign.Remote, error) {
	public, err := ParsePublic(o.Public)
	if err != nil {
		return nil, err
	}
	wire, err := ssh.NewPublicKey(public)
	if err != nil {
		return nil, fmt.Errorf("ssh public key: %w", err)
	}
	r := &remote{socket: o.Socket, public: public, wire: wire}
	if o.Socket == "" {
		return nil, errors.New("ssh-agent: no socket is named: start an agent (eval $(ssh-agent)) and give its SSH_AUTH_SOCK")
	}
	if err := r.ask(ctx, r.look); err != nil {
		return nil, err
	}
	return r, nil
}

// remote is one key of an agent.
type remote struct {
	socket string
	public ed25519.PublicKey
	wire   ssh.PublicKey
}

// Public is the Ed25519 key.
func (r *remote) Public() crypto.PublicKey { return r.public }

// SignRemote has the agent sign: plain Ed25519 over exactly the bytes given (RFC 8709, 6).
func (r *remote) SignRemote(ctx context.Context, message []byte) (signature []byte, err error) {
	if len(message) > maxMessage {
		return nil, fmt.Errorf("ssh-agent: %d bytes to sign, at most %d", len(message), maxMessage)
	}
	err = r.ask(ctx, func(a agent.Agent) error {
		s, err := a.Sign(r.wire, message)
		if err != nil {
			return r.whyNot(a, err)
		}
		if s.Format != ssh.KeyAlgoED25519 || len(s.Blob) != ed25519.SignatureSize || len(s.Rest) > 0 {
			return fmt.Errorf("it answered with a signature of format %.40q and %d bytes, expected %s and %d", s.Format, len(s.Blob), ssh.KeyAlgoED25519, ed25519.SignatureSize)
		}
		signature = s.Blob
		return nil
	})
	return signature, err
}

// look insists that the agent has the key.
func (r *remote) look(a agent.Agent) error {
	list, err := a.List()
	if err != nil {
		return fmt.Errorf("listing its keys: %w", err)
	}
	for _, k := range list {
		if bytes.Equal(k.Blob, r.wire.Marshal()) {
			return nil
		}
	}
	if len(list) == 0 {
		return fmt.Errorf("it has no keys, or is locked, expected %s: ssh-add -X unlocks, ssh-add FILE loads a key", ssh.FingerprintSHA256(r.wire))
	}
	return fmt.Errorf("it has %d other keys, expected %s: load it with ssh-add FILE (a token's: ssh-add -s /path/of/pkcs11.so)", len(list), ssh.FingerprintSHA256(r.wire))
}

// whyNot looks for the reason of a refusal: the protocol has none.
func (r *remote) whyNot(a agent.Agent, refused error) error {
	if gone := r.look(a); gone != nil {
		return fmt.Errorf("%w: %w", refused, gone)
	}
	return fmt.Errorf("it has the key but refused to sign with it: %w: whoever is asked to confirm said no or was not there (ssh-add -c), or the token was pulled out (ssh-add -T FILE.pub tries it)", refused)
}

// ask connects, and cuts the connection when the context ends.
func (r *remote) ask(ctx context.Context, question func(agent.Agent) error) error {
	var d net.Dialer
	c, err := d.DialContext(ctx, "unix", r.socket)
	if err != nil {
		return fmt.Errorf("ssh-agent: %w: does it run? SSH_AUTH_SOCK=%s ssh-add -l", err, r.socket)
	}
	defer c.Close()
	stop := context.AfterFunc(ctx, func() { c.SetDeadline(time.Unix(1, 0)) })
	defer stop()
	err = question(agent.NewClient(c))
	switch {
	case err == nil:
		return nil
	case ctx.Err() != nil:
		return fmt.Errorf("ssh-agent at %s: no answer in time: %w", r.socket, ctx.Err())
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("ssh-agent at %s: it hung up: %w", r.socket, err)
	}
	return fmt.Errorf("ssh-agent at %s: %w", r.socket, err)
}
