// Package history keeps what was seen over time, for people: it decides nothing, and losing it loses nothing else.
//
// It is one SQLite file, written by one process at a time and read by any number:
//
//	db, aside, err := history.Open(ctx, "history.db", history.Options{Now: now}) // aside: what was damaged, and where it is now
//	err = db.Add(ctx, history.Round{At: now, Readings: readings, Verdicts: decision.Verdicts, Trees: decision.Trees})
//	curves, err := db.Curves(ctx, "centos", 10)
//
// # What is kept
//
// A round is added whole or not at all, at the time of its end; one that is not later than the last is refused (ErrNotLater; see below
// for clocks).
//
//   - Verdicts and readings are spans: what a server's tree (a reading: at one address) said again in the next round makes the
//     span longer. A span ends when something else is seen, or when nothing was seen for more than a day. Texts are those
//     of the first round of a span, at most 500 characters, without what cannot be printed.
//   - In a partial round only those with a reading were asked. Of the others only a change of the verdict is taken; what stays
//     the same makes no span longer and counts for no day.
//   - Days count, for each server's tree and UTC day, the rounds in which it was asked (it has a reading), in which it answered
//     (at one address at least its time file was read, or found missing or no number), and in which it was good: verified,
//     ahead, or behind for no longer than Round.Hold.
//   - Events are what changed: see the kinds. A server's first verdict is no event.
//
// # Curves
//
// When a tree's timestamp is announced (TreeReport.New), the mirrors that could get it are counted, from the round's verdicts:
// kind mirror, with an rsync URL, not in maintenance, not refusing, and verified or ahead, or heard of within the last day (a
// reading that is neither unreachable nor refused nor forbidden). That number is the event's Of. Each of these mirrors gets one
// reached event, in the first round whose verdict is verified or ahead at that timestamp or a newer one; those that have
// it in the announcing round get it at that round's time. An announcement whose round was missed is taken up by the next one at the
// time that the manifest tells (Round.Announced), within an hour. A mirror that could not get it then, gets none for it.
//
// The curve follows from these events alone: p percent have a timestamp from the first moment at which so many mirrors
// have a reached event for it as p/100 of the announced event's Of are, rounded up.
//
// For example, 1488372781 is announced at 08:00 to 5 mirrors, and reached at 08:00, 08:05, 08:05, 08:20:
//
//	50 %  3 of 5  after  5 min
//	80 %  4 of 5  after 20 min
//	95 %  5 of 5  not yet
//	99 %  5 of 5  not yet
//
// # How long
//
// Once in a UTC day Add removes spans and events older than 30 days. Days stay for 400, and so do curves: an announcement older than
// 30 days is summed up as its four points when its events go. The newest announcement of a tree keeps its events.
//
// That comes after the round, in bites of their own, for five seconds at most; the next round goes on. It fails in silence for three
// days. A round more than two days after the last rolls nothing up: the clock may be wrong, and the next round knows.
//
// A clock that was ahead and is right again: by minutes, and the rounds are left out until that time has come; by more, and what
// was added meanwhile is given the time just before the next round, once.
//
// # Damage
//
// The file is in write-ahead mode and synced at each commit: a writer killed at any moment leaves the last committed round
// and all before. A file that is no history, or no whole one, is renamed with its companions (-wal, -shm, -journal) to
// FILE.damaged-<time>, and a new one is begun. What says nothing about the file is an error, and nothing is renamed: no permission,
// no space, another writer, a schema that a newer program wrote. A writer compares the schema and checks every page at opening while the file is below 16 MiB, and
// a larger one when the last writer was killed; damage that shows later sets the file aside in Add.
//
// # The schema
//
// For those who query it with sqlite3: times are milliseconds since 1970 in UTC (datetime(at/1000, 'unixepoch')), timestamps of
// trees are seconds, as everywhere. The views verdicts, readings and events have names in place of ids:
//
//	SELECT datetime(since/1000, 'unixepoch'), state, reason FROM verdicts WHERE server = 'ftp.funet.fi' ORDER BY since DESC;
//
//	round    at, partial, asked, published, guard                                          one row a round
//	target   id, server, tree                                                              '' for the tree itself, or the whole
//	verdict  id, target, open, state, timestamp, depth, since, until, rounds, words        spans; open = 1: the last one
//	reading  id, target, address, open, failure, timestamp, since, until, rounds, deep, listed, words
//	day      day, target, asked, answered, good                                            day: days since 1970-01-01
//	event    id, at, kind, target, was, became, timestamp, of, words
//	awaited  target, timestamp                                                             could get it when it was announced, and has not yet
//	curve    tree, timestamp, announced, of, reached, p50, p80, p95, p99                   summed up; ms since announced, NULL: never
//	words    id, text                                                                      every reason once
//
// PRAGMA application_id is 0x544d6879, PRAGMA user_version the schema's version, now 2. Version 1 had no curve, and no reading.listed.
package history
