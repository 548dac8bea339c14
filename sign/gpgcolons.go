package sign

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"tidemark/keys"
)

// gpgSecret is one key of gpg's list of secret keys.
type gpgSecret struct {
	fingerprint string
	here        bool   // with gpg-agent, or on a card; not "offline"
	card        string // the card's serial number; "": none
}

// maxListing is far more than the listing of one key is.
const maxListing = 1 << 20

// secretKeys lists the primary key and the subkeys of the one key that has this fingerprint, its own or a subkey's.
func (g gpgProgram) secretKeys(ctx context.Context, fingerprint string) ([]gpgSecret, error) {
	out, err := g.run(ctx, gpgCall{args: []string{"--fixed-list-mode", "--with-colons", "--with-fingerprint", "--with-fingerprint",
		"--list-secret-keys", fingerprint}, most: maxListing})
	if err != nil {
		return nil, err
	}
	list, err := parseSecretKeys(out)
	if err != nil {
		return nil, fmt.Errorf("gpg's list of secret keys: %w", err)
	}
	if !slices.ContainsFunc(list, func(s gpgSecret) bool { return s.fingerprint == fingerprint }) {
		return nil, errors.New("gpg lists another key than was asked for")
	}
	return list, nil
}

// parseSecretKeys reads "gpg --with-colons --list-secret-keys" (GnuPG's doc/DETAILS) of one key. Field 15 of sec and ssb: "#",
// no secret here; "+" or nothing, gpg-agent has it; else the serial number of the card that has it.
func parseSecretKeys(out []byte) ([]gpgSecret, error) {
	const (
		fieldUserID = 9 // fpr: the fingerprint
		fieldToken  = 14
	)
	var list []gpgSecret
	named := true
	for line := range strings.Lines(string(out)) {
		f := strings.Split(strings.TrimRight(line, "\r\n"), ":")
		switch f[0] {
		case "sec", "ssb":
			if !named || (f[0] == "sec") != (len(list) == 0) {
				return nil, fmt.Errorf("found %.80q, expected one primary key, and its subkeys, each with its fingerprint", line)
			}
			s := gpgSecret{here: true}
			if len(f) > fieldToken {
				s.here = f[fieldToken] != "#"
				if t := f[fieldToken]; t != "#" && t != "+" {
					s.card = t
				}
			}
			list, named = append(list, s), false
		case "fpr":
			if named || len(f) <= fieldUserID || !gpgFingerprint.MatchString(f[fieldUserID]) {
				return nil, fmt.Errorf("found %.80q, expected the fingerprint of a version 4 key, 40 hex digits", line)
			}
			list[len(list)-1].fingerprint, named = f[fieldUserID], true
		}
	}
	if len(list) == 0 || !named {
		return nil, errors.New("found no secret key in it")
	}
	return list, nil
}

// export gives the certificate with all signatures on it, or, when others signed it more than we read, with its own only.
func (g gpgProgram) export(ctx context.Context, fingerprint string) ([]byte, error) {
	out, err := g.run(ctx, gpgCall{args: []string{"--output", "-", "--export", fingerprint}, most: keys.MaxCertificate})
	if errors.Is(err, errTooLong) {
		out, err = g.run(ctx, gpgCall{args: []string{"--export-options", "export-minimal", "--output", "-", "--export", fingerprint}, most: keys.MaxCertificate})
	}
	if err == nil && len(out) == 0 {
		err = errors.New("gpg exports no certificate of it")
	}
	return out, err
}
