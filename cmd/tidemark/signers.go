package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"slices"
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

// signPatience bounds one signature, and the opening of one key: an agent may ask somebody for a PIN or a touch, and under cron
// nobody is there.
const signPatience = 2 * time.Minute

// maxKeyFile bounds what is read of a key file or a certificate, in bytes.
const maxKeyFile = 1 << 20

// configuredKey is one key of the configuration.
type configuredKey struct {
	config.SigningKey
	kind keys.Kind
}

// configuredKeys are all of them in the order of the configuration: the first of a kind makes manifest.json.asc.
func (p *publisher) configuredKeys() (list []configuredKey) {
	for _, k := range p.cfg.Sign.OpenPGP {
		list = append(list, configuredKey{k, keys.OpenPGP})
	}
	for _, k := range p.cfg.Sign.Ed25519 {
		list = append(list, configuredKey{k, keys.Minisign})
	}
	return list
}

// openSigners opens every configured key that the trust lets sign now. The others are skipped with a warning: a key may be
// configured before the root holders have let it in, and stay after they have let it go. It is an error when what is left
// cannot make what clients accept, and when a key that may sign cannot be opened.
func (p *publisher) openSigners() error {
	if p.signers != nil {
		return nil
	}
	var open []sign.Signer
	var skipped []error
	for _, k := range p.configuredKeys() {
		s, err := p.openKey(k)
		if no := (*notAllowed)(nil); errors.As(err, &no) {
			skipped = append(skipped, err)
			continue
		}
		if err != nil {
			return err
		}
		open = append(open, s)
	}
	var mine []keys.ManifestKey
	for _, s := range open {
		mine = append(mine, s.Key())
	}
	if err := p.enough(mine, skipped); err != nil {
		return err
	}
	p.signers = open
	for _, err := range skipped {
		p.warnSkipped(err)
	}
	return nil
}

// openFirst opens the first configured key of a kind that the trust lets sign now, alone: others may cost much.
func (p *publisher) openFirst(kind keys.Kind) (sign.Signer, error) {
	var skipped []error
	for _, k := range p.configuredKeys() {
		if k.kind != kind {
			continue
		}
		s, err := p.openKey(k)
		if no := (*notAllowed)(nil); errors.As(err, &no) {
			skipped = append(skipped, err)
			continue
		}
		return s, err
	}
	return nil, p.refused(fmt.Errorf("%w: no %s key is left to sign with", errors.Join(skipped...), kind))
}

// warnSkipped says once a run that a key is not used.
func (p *publisher) warnSkipped(err error) {
	if p.skipped[err.Error()] {
		return
	}
	if p.skipped == nil {
		p.skipped = map[string]bool{}
	}
	p.skipped[err.Error()] = true
	p.Warn("%v: it is skipped", err)
}

func (p *publisher) refused(err error) error {
	return console.Exit(console.Refused, err, "sign with a key of %s, or have the root holders sign a new trust version", p.cfg.Trust)
}

// enough refuses keys that cannot make together what clients accept.
func (p *publisher) enough(mine []keys.ManifestKey, skipped []error) error {
	role, holders, kinds := p.trust.Manifest, map[string]bool{}, map[keys.Kind]bool{}
	for _, k := range mine {
		if entry := entryOf(k.Kind, k.Key, p.trust); entry != nil {
			holders[entry.Holder], kinds[k.Kind] = true, true
		}
	}
	var lacks []string
	for _, kind := range role.Required {
		if !kinds[kind] {
			lacks = append(lacks, fmt.Sprintf("no %s key", kind))
		}
	}
	if len(holders) < role.Threshold {
		lacks = append(lacks, fmt.Sprintf("keys of %s where %d must sign", counted(len(holders), "holder"), role.Threshold))
	}
	if lacks == nil {
		return nil
	}
	var why []string
	for _, err := range skipped {
		why = append(why, err.Error())
	}
	why = append(why, fmt.Sprintf("what is left is too little for trust version %d: %s", p.trust.Version, strings.Join(lacks, ", ")))
	return p.refused(errors.New(strings.Join(why, "; ")))
}

