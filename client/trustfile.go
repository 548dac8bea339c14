package client

import (
	"fmt"

	"tidemark/keys"
	"tidemark/sign"
)

// OpenTrustFile reads a trust.json, verifies its own signatures and holds it against the network; with network "" any will
// do. It returns the file's bytes as well. One that cannot be judged by is a *TrustRefused.
func OpenTrustFile(file, network string) (*keys.Trust, []byte, error) {
	b, err := readRegular(file, sign.MaxTrustFile, 0)
	if err != nil {
		return nil, nil, fmt.Errorf("trust: %w", err)
	}
	t, err := sign.OpenTrust(b)
	if err != nil {
		return nil, nil, &TrustRefused{File: file, Err: err}
	}
	if network != "" && t.Network != network {
		return nil, nil, &TrustRefused{File: file, Found: t.Network, Expected: network}
	}
	return t, b, nil
}

// TrustRefused is a trust.json that cannot be judged by.
type TrustRefused struct {
	File            string
	Err             error  // it is malformed, or its root keys did not sign it; nil: it is another network's
	Found, Expected string // networks
}

// Error names the file.
func (r *TrustRefused) Error() string {
	if r.Err != nil {
		return fmt.Sprintf("trust %s: %v", r.File, r.Err)
	}
	return fmt.Sprintf("trust %s is for network %q, expected %q", r.File, r.Found, r.Expected)
}

// Unwrap gives the cause.
func (r *TrustRefused) Unwrap() error { return r.Err }

// Hint says what to do about it.
func (r *TrustRefused) Hint() string {
	if r.Err != nil {
		return "ask the root holders for a trust.json that they signed"
	}
	return "check network: and trust: in the configuration"
}

// PinRefused is a pinned trust document that is malformed, or that its own root keys did not sign: the reader's own file is
// what is wrong, not the site.
type PinRefused struct {
	File string // "": not named
	Err  error
}

// Error names the file.
func (r *PinRefused) Error() string {
	if r.File == "" {
		return fmt.Sprintf("the pinned trust document: %v", r.Err)
	}
	return fmt.Sprintf("the pinned trust document %s: %v", r.File, r.Err)
}

// Unwrap gives the cause.
func (r *PinRefused) Unwrap() error { return r.Err }

// Hint says what to do about it.
func (r *PinRefused) Hint() string {
	return "get the network's trust.json anew, from a place you trust"
}
