package keys

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/ident"
	"tidemark/internal/strictjson"
)

// Successor is a draft of the version after t: the same roles, issued now, ending after life. A reset_serial is not carried
// on: it is meant once. Neither document shares memory with the other.
func (t *Trust) Successor(now time.Time, life time.Duration) *Trust {
	next := *t
	next.Version++
	next.Issued, next.Expires = strictjson.At(now), strictjson.At(now.Add(life))
	next.ResetSerial = false
	next.Root.Keys = slices.Clone(t.Root.Keys)
	next.Manifest.Required = slices.Clone(t.Manifest.Required)
	next.Manifest.Keys = slices.Clone(t.Manifest.Keys)
	for i := range next.Manifest.Keys {
		k := &next.Manifest.Keys[i]
		k.Signing = slices.Clone(k.Signing)
		if k.NotAfter != nil {
			end := *k.NotAfter
			k.NotAfter = &end
		}
	}
	return &next
}

// PutKey adds a key to the manifest role, or renews the one of the same id (a certificate that was extended, or has a new
// subkey). public is a minisign .pub file, its one line "RW…", or an OpenPGP certificate, armored or not, all whose keys that can
// sign may sign. It returns the key's id. A renewed key has no not_after any more, until EndKey gives it one; a revoked one is
// not renewed. A certificate that carries its own revocation revokes the entry of the same id, or completes its revocation:
// Export then hands the revocation on.
func (t *Trust) PutKey(holder string, public []byte) (id string, err error) {
	if err := ident.Check(holder); err != nil {
		return "", fmt.Errorf("holder of a key: %w", err)
	}
	k, err := readManifestKey(public)
	if err != nil {
		return "", err
	}
	k.Holder = holder
	if i := slices.IndexFunc(t.Root.Keys, func(r RootKey) bool { return r.Key == k.Key }); i >= 0 {
		return "", fmt.Errorf("key %s is the root key of %s: root keys stay offline and sign no manifest; make another key for %s", k.Key, t.Root.Keys[i].Holder, holder)
	}
	i := slices.IndexFunc(t.Manifest.Keys, func(m ManifestKey) bool { return m.Key == k.Key })
	switch {
	case k.Revoked && i < 0:
		return "", fmt.Errorf("certificate %s is revoked, by its own key, and cannot be added: make a new key for %s", k.Key, holder)
	case k.Revoked:
		t.Manifest.Keys[i].Public, t.Manifest.Keys[i].Revoked = k.Public, true
	case i < 0:
		t.Manifest.Keys = append(t.Manifest.Keys, k)
	case t.Manifest.Keys[i].Revoked:
		return "", fmt.Errorf("key %s is revoked and cannot be renewed: make a new key for %s; if it was revoked by mistake, drop the entry first", k.Key, holder)
	default:
		t.Manifest.Keys[i] = k
	}
	return k.Key, nil
}

func readManifestKey(public []byte) (ManifestKey, error) {
	if looksLikeMinisign(public) {
		m, err := readMinisign(public)
		return ManifestKey{Kind: Minisign, Key: m.ID, Public: m.String()}, err
	}
	cert, err := ReadCertificate(public)
	revoked := false
	if err != nil {
		gone, notEven := readRevoked(public)
		if notEven != nil {
			return ManifestKey{}, err
		}
		cert, revoked = gone, true
	}
	armored, err := cert.Armored()
	if err != nil {
		return ManifestKey{}, err
	}
	return ManifestKey{Kind: OpenPGP, Key: cert.Primary.Fingerprint, Public: string(armored), Signing: cert.SigningFingerprints(), Revoked: revoked}, nil
}

func looksLikeMinisign(public []byte) bool {
	s := string(public)
	return strings.HasPrefix(s, minisignFileComment) || strings.HasPrefix(s, "RW") || strings.TrimSpace(s) == ""
}

// readMinisign reads a .pub file or its one line. It quotes nothing of a secret key.
func readMinisign(public []byte) (MinisignKey, error) {
	const longest = 4096
	if len(public) > longest {
		return MinisignKey{}, fmt.Errorf("minisign public key: %d bytes, at most %d are read", len(public), longest)
	}
	s := strings.TrimSuffix(string(public), "\n")
	line := s[strings.LastIndexByte(s, '\n')+1:]
	if len(line) > 100 || strings.Contains(s, "secret key") {
		return MinisignKey{}, errors.New("minisign public key: this is a secret key, or no key; give its public part, the .pub file")
	}
	if line == s {
		return ParseMinisign(s)
	}
	return ParseMinisignFile(public)
}

// DropKey takes a key out of the manifest role, RevokeKey marks it, EndKey gives it a not_after. id is the whole id, or an
// unambiguous part of at least eight digits at its end.
func (t *Trust) DropKey(id string) error {
	i, err := t.manifestKey(id)
	if err != nil {
		return fmt.Errorf("drop a key: %w", err)
	}
	t.Manifest.Keys = slices.Delete(t.Manifest.Keys, i, i+1)
	return nil
}

