package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"time"

	openpgp "github.com/ProtonMail/go-crypto/openpgp/v2"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
	"tidemark/sign/kms"
	"tidemark/sign/sshagent"
)

// identify says which key it is without any secret; "" where only opening tells: an encrypted minisign key. The error is of
// reading what must be there.
func (k configuredKey) identify() (string, error) {
	switch {
	case k.GPG != nil:
		return k.GPG.Fingerprint, nil
	case k.Public != "":
		b, err := console.ReadFile(k.Public, maxKeyFile)
		if err != nil {
			return "", err
		}
		return publicID(k.kind, b)
	}
	b, err := console.ReadFile(k.File, maxKeyFile)
	if err != nil {
		return "", err
	}
	return privateID(k.kind, b), nil
}

// publicID reads the public half that `keys adopt` wrote.
func publicID(kind keys.Kind, b []byte) (string, error) {
	if kind == keys.Minisign {
		k, err := keys.ParseMinisignFile(b)
		return k.ID, err
	}
	c, err := keys.ReadCertificate(b)
	if err != nil {
		return "", err
	}
	return c.Primary.Fingerprint, nil
}

// privateID reads the name of a private key, where it is not encrypted with the key. What is wrong with the file is for opening
// to say.
func privateID(kind keys.Kind, b []byte) string {
	if kind == keys.Minisign {
		s, err := sign.MinisignFile(b, nil)
		if err != nil {
			return ""
		}
		return s.Key().Key
	}
	body, err := keys.Dearmor(b, keys.ArmorPrivate)
	if err != nil {
		return ""
	}
	return primaryOf(body)
}

func primaryOf(body []byte) (id string) {
	defer func() { // the library has met packets that made it panic
		if recover() != nil {
			id = ""
		}
	}()
	list, err := openpgp.ReadKeyRing(strings.NewReader(string(body)))
	if err != nil || len(list) != 1 {
		return ""
	}
	return keys.Fingerprint(list[0].PrimaryKey.Fingerprint)
}

// open makes the signer of a key where it lives.
func (k configuredKey) open(ctx context.Context, allowed []string, now time.Time) (sign.Signer, error) {
	switch {
	case k.GPG != nil:
		return sign.GPG(ctx, sign.GPGOptions{Fingerprint: k.GPG.Fingerprint, Home: k.GPG.Home, Passphrase: k.gpgPassphrase(), Allowed: allowed, Now: now})
	case k.SSHAgent != "" || k.KMS != nil:
		return k.openRemote(ctx, allowed, now)
	}
	b, err := console.ReadFile(k.File, maxKeyFile)
	if err != nil {
		return nil, err
	}
	if k.kind == keys.Minisign {
		return sign.MinisignFile(b, k.passphrase())
	}
	return sign.OpenPGPFile(b, k.passphrase(), allowed, now)
}

func (k configuredKey) openRemote(ctx context.Context, allowed []string, now time.Time) (sign.Signer, error) {
	public, err := console.ReadFile(k.Public, maxKeyFile)
	if err != nil {
		return nil, err
	}
	if k.kind == keys.OpenPGP {
		r, err := k.remote(ctx, nil)
		if err != nil {
			return nil, err
		}
		return sign.OpenPGPRemote(public, r, allowed, now)
	}
	half, err := keys.ParseMinisignFile(public)
	if err != nil {
		return nil, err
	}
	r, err := k.remote(ctx, half.Public)
	if err != nil {
		return nil, err
	}
	return sign.MinisignRemote(half, r)
}

// remote finds the key at its agent or its service.
func (k configuredKey) remote(ctx context.Context, public []byte) (sign.Remote, error) {
	if k.KMS != nil {
		return kms.Open(ctx, kms.Options{Key: k.KMS.Key, Region: k.KMS.Region, Endpoint: k.KMS.Endpoint, CA: k.KMS.CA})
	}
	socket, err := k.agentSocket()
	if err != nil {
		return nil, err
	}
	return sshagent.Open(ctx, sshagent.Options{Socket: socket, Public: public})
}

func (k configuredKey) agentSocket() (string, error) {
	if k.SSHAgent != config.AgentOfEnvironment {
		return k.SSHAgent, nil
	}
	if s := os.Getenv("SSH_AUTH_SOCK"); s != "" {
		return s, nil
	}
	return "", errors.New("the environment has no SSH_AUTH_SOCK")
}

// passphrase is the source that the configuration names; none is asked for when the key is not encrypted.
func (k configuredKey) passphrase() sign.Passphrase {
	switch {
	case k.PassphraseFile != "":
		return sign.PassphraseFromFile(k.PassphraseFile)
	case k.PassphraseEnv != "":
		return sign.PassphraseFromEnv(k.PassphraseEnv)
	case k.Credential != "":
		return sign.PassphraseFromCredential(k.Credential)
	}
	return func() ([]byte, error) {
		return nil, errors.New("the key is encrypted and no passphrase is configured: expected passphrase_file, passphrase_env or credential beside key")
	}
}

