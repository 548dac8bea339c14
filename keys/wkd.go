package keys

import "time"

// WKD is the Web Key Directory of the OpenPGP keys of the manifest role that may sign at now: file name, from the
// host's root, to content (draft-koch-openpgp-webkey-service), in the advanced and the direct form. It is empty when no user id
// has a mail address.
func WKD(t *Trust, now time.Time) (map[string][]byte, error) { panic("stub") }
