package keys

import (
	"crypto/sha1" // names a file, nothing more: the draft's choice
	"encoding/base32"
	"fmt"
	"regexp"
	"strings"
	"time"
)

// WKD is the Web Key Directory of the OpenPGP keys of the manifest role that may sign at now: file name, from the
// host's root, to content (draft-koch-openpgp-webkey-service), in the advanced and the direct form. It is empty when no user id
// has a mail address.
//
// A key stands under an address with that user id only, and the subkeys that may sign; the keys of one address one behind the
// other. A user id whose address is not plain ASCII of the common form is passed over: its parts name files.
func WKD(t *Trust, now time.Time) (map[string][]byte, error) {
	if err := t.Check(); err != nil {
		return nil, err
	}
	files := map[string][]byte{}
	for _, k := range t.Manifest.Keys {
		if k.Kind != OpenPGP || k.Revoked || k.ended(now) {
			continue
		}
		cert, err := ReadCertificate([]byte(k.Public))
		if err != nil {
			return nil, fmt.Errorf("web key directory: %w", err)
		}
		addresses, err := cert.addresses(now)
		if err != nil {
			return nil, fmt.Errorf("web key directory: %w", err)
		}
		signing := k.signingAt(now)
		for _, a := range addresses {
			body := cert.onlyFor(signing, a)
			for _, folder := range []string{wkdRoot, wkdRoot + a.domain + "/"} {
				files[folder+"policy"] = []byte{}
				files[folder+"hu/"+a.hash()] = append(files[folder+"hu/"+a.hash()], body...)
			}
		}
	}
	return files, nil
}

const wkdRoot = ".well-known/openpgpkey/"

// address is a mail address in lower case, of letters that can name a file and nothing else.
type address struct{ local, domain string }

var (
	localPattern = regexp.MustCompile(`^[a-z0-9!#$%&'*+/=?^_{|}~-]+(\.[a-z0-9!#$%&'*+/=?^_{|}~-]+)*$`)
	// Two labels at least, so that no domain is called as a folder of the direct form is.
	domainPattern = regexp.MustCompile(`^([a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\.)+[a-z]([a-z0-9-]{0,61}[a-z0-9])?$`)
)

// readAddress takes the address of a user id: "Name <address>", or the address alone.
func readAddress(userID string) (address, bool) {
	plain := userID
	if open := strings.LastIndexByte(userID, '<'); open >= 0 {
		if !strings.HasSuffix(userID, ">") || strings.Count(userID, "<") != 1 {
			return address{}, false
		}
		plain = userID[open+1 : len(userID)-1]
	}
	const longestLocal, longestDomain = 64, 253
	local, domain, ok := strings.Cut(lowerASCII(plain), "@")
	if !ok || len(local) > longestLocal || len(domain) > longestDomain || !localPattern.MatchString(local) || !domainPattern.MatchString(domain) {
		return address{}, false
	}
	return address{local, domain}, true
}

// lowerASCII leaves other letters alone: some fold onto ASCII ones (the Kelvin sign).
func lowerASCII(s string) string {
	return strings.Map(func(r rune) rune {
		if 'A' <= r && r <= 'Z' {
			return r + 'a' - 'A'
		}
		return r
	}, s)
}

// hash is the z-base-32 of the SHA-1 of the local part: 32 letters and digits.
func (a address) hash() string {
	sum := sha1.Sum([]byte(a.local))
	return base32.NewEncoding("ybndrfg8ejkmcpqxot1uwisza345h769").EncodeToString(sum[:])
}

// addresses lists the mail addresses of the user ids that the certificate stands by, each once, in the order of the packets.
func (c *Certificate) addresses(now time.Time) ([]address, error) {
	e, err := c.Entity()
	if err != nil {
		return nil, err
	}
	var list []address
	seen := map[address]bool{}
	for _, p := range c.packets {
		if p.Tag != TagUserID {
			continue
		}
		id, ok := e.Identities[string(p.Body)]
		if !ok {
			continue
		}
		if _, err := id.Verify(now, PacketConfig(now)); err != nil {
			continue
		}
		if a, ok := readAddress(string(p.Body)); ok && !seen[a] {
			seen[a] = true
			list = append(list, a)
		}
	}
	return list, nil
}

// onlyFor is only, without the user ids of other addresses and without pictures.
func (c *Certificate) onlyFor(signing []string, a address) []byte {
	return c.keep(signing, func(p Packet) bool {
		if p.Tag == TagUserAttribute {
			return false
		}
		of, ok := readAddress(string(p.Body))
		return ok && of == a
	})
}
