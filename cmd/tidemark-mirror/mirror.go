package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"maps"
	"net/http"
	"slices"
	"strings"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/manifest"
	"tidemark/rsync"
	"tidemark/sign"
)

// mirror is what every command needs: the configuration, and what is remembered.
type mirror struct {
	*console.Call
	cfg    *config.Mirror
	memory *memory
}

// openMirror reads the configuration that --config names.
func openMirror(c *console.Call) (*mirror, error) {
	cfg, err := loadConfig(c, c.String("config"))
	if err != nil {
		return nil, err
	}
	return &mirror{Call: c, cfg: cfg, memory: &memory{dir: cfg.State}}, nil
}

func loadConfig(c *console.Call, file string) (*config.Mirror, error) {
	zone, _ := geo.LocalZone("/", c.Getenv)
	cfg, err := config.LoadMirror(file, zone, rsyncRules())
	if errors.Is(err, fs.ErrNotExist) {
		return nil, console.Exit(console.Misuse, fmt.Errorf("no configuration: %w", err), "make one with: tidemark-mirror init DIR; or name it: --config FILE")
	}
	if err != nil {
		return nil, console.Exit(console.Misuse, err, "")
	}
	return cfg, nil
}

// rsyncRules are what the configuration asks package rsync about.
func rsyncRules() config.RsyncRules {
	return config.RsyncRules{Option: rsync.CheckOption, Pattern: func(s string) error { _, err := rsync.ParsePattern(s); return err }}
}

// self is this mirror as the ranking of sources knows it.
func self(cfg *config.Mirror) manifest.Client {
	c := manifest.Client{ID: cfg.ID, Country: cfg.Country, ASN: cfg.ASN, Avoid: cfg.Avoid}
	if cfg.Family != 0 {
		c.Families = []int{cfg.Family}
	}
	return c
}

// sortedNames are the configured trees, in order.
func sortedNames(cfg *config.Mirror) []string { return slices.Sorted(maps.Keys(cfg.Trees)) }

// lookOptions say where to look for news, and make the state directory.
func (m *mirror) lookOptions() (client.LookOptions, error) {
	o := client.LookOptions{State: m.cfg.State, Network: m.cfg.Network, Pinned: m.cfg.Trust, Now: m.Now}
	var err error
	if o.Trust, err = console.ReadFile(m.cfg.Trust, sign.MaxTrustFile); err != nil {
		return o, console.Exit(console.Misuse, fmt.Errorf("trust: %w", err), "ask the network's operators for their trust.json, and set trust: in %s", m.cfg.File)
	}
	if err := m.StateDir(m.cfg.State); err != nil {
		return o, err
	}
	o.Origin, err = m.origin()
	return o, err
}

// look asks the origin for news.
func (m *mirror) look(ctx context.Context, o client.LookOptions) (*client.View, error) {
	v, err := client.Look(ctx, o)
	m.answered(o, v)
	return v, m.foreign(err, o)
}

// foreign adds to the refusal of a site, where nothing was ever accepted and no key of the pinned trust document has signed,
// that it may be that document which is of another network.
func (m *mirror) foreign(err error, o client.LookOptions) error {
	var refused *client.Refused
	var votes *sign.Refusal
	if !errors.As(err, &refused) || refused.Reason != client.Signature || !errors.As(err, &votes) || votes.Holders > 0 {
		return err
	}
	seen, seenErr := client.LoadSeen(o.State)
	trust, trustErr := client.HeldTrust(o)
	if seen != nil || seenErr != nil || trustErr != nil {
		return err
	}
	var roots []string
	for _, k := range trust.Root.Keys {
		roots = append(roots, k.Key+" "+k.Holder)
	}
	return console.Hinted(err, "nothing there is signed by a key of %s: is it this network's? compare the root keys: %s", o.Pinned, strings.Join(roots, ", "))
}

// origin is where the manifest comes from. A directory that is not there (a disk that is not mounted) is like a site that
// cannot be reached: what is kept stays in force.
func (m *mirror) origin() (client.Origin, error) {
	o, err := m.originOptions()
	if err != nil {
		return nil, err
	}
	origin, err := client.NewOriginWith(m.cfg.URL, o)
	if errors.Is(err, fs.ErrNotExist) {
		return missing{err}, nil
	}
	return origin, err
}

// originOptions say how this mirror asks a site.
func (m *mirror) originOptions() (client.OriginOptions, error) {
	o := client.OriginOptions{Proxy: http.ProxyFromEnvironment, UserAgent: "tidemark-mirror/" + version}
	if m.cfg.CA == "" {
		return o, nil
	}
	var err error
	o.RootCAs, err = console.Authorities("ca", m.cfg.CA)
	return o, err
}

// missing is an origin that is not there now.
type missing struct{ err error }

// Fetch says so.
func (m missing) Fetch(context.Context, string, int64) ([]byte, error) {
	return nil, errors.New(m.err.Error()) // no fs.ErrNotExist: the site is gone, not one of its files
}
