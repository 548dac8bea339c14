package rsync

import (
	"bytes"
	"strings"
)

// badName says what makes name unfit for a path below the top, or nothing.
func badName(name []byte) string {
	switch {
	case len(name) == 0:
		return "is empty"
	case name[0] == '/':
		return "begins with a slash"
	case bytes.IndexByte(name, 0) >= 0:
		return "has a NUL"
	case len(name) == 1 && name[0] == '.':
		return ""
	}
	return badParts(name)
}

// badParts is badName for the parts between slashes alone.
func badParts(name []byte) string {
	for {
		part, end := name, bytes.IndexByte(name, '/')
		if end >= 0 {
			part = name[:end]
		}
		switch {
		case len(part) == 0:
			return "has an empty part"
		case part[0] == '.' && (len(part) == 1 || len(part) == 2 && part[1] == '.'):
			return `has a "." or ".." part`
		case end < 0:
			return ""
		}
		name = name[end+1:]
	}
}

// fitRest reports that a fit name whose end is replaced by rest is fit again. False does not mean that it is not: what begins
// in the middle of a part as "/", "." or ".." does is left to badName.
func fitRest(rest []byte) bool { return bytes.IndexByte(rest, 0) < 0 && badParts(rest) == "" }

// nameStore makes strings of names, many in one piece of memory: an allocation for each would cost more than reading it.
type nameStore struct {
	piece strings.Builder
	size  int
}

const mostNames = 4 << 10

// keep gives name as a string. Whoever keeps it keeps the piece, at most 4 KiB or twice the name.
func (s *nameStore) keep(name []byte) string {
	if s.piece.Cap()-s.piece.Len() < len(name) {
		s.size = min(max(2*s.size, 64), mostNames) // a list of one file needs little
		s.piece = strings.Builder{}
		s.piece.Grow(max(s.size, len(name)))
	}
	start := s.piece.Len()
	s.piece.Write(name)
	return s.piece.String()[start:]
}
