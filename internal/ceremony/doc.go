// Package ceremony runs docs/keys.md. It has tests only: each fenced block of the page is executed as typed, section by
// section, with the real programs, on a small network of the lab; after each ceremony it is asked what the page does not
// show, of the site, of mirrors that were installed before it, and of the stock tools.
//
// # How the page is read
//
//	operator$ tidemark trust new               typed at the machine of that name, a directory with a home of its own
//	draft trust-…                              one line of what it must print, in this order; "…" is anything
//	(exit code 4)                              expected of the command before; else it is 0
//
// A yaml block that begins with "# tidemark.yaml" replaces the members of the operator's configuration that it names. The link
// "[have it signed](#signing-a-draft)" runs that section at this place. What a person would replace or answer, the tests do by the
// tables in replace_test.go.
//
// # Time
//
// Section A is run 300 days ago by a program with a clock of its own; all others today.
package ceremony
