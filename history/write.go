package history

// write carries a plan out.
func (b *book) write(p *plan) {
	many(b, "keeping words", "INSERT OR IGNORE INTO words (text) SELECT value FROM json_each(?1) WHERE value <> ''", p.words)
	b.writeVerdicts(p)
	b.writeReadings(p)
	for by, targets := range p.days {
		many(b, "counting the day", `INSERT INTO day (day, target, asked, answered, good) SELECT ?2, value, 1, ?3, ?4 FROM json_each(?1) WHERE true
			ON CONFLICT DO UPDATE SET asked = asked + 1, answered = answered + excluded.answered, good = good + excluded.good`,
			targets, dayOf(p.at), by[0], by[1])
	}
	many(b, "adding events", `INSERT INTO event (at, kind, target, was, became, timestamp, of, words)
		SELECT value->>7, value->>0, value->>1, value->>2, value->>3, value->>4, value->>5, COALESCE((SELECT id FROM words WHERE text = value->>6), 0)
		FROM json_each(?1) ORDER BY json_each.key`, p.events)
	many(b, "noting who is awaited", "INSERT OR IGNORE INTO awaited (target, timestamp) SELECT value->>0, value->>1 FROM json_each(?1)", p.await)
	many(b, "noting who arrived", "DELETE FROM awaited WHERE (target, timestamp) IN (SELECT value->>0, value->>1 FROM json_each(?1))", p.arrived)
	b.exec("adding the round", "INSERT INTO round (at, partial, asked, published, guard) VALUES (?, ?, ?, ?, ?)", p.round...)
}

func (b *book) writeVerdicts(p *plan) {
	many(b, "lengthening verdicts", "UPDATE verdict SET until = ?2, rounds = rounds + 1 WHERE id IN (SELECT value FROM json_each(?1))", p.moreVerdicts, p.at)
	many(b, "ending verdicts", "UPDATE verdict SET open = 0 WHERE id IN (SELECT value FROM json_each(?1))", p.closeVerdicts)
	many(b, "adding verdicts", `INSERT INTO verdict (target, open, state, timestamp, depth, since, until, rounds, words)
		SELECT value->>0, 1, value->>1, value->>2, value->>3, ?2, ?2, 1, COALESCE((SELECT id FROM words WHERE text = value->>4), 0)
		FROM json_each(?1) ORDER BY json_each.key`, p.verdicts, p.at)
}

func (b *book) writeReadings(p *plan) {
	for by, ids := range p.moreReadings {
		many(b, "lengthening readings", "UPDATE reading SET until = ?2, rounds = rounds + 1, deep = deep + ?3, listed = listed + ?4 WHERE id IN (SELECT value FROM json_each(?1))",
			ids, p.at, by[0], by[1])
	}
	many(b, "ending readings", "UPDATE reading SET open = 0 WHERE id IN (SELECT value FROM json_each(?1))", p.closeReadings)
	many(b, "adding readings", `INSERT INTO reading (target, address, open, failure, timestamp, since, until, rounds, deep, listed, words)
		SELECT value->>0, value->>1, 1, value->>2, value->>3, ?2, ?2, 1, value->>4, value->>5, COALESCE((SELECT id FROM words WHERE text = value->>6), 0)
		FROM json_each(?1) ORDER BY json_each.key`, p.readings, p.at)
}