// gpgPassphrase is nil when none is configured: then gpg-agent knows it, or asks for the card's PIN.
func (k configuredKey) gpgPassphrase() sign.Passphrase {
	if k.PassphraseFile == "" && k.PassphraseEnv == "" && k.Credential == "" {
		return nil
	}
	return k.passphrase()
}

// there looks whether the place is there where the key lives. It asks nobody.
func (k configuredKey) there() error {
	switch {
	case k.GPG != nil:
		if _, err := exec.LookPath("gpg"); err != nil {
			return err
		}
		if k.GPG.Home != "" && !directory(k.GPG.Home) {
			return fmt.Errorf("gpg_home %s is no directory", k.GPG.Home)
		}
	case k.SSHAgent != "":
		socket, err := k.agentSocket()
		if err != nil {
			return err
		}
		info, err := os.Stat(socket)
		if err != nil {
			return err
		}
		if info.Mode().Type() != os.ModeSocket {
			return fmt.Errorf("%s is no socket (%s)", socket, info.Mode())
		}
	case k.KMS != nil && k.KMS.CA != "":
		_, err := console.ReadFile(k.KMS.CA, maxKeyFile)
		return err
	}
	return nil
}

// missing is the error of a key whose place is not there.
func (k configuredKey) missing(err error) error {
	what := "signing key"
	if k.File == "" {
		what += " " + k.String()
	}
	return console.Hinted(fmt.Errorf("%s: %w", what, err), "%s", k.hintMissing())
}

func (k configuredKey) hintMissing() string {
	switch {
	case k.GPG != nil:
		return "check sign: in the configuration; gpg and its home must be there for this user: scripts/deps, or apt-get install gnupg"
	case k.SSHAgent != "":
		return "start the agent for this user (ssh-agent -a SOCKET) and put the key into it, or check sign: in the configuration"
	case k.KMS != nil:
		return "write the public half with: tidemark keys adopt FILE --kms KEY; or check sign: in the configuration"
	}
	return "check sign: in the configuration, and who may read that file"
}

// hint is what to do about a key that cannot be opened, or does not sign.
func (k configuredKey) hint() string {
	switch {
	case k.GPG != nil:
		home := ""
		if k.GPG.Home != "" {
			home = " --homedir " + k.GPG.Home
		}
		return fmt.Sprintf("try it as this user: echo | gpg%s --batch --local-user %s! --detach-sign >/dev/null; the agent must run, have the passphrase or the card's PIN, and the card be in", home, k.GPG.Fingerprint)
	case k.SSHAgent == config.AgentOfEnvironment:
		return "see what the agent has: ssh-add -L; add the key: ssh-add FILE; unlock the agent: ssh-add -X"
	case k.SSHAgent != "":
		return fmt.Sprintf("see what the agent has: SSH_AUTH_SOCK=%s ssh-add -L; add the key: ssh-add FILE; unlock the agent: ssh-add -X", k.SSHAgent)
	case k.KMS != nil:
		return fmt.Sprintf("the credentials of this user need kms:GetPublicKey and kms:Sign on %s, and the key must be enabled: see docs/publisher.md", k.KMS.Key)
	}
	return "check the key and its passphrase: tidemark config check"
}

// placed makes a signer say where its key lives when it fails, and keeps it from waiting for ever.
func placed(s sign.Signer, k configuredKey) sign.Signer {
	at := placedSigner{s, k}
	if raw, ok := s.(sign.RawSigner); ok {
		return placedRaw{at, raw}
	}
	return at
}

type placedSigner struct {
	sign.Signer
	key configuredKey
}

func (s placedSigner) Sign(ctx context.Context, r sign.Request) (sig sign.Signature, err error) {
	err = s.bounded(ctx, func(ctx context.Context) error {
		sig, err = s.Signer.Sign(ctx, r)
		return err
	})
	return sig, err
}

func (s placedSigner) bounded(ctx context.Context, do func(context.Context) error) error {
	ctx, cancel := context.WithTimeout(ctx, signPatience)
	defer cancel()
	if err := do(ctx); err != nil {
		return console.Hinted(fmt.Errorf("%s: %w", s.key, err), "%s", s.key.hint())
	}
	return nil
}

type placedRaw struct {
	placedSigner
	raw sign.RawSigner
}

// SignRaw signs a beacon.
func (s placedRaw) SignRaw(ctx context.Context, message []byte) (sig []byte, err error) {
	err = s.bounded(ctx, func(ctx context.Context) error {
		sig, err = s.raw.SignRaw(ctx, message)
		return err
	})
	return sig, err
}
