package history

import (
	"fmt"
	"strings"
)

// skew: a clock may be set back by so much, and the round is refused without further ado.
const skew = 5 * dayLength / (24 * 60)

// pullBack gives what rounds with a clock that was ahead have left the time just before at. They were before this one; when,
// nobody knows.
func (b *book) pullBack(at int64) {
	then, today := at-1, dayOf(at)
	for _, column := range []string{"verdict.since", "verdict.until", "reading.since", "reading.until", "event.at", "curve.announced"} {
		table, name, _ := strings.Cut(column, ".")
		b.exec("setting "+column+" back", fmt.Sprintf("UPDATE %s SET %s = ?1 WHERE %s > ?1", table, name, name), then)
	}
	b.exec("setting days back", `INSERT INTO day (day, target, asked, answered, good)
		SELECT ?1, target, SUM(asked), SUM(answered), SUM(good) FROM day WHERE day > ?1 GROUP BY target
		ON CONFLICT DO UPDATE SET asked = asked + excluded.asked, answered = answered + excluded.answered, good = good + excluded.good`, today)
	b.exec("setting days back", "DELETE FROM day WHERE day > ?1", today)
	b.exec("setting rounds back", `UPDATE round SET published = (SELECT MAX(published) FROM round WHERE at >= ?1)
		WHERE at = (SELECT MAX(at) FROM round)`, then)
	b.exec("setting rounds back", "DELETE FROM round WHERE at >= ?1 AND at < (SELECT MAX(at) FROM round)", then)
	b.exec("setting rounds back", "UPDATE round SET at = ?1 WHERE at > ?1", then)
}
