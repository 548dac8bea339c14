package history

import "time"

// load reads what the history holds that matters to a round, and gives every target of the round an id.
func (b *book) load(r Round, at int64) *known {
	k := &known{
		targets: map[key]int64{}, verdicts: map[int64]openVerdict{}, readings: map[place]openReading{},
		awaited: map[int64][]int64{}, announced: map[string]announcement{}, answered: map[int64]bool{},
	}
	b.loadTargets(k, r)
	b.each("reading the last verdicts", "SELECT target, id, state, timestamp, depth, until FROM verdict WHERE open = 1", func(scan func(...any) error) error {
		var target int64
		var v openVerdict
		if err := scan(&target, &v.id, &v.state, &v.timestamp, &v.depth, &v.until); err != nil {
			return err
		}
		k.verdicts[target] = v
		return nil
	})
	b.each("reading the last readings", "SELECT target, address, id, failure, timestamp, until FROM reading WHERE open = 1", func(scan func(...any) error) error {
		var p place
		var o openReading
		if err := scan(&p.target, &p.address, &o.id, &o.failure, &o.timestamp, &o.until); err != nil {
			return err
		}
		k.readings[p] = o
		return nil
	})
	b.each("reading what is awaited", "SELECT target, timestamp FROM awaited", func(scan func(...any) error) error {
		var target, timestamp int64
		if err := scan(&target, &timestamp); err != nil {
			return err
		}
		k.awaited[target] = append(k.awaited[target], timestamp)
		return nil
	})
	b.loadAnnounced(k, r, at)
	return k
}

// loadTargets reads the ids, and gives new ones.
func (b *book) loadTargets(k *known, r Round) {
	read := func() {
		b.each("reading the targets", "SELECT id, server, tree FROM target", func(scan func(...any) error) error {
			var id int64
			var to key
			if err := scan(&id, &to.server, &to.tree); err != nil {
				return err
			}
			k.targets[to] = id
			return nil
		})
	}
	read()
	wanted := []key{{}}
	for _, v := range r.Verdicts {
		wanted = append(wanted, name(v.Server, v.Tree))
	}
	for _, v := range r.Readings {
		wanted = append(wanted, name(v.Server, v.Tree))
	}
	for _, t := range r.Trees {
		wanted = append(wanted, name("", t.Tree))
	}
	var add [][2]string
	for _, to := range wanted {
		if _, ok := k.targets[to]; !ok {
			k.targets[to] = 0 // once
			add = append(add, [2]string{to.server, to.tree})
		}
	}
	if len(add) > 0 {
		many(b, "adding targets", "INSERT INTO target (server, tree) SELECT value->>0, value->>1 FROM json_each(?1)", add)
		read()
	}
}

// late: so long after it was announced a tree may be taken up that the history has missed. What came later would be a wrong curve.
const late = dayLength / 24

// loadAnnounced finds what is announced in the round: what its reports call new, and what the history has missed, newer than all
// that it knows of the tree; not what was announced before it began to look.
func (b *book) loadAnnounced(k *known, r Round, at int64) {
	for _, t := range r.Trees {
		to := name("", t.Tree)
		when, missed := at, false
		if !t.New {
			var told time.Time
			if told, missed = r.Announced[t.Tree]; !missed {
				continue
			}
			when = min(told.UnixMilli(), at)
			if at-when > late {
				continue
			}
		}
		if _, twice := k.announced[to.tree]; twice || t.Announced == 0 {
			continue
		}
		known, newest, begun := false, int64(0), int64(0)
		b.each("reading what was announced", `SELECT COALESCE(MAX(timestamp = ?1), 0), COALESCE(MAX(timestamp), 0), COALESCE((SELECT MIN(at) FROM round), ?4) FROM
			(SELECT timestamp FROM event WHERE kind = 'announced' AND target = ?2 UNION ALL SELECT timestamp FROM curve WHERE tree = ?3)`,
			func(scan func(...any) error) error { return scan(&known, &newest, &begun) }, t.Announced, k.targets[to], to.tree, at)
		if known || missed && (t.Announced <= newest || begun > when) {
			continue
		}
		k.announced[to.tree] = announcement{t.Announced, when, t.Note}
	}
	if len(k.announced) == 0 {
		return
	}
	b.each("reading who answered of late", "SELECT target, failure FROM reading WHERE until > ?1", func(scan func(...any) error) error {
		var target int64
		var failure string
		if err := scan(&target, &failure); err != nil {
			return err
		}
		k.answered[target] = k.answered[target] || heard(failure)
		return nil
	}, at-answeredWithin)
}
