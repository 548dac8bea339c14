package rsync

import "strings"

// command sends the server's arguments and the filter rules, and reads up to where the file list begins. The rules could
// go at once, but the server holds each of its small writes back until the one before is acknowledged, which our system
// would do 40 ms late: so a part of the rules answers each write, and carries the acknowledgement.
func (s *session) command(options, arg string, rules []string) error {
	s.conn.Write([]byte(s.encodeArgs(options, arg))) // a failure shows in the read, with the server's reason
	if s.refusesInText() {
		_, err := (&textPhase{s: s.in}).expect()
		return s.wrap(err)
	}
	encoded := encodeRules(rules)
	if s.proto >= 30 {
		const incrementalRecursion, varintFlags = 1, 1 << 7
		if flags := s.in.varint(); flags&(incrementalRecursion|varintFlags) != 0 {
			return s.wrap(failf(CodeProtocol, "the server set flags %#x that were not offered", flags))
		}
		most := len(encoded) - 2
		s.conn.Write(s.appendOut(nil, encoded[:most]))
		encoded = encoded[most:]
	}
	s.seed = s.in.int32()
	s.conn.Write(s.appendOut(nil, encoded))
	s.in.muxed = true
	return s.wrap(s.in.err)
}

// refusesInText reports an @ERROR line where the binary phase should begin; its first byte is no flag that we offered.
func (s *session) refusesInText() bool {
	n := 1
	if s.proto < 30 {
		n = 4 // a random seed comes first
	}
	head, _ := s.in.r.Peek(n)
	return string(head) == errorTag[:n]
}

// encodeArgs gives the arguments, each ended by NUL (a line end below protocol 30), and an empty one. -e tells protocol 30
// and later what we understand: f, errors at the list's end; C, the seed's right place. Without v the digest is the
// protocol's own, without i the list comes whole.
func (s *session) encodeArgs(options, arg string) string {
	end := "\n"
	if s.proto >= 30 {
		options, end = options+"e.fC", "\x00"
	}
	args := []string{"--server", "--sender"}
	if options != "" {
		args = append(args, "-"+options)
	}
	return strings.Join(append(args, ".", arg, ""), end) + end
}
