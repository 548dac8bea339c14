package main

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"tidemark/internal/console"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/publish"
)

// beaconKeeper is one run's work on the records.
type beaconKeeper struct {
	*publisher
	m      *manifest.Manifest
	o      *beaconOutcome
	memory beaconMemory
	place  publish.TXT
	stands []record // as the place has them now
	faster bool     // another publisher was: what stands there is its own
}

// record is the record set of one name.
type record struct {
	name  string
	set   publish.RRset
	fresh bool // written in this run
}

// keep puts, looks round, and remembers what it told.
func (k *beaconKeeper) keep(ctx context.Context) (trouble []error) {
	if err := k.put(ctx); err != nil {
		k.o.Why = err.Error()
		trouble = append(trouble, k.placeTrouble(err))
	} else {
		delete(k.memory.Told, placeTold)
	}
	trouble = append(trouble, k.lookRound(ctx)...)
	if err := k.remember(); err != nil {
		trouble = append(trouble, err)
	}
	return trouble
}

// placeTold is the place in beaconMemory.Told.
const placeTold = "place"

// placeTrouble is told when it begins and once an hour while it lasts; between, it is the exit code alone.
func (k *beaconKeeper) placeTrouble(err error) error {
	err = k.beaconTrouble(err, "")
	if k.toBeTold(placeTold, false) {
		return err
	}
	return untold{err}
}

// untold is trouble that was told within the hour: it stands in --json and makes the exit code, and nothing is printed.
type untold struct{ error }

func (u untold) Unwrap() []error { return []error{console.Status(console.Failed), u.error} }

// put brings the place in order: the signed record first, then the plain one.
func (k *beaconKeeper) put(ctx context.Context) (err error) {
	ctx, stop := context.WithTimeout(ctx, beaconPutTime)
	defer stop()
	if k.place == nil {
		if k.place, err = k.beaconPlace(ctx); err != nil {
			return err
		}
	}
	set, why, err := k.replace(ctx, k.cfg.Beacon.Name, k.stale, k.signed)
	if err != nil {
		return err
	}
	k.stands = append(k.stands, record{k.cfg.Beacon.Name, set, why != ""})
	k.o.State = beaconUnchanged
	if why != "" {
		k.o.State, k.o.Why, k.memory.Text, k.memory.PutAt = beaconWritten, why, joined(set), strictjson.At(k.Now())
	}
	if b, fault := k.readBeacon(set.Records); fault == nil {
		k.o.Serial, k.o.Expires = b.Serial, strictjson.At(time.Unix(b.Expires, 0))
	}
	return k.putPlain(ctx)
}

func (k *beaconKeeper) putPlain(ctx context.Context) error {
	b := k.cfg.Beacon
	if b.PlainName == "" || k.faster {
		return nil
	}
	want := k.rrset(chunks(plainText(timestamps(k.m), b.PlainOrder)))
	set, why, err := k.replace(ctx, b.PlainName, func(_ context.Context, have publish.RRset) (string, error) {
		if have.Same(want) && have.TTL == want.TTL {
			return "", nil
		}
		return "the plain record differed", nil
	}, func(context.Context) (publish.RRset, error) { return want, nil })
	if err != nil {
		return fmt.Errorf("plain record %s: %w", b.PlainName, err)
	}
	k.stands = append(k.stands, record{b.PlainName, set, why != ""})
	if why != "" && k.o.State == beaconUnchanged {
		k.o.State, k.o.Why = beaconWritten, why
	}
	return nil
}

// replace writes a name's records anew when stale gives a reason, and returns what stands then. Who loses a race looks and
// decides once more. Records that are not ours stay: next then goes in place of none, which a place takes only when they are
// a wildcard's, and nothing stands at the name itself.
func (k *beaconKeeper) replace(ctx context.Context, name string, stale func(context.Context, publish.RRset) (string, error), fresh func(context.Context) (publish.RRset, error)) (set publish.RRset, why string, err error) {
	for try := 0; ; try++ {
		have, err := k.place.Get(ctx, name)
		if err != nil {
			return have, "", k.explain(fmt.Errorf("read the record: %w", err))
		}
		if why, err = stale(ctx, have); why == "" || err != nil {
			return have, "", err
		}
		old, foreign := have, k.foreign(name, have.Records)
		if len(foreign) > 0 {
			old = publish.RRset{}
		}
		next, err := fresh(ctx)
		if err != nil {
			return have, why, err
		}
		k.Log.Info("write the record", "name", name, "why", why)
		err = k.place.Swap(ctx, name, old, next)
		if err == nil {
			return next, why, nil
		}
		if try > 0 && len(foreign) > 0 && errors.Is(err, publish.ErrConflict) {
			return have, why, k.foreignTrouble(name, foreign)
		}
		if try > 0 || !errors.Is(err, publish.ErrConflict) {
			return have, why, k.explain(fmt.Errorf("write the record: %w", err))
		}
	}
}

