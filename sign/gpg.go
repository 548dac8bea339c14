package sign

import (
	"context"
	"errors"
	"fmt"
	"os"
	"regexp"
	"strconv"
	"strings"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

// GPGOptions say which key of which gpg signs.
type GPGOptions struct {
	Fingerprint string     // 40 hex digits: of the primary key, or of the signing subkey itself
	Home        string     // gpg's --homedir; "": the user's
	Program     string     // "": gpg
	Passphrase  Passphrase // nil: gpg-agent has it, or asks for the card's PIN
	Allowed     []string   // see OpenPGPFile; nil allows any
	Now         time.Time
}

var gpgFingerprint = regexp.MustCompile(`^[0-9A-F]{40}$`)

// GPG signs by gpg (2.1 or newer) with a key that gpg-agent holds, or a smartcard behind it: with the newest signing subkey
// of the primary key named, or with the very subkey named. The signer is an InlineSigner, too.
func GPG(ctx context.Context, o GPGOptions) (signer Signer, err error) {
	defer recovered(&err)
	o.Fingerprint = strings.ToUpper(o.Fingerprint)
	if !gpgFingerprint.MatchString(o.Fingerprint) {
		return nil, fmt.Errorf("gpg key %.60q: expected a fingerprint of 40 hex digits: gpg --list-secret-keys --with-colons", o.Fingerprint)
	}
	if info, err := os.Stat(o.Home); o.Home != "" && (err != nil || !info.IsDir()) {
		return nil, fmt.Errorf("gpg home %s: expected gpg's directory there (ls -ld %s)", o.Home, o.Home)
	}
	g := gpgProgram{path: o.Program, home: o.Home}
	secrets, err := g.secretKeys(ctx, o.Fingerprint)
	if err != nil {
		return nil, fmt.Errorf("gpg key %s: %w", o.Fingerprint, err)
	}
	exported, err := g.export(ctx, o.Fingerprint)
	if err != nil {
		return nil, fmt.Errorf("gpg key %s: %w", o.Fingerprint, err)
	}
	s, err := o.choose(secrets, exported)
	if err != nil {
		return nil, fmt.Errorf("gpg key %s: %w", o.Fingerprint, err)
	}
	s.hand = &gpgHand{gpg: g, fingerprint: s.key.Signing[0], pass: o.Passphrase}
	return s, nil
}

// choose takes a key whose secret gpg says to have, from the certificate that gpg gave.
func (o GPGOptions) choose(secrets []gpgSecret, exported []byte) (*pgpSigner, error) {
	cert, err := keys.ReadCertificate(exported)
	if err != nil {
		return nil, err
	}
	e, err := cert.Entity()
	if err != nil {
		return nil, err
	}
	here := map[string]bool{}
	for _, s := range secrets {
		here[s.fingerprint] = s.here && (cert.Primary.Fingerprint == o.Fingerprint || s.fingerprint == o.Fingerprint)
	}
	return chooseKey(e, cert, func(k *packet.PublicKey) bool { return here[keys.Fingerprint(k.Fingerprint)] }, o.Allowed, o.Now)
}

// gpgHand has gpg make the packet.
type gpgHand struct {
	gpg         gpgProgram
	fingerprint string
	pass        Passphrase
}

// gpgPause is waited before gpg signs: it lets its clock run when it is told the very second in which it starts
// (gnupg_set_time), and a person with a PIN, a card or a busy machine takes longer than what is left of that second.
const gpgPause = time.Second

// packet has gpg believe the time that the signature is to have, so that its end is exact and an RSA signature comes out the
// same again. The "!" after the time lets it stand still, the one after the fingerprint means this very subkey.
func (h *gpgHand) packet(ctx context.Context, payload []byte, made time.Time, lifetime uint32) ([]byte, error) {
	args := []string{
		"--faked-system-time", made.UTC().Format("20060102T150405") + "!",
		"--default-sig-expire", gpgLife(lifetime),
		"--digest-algo", "SHA512",
		"--local-user", h.fingerprint + "!",
	}
	var secret []byte
	if h.pass != nil {
		p, err := h.pass()
		if err != nil {
			return nil, err
		}
		if len(p) > maxPassphrase || strings.ContainsAny(string(p), "\r\n") {
			return nil, fmt.Errorf("the passphrase: expected one line of at most %d bytes", maxPassphrase)
		}
		secret = append(p[:len(p):len(p)], '\n')
	}
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case <-time.After(gpgPause):
	}
	out, err := h.gpg.run(ctx, gpgCall{args: append(args, "--output", "-", "--detach-sign"), stdin: payload, passphrase: secret, most: MaxSignature})
	if err != nil {
		return nil, err
	}
	if len(out) == 0 {
		return nil, errors.New("gpg gave no signature and no error")
	}
	return out, nil
}

// gpgLife is a life as gpg reads it; 0: for ever.
func gpgLife(seconds uint32) string {
	if seconds == 0 {
		return "0"
	}
	return "seconds=" + strconv.FormatUint(uint64(seconds), 10)
}
