package client

import "tidemark/keys"

// HeldTrust is the newest trust document that is held: the pinned one, or what follows from it by the steps that are kept.
// Nobody is asked, nothing is written.
func HeldTrust(o LookOptions) (*keys.Trust, error) {
	c, err := openPinned(o)
	if err != nil {
		return nil, err
	}
	c, _, err = c.grow(&store{dir: o.State, readOnly: true})
	return c.trust, err
}
