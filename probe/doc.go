// Package probe asks servers what they hold, deep enough and politely, and says what they answered. It judges nothing:
// package quorum concludes from its readings.
//
// # What one probe does
//
// [All] turns every ask (one tree at one server) into one reading for each address of the server's name:
//
//   - The name is resolved (A and AAAA), once a round: all sessions of the round go to the addresses that were found then,
//     whatever the name says later. The addresses are sorted and duplicates dropped. A name without an address is one reading with
//     a failure and an empty Address. So is a name with more than 16 ([quorum.FailForbidden]): clients may get any of them, and
//     one that was not asked could be anybody's, so none is asked.
//   - An address that no public server has (package internal/netrange: private, loopback, link-local and others, also within
//     IPv4-mapped, NAT64 and 6to4 addresses) is a reading with [quorum.FailForbidden], and is not sent a packet, unless
//     [Options.AllowPrivate]. The other addresses of the name are asked.
//   - Depth time: the time file is fetched, up to 64 KiB, and parsed (package internal/timefile: one of more than 4096 bytes
//     holds no timestamp).
//   - Depth anchors: only when its timestamp is not [quorum.Ask.Known], or not known at this address ([quorum.Ask.Addresses]),
//     or [quorum.Ask.Deep] is set, the anchors are fetched too, all in one session, and the time file once more. Bytes that
//     differ from the first ones make the reading void: the server was in the middle of its own sync. Of anchors, the size
//     and the SHA-256 are kept, or that they are missing. Those that [quorum.Ask.Exclude] hides are not asked for.
//   - Depth listing: where [quorum.Ask.List] is set, there was a reason to look at anchors, nothing failed and nothing is
//     void, and [Options.Lists] has the master's list of the timestamp that the time file claims, the server's whole list is
//     compared with it, and the time file is read once more: one that changed makes the reading void.
//
// A failure is a reading, not an error: kind and text say what happened, in words an operator knows from rsync
// ("connection refused", "max connections (1) reached -- try again later"). When a good time file was read first,
// timestamp and bytes stay in the reading beside the failure.
//
// # Lists
//
// The list is sorted as it comes (package internal/filelist: in bounded memory, the rest in [Options.Scratch]), and walked
// beside the master's. Compared are paths, sizes and mtimes in whole seconds of the regular files; not the time file,
// and not what the walk of a master passes over. [quorum.Reading.Beside] says with which other lists of the master it was compared, to
// tell files that have moved. What [quorum.Ask.Exclude] hides is compared on neither side. Of these
// patterns the server is told nothing: it is asked for all that it has, so that it cannot answer with less. Of a
// [quorum.Ask.Subset] nothing is missing.
//
// A list of more than twice [quorum.Ask.Files] and 10,000 files is not read to its end: [quorum.FailList], which is hard, for it
// is not the master's content, and whoever synced from there would read it all. So is one that no rsync makes: a file is in it
// twice, or a path that no tree has; and, where patterns are tried on the names, one with a name of more than 1024 bytes or 64
// parts, unless the master has such names. Directories and links are bounded by the session's bytes alone, for a tree may have
// any number of them. Every other failure of a list (no answer in time, busy, refused, a list that is not whole) is soft. In all
// of them time file and anchors were sound: they stay in the reading, whose depth is anchors. What fails on this side (a
// master's list that cannot be read, no room in Scratch) is told to [Options.Trouble], and the reading is as if the list
// had not been asked for.
//
// # Politeness and bounds
//
// A host is a name with all of its addresses, and all other names at any of these. Whatever there is to ask at one host,
// several addresses, trees, servers or ports, is asked one after the other, over one connection at a time, lists last;
// [Options.Concurrency] hosts are asked at the same time, and beside them [Options.ListsAtOnce] for their lists. Nodes
// ([quorum.Ask.First]) come first, and so do their lists: while one of them may still come, the lists of mirrors leave half of
// the places free. At most
// [Options.PerGroup] of them are of one organisation ([quorum.Ask.Group]; a server without one is its own): who waits for
// that holds up nobody else. [Options.PerSecond] spreads the beginnings; 8 may come at once.
//
// Everything has an end. [Options.Timeout] bounds one tree at one address, whatever is being done, except its list; three times
// that bound all trees and addresses of one server. An address that did not answer for one tree is asked about the others last.
// [Options.ListTimeout] bounds all lists of a round, from when the first is begun with, each with the time file after it: a server
// may have to read its disks for a list. One that is being read then has failed, in a soft way; those whose turn has not come
// are left to a later round, and the reading is as if they had not been asked for. Waiting for its turn costs a list nothing.
// A list of which no entry comes for as long as Timeout ends at once. So a round takes as long as its time files and anchors, and
// ListTimeout.
//
// A session for the time file reads at most 1 MiB; one for anchors at most 8 MiB and twice what they have on the master
// ([quorum.Ask.Bytes]), at most 128 MiB; an anchor has at most 1 MiB or twice the largest ([quorum.Ask.Largest]), at most
// 16 MiB; a session that lists reads at most 16 MiB and 1 KiB for each file that the list may have. Sorting a list takes at most
// 16 MiB and 400 bytes for each of the master's files in [Options.Scratch].
//
// Where a round must not wait for anybody, [Options.Budget] bounds what one server costs it, all in all: a third of it for
// finding its addresses, the rest for asking for all of its trees at all of them, lists and the waiting for them included.
// What has not answered by then reads as a timeout; a list that was not begun with is none.
//
// A cancelled context ends the round soon; what was not asked then reads as a failure. A caller that cancels looks at
// the context's error and throws the round away.
//
// # The master
//
// [Master] looks at a master's tree, in a local directory or through an rsync daemon: time file, whole file list,
// anchors by pattern, time file again. Symbolic links are not followed, and rsync's own scaffolding is passed over:
// directories named .~tmp~, fsck's lost+found at the top, and temporary files such as ".bash.rpm.x4TqWz" while only their owner may read them.
// A time file that changed meanwhile is a failure that says so; whoever calls looks again later. A master is the operator's
// own, so it may stand at any address.
//
// What [MasterAsk.Exclude] hides is left out of everything but the time file: a directory is not opened, a daemon is asked without it.
//
// The same walk makes the index that servers' lists are compared with ([MasterAsk.Index]), without the time file. It is
// written when the look has ended well, and is an aid: what prevents it goes to [Options.Trouble].
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
