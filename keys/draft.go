package keys

import (
	"time"
)

// Successor is a draft of the version after t: the same roles, issued now, ending after life. A reset_serial is not carried
// on: it is meant once. Neither document shares memory with the other.
func (t *Trust) Successor(now time.Time, life time.Duration) *Trust { panic("stub") }

// PutKey adds a key to the manifest role, or renews the one of the same id (a certificate that was extended, or has a new
// subkey). public is a minisign .pub file, its one line "RW…", or an OpenPGP certificate, armored or not, all whose keys that can
// sign may sign. It returns the key's id.
func (t *Trust) PutKey(holder string, public []byte) (id string, err error) { panic("stub") }

// DropKey takes a key out of the manifest role, RevokeKey marks it, EndKey gives it a not_after. id is the whole id, or an
// unambiguous part of at least eight digits at its end.
func (t *Trust) DropKey(id string) error { panic("stub") }

// RevokeKey marks a key as revoked: nothing it signs, or ever signed, counts.
func (t *Trust) RevokeKey(id string) error { panic("stub") }

// EndKey lets a key sign until at only.
func (t *Trust) EndKey(id string, at time.Time) error { panic("stub") }

// PutRoot gives a holder a root key (a minisign .pub file, or its one line); a holder who has one already has two then.
func (t *Trust) PutRoot(holder string, public []byte) (id string, err error) { panic("stub") }

// DropRoot takes a root key out, by its id, or all keys of a holder, by the name.
func (t *Trust) DropRoot(idOrHolder string) error { panic("stub") }
