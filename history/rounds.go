package history

import (
	"context"
	"strings"
	"time"

	"tidemark/quorum"
)

// Rounds lists when the last n rounds (0: 100) that asked all servers ended, newest first.
func (db *DB) Rounds(ctx context.Context, n int) ([]time.Time, error) {
	var list []time.Time
	err := each(ctx, db.sql, `SELECT at FROM round WHERE partial = 0 ORDER BY at DESC LIMIT ?`,
		func(scan func(...any) error) error {
			var at int64
			err := scan(&at)
			list = append(list, when(at))
			return err
		}, orFew(n))
	if err != nil {
		return nil, db.explain("reading the rounds of", err)
	}
	return list, nil
}

// Place is one tree at one server.
type Place struct{ Server, Tree string }

// Were lists the places whose verdict was one of these states at some time since then, sorted by server and tree.
func (db *DB) Were(ctx context.Context, since time.Time, states ...quorum.State) ([]Place, error) {
	if len(states) == 0 {
		return nil, nil
	}
	args := []any{since.UnixMilli()}
	for _, s := range states {
		args = append(args, string(s))
	}
	var list []Place
	err := each(ctx, db.sql, `SELECT DISTINCT t.server, t.tree FROM verdict v JOIN target t ON t.id = v.target
		WHERE v.until >= ? AND v.state IN (?`+strings.Repeat(", ?", len(states)-1)+`) ORDER BY t.server, t.tree`,
		func(scan func(...any) error) error {
			var p Place
			err := scan(&p.Server, &p.Tree)
			list = append(list, p)
			return err
		}, args...)
	if err != nil {
		return nil, db.explain("reading the verdicts of", err)
	}
	return list, nil
}
