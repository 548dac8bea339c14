// Package probe asks servers what they hold, deep enough and politely, and says what they answered. It judges nothing:
// package quorum concludes from its readings.
//
// # What one probe does
//
// [All] turns every ask (one tree at one server) into one reading for each address of the server's name:
//
//   - The name is resolved (A and AAAA); the addresses are sorted, duplicates dropped, the first 8 asked. A name without
//     an address is one reading with a failure and an empty Address.
//   - The time file is fetched, up to 64 KiB, and parsed (package internal/timefile: one of more than 4096 bytes holds
//     no timestamp).
//   - Only when its timestamp is not [quorum.Ask.Known], or not known at this address ([quorum.Ask.Addresses]), or
//     [quorum.Ask.Deep] is set, the anchors are fetched too, all in one session, and the time file once more. Bytes that differ from the first ones make the reading void: the server
//     was in the middle of its own sync.
//   - Of anchors, the size and the SHA-256 are kept, or that they are missing.
//
// A failure is a reading, not an error: kind and text say what happened, in words an operator knows from rsync
// ("connection refused", "max connections (1) reached -- try again later"). When a good time file was read first,
// timestamp and bytes stay in the reading beside the failure.
//
// # Politeness and bounds
//
// A host is a name with all of its addresses, and all other names at any of these. Whatever there is to ask at one host,
// several addresses, trees, servers or ports, is asked one after the other, over one connection at a time;
// [Options.Concurrency] hosts are asked at the same time. Everything has an end: [Options.Timeout] bounds one tree at one
// address, whatever is being done; a session for the time file reads at most 1 MiB; one for anchors at most 8 MiB and
// twice what they have on the master ([quorum.Ask.Bytes]), at most 128 MiB; an anchor has at most 1 MiB or twice the
// largest ([quorum.Ask.Largest]), at most 16 MiB.
//
// Where a round must not wait for anybody, [Options.Budget] bounds what one server costs it, all in all: a third of it for
// finding its addresses, the rest for asking for all of its trees at all of them. What has not answered by then reads as a
// timeout.
//
// A cancelled context ends the round soon; what was not asked then reads as a failure. A caller that cancels looks at
// the context's error and throws the round away.
//
// # The master
//
// [Master] looks at a master's tree, in a local directory or through an rsync daemon: time file, whole file list,
// anchors by pattern, time file again. Symbolic links are not followed, and rsync's own scaffolding is passed over:
// directories named .~tmp~, fsck's lost+found at the top, and temporary files such as ".bash.rpm.x4TqWz" while only their owner may read them.
// A time file that changed meanwhile is a failure that says so; whoever calls looks again later.
//
// The list's sum ([quorum.ListSum]) says whether two lists are the same without keeping either:
//
//	Files, Bytes  regular files and their sizes, the time file included: what `rsync -r --dry-run --stats` of the tree
//	              counts. Each name of a hard-linked file counts.
//	Digest        64 hex digits: the sum modulo 2^256, over all regular files but the time file, of
//	              SHA-256("<path>\x00<size>\x00<mtime in Unix seconds>"), the digests read as big-endian numbers.
//
// A sum does not depend on the order of its terms, so a tree of any size is summed up in constant memory. The time file
// is left out because it alone changes when a timestamp comes without news. The digest tells trees of one's own master
// apart; it is no proof against somebody who makes files to collide.
//
// # Example
//
//	readings := probe.All(ctx, []quorum.Ask{{Server: "ftp.funet.fi", Tree: "centos", URL: u, TimeFile: "TIME"}},
//		probe.Options{Now: time.Now})
//
// gives, for a name with two addresses of which one is down:
//
//	{"server":"ftp.funet.fi","tree":"centos","url":"rsync://ftp.funet.fi/centos/","address":"192.0.2.7","family":4,
//	 "at":"2026-11-22T08:00:00Z","depth":"time","timestamp":1488372781,"raw":"1488372781"}
//	{"server":"ftp.funet.fi","tree":"centos","url":"rsync://ftp.funet.fi/centos/","address":"2001:db8::7","family":6,
//	 "at":"2026-11-22T08:00:00Z","depth":"time","failure":{"kind":"unreachable","text":"connection refused"}}
package probe
