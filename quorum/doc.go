// Package quorum decides what is announced, and who is a source for it. It is pure:
// readings, policy, the manifest published last, memory and the time go in; a manifest,
// verdicts and the new memory come out. The same input gives the same output.
//
// One run of the publisher uses it like this, with package probe for the asking:
//
//	mem = Record(mem, looks at the masters, policy, previous, now)
//	// a second look, Policy.Settle later, at the masters of Unsettled(mem); Record again
//	asks := claims.Heed(Plan(mem, policy, now, rnd), mem)
//	// probe asks Awake(asks)
//	decision := Decide(Readings{Masters: looks, Servers: answers, Rested: Rested(asks)}, policy, previous, mem, now)
//
// A run for check-ins asks those servers alone, and looks at no master:
//
//	asks := claims.Heed(Only(Plan(mem, policy, now, rnd), claims.Servers()), mem)
//	decision := Decide(Readings{Servers: answers, Asked: claims.Servers()}, policy, previous, mem, now)
//
// # Recording
//
// A timestamp of a master is recorded, with its anchors, when two looks at least
// Policy.Settle apart agree in time file and anchors; then it is frozen. Its file list is recorded when two looks agree in it,
// too: at once, or later, while the master still shows that timestamp and those anchors; packages that come in after the time file
// make no list that anybody is judged by. When TreePolicy.Exclude changes, all lists are recorded anew. Looks that
// disagree start anew. Not recorded: a timestamp more than 5 minutes in the future, and
// one that is not newer than all recorded ones: a tree never goes back, and an update is
// withdrawn by giving the master a new, later time file. While the master cannot be read
// or is in motion, what was recorded stays in force.
//
// When the operator changes the patterns that choose the anchors, what is recorded lacks some, or holds some that are none
// any more. Two looks that agree may then complete it, at the same timestamp, where nothing that both hold differs; until
// then nobody is judged by an anchor that the recorded set may lack.
//
// A recorded timestamp whose file list and anchors equal the announced one's (the
// anchors alone, while a list is lacking) brings no news and is not announced. Servers
// that have it are sources all the same.
//
// Kept are the announced timestamp, four older ones, and of the newer ones the 32 newest that bring news, the oldest that
// does (it tells how long the tree has waited), the 8 newest without news, and all at which a server stands. When memory
// is lost, they are taken from the manifest published last; the master may then complete what that manifest left out. Where
// that manifest, of another publisher, has other anchors than those recorded here, it wins: clients hold it.
//
// # Judging
//
// Every server that carries a tree gets one of twelve verdicts, with its cause where several things lead to it (Cause) and a
// word on what to do about it (Advice).
//
//	verified      the announced timestamp, and the anchors recorded for it
//	ahead         a later recorded timestamp, and the anchors recorded for it
//	behind        a timestamp older than the announced one
//	moving        as the master is now, or as it may have been between two looks: no verdict (soft)
//	mixed         anchors of two timestamps, or addresses that disagree
//	wrong         content that no recorded timestamp has, a regression, no number (hard)
//	incomplete    a file, an anchor or the time file is missing (hard)
//	busy, unreachable, refused                           (soft; an address that may not be asked is refused, and hard)
//	unknown       nothing that could be judged
//	maintenance   so declared: not asked, not counted
//
// All addresses must agree; a family that cannot be reached at all is left out, and the
// source is listed over the other. A verification is one of a URL, at the addresses that were looked at: under another
// URL nothing of it is left, and an address that is new is looked at before it counts. A hard error ends a verification at once. A soft error
// leaves the one at that same timestamp standing, twice in a row and not a third time, and
// never carries it to a newer timestamp. One good check brings the server back.
//
// An anchor that the master has deleted and a server kept is no fault; a timestamp newer than our last look at the master
// is not held against the server: it is moving. So is one that was never recorded, since the master may have moved twice
// between two looks; but who stays at it for longer than Policy.MaxHold is wrong.
//
// # Depth
//
// The time file is read in every round. The content is looked at when the time file has moved, or Policy.Recheck has passed since
// it was looked at last: the anchors that changed with the announcement or differ at a newer timestamp, and a random sample of the
// others. With it the whole file list is compared with the master's, as far as Policy.Lists has that:
//
//	a node                        whenever its time file moves
//	a mirror                      Policy.ListShare percent of those whose time file moves, by chance
//	whoever was at fault          whenever its time file moves or it checks in; else after one check interval, then 2, 4, 8 ... of
//	                              them, up to a twelfth of Policy.Recheck
//	everybody that is verified    at least every Policy.Recheck, from half of it on, so many in a round that all get their turn
//	                              and none has to carry more than twice the average; and Policy.Spot in a thousand, by
//	                              chance, in every round: nobody can be sure not to be looked at
//
// A mirror whose list is not at fault is asked for it at most once in a twelfth of Policy.Recheck; who is behind, or went back, not
// at all before its time file moves. A Policy.Recheck of 0 is an hour for lists. A list is judged by its worst difference:
//
//	a file with another size or time of last change    wrong (where only times differ, the reason says so: rsync without -t)
//	a file that is missing                             incomplete; of a subset nobody knows what is missing
//	files as at another recorded timestamp             mixed: so is a mirror in the second stage of its own sync
//	files that the master does not have,
//	or not yet at that timestamp (its first stage)     verified, to the depth of anchors: deletions are not taken from it
//	none                                               verified, to the depth of listing
//
// A list at fault is in doubt, and then as one that was not looked at (verified by the anchors, to their depth, no error counted,
// looked at again in its turn), when
//
//   - the last look at the master saw nothing, or something that is not recorded: it is in motion. A look that is made after the
//     servers were asked counts, and rounds that look at no master go by the one before them
//   - the master's list, in that look, is not the one that was recorded at its timestamp: somebody changed it, and not the time file.
//     The tree's note says so
//   - at least half of the nodes whose lists were looked at at that timestamp, and two, lack files, or have others, in the same way:
//     then the master's list is the suspect, of which the note says so, and faults that stand already are let go
//   - the master has moved on, and it was not compared with that newer list (Reading.Beside)
//
// Files as at another recorded timestamp are that whatever the master does now: only the second and third put them in doubt.
//
// A fault stands at that timestamp, at whichever address, until the list is looked at again
// and found in order at all addresses; a time file or anchors do not clear it. The depth of a verification is the least of its
// addresses; a later look at the anchors alone does not lower it. A list that could not be read does, when that happens twice in
// a row; anchors that are in order count all the same. But who was asked at least four times over twice Policy.Recheck and never gave
// its list is unreachable (soft), so that its verification ends: whoever lacks files need only keep its list to itself. That is said of
// nobody while it is true of more than half of those who were asked: then the time allowed is too short.
//
// What a server excludes is asked by nobody: an anchor that is not in the reading is not missing. One whose patterns hide all
// anchors is judged by its list alone. An rsync+tls URL is judged, and counted; mirrors cannot sync from it, so it is no source.
//
// # Resting
//
// A mirror that was busy, unreachable or refused more often in a row than a verification outlives is asked 2, 4, 8 ... check
// intervals after the last time, up to a quarter sooner, and at least every Policy.Backoff. Plan marks it (Ask.Rest), a check-in
// wakes it, and a round in which it rests (Readings.Rested) leaves what is known of it as it is: no error is counted, the guard
// sees nothing, and one good check brings it back. Nobody rests while the guard holds, or while more than half of all fail: then
// the trouble is here. Nodes never rest.
//
// # Asking some
//
// Readings.Asked names the servers that were asked; nil stands for all. Of the others all stands that is known: no soft
// error is counted, what was verified vouches for them, votes in the quorum and counts in the admission, and they are listed
// as before. Only what is announced moves them: a verification at an older timestamp is behind once a newer one is
// announced. What the inventory declares wins as ever, and so does a manifest that another publisher published after our own
// last look. What a mirror claims (Claims) makes its content be looked at, and makes nobody good. A soft error of one that was
// asked is said, and not counted: such a round comes at any moment, and the grace is one of rounds that ask all.
//
// # Announcing
//
// Candidates are the recorded timestamps newer than the announced one that bring news.
// The newest at which a quorum of the counted nodes is verified or beyond is announced.
// Counted are the nodes that carry the tree and are not in maintenance, the unreachable
// ones too; none never make a quorum. Until then the tree is pending, and overdue when
// the oldest candidate has waited for longer than TreePolicy.MaxWait. The announced
// timestamp never falls, also when memory or the site is lost.
//
// # Sources and admission
//
// A server is listed while its verification stands at the announced timestamp or at a
// later recorded one. Partial and private ones are not listed; those without slots are,
// but clients never choose them. Nothing in the manifest tells when was probed, so an
// unchanged network gives an unchanged manifest. What the manifest published last says of
// the same fact (since when, over which families, how many files) is said again, so that
// two publishers do not publish against each other. A server that our last decision listed, and that a manifest of another publisher
// has left out since, is contested: its list is read in the next round, and it is not listed until that is in order, or in doubt, or
// Policy.Recheck has passed. Of the later timestamps it carries
// those that bring news and those at which a source stands, at most 64 a tree.
//
// Admission, in parts per million, is min(10^6, 10^6 x V/Nv + 10^6 x S/N), each share
// rounded down and a zero divisor giving 10^6: V mirrors are verified at the announced
// timestamp or later, of Nv that can be (rsync URL, an answer within 24 hours, not refused);
// the listed sources have S slots for N mirrors. It never falls for one timestamp.
//
// # Guard
//
// When more than Policy.GuardShare percent, and at least Policy.GuardLeast, of the sources
// listed last are wrong, incomplete, busy, unreachable or refused, in all of their trees or
// in one tree, nothing is published and nothing counts as announced. After
// Policy.GuardRuns such runs in a row, or when the manifest published last has reached half
// its validity, or when nobody accepts it any more (Policy.Void), what was verified is published. While the guard holds, verdicts and reports
// speak of what was published last, and say what is held back. A busy server counts only
// when no earlier check holds any more: mirrors are busy when there is news, and news must
// not wait for that. A round that asks some counts only those, and may come at any moment: it is none of the runs
// in a row, and half of the validity does not count for it. When the guard has held, in whichever round, it goes on to hold
// until a round that asks all has looked; with Policy.Force it publishes, and speaks of it.
//
// # Memory
//
// Memory is one small JSON file (schema tidemark/memory/v1), read strictly by LoadMemory
// and written by EncodeMemory.
//
// # Example
//
// Three nodes make a majority of two. The master shows 1488372781 at rest; node-1 and
// node-2 have it, node-3 still says 1488369181, and mirror-1 has the fresh time file over
// content that nobody recorded:
//
//	1488372781 is announced: 2 of 3 nodes have it, 2 are needed
//	node-1    verified  a source
//	node-2    verified  a source
//	node-3    behind    no source: 1 h older
//	mirror-1  wrong     no source: its repomd.xml is not the master's
//	admit     1000000   V/Nv = 0/1, and S/N = 4/1: the sources can feed every mirror
//
// The package's Example runs this, and prints the reasons in full.
package quorum