// foreign are the texts of records that no publisher writes: domains are verified and mail is guarded by TXT records, too.
func (k *beaconKeeper) foreign(name string, records [][]string) (texts []string) {
	for _, r := range records {
		text := strings.Join(r, "")
		ours := strings.HasPrefix(text, "v=tm1 ")
		if name != k.cfg.Beacon.Name {
			ours = text != "" && strings.Trim(text, "0123456789:") == ""
		}
		if !ours {
			texts = append(texts, fmt.Sprintf("%.60q", text))
		}
	}
	slices.Sort(texts)
	return texts
}

func (k *beaconKeeper) foreignTrouble(name string, texts []string) error {
	field := "beacon.name"
	if name != k.cfg.Beacon.Name {
		field = "beacon.plain.name"
	}
	return console.Hinted(fmt.Errorf("TXT records that tidemark did not write stand at %s, and stay: %s", name, strings.Join(texts, " and ")),
		"choose a name where nothing else stands, like _tidemark.%s, as %s, or remove what is not needed", name, field)
}

// stale says why the signed record has to be written anew; "": it may stay (DESIGN 4.4).
func (k *beaconKeeper) stale(ctx context.Context, have publish.RRset) (string, error) {
	b, fault := k.readBeacon(have.Records)
	switch {
	case fault == nil:
	case fault.Reason == faultNone:
		return "there was none", nil
	case fault.Reason == faultSeveral:
		return fmt.Sprintf("replaced %d records", len(have.Records)), nil
	default:
		return "replaced one that mirrors refuse: " + fault.Text, nil
	}
	if b.Serial > k.m.Serial {
		return k.ahead(ctx, b)
	}
	return k.behind(b, have), nil
}

// ahead judges a genuine record of a later serial than this run's: the pointer says now whether another publisher was faster.
func (k *beaconKeeper) ahead(ctx context.Context, b *manifest.Beacon) (string, error) {
	store, err := openStore(ctx, k.cfg.Publish[0])
	if err != nil {
		return "", err
	}
	o, err := store.Get(ctx, publish.PointerName, maxPointer)
	if err != nil && !errors.Is(err, publish.ErrNotFound) {
		return "", fmt.Errorf("the record gives serial %d; what is published now cannot be read: %w", b.Serial, err)
	}
	at, err := manifest.ParsePointer(o.Data) // none, or a damaged one, is ahead of nobody
	if err == nil && at.Serial >= b.Serial {
		k.Log.Info("another publisher was faster, its record stays", "serial", b.Serial, "published", at.Serial)
		k.faster, k.o.Why = true, "another publisher was faster"
		return "", nil
	}
	return fmt.Sprintf("it gave serial %d, not yet published", b.Serial), nil
}

// maxPointer bounds latest.json, in bytes.
const maxPointer = 64 << 10

// behind judges a genuine record of this run's serial or an earlier one.
func (k *beaconKeeper) behind(b *manifest.Beacon, have publish.RRset) string {
	expires, span := time.Unix(b.Expires, 0), k.m.Expires.Sub(k.m.Issued.Time)
	switch {
	case !maps.Equal(b.Trees, timestamps(k.m)):
		return "timestamps changed"
	case expires.After(k.m.Expires.Time):
		return "it outlived the manifest"
	case have.TTL != k.ttl():
		return fmt.Sprintf("TTL %d, now %d", have.TTL, k.ttl())
	case expires.Before(k.m.Expires.Time) && !k.Now().Before(expires.Add(-span/2)):
		return "half of its validity was over"
	}
	// A zone that was restored: whoever saw the later record takes the earlier one for a replay.
	if put, fault := k.readBeacon([][]string{{k.memory.Text}}); fault == nil && b.Serial < put.Serial && put.Serial <= k.m.Serial {
		return fmt.Sprintf("it gave serial %d, and serial %d was put there at %s", b.Serial, put.Serial, console.Clock(k.memory.PutAt.Time))
	}
	return ""
}

// signed is the record to put, verified as a mirror would before anybody sees it.
func (k *beaconKeeper) signed(ctx context.Context) (publish.RRset, error) {
	b, err := k.beacon(ctx, k.m)
	if err != nil {
		return publish.RRset{}, err
	}
	set := k.rrset(b.Strings())
	if _, fault := k.readBeacon(set.Records); fault != nil {
		return publish.RRset{}, fmt.Errorf("mirrors would not go by this record: %s", fault.Text)
	}
	return set, nil
}

func (k *beaconKeeper) rrset(strings []string) publish.RRset {
	return publish.RRset{TTL: k.ttl(), Records: [][]string{strings}}
}

// ttl is the records' time to live in seconds.
func (p *publisher) ttl() int { return int(p.cfg.Beacon.TTL / time.Second) }

// joined is a set of one record as one text.
func joined(s publish.RRset) string {
	if len(s.Records) != 1 {
		return ""
	}
	return strings.Join(s.Records[0], "")
}
