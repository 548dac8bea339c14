// Package publish puts a site on stores in an order that may stop anywhere.
//
// # What lies at a site
//
//	trust/<N>.json  trust.json  keys/…            who may sign
//	m/<serial>/                                   immutable copies of one publication:
//	    manifest.bundle.json                      taking this name is taking the serial
//	    manifest.json.asc  manifest.json.minisig  manifest.json  manifest.json.gpg
//	latest.json                                   the pointer: serial, sha256, path
//	manifest.bundle.json  manifest.json.gpg       single objects: each is whole in itself
//	manifest.json.asc  manifest.json.minisig  manifest.json
//	latest.txt                                    the pointer's path again: the completion mark
//	index.html  status.json  …                    status files
//
// The pointer is JSON, the mark one line:
//
//	{
//	  "schema": "tidemark/pointer/v1",
//	  "serial": 12,
//	  "sha256": "6f2b…",
//	  "path": "m/12/"
//	}
//
//	m/12/
//
// Further signers have manifest.json.<KEY>.asc and .minisig; Unpack gives the rule. Objects below m/ and trust/<N>.json
// never change (CacheImmutable), all others are kept for a minute (CacheBrief).
//
// # The order
//
// A store changes one object at a time and never two. Push therefore goes in steps:
//
//	0  trust and keys, where new or different; trust/<N>.json only when absent, and before trust.json
//	   (then the fixed names are read, for their tags)
//	1  reserve: m/<serial>/manifest.bundle.json, only when absent; then the other copies
//	2  read all copies back and verify as a client would
//	3  swap: latest.json, only if it still has the tag that Look saw
//	4  manifest.bundle.json, manifest.json.gpg         each only if it still
//	5  .asc, .minisig, further signers, manifest.json  has its tag from the start
//	6  latest.txt, if the pointer is still ours
//	8  status files, by Push or later by PutStatus
//
// (7, the beacon: see DNS.) PutGround is step 0 by itself, for runs that may publish nothing, or find nothing new. In step 5, before
// manifest.json, the names of signers who left are removed (manifest.json.<KEY>.asc): beside a newer manifest.json each would be a
// bad signature.
//
// # The ground
//
// Whoever can write to the store can delete and change trust and keys, too. What PutGround makes of it:
//
//	missing, other bytes             put
//	larger than it can be            put, under a tag that is learnt without reading it (Tagger)
//	a trust version, same payload    left alone when the root holders signed it (GroundFiles.Genuine), otherwise put
//	trust/<N>.json, other payload    signed by the root holders: *TrustForkError, after all else was put; otherwise put
//	a later version, or one later    signed by the root holders: *NewerTrustError, nothing is put; otherwise left alone, or put
//	    as trust.json
//	keys exported no more            removed
//
// Somebody without any root key thus holds back no version, and what he breaks lasts until the next look. At a directory every
// look reads all. At a Remote it lists, and reads what has another tag than the caller remembers (GroundFiles.Known): the memory
// is the publisher's own, for what lies in the store may be his who changed it.
//
// Serials only rise, with one exception: where the pointer names what counts for no reader any more, the publisher sets
// Standing.Void, and a lower serial may take its place; the tags fence it as ever. FirstFree finds one of which nothing lies there.
//
// No fixed name changes before the pointer has. What a run that was killed leaves:
//
//	killed in   readers see            the next run
//	0, 1        the old publication    takes another serial; Reservations shows the one taken
//	2           the old publication    may Finish the serial
//	3 to 5      old or new, each       finds the mark behind the pointer (Complete) and heals: Heal does
//	            single object whole    again steps 4 to 6 from m/<serial>/
//	8           the new publication    writes status files anyway
//
// Two publishers exclude each other twice: at the reservation (no serial ever has two manifests) and at the swap. One that
// was paused anywhere and comes back finds a tag changed, stops with ErrConflict, and has overwritten nothing newer.
// A refused write whose bytes are there already is our own, its answer lost: it counts as done.
//
// # Stores
//
// Store has two methods, Cleaner two more. DirStore is a directory that any web server can serve; package storetest
// tests what every store promises. Package s3 is a Remote: a server that has to be found out about, once. Before its first
// publication there (Foreign refuses a bucket with other things in it) Push writes store.json, tries to create it a second
// time and to replace it under a false tag, and keeps what came of it:
//
//	{
//	  "schema": "tidemark/store/v1",
//	  "at": "9f86d0…",               SHA-256 of Where: a copy of the site elsewhere is found out about anew
//	  "conditional_writes": true,
//	  "ground": "60303a…"            trust and keys as last put: Push alone looks no further while they are the same; PutGround does
//	}
//
// Where conditions are not heeded (Standing.Warning says so, that once) publishers use lease.json:
//
//	{"schema": "tidemark/lease/v1", "holder": "host, process 7", "nonce": "…", "seconds": 300}
//
// It is written where none holds, waited for, read back: of several writers the last one has it. Its end is judged by the
// store's own clock (Object.Age). Each write then asks before: is the lease ours still, has the pointer not passed our
// serial, is the object as it was. What is left is a publisher paused within a write for longer than the lease: it may
// set one name back, until the next run. Where the store heeds conditions, nothing is left.
//
// # Requests
//
// At a Remote: Look 2; Reservations 3; a publication of five files 20 (the note, one listing for the tags, 5 copies put
// and read back, the pointer, 5 fixed names, the pointer read, the mark), three more for each further signature, one for
// each status file. PutGround lists: one request for trust, for keys/ and for each other directory of the ground; then one to three
// for each object that changed. Finding out about a store costs five. With a lease it is about four times as many.
//
// # Caches
//
// Between store and readers there may be caches, which keep fixed names for a minute (CacheBrief). Purge tells them
// after the swap to forget the Names of a Release; Await looks through the public URL until the new bytes are there.
// Neither makes two objects change at once: only single objects, and what the pointer or the mark leads to, are whole
// at every moment; the pair is so again when the older half's minute is over.
//
// # DNS
//
// Step 7 of a run puts the beacon into DNS, and beside it, at a name of its own, the plain record:
//
//	old, err := place.Get(ctx, "_tidemark.centos.example.org")       what the place itself holds
//	err = place.Swap(ctx, "_tidemark.centos.example.org", old, next) only if it still holds old: otherwise ErrConflict
//	said := AwaitTXT(ctx, name, next, servers, patience)             what every authoritative server says, each address
//
// A place is a TXT. All compare records as sets, and leave the TTL aside; next in place of old is success also when it is
// there already, so that a lost answer does no harm; to remove a record is to Swap it for none.
//
//	Update     a primary server, RFC 2136 with TSIG. One message: "RRset exists" with the old records (2.4.2), or "does
//	           not exist" (2.4.3); delete; add. When no answer comes it reads back. Answers without a signature by the
//	           same key count for nothing; refusals say what to check
//	ZoneFile   a fragment that a zone file includes, and a command that reloads it
//	route53    a hosted zone of Amazon Route 53
//
// What a zone file fragment holds, and path.before beside it as long as a reload is owed:
//
//	; TXT records that tidemark keeps, for $INCLUDE in the zone file. Lines of other names stay.
//	_latest.centos.example.org. 60 IN TXT "1488372781:1487767981:1488113581"
//	_tidemark.centos.example.org. 60 IN TXT "v=tm1 n=centos s=4127 e=1795600000 t=centos:1488372781 k=… g=…"
//
//	killed before path.before   nothing has changed
//	killed after it, or the     Get still gives the old records, so that the next run finds a difference; its Swap writes
//	reload failed               again, reloads, and then removes path.before
//
// The file must be there before the zone file includes it, and the SOA serial is the reload command's business.
// A wildcard's records are read at a name that has none: Update takes them for none when it comes to the prerequisite.
package publish
