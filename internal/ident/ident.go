// Package ident holds the one rule for the names of networks, trees and servers.
package ident

import (
	"fmt"
	"regexp"
)

var pattern = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{0,99}$`)

// Check returns nil when s may name a network, a tree or a server:
// [a-z0-9][a-z0-9._-]{0,99}. The refusal quotes what was found.
func Check(s string) error {
	if !pattern.MatchString(s) {
		return fmt.Errorf("name %.120q: expected 1 to 100 characters of a-z 0-9 . _ -, the first a letter or digit", s)
	}
	return nil
}
