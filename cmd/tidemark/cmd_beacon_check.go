package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"strings"
	"time"

	"github.com/jedib0t/go-pretty/v6/table"
	"github.com/jedib0t/go-pretty/v6/text"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/dnstxt"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
	"tidemark/publish"
	"tidemark/sign"
)

// beaconCheckDocument is `beacon --check --json`.
type beaconCheckDocument struct {
	Schema    string           `json:"schema"`
	Network   string           `json:"network"`
	Name      string           `json:"name"`
	At        strictjson.Time  `json:"at"`
	Published *beaconPublished `json:"published,omitempty"` // absent: the site could not be asked
	Answers   []beaconAnswer   `json:"answers"`
	Result    string           `json:"result"` // agree, lag or refused
	Problems  []string         `json:"problems,omitempty"`
}

type beaconPublished struct {
	Serial  int64            `json:"serial"`
	Expires strictjson.Time  `json:"expires"`
	Trees   map[string]int64 `json:"trees"`
}

// beaconAnswer is what one address said of one name.
type beaconAnswer struct {
	Kind     string           `json:"kind"`             // beacon or plain
	Name     string           `json:"name"`             // of the record
	Server   string           `json:"server,omitempty"` // "" when it was given as an address
	Resolver bool             `json:"resolver,omitempty"`
	Address  string           `json:"address"`
	Error    string           `json:"error,omitempty"`    // it could not be asked
	Aside    bool             `json:"aside,omitempty"`    // it does not count for the result
	NoRoute  bool             `json:"no_route,omitempty"` // from this machine; another address of that server was asked
	Records  []string         `json:"records,omitempty"`
	TTL      int              `json:"ttl"`
	Serial   int64            `json:"serial,omitempty"`
	Expires  strictjson.Time  `json:"expires,omitzero"`
	Trees    map[string]int64 `json:"trees,omitempty"`
	Verifies bool             `json:"verifies"`
	Reason   string           `json:"reason,omitempty"` // why it does not verify: none, several, malformed, …
	Why      string           `json:"why,omitempty"`    // the same for people
	Same     bool             `json:"same"`             // says what is published, or, where that is unknown, what the newest answer says
	Differs  string           `json:"differs,omitempty"`
}

const (
	beaconAgree   = "agree"
	beaconLags    = "lag"
	beaconRefused = "refused"
)

// checkTime bounds the whole of a check.
const checkTime = time.Minute

func checkBeacon(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	name := strings.ToLower(strings.TrimSuffix(c.Args().First(), "."))
	if name == "" && p.cfg.Beacon != nil {
		name = p.cfg.Beacon.Name
	}
	if name == "" {
		return console.Exit(console.Misuse, errors.New("no name to ask for: the configuration has no beacon"), "tidemark beacon --check NAME")
	}
	ctx, stop := context.WithTimeout(c.Context.Context, checkTime)
	defer stop()
	d := beaconCheckDocument{Schema: "tidemark/beacon-check/v1", Network: p.cfg.Network, Name: name, At: strictjson.At(p.Now()), Answers: []beaconAnswer{}}
	d.Published, err = p.publishedNow(ctx)
	if err != nil {
		d.problem(c, fmt.Errorf("what is published cannot be asked for, the answers are held against each other: %w", err))
	}
	if given := c.StringSlice("server"); len(given) > 0 {
		if _, err := p.nameServers(ctx, name, given); err != nil {
			return console.Exit(console.Misuse, fmt.Errorf("--server: %w", err), "give an address, as in: tidemark beacon --check %s --server 192.0.2.53", name)
		}
	}
	d.ask(ctx, p, "beacon", name)
	if b := p.cfg.Beacon; b != nil && name == b.Name && b.PlainName != "" {
		d.ask(ctx, p, "plain", b.PlainName)
	}
	d.compare(p)
	d.Result = d.result()
	d.show(c)
	if err := c.Document(d); err != nil {
		return err
	}
	return d.verdict(p)
}

func (d *beaconCheckDocument) problem(c *console.Call, err error) {
	d.Problems = append(d.Problems, err.Error())
	c.Warn("%v", err)
}

