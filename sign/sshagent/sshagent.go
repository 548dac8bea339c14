// Package sshagent signs with an Ed25519 key of an ssh-agent, e.g. on a hardware token.
package sshagent

import (
	"context"

	"tidemark/sign"
)

// Options say which key of which agent.
type Options struct {
	Socket string // path of the agent's socket
	Public []byte // the Ed25519 key: 32 bytes, or an OpenSSH public key line ("ssh-ed25519 AAAA…")
}

// Open finds the key in the agent.
func Open(ctx context.Context, o Options) (sign.Remote, error) { panic("stub") }
