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
