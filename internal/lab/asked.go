package lab

import (
	"bytes"
	"slices"
	"strings"
)

// Asked is what an rsync client asked a daemon for, read from the first bytes of its request: they are sent in the clear,
// and before anything is compressed (rsync's clientserver.c: greeting, module, arguments, each ended by a zero byte).
type Asked struct {
	Module string
	Path   string   // the last argument, e.g. "centos/7/"
	Args   []string // the whole list that the daemon is started with
	Rules  []string // the first filter rules, as far as they were in the head
}

// Asked reads the head of a connection; Module is "" when nothing was asked.
func (c RelayConn) Asked() (a Asked) {
	_, rest, ok := bytes.Cut(c.Head, []byte("\n")) // @RSYNCD: 32.0 sha512 …
	if !ok {
		return a
	}
	module, rest, ok := bytes.Cut(rest, []byte("\n"))
	if !ok {
		return a
	}
	a.Module = string(module)
	for {
		arg, more, ok := bytes.Cut(rest, []byte{0})
		rest = more
		if !ok || len(arg) == 0 {
			break
		}
		a.Args = append(a.Args, string(arg))
	}
	if len(a.Args) > 0 {
		a.Path = a.Args[len(a.Args)-1]
	}
	a.Rules = rules(rest)
	return a
}

// rules finds filter rules in the stream: a little-endian length of four bytes, then "- pattern" or "+ pattern".
func rules(b []byte) (found []string) {
	for i := 0; i+6 <= len(b); i++ {
		n := int(b[i]) | int(b[i+1])<<8
		if b[i+2] != 0 || b[i+3] != 0 || n < 3 || i+4+n > len(b) || b[i+5] != ' ' || (b[i+4] != '-' && b[i+4] != '+') {
			continue
		}
		found = append(found, string(b[i+4:i+4+n]))
		i += 3 + n
	}
	return found
}

// FullList reports whether the daemon had to list the whole module: recursively, neither by names (--files-from) nor with
// all but a few excluded ("- *").
func (a Asked) FullList() bool {
	if !strings.HasSuffix(a.Path, "/") || slices.Contains(a.Rules, "- *") {
		return false
	}
	recursive := false
	for _, arg := range a.Args {
		if strings.HasPrefix(arg, "--files-from") {
			return false
		}
		if strings.HasPrefix(arg, "-") && !strings.HasPrefix(arg, "--") {
			flags, _, _ := strings.Cut(arg, "e.") // capabilities follow
			recursive = recursive || strings.Contains(flags, "r")
		}
	}
	return recursive
}

// FullLists counts the connections that asked for a full list.
func (r *Relay) FullLists() (n int) {
	for _, c := range r.Conns() {
		if c.Asked().FullList() {
			n++
		}
	}
	return n
}