// publishedNow asks the site: its store, or, where this user may not, its public URL.
func (p *publisher) publishedNow(ctx context.Context) (*beaconPublished, error) {
	t := p.cfg.Publish[0]
	var m *manifest.Manifest
	s, err := look(ctx, t)
	if err == nil {
		var o *predecessor
		if o, err = p.published(ctx, s, nil); err == nil {
			m = o.previous()
		}
	}
	if m == nil && t.URL != "" {
		var origin client.Origin
		if origin, err = client.NewOrigin(t.URL); err != nil {
			return nil, err
		}
		f, ferr := origin.Fetch(ctx, client.BundleFile, sign.MaxBundle)
		if ferr != nil {
			return nil, ferr
		}
		o, oerr := p.openOld(f)
		if oerr != nil {
			return nil, oerr
		}
		m, err = o.Manifest, nil
	}
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, fmt.Errorf("nothing is published at %s", t)
	}
	return &beaconPublished{Serial: m.Serial, Expires: m.Expires, Trees: timestamps(m)}, nil
}

// ask asks everybody for one name.
func (d *beaconCheckDocument) ask(ctx context.Context, p *publisher, kind, name string) {
	given := p.StringSlice("server")
	servers, err := p.nameServers(ctx, name, given)
	if err != nil {
		d.problem(p.Call, fmt.Errorf("the authoritative servers of %s: %w", name, err))
	}
	said, reached := publish.AskAll(ctx, name, servers, 0), map[string]bool{}
	for _, s := range said {
		reached[s.Name] = reached[s.Name] || s.Err == nil
	}
	for _, s := range said {
		if s.Err != nil {
			s.Err = errors.New(askTrouble(s.Err))
		}
		passed := s.NoRoute() && s.Name != "" && reached[s.Name]
		d.add(p, beaconAnswer{Kind: kind, Name: name, Server: s.Name, Address: s.Address, NoRoute: passed}, s.Answer, s.Err)
	}
	if len(given) > 0 {
		return
	}
	resolvers, err := dnstxt.System("/etc/resolv.conf")
	if err != nil {
		d.problem(p.Call, err)
		return
	}
	a, err := dnstxt.Ask(ctx, dnstxt.Question{Name: name, Servers: resolvers, Recurse: true})
	r := beaconAnswer{Kind: kind, Name: name, Resolver: true, Address: strings.Join(resolvers, ", "), Aside: p.cfg.Beacon != nil && len(p.cfg.Beacon.Servers) > 0}
	if a != nil {
		r.Address = a.Server
	}
	if err != nil {
		err = errors.New(askTrouble(err))
	}
	d.add(p, r, a, err)
}

// add judges one answer by itself.
func (d *beaconCheckDocument) add(p *publisher, r beaconAnswer, a *dnstxt.Answer, err error) {
	defer func() { d.Answers = append(d.Answers, r) }()
	if err != nil {
		r.Error = err.Error()
		return
	}
	r.TTL = int(a.TTL)
	for _, strs := range a.Records {
		r.Records = append(r.Records, strings.Join(strs, ""))
	}
	if r.Kind == "plain" {
		if n := len(r.Records); n != 1 {
			r.Reason, r.Why = faultNone, "no record"
			if n > 1 {
				r.Reason, r.Why = faultSeveral, fmt.Sprintf("%d records", n)
			}
		}
		return
	}
	b, fault := p.readBeacon(a.Records)
	if b != nil {
		r.Serial, r.Expires, r.Trees = b.Serial, strictjson.At(time.Unix(b.Expires, 0)), b.Trees
	}
	if r.Verifies = fault == nil; fault != nil {
		r.Reason, r.Why = fault.Reason, fault.Text
	}
}

