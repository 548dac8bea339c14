// Package treesync brings one tree of a mirror to what a source holds, and proves it. It runs the real rsync, and is what
// stands between a mirror's terabytes and a source that is behind, half empty, lying, or gone in the middle of it.
//
//	out, err := treesync.Run(ctx, treesync.Options{
//		Spec:    treesync.Spec{Name: "centos", Path: "/srv/mirror/centos", MaxDelete: 40000},
//		Tree:    opened.Manifest.Trees["centos"],   // what is announced: timestamp, anchors
//		Sources: sources,                           // in the order to try
//		Memory:  memory, Save: save,                // what is remembered from sync to sync
//		Staging: "/var/lib/tidemark-mirror/staging/centos",
//		Runner:  &rsync.Exec{Hold: lock.Files()}, Now: time.Now,
//	})
//
// # What is promised
//
// The time file of the tree is never ahead of its content: it is written last, after the tree's anchors were read in place
// and found to be those that the manifest names for that timestamp. Whatever ends a sync, at whatever moment, the next one
// is right. Names that the mirror excludes or keeps are neither overwritten nor deleted. Nothing is deleted that a list did
// not show to be gone at a source that deletions may be taken from, nor more than is allowed, nor before the new metadata
// was proven. A directory that is not the tree's is not touched. Two runs never work in one tree (Acquire).
//
// # Stages
//
// For each source in turn:
//
//	pre-flight  its time file and the anchors that this mirror has, fetched into the staging directory. They must be the
//	            set of one timestamp that the manifest knows. Only then is the tree touched. They are asked for by filter
//	            rules; more than 500 by a list, since a server compares every name with every rule.
//	list        a dry run over all: the one full list. It shows what is new, changed and gone. A source at the announced
//	            timestamp must have the tree's files and bytes, and what comes must fit on the disk.
//	content     what no late pattern matches, by its names, without deleting
//	metadata    what one does and is new, by its names, with --delay-updates
//	anchors     time file and anchors once more, judged as before: others mean another pass, at most two, from the pre-flight
//	            on, by a fresh manifest. Then the anchors come into the tree, out of the staging directory and all at once, so
//	            that none comes that was not verified; right before, the metadata that replaces other of the same name, and
//	            right after, if there is such, a third look at the source.
//	proof       every anchor in the tree has the size and SHA-256 of the set
//	delete      what the list showed to be gone, when that may be done; nobody is asked for it
//	time file   the source's, byte for byte, in one rename, after all else is on the disk; then read back
//
// A stage asks for names, not for lists. The exceptions, each one more list: nearly all of a tree is new; a name cannot be
// written to a list.
//
// # Deleting
//
// The very names that the list showed to be gone are removed here, without asking anybody again: what the source lost since
// is named by the metadata that was just proven, so it stays. A name goes as what the list had it for, file or directory, a
// directory only when it is empty, and no link is followed. What an exclude or keep pattern hides stays, also one that means
// a directory ("own/") where this mirror has a link. More names than max_delete are not removed at all; nor are names with
// more than a quarter of the tree's bytes, where the source cannot be compared with what is announced.
//
// Deletions that could not be made are owed to the next source that they may be taken from; when they are a week old, only
// such sources are used. Nothing is owed when a source with the very files of the tree showed nothing to be gone. A directory
// in whose place the source has something else is emptied here, and not before, and then replaced.
//
// # Blame
//
// A source is left for the next with one of the reasons of Why. rsync's exit codes 5, 10, 12, 23, 30 and 35 mean that
// always; others (a full disk is 11) end the sync. When all sources have moved on, the sync waits for a newer manifest.
//
// # Locks
//
// Acquire takes flocks as flock(1) does, of the directories themselves where it can: a lock file can be renamed away, a
// directory that holds a tree cannot. "flock -n /srv/mirror/centos rsync …" in an old cron line and a run exclude each other.
package treesync
