// Package ident holds the one rule for the names of networks, trees and servers.
package ident

import "fmt"

const maxLength = 100

// Check returns nil when s may name a network, a tree or a server:
// [a-z0-9][a-z0-9._-]{0,99}. The refusal quotes what was found.
func Check(s string) error {
	ok := s != "" && len(s) <= maxLength
	for i := 0; ok && i < len(s); i++ { // a manifest has thousands of names: no regular expression
		c := s[i]
		ok = 'a' <= c && c <= 'z' || '0' <= c && c <= '9' || i > 0 && (c == '.' || c == '_' || c == '-')
	}
	if !ok {
		return fmt.Errorf("name %.120q: expected 1 to 100 characters of a-z 0-9 . _ -, the first a letter or digit", s)
	}
	return nil
}