// compare holds the answers against what is published, or against the newest of them that verifies.
func (d *beaconCheckDocument) compare(p *publisher) {
	var want *beaconPublished
	if want = d.Published; want == nil {
		for _, r := range d.Answers {
			if r.Verifies && (want == nil || r.Serial > want.Serial) {
				want = &beaconPublished{Serial: r.Serial, Expires: r.Expires, Trees: r.Trees}
			}
		}
	}
	for i := range d.Answers {
		r := &d.Answers[i]
		switch {
		case r.Error != "" || r.Reason != "" || want == nil:
			continue
		case r.Kind == "plain":
			if plain := plainText(want.Trees, p.cfg.Beacon.PlainOrder); r.Records[0] != plain {
				r.Differs = fmt.Sprintf("expected %s", plain)
			}
		case r.Serial > want.Serial:
			r.Differs = fmt.Sprintf("serial %d is published", want.Serial)
		default:
			r.Differs = differing(r.Trees, want.Trees)
		}
		r.Same = r.Differs == ""
	}
}

// differing names the trees whose timestamps differ.
func differing(have, want map[string]int64) string {
	var out []string
	all := maps.Clone(have)
	maps.Copy(all, want)
	for _, t := range sortedKeys(all) {
		if have[t] != want[t] {
			out = append(out, fmt.Sprintf("%s %d, expected %d", t, have[t], want[t]))
		}
	}
	return strings.Join(out, "; ")
}

func (d *beaconCheckDocument) show(c *console.Call) {
	if d.Published != nil {
		c.Say("published: serial %d, expires in %s, %s", d.Published.Serial, console.Span(d.Published.Expires.Sub(d.At.Time)), trees(d.Published.Trees))
	}
	w := console.Table("record", "server", "address", "answer", "ttl", "verifies", "as published")
	w.SetColumnConfigs([]table.ColumnConfig{{Number: 4, WidthMax: 70, WidthMaxEnforcer: text.WrapSoft}, {Number: 6, WidthMax: 40, WidthMaxEnforcer: text.WrapSoft},
		{Number: 7, WidthMax: 40, WidthMaxEnforcer: text.WrapSoft}})
	for _, r := range d.Answers {
		server := cmp.Or(r.Server, "-")
		if r.Resolver {
			server = "(resolver)"
		}
		ttl := "-"
		if len(r.Records) > 0 {
			ttl = fmt.Sprint(r.TTL)
		}
		w.AppendRow(table.Row{r.Name, server, cmp.Or(r.Address, "-"), d.answer(r), ttl, verifies(r), d.asPublished(r)})
	}
	c.Say("%s", console.Render(w))
}

func trees(t map[string]int64) string {
	var out []string
	for _, name := range sortedKeys(t) {
		out = append(out, fmt.Sprintf("%s:%d", name, t[name]))
	}
	return strings.Join(out, ",")
}

// answer is what was said, in words.
func (d *beaconCheckDocument) answer(r beaconAnswer) string {
	switch {
	case r.NoRoute:
		return "no route from here"
	case r.Error != "":
		return "cannot be asked: " + r.Error
	case len(r.Records) == 0:
		return "no record"
	case r.Serial == 0:
		var texts []string
		for _, t := range r.Records {
			texts = append(texts, fmt.Sprintf("%.80q", t))
		}
		return strings.Join(texts, " and ")
	}
	life := "expires in " + console.Span(r.Expires.Sub(d.At.Time))
	if r.Expires.Before(d.At.Time) {
		life = "expired " + console.Ago(r.Expires.Time, d.At.Time) + " ago"
	}
	return fmt.Sprintf("serial %d, %s, %s", r.Serial, life, trees(r.Trees))
}

func verifies(r beaconAnswer) string {
	switch {
	case r.Error != "" || r.Reason == faultNone:
		return "-"
	case r.Reason != "":
		return "no: " + r.Why
	case r.Kind == "plain":
		return "not signed"
	}
	return "yes"
}

func (d *beaconCheckDocument) asPublished(r beaconAnswer) string {
	switch {
	case r.Same && r.Kind == "beacon" && d.Published != nil && r.Serial < d.Published.Serial:
		return "yes, same timestamps"
	case r.Same:
		return "yes"
	case r.Differs != "":
		return "no: " + r.Differs
	case r.Reason == faultNone:
		return "no"
	}
	return "-"
}
