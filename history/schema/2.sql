ALTER TABLE reading ADD COLUMN listed INTEGER NOT NULL DEFAULT 0; -- of the rounds, in which the file list was looked at

CREATE TABLE curve (
  tree      TEXT NOT NULL,
  timestamp INTEGER NOT NULL,    -- s
  announced INTEGER NOT NULL,    -- ms
  of        INTEGER NOT NULL,    -- mirrors that could get it
  reached   INTEGER NOT NULL,    -- of them
  p50       INTEGER,             -- ms since announced; NULL: never
  p80       INTEGER,
  p95       INTEGER,
  p99       INTEGER,
  PRIMARY KEY (tree, timestamp)
) STRICT, WITHOUT ROWID;

CREATE VIEW readings AS
  SELECT t.server, t.tree, r.address, r.failure, r.timestamp, r.since, r.until, r.rounds, r.deep, r.listed, w.text AS text
  FROM reading r JOIN target t ON t.id = r.target LEFT JOIN words w ON w.id = r.words;
