// Package console is what the programs' commands have in common: words on the screen, flags, exit codes, errors with the
// next command to type (DESIGN 7). Only cmd/* imports it.
package console
