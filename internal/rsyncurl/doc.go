// Package rsyncurl has the one type for rsync URLs.
//
// rsync itself takes much that merely looks like a URL: "rsync:/h/m" and a leading
// space become ssh to a host named rsync, port 65537 is port 1, 0x7f.1 is 127.0.0.1, a
// newline after the module reaches the daemon's option stream, and what begins with -
// is an option. So a URL is parsed by this rule, and its text is always rebuilt from
// the parts; a text that was read is never passed through:
//
//	rsync://host[:port]/module[/path...][/]
//
// The scheme is in lower case. The host is a name of LDH labels, the last of them no
// number, or an IPv4 address, or an IPv6 address in brackets without a zone. The port
// is 1 to 65535. Module and path are bytes 0x21 to 0x7e without *?[]\"'<>, without
// "..", without empty segments. There is no user name. The rule is that of rsync(1)'s
// daemon URLs, cut to what a mirror network needs.
//
// The canonical text has the host in lower case, addresses as netip writes them, no
// :873, and a slash after a module that stands alone.
//
// rsync+tls://host[:port]/module[/path...][/] is the same daemon behind TLS, by default
// at port 874, as rsync-ssl(1) has it. rsync itself takes that for ssh to a host rsync+tls,
// so [Parse] refuses it and only [ParseAny], which the inventory uses, reads it. A
// URL's text form (MarshalText, UnmarshalText) has both, for state files and readings;
// what goes out to mirrors refuses a URL that has TLS: the manifest when it is read and
// when it is written, and rsync's runner.
//
//	u, err := rsyncurl.ParseAny("rsync+tls://ftp.example.org/centos")
//	// u.TLS() is true, u.Port() 874, u.String() "rsync+tls://ftp.example.org/centos/"
package rsyncurl
