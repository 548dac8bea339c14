package main

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	"tidemark/checkin"
	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

const (
	checkinMirrors = 650
	checkinLoad    = 6 * time.Second
	checkinConns   = 64
	checkinSlow    = 300 // that drip, and as many that linger: together more than the receiver's 512 places
	checkinLinger  = 4 * time.Second
	checkinEvery   = 100 * time.Millisecond // an honest mirror; at most 20 a second are accepted
	checkinHonest  = 50                     // in each measurement

	mostHonest = time.Second // however many others there are
	mostGrown  = 32 << 20    // bytes
)

// checkinBench is the real receiver, with a network of mirrors that may check in.
type checkinBench struct {
	dir      string
	now      func() time.Time
	mirrors  []sign.Signer
	receiver *lab.Receiver
	next     int // mirror that has not checked in yet
}

// benchCheckin measures the receiver with nobody else there, and under three kinds of load.
func benchCheckin(ctx context.Context, dir string, now func() time.Time) (lab.BenchTable, error) {
	b := &checkinBench{dir: dir, now: now}
	t := lab.BenchTable{Title: fmt.Sprintf("check-ins: the receiver of %d mirrors, an honest one every %s beside each load (wall: the slowest honest one)", checkinMirrors, checkinEvery)}
	if err := b.prepare(ctx); err != nil {
		return t, err
	}
	defer b.receiver.Stop()
	before, err := b.receiver.Memory()
	if err != nil {
		return t, err
	}
	bogus, err := b.body(ctx, "mirror-000", b.mirrors[1]) // signed, by the wrong mirror
	if err != nil {
		return t, err
	}
	replayed, err := b.body(ctx, b.id(0), b.mirrors[0])
	if err != nil {
		return t, err
	}
	b.next = 1
	for _, l := range []struct {
		name string
		load func(ctx context.Context) (lab.Load, error)
	}{
		{"nobody else", nil},
		{"bogus ones", b.wrk("bogus", bogus)},
		{"one genuine, replayed", b.wrk("replayed", replayed)},
		{fmt.Sprintf("%d slow clients", 2*checkinSlow), b.slow},
	} {
		row, err := b.beside(ctx, l.name, l.load)
		if err != nil {
			return t, fmt.Errorf("%s: %w", l.name, err)
		}
		t.Rows = append(t.Rows, row)
	}
	t.Targets = b.targets(t.Rows, before)
	return t, nil
}

func (b *checkinBench) targets(rows []lab.BenchRow, before int64) []lab.BenchTarget {
	last := rows[len(rows)-1]
	var slowest time.Duration
	for _, r := range rows {
		slowest = max(slowest, r.Wall)
	}
	kept := float64(last.Kept) / float64(checkinMirrors*checkin.MaxBody)
	grown := last.Memory - before
	return []lab.BenchTarget{
		{What: "the slowest honest check-in, ms", Ratio: slowest.Seconds() * 1e3, Most: mostHonest.Seconds() * 1e3, Met: slowest <= mostHonest},
		{What: "memory grown, MiB", Ratio: float64(grown) / (1 << 20), Most: mostGrown / (1 << 20), Met: grown <= mostGrown},
		{What: "spool, of what the inventory allows", Ratio: kept, Most: 1, Met: kept <= 1},
	}
}