// RevokeKey marks a key as revoked: nothing it signs, or ever signed, counts.
func (t *Trust) RevokeKey(id string) error {
	i, err := t.manifestKey(id)
	if err != nil {
		return fmt.Errorf("revoke a key: %w", err)
	}
	k := &t.Manifest.Keys[i]
	if k.Revoked {
		return fmt.Errorf("revoke a key: %s of %s is revoked already", k.Key, k.Holder)
	}
	k.Revoked = true
	return nil
}

// EndKey lets a key sign until at only.
func (t *Trust) EndKey(id string, at time.Time) error {
	i, err := t.manifestKey(id)
	if err != nil {
		return fmt.Errorf("end a key: %w", err)
	}
	k := &t.Manifest.Keys[i]
	switch {
	case k.Revoked:
		return fmt.Errorf("end a key: %s of %s is revoked, which no date changes", k.Key, k.Holder)
	case at.IsZero():
		return fmt.Errorf("end a key: no time is given for %s; to let it sign no more, drop or revoke it", k.Key)
	}
	end := strictjson.At(at)
	k.NotAfter = &end
	return nil
}

// PutRoot gives a holder a root key (a minisign .pub file, or its one line); a holder who has one already has two then.
func (t *Trust) PutRoot(holder string, public []byte) (id string, err error) {
	if err := ident.Check(holder); err != nil {
		return "", fmt.Errorf("holder of a root key: %w", err)
	}
	if !looksLikeMinisign(public) {
		return "", errors.New("root key: expected a minisign public key (the .pub file that minisign -G writes): only those sign trust documents")
	}
	m, err := readMinisign(public)
	if err != nil {
		return "", fmt.Errorf("root key: %w", err)
	}
	for _, k := range t.Root.Keys {
		if k.Key == m.ID {
			return "", fmt.Errorf("root key %s is there already, of %s; to give it another holder, drop it first", m.ID, k.Holder)
		}
	}
	for _, k := range t.Manifest.Keys {
		if k.Key == m.ID {
			return "", fmt.Errorf("key %s signs manifests, for %s: a root key is kept offline; make another key for %s (minisign -G)", m.ID, k.Holder, holder)
		}
	}
	t.Root.Keys = append(t.Root.Keys, RootKey{Holder: holder, Key: m.ID, Public: m.String()})
	return m.ID, nil
}

// DropRoot takes a root key out, by its id, or all keys of a holder, by the name.
func (t *Trust) DropRoot(idOrHolder string) error {
	var ids, holders []string
	for _, k := range t.Root.Keys {
		ids, holders = append(ids, k.Key), append(holders, k.Holder)
	}
	named := slices.Contains(holders, idOrHolder)
	i, err := pick("root key", ids, holders, idOrHolder)
	switch {
	case named && err == nil:
		return fmt.Errorf("drop a root key: %q is a holder, and the end of the id %s of %s too; give the whole id", idOrHolder, ids[i], holders[i])
	case named:
		t.Root.Keys = slices.DeleteFunc(t.Root.Keys, func(k RootKey) bool { return k.Holder == idOrHolder })
	case err != nil:
		return fmt.Errorf("drop a root key: %w", err)
	default:
		t.Root.Keys = slices.Delete(t.Root.Keys, i, i+1)
	}
	return nil
}

func (t *Trust) manifestKey(id string) (int, error) {
	var ids, holders []string
	for _, k := range t.Manifest.Keys {
		ids, holders = append(ids, k.Key), append(holders, k.Holder)
	}
	i, err := pick("key of the manifest role", ids, holders, id)
	if err == nil {
		return i, nil
	}
	for _, k := range t.Manifest.Keys {
		if j, e := pick("", k.Signing, make([]string, len(k.Signing)), id); e == nil {
			return 0, fmt.Errorf("%s is a subkey of the certificate %s of %s: give that id", k.Signing[j], k.Key, k.Holder)
		}
	}
	return 0, err
}

// pick finds the one id that is, or ends in, part.
func pick(what string, ids, holders []string, part string) (int, error) {
	const shortest = 8
	want := strings.TrimPrefix(strings.ToUpper(strings.Join(strings.Fields(part), "")), "0X")
	if len(want) < shortest || strings.Trim(want, "0123456789ABCDEF") != "" {
		return 0, fmt.Errorf("%.60q is no key id: expected the whole id, or at least %d hex digits of its end; %s", part, shortest, choices(what, ids, holders))
	}
	var found []int
	for i, id := range ids {
		if id == want {
			return i, nil
		}
		if strings.HasSuffix(id, want) {
			found = append(found, i)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return 0, fmt.Errorf("no %s is %.60q, or ends in it; %s", what, part, choices(what, ids, holders))
	}
	return 0, fmt.Errorf("%.60q is the end of %d ids: give the whole id; %s", part, len(found), choices(what, ids, holders))
}

func choices(what string, ids, holders []string) string {
	if len(ids) == 0 {
		return "there is no " + what
	}
	var list []string
	for i, id := range ids {
		list = append(list, fmt.Sprintf("%s (%s)", id, holders[i]))
	}
	return "there are " + strings.Join(list, ", ")
}