// notAllowed is why the trust does not let a key sign now.
type notAllowed struct{ error }

// allowed reports why t does not let a key sign at now; the fingerprint is that of the very key, "" where it does not matter.
// An id may be that of an OpenPGP signing subkey.
func allowed(kind keys.Kind, id, fingerprint string, t *keys.Trust, now time.Time) error {
	have := entryOf(kind, id, t)
	if have == nil {
		return &notAllowed{fmt.Errorf("%s key %s is not in trust version %d of network %s", kind, id, t.Version, t.Network)}
	}
	end := have.End()
	switch {
	case fingerprint != "":
		end = have.EndOf(fingerprint)
	case id != have.Key:
		end = have.EndOf(id)
	}
	switch {
	case have.Revoked:
		return &notAllowed{fmt.Errorf("%s key %s is revoked by trust version %d", kind, id, t.Version)}
	case end != nil && !now.Before(*end):
		return &notAllowed{fmt.Errorf("%s key %s ended at %s by trust version %d", kind, id, console.Clock(*end), t.Version)}
	}
	return nil
}

// entryOf finds a key in the trust by its id, or by the fingerprint of a signing subkey.
func entryOf(kind keys.Kind, id string, t *keys.Trust) *keys.ManifestKey {
	for i, k := range t.Manifest.Keys {
		if k.Kind == kind && (k.Key == id || slices.Contains(k.Signing, id)) {
			return &t.Manifest.Keys[i]
		}
	}
	return nil
}

// mayNow are the fingerprints of the OpenPGP keys that the trust lets sign now.
func mayNow(t *keys.Trust, now time.Time) []string {
	list := []string{} // not nil, which would let any sign
	for _, k := range t.Manifest.Keys {
		for _, f := range k.Signing {
			if end := k.EndOf(f); !k.Revoked && (end == nil || now.Before(*end)) {
				list = append(list, f)
			}
		}
	}
	return list
}

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

// openKey opens one key; a *notAllowed is in the error's chain when the trust does not let it sign.
func (p *publisher) openKey(k configuredKey) (sign.Signer, error) {
	now := p.Now()
	id, err := k.identify()
	if err != nil {
		return nil, k.missing(err)
	}
	if id != "" {
		if err := allowed(k.kind, id, "", p.trust, now); err != nil {
			return nil, err
		}
	}
	ctx, cancel := context.WithTimeout(p.Context.Context, signPatience)
	defer cancel()
	s, err := k.open(ctx, mayNow(p.trust, now), now)
	if errors.Is(err, sign.ErrNotAllowed) {
		return nil, &notAllowed{fmt.Errorf("signing key %s: %w", k, err)}
	}
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("signing key %s: %w", k, err), "%s", k.hint())
	}
	if err := allowed(k.kind, s.Key().Key, firstOf(s.Key().Signing), p.trust, now); err != nil {
		return nil, err
	}
	return placed(s, k), nil
}

func firstOf(list []string) string {
	if len(list) == 0 {
		return ""
	}
	return list[0]
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

// keysThere finds out at every run, not first when there is something to sign, that a key cannot be read, that its agent is away,
// or that the trust does not let enough of them sign. Decrypting, and asking agents and services, are left to the signing: they
// may cost a second, a gigabyte or money.
func (p *publisher) keysThere() error {
	var left []keys.ManifestKey
	var skipped []error
	unknown := false
	for _, k := range p.configuredKeys() {
		id, err := k.identify()
		if err != nil {
			return k.missing(err)
		}
		if id == "" { // not known before it is opened
			unknown = true
			continue
		}
		if err := allowed(k.kind, id, "", p.trust, p.Now()); err != nil {
			skipped = append(skipped, err)
			continue
		}
		if err := k.there(); err != nil {
			return k.missing(err)
		}
		left = append(left, keys.ManifestKey{Kind: k.kind, Key: id})
	}
	if err := p.enough(left, skipped); err != nil && !unknown {
		return err
	}
	for _, err := range skipped {
		p.warnSkipped(err)
	}
	return nil
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
