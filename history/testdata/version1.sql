-- A history of schema version 1, as that version wrote it: two rounds, three servers' trees, one announcement.
CREATE TABLE round (
  at        INTEGER PRIMARY KEY, -- the end of the run; ms
  partial   INTEGER NOT NULL,    -- 1: only servers that had checked in were asked
  asked     INTEGER NOT NULL,    -- servers' trees that were asked
  published INTEGER NOT NULL,    -- the serial, 0: none
  guard     TEXT NOT NULL        -- '', 'spoke' or 'held'
) STRICT;

CREATE TABLE target (
  id     INTEGER PRIMARY KEY,
  server TEXT NOT NULL,          -- '': the tree itself, or the whole
  tree   TEXT NOT NULL,          -- '': the whole
  UNIQUE (server, tree)
) STRICT;

CREATE TABLE words (
  id   INTEGER PRIMARY KEY,
  text TEXT NOT NULL UNIQUE      -- reasons and failures, each kept once
) STRICT;

CREATE TABLE verdict (
  id        INTEGER PRIMARY KEY,
  target    INTEGER NOT NULL,    -- target.id
  open      INTEGER NOT NULL,    -- 1: the last of its target
  state     TEXT NOT NULL,       -- one of the twelve
  timestamp INTEGER NOT NULL,    -- of the time file; s; 0: it was not read
  depth     TEXT NOT NULL,       -- of its last good check
  since     INTEGER NOT NULL,    -- the first round that saw it; ms
  until     INTEGER NOT NULL,    -- the last round that saw it; ms
  rounds    INTEGER NOT NULL,    -- that saw it
  words     INTEGER NOT NULL     -- words.id: the reason, of the first
) STRICT;
CREATE INDEX verdict_target ON verdict (target);
CREATE UNIQUE INDEX verdict_open ON verdict (target) WHERE open = 1;

CREATE TABLE reading (
  id        INTEGER PRIMARY KEY,
  target    INTEGER NOT NULL,    -- target.id
  address   TEXT NOT NULL,       -- IP literal, '': none was found
  open      INTEGER NOT NULL,    -- 1: the last of its target at this address
  failure   TEXT NOT NULL,       -- '': the time file was read; 'void': it changed meanwhile; otherwise the kind of failure
  timestamp INTEGER NOT NULL,    -- of the time file; s; 0: it was not read
  since     INTEGER NOT NULL,    -- the first round that saw it; ms
  until     INTEGER NOT NULL,    -- the last round that saw it; ms
  rounds    INTEGER NOT NULL,    -- that saw it
  deep      INTEGER NOT NULL,    -- of them, in which anchors or the list were looked at
  words     INTEGER NOT NULL     -- words.id: what failed, of the first
) STRICT;
CREATE INDEX reading_target ON reading (target);
CREATE UNIQUE INDEX reading_open ON reading (target, address) WHERE open = 1;

CREATE TABLE day (
  day      INTEGER NOT NULL,     -- days since 1970-01-01, UTC
  target   INTEGER NOT NULL,     -- target.id
  asked    INTEGER NOT NULL,     -- rounds
  answered INTEGER NOT NULL,     -- of them
  good     INTEGER NOT NULL,     -- of them
  PRIMARY KEY (day, target)
) STRICT, WITHOUT ROWID;

CREATE TABLE event (
  id        INTEGER PRIMARY KEY,
  at        INTEGER NOT NULL,    -- ms
  kind      TEXT NOT NULL,       -- 'state', 'announced', 'reached', 'published', 'guard'
  target    INTEGER NOT NULL,    -- target.id
  was       TEXT NOT NULL,       -- states, of 'state'
  became    TEXT NOT NULL,
  timestamp INTEGER NOT NULL,    -- of 'announced', 'reached'; s
  of        INTEGER NOT NULL,    -- of 'announced': mirrors that could get it; of 'published': the serial
  words     INTEGER NOT NULL     -- words.id
) STRICT;
CREATE INDEX event_target ON event (target);
CREATE INDEX event_reached ON event (timestamp, target) WHERE kind = 'reached';

CREATE TABLE awaited (
  target    INTEGER NOT NULL,    -- target.id of a mirror that could get ...
  timestamp INTEGER NOT NULL,    -- ... this announced timestamp and has not yet; s
  PRIMARY KEY (target, timestamp)
) STRICT, WITHOUT ROWID;

CREATE VIEW verdicts AS
  SELECT t.server, t.tree, v.state, v.timestamp, v.depth, v.since, v.until, v.rounds, w.text AS reason
  FROM verdict v JOIN target t ON t.id = v.target LEFT JOIN words w ON w.id = v.words;
CREATE VIEW events AS
  SELECT e.id, e.at, e.kind, t.server, t.tree, e.was, e.became, e.timestamp, e.of, COALESCE(w.text, '') AS text
  FROM event e JOIN target t ON t.id = e.target LEFT JOIN words w ON w.id = e.words;

INSERT INTO round VALUES (1795330800000, 0, 2, 41, ''), (1795331100000, 1, 1, 42, 'spoke');
INSERT INTO target VALUES (1, '', ''), (2, '', 'centos'), (3, 'a', 'centos'), (4, 'b', 'centos');
INSERT INTO words VALUES (1, 'it is behind'), (2, 'it is a source'), (3, 'connection refused');
INSERT INTO verdict VALUES
  (1, 3, 0, 'behind', 1488372781, 'anchors', 1795330800000, 1795330800000, 1, 1),
  (2, 4, 1, 'unreachable', 0, '', 1795330800000, 1795330800000, 1, 3),
  (3, 3, 1, 'verified', 1488376381, 'anchors', 1795331100000, 1795331100000, 1, 2);
INSERT INTO reading VALUES
  (1, 3, '192.0.2.1', 0, '', 1488372781, 1795330800000, 1795330800000, 1, 1, 0),
  (2, 4, '192.0.2.2', 1, 'unreachable', 0, 1795330800000, 1795330800000, 1, 0, 3),
  (3, 3, '192.0.2.1', 1, '', 1488376381, 1795331100000, 1795331100000, 1, 1, 0);
INSERT INTO day VALUES (20779, 3, 2, 2, 1), (20779, 4, 1, 0, 0);
INSERT INTO event VALUES
  (1, 1795330800000, 'announced', 2, '', '', 1488376381, 1, 0),
  (2, 1795331100000, 'reached', 3, '', '', 1488376381, 0, 0),
  (3, 1795331100000, 'state', 3, 'behind', 'verified', 0, 0, 2);
PRAGMA application_id = 0x544d6879;
PRAGMA user_version = 1;