// prepare makes a key for each mirror and starts the receiver.
func (b *checkinBench) prepare(ctx context.Context) error {
	p, err := lab.NewPublisher(b.dir, "centos", b.now())
	if err != nil {
		return err
	}
	inventory := "- {id: eu-msync-1, kind: node, trees: {centos: rsync://eu-msync.example.org/centos/}}\n"
	for i := range checkinMirrors {
		secret, public, err := keys.GenerateMinisign(nil)
		if err != nil {
			return err
		}
		s, err := sign.MinisignFile(secret, nil)
		if err != nil {
			return err
		}
		k, err := keys.ParseMinisignFile(public)
		if err != nil {
			return err
		}
		b.mirrors = append(b.mirrors, s)
		inventory += fmt.Sprintf("- {id: %s, key: %s, trees: {centos: rsync://%[1]s.example.org/centos/}}\n", b.id(i), k)
	}
	if err := os.WriteFile(filepath.Join(b.dir, "inventory.yaml"), []byte(inventory), 0o644); err != nil {
		return err
	}
	self, err := os.Executable()
	if err != nil {
		return err
	}
	text := fmt.Sprintf("network: centos\nstate: state\ninventory: [inventory.yaml]\ntrees: {centos: {master: %s, anchors: [%q]}}\nsign: {openpgp: {key: %s}, ed25519: {key: %s}}\ntrust: trust.json\npublish: [{dir: www}]\n",
		filepath.Join(b.dir, "master"), lab.Anchors()[0], p.OpenPGPKey, p.MinisignKey)
	b.receiver, err = lab.StartReceiver(ctx, lab.ReceiverOptions{Program: filepath.Join(filepath.Dir(self), "tidemark"), Config: filepath.Join(b.dir, "tidemark.yaml"),
		Text: text, Spool: b.spool()})
	return err
}

func (b *checkinBench) id(n int) string { return fmt.Sprintf("mirror-%03d", n) }

func (b *checkinBench) spool() string { return filepath.Join(b.dir, "spool") }

// body is a check-in as the mirror's program makes it.
func (b *checkinBench) body(ctx context.Context, id string, s sign.Signer) ([]byte, error) {
	var nonce [16]byte
	rand.Read(nonce[:])
	return checkin.Seal(ctx, checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: id, At: strictjson.At(b.now()),
		Nonce: hex.EncodeToString(nonce[:]), Trees: map[string]int64{"centos": 1488372781}}, s)
}

// honest are check-ins of mirrors that have not checked in before.
func (b *checkinBench) honest(ctx context.Context) (bodies [][]byte, err error) {
	for range checkinHonest {
		body, err := b.body(ctx, b.id(b.next), b.mirrors[b.next])
		if err != nil {
			return nil, err
		}
		bodies = append(bodies, body)
		b.next++
	}
	return bodies, nil
}

func (b *checkinBench) wrk(name string, body []byte) func(context.Context) (lab.Load, error) {
	return func(ctx context.Context) (lab.Load, error) {
		return lab.PostByWrk(ctx, filepath.Join(b.dir, name), b.receiver.URL(), body, checkinConns, checkinLoad)
	}
}

// slow is nothing that wrk can do: half of the clients never end what they send, the other half ask again and again over one
// connection, as slowly as a server may put up with.
func (b *checkinBench) slow(ctx context.Context) (lab.Load, error) {
	ctx, cancel := context.WithTimeout(ctx, checkinLoad)
	defer cancel()
	lingered := make(chan error, 1)
	go func() { lingered <- b.receiver.Linger(ctx, checkinSlow, checkinLinger) }()
	_, err := lab.Drip(ctx, b.receiver.Addr, checkinSlow)
	return lab.Load{}, errors.Join(err, <-lingered)
}

// beside lets honest mirrors check in while the load goes on.
func (b *checkinBench) beside(ctx context.Context, name string, load func(context.Context) (lab.Load, error)) (lab.BenchRow, error) {
	row := lab.BenchRow{Client: name, Rounds: 1}
	bodies, err := b.honest(ctx)
	if err != nil {
		return row, err
	}
	type loaded struct {
		lab.Load
		error
	}
	done := make(chan loaded, 1)
	go func() {
		if load == nil {
			done <- loaded{}
			return
		}
		l, err := load(ctx)
		done <- loaded{l, err}
	}()
	took, err := lab.Honest(ctx, b.now, b.receiver.URL(), bodies, checkinEvery)
	l := <-done
	if err != nil {
		return row, err
	}
	if l.error != nil {
		return row, l.error
	}
	if l.Broken > 0 {
		return row, fmt.Errorf("%d connections of the load failed", l.Broken)
	}
	row.Wall, row.P50, row.P99 = took[len(took)-1], l.P50, l.P99
	row.Answers = len(took)
	if l.Requests > 0 {
		row.PerSecond = int(l.Load.PerSecond())
	}
	if row.Memory, err = b.receiver.Memory(); err != nil {
		return row, err
	}
	row.Kept, err = lab.DirBytes(b.spool())
	return row, err
}
