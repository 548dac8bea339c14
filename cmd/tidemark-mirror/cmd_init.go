package main

import (
	"crypto/sha256"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/geo"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/treesync"
)

func initCommand(e *console.Program, w world) *cli.Command {
	return e.Command("init", "write a configuration: asks, or takes flags", "[DIR]", []cli.Flag{
		&cli.StringFlag{Name: "network", Usage: "the `NAME` of the mirror network, e.g. centos (default: the trust document's)"},
		&cli.StringFlag{Name: "id", Usage: "this mirror's `ID` in the network's inventory (default: the host's name)"},
		&cli.StringFlag{Name: "url", Usage: "where the network publishes: a `URL` with https://, or a directory"},
		&cli.StringFlag{Name: "trust", Usage: "the network's trust.json, from a place you trust; `FILE` is copied beside the configuration"},
		&cli.StringFlag{Name: "country", Usage: "where this mirror is: an ISO code like FI, or auto, by the time zone (`CC`)", Value: "auto"},
		&cli.StringSliceFlag{Name: "tree", Usage: "a tree that you carry and its directory, `NAME=PATH`; may be repeated"},
		&cli.StringFlag{Name: "state", Usage: "`DIR` for what must be remembered between runs", Value: "/var/lib/tidemark-mirror"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "what this mirror does not carry: a `PATTERN` of rsync; may be repeated"},
	}, `Writes a commented mirror.yaml, and the trust document beside it, into DIR, or where --config says. On a terminal it asks for
what the flags leave open. Trees that are there already are taken as they are: nothing in them is touched. What is there
is never overwritten.

Examples:
  tidemark-mirror init /etc/tidemark
  tidemark-mirror init /etc/tidemark --url https://mirrors.example.org/centos/ --trust trust.json \
      --id ftp.example.org --tree centos=/srv/mirror/centos --exclude '*/isos/'`, func(c *console.Call) error {
		i := &initializer{Call: c, ask: asker{in: w.stdin, out: c.Stderr, on: w.asks}}
		return i.run()
	})
}

// initializer lays a mirror's configuration.
type initializer struct {
	*console.Call
	ask      asker
	file     string // mirror.yaml
	values   config.MirrorTemplateValues
	trust    *keys.Trust
	envelope []byte
}

// initDocument is `init --json`.
type initDocument struct {
	Schema      string     `json:"schema"`
	File        string     `json:"file"`
	Network     string     `json:"network"`
	Mirror      string     `json:"mirror"`
	Country     string     `json:"country,omitempty"`
	CountryFrom string     `json:"country_from,omitempty"`
	Trust       initTrust  `json:"trust"`
	State       string     `json:"state"`
	Trees       []initTree `json:"trees"`
	Cron        string     `json:"cron"` // a line for crontab(5), every five minutes
}

type initTrust struct {
	File    string          `json:"file"`
	Version int64           `json:"version"`
	Expires strictjson.Time `json:"expires"`
}

// initTree is what was found in a tree's directory.
type initTree struct {
	Tree    string `json:"tree"`
	Path    string `json:"path"`
	There   bool   `json:"there"`
	Empty   bool   `json:"empty,omitempty"`
	Held    int64  `json:"held"` // 0: no usable time file
	Damaged string `json:"damaged,omitempty"`
}

func (i *initializer) run() error {
	i.file = i.String("config")
	if dir := i.Args().First(); dir != "" {
		i.file = filepath.Join(dir, "mirror.yaml")
	}
	var err error
	if i.file, err = filepath.Abs(i.file); err != nil {
		return fmt.Errorf("place of the configuration: %w", err)
	}
	if _, err := os.Lstat(i.file); err == nil {
		return console.Hinted(fmt.Errorf("%s is there already, nothing was changed", i.file), "choose another directory, or edit what is there")
	}
	if err := i.collect(); err != nil {
		return err
	}
	cfg, err := i.write()
	if err != nil {
		return err
	}
	return i.tell(cfg)
}

// write lays trust and configuration, reads them back as every command would, and makes the state directory.
func (i *initializer) write() (*config.Mirror, error) {
	dir := filepath.Dir(i.file)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directories: %w", err)
	}
	pinned := filepath.Join(dir, "trust.json")
	if typed, err := filepath.Abs(i.values.Trust); err != nil || typed != pinned {
		if err := console.WriteNew(pinned, i.envelope, 0o644); err != nil {
			return nil, err
		}
	}
	i.values.Trust = "trust.json"
	if err := console.WriteNew(i.file, config.MirrorTemplate(i.values), 0o644); err != nil {
		return nil, err
	}
	cfg, err := loadConfig(i.Call, i.file)
	if err != nil {
		return nil, errors.Join(err, os.Remove(i.file))
	}
	return cfg, i.StateDir(cfg.State)
}

func (i *initializer) tell(cfg *config.Mirror) error {
	d := initDocument{Schema: "tidemark/mirror-init/v1", File: i.file, Network: cfg.Network, Mirror: cfg.ID, Country: cfg.Country, CountryFrom: cfg.Auto,
		State: cfg.State, Trust: initTrust{File: cfg.Trust, Version: i.trust.Version, Expires: i.trust.Expires}, Trees: []initTree{}, Cron: cronLine(cfg)}
	i.Say("%s: mirror %s of network %s, %s", i.file, cfg.ID, cfg.Network, place(self(cfg)))
	if cfg.Auto != "" {
		i.Say("  found     %s", cfg.Auto)
	}
	i.Say("  trust     version %d, ends %s; compare its root keys with what the network tells you elsewhere:", i.trust.Version, console.Clock(i.trust.Expires.Time))
	for _, k := range i.trust.Root.Keys {
		i.Say("            %s %s", k.Key, k.Holder)
	}
	for _, name := range sortedNames(cfg) {
		t := i.adopt(name, cfg.Trees[name].Path)
		i.Say("  tree      %s in %s: %s", t.Tree, t.Path, t)
		d.Trees = append(d.Trees, t)
	}
	warnConfig(i.Call, cfg)
	i.Say("next:")
	for _, t := range d.Trees {
		if !t.There {
			i.Say("  mkdir -p %s", t.Path)
		}
	}
	flag := " --config " + i.file
	if i.file == "/etc/tidemark/mirror.yaml" {
		flag = ""
	}
	i.Say("  tidemark-mirror sources%s", flag)
	i.Say("  tidemark-mirror run --dry-run%s", flag)
	i.Say("and then, in the crontab of the user that owns the trees:\n  %s", d.Cron)
	return i.Document(d)
}

// adopt looks at what is in a tree's directory.
func (i *initializer) adopt(name, path string) initTree {
	t := initTree{Tree: name, Path: path}
	if info, err := os.Stat(path); err != nil || !info.IsDir() {
		return t
	}
	t.There = true
	if names, err := os.ReadDir(path); err == nil {
		t.Empty = len(names) == 0
	}
	held, err := treesync.Read(path, defaultTimeFile, i.Now())
	t.Held, t.Damaged = held.Timestamp, held.Damaged
	if err != nil {
		t.Damaged = err.Error()
	}
	return t
}

// String is what was found, in words.
func (t initTree) String() string {
	switch {
	case !t.There:
		return "not there yet"
	case t.Damaged != "":
		return "its time file does not count: " + t.Damaged
	case t.Empty:
		return "empty; the first run fills it"
	case t.Held == 0:
		return "no time file; what is there is used when it is of this tree, and the first run says so when it cannot tell"
	}
	return "holds " + console.Stamp(t.Held)
}

// cronLine is a line for crontab(5): every five minutes, from a minute that is the mirror's own, so that not all come at once.
func cronLine(cfg *config.Mirror) string {
	const every = int(5 * time.Minute / time.Minute)
	sum := sha256.Sum256([]byte(cfg.ID))
	return fmt.Sprintf("%d-59/%d * * * *  tidemark-mirror run -q --config %s", int(sum[0])%every, every, cfg.File)
}

// collect takes the flags, and asks for what they leave open.
func (i *initializer) collect() error {
	v := &i.values
	v.Country, v.State, v.Exclude = i.String("country"), i.String("state"), i.StringSlice("exclude")
	var err error
	if v.Trust, err = i.value("trust", "", "the network's trust.json, from a place you trust (a file)"); err != nil {
		return err
	}
	if i.trust, i.envelope, err = client.OpenTrustFile(v.Trust, i.String("network")); err != nil {
		return err
	}
	v.Network = i.trust.Network
	if v.URL, err = i.value("url", "", "where "+v.Network+" publishes (https://…, or a directory)"); err != nil {
		return err
	}
	if !strings.Contains(v.URL, "://") {
		if v.URL, err = filepath.Abs(v.URL); err != nil {
			return fmt.Errorf("--url: %w", err)
		}
	}
	if v.ID, err = i.value("id", hostName(), "this mirror's id in the network's inventory"); err != nil {
		return err
	}
	if v.Country, err = i.country(); err != nil {
		return err
	}
	if v.State, err = filepath.Abs(v.State); err != nil {
		return fmt.Errorf("--state: %w", err)
	}
	v.Trees, err = i.trees()
	return err
}

// value is a flag's, or what was answered; without either it is missing.
func (i *initializer) value(flag, otherwise, question string) (string, error) {
	if s := i.String(flag); s != "" {
		return s, nil
	}
	answer, err := i.ask.line(question, otherwise)
	if err != nil {
		return "", err
	}
	if answer == "" {
		return "", i.Need(flag)
	}
	return answer, nil
}

// country asks only where neither a flag nor the time zone says it.
func (i *initializer) country() (string, error) {
	if c := i.String("country"); c != "auto" {
		return c, nil
	}
	if zone, _ := geo.LocalZone("/", i.Getenv); geo.CountryOfZone(zone) != "" {
		return "auto", nil
	}
	return i.ask.line("the country this mirror is in (an ISO code like FI; auto: none is known)", "auto")
}

// trees are those of the flags, or of the answers.
func (i *initializer) trees() (map[string]string, error) {
	typed := i.StringSlice("tree")
	for len(typed) == 0 || i.ask.on && len(i.StringSlice("tree")) == 0 {
		answer, err := i.ask.line("a tree and its directory, like "+i.values.Network+"=/srv/mirror/"+i.values.Network+" (nothing: no more)", "")
		if err != nil {
			return nil, err
		}
		if answer == "" {
			break
		}
		typed = append(typed, answer)
	}
	if len(typed) == 0 {
		return nil, console.Usage("init: --tree is missing: expected NAME=PATH, like centos=/srv/mirror/centos")
	}
	found := map[string]string{}
	for _, t := range typed {
		name, path, ok := strings.Cut(t, "=")
		if !ok || name == "" || path == "" || found[name] != "" {
			return nil, console.Usage("tree %q: expected NAME=PATH, like centos=/srv/mirror/centos, each name once", t)
		}
		abs, err := filepath.Abs(path)
		if err != nil {
			return nil, fmt.Errorf("tree %s: %w", name, err)
		}
		found[name] = abs
	}
	return found, nil
}

// hostName is this host's name where it may be an id; else "".
func hostName() string {
	name, err := os.Hostname()
	if err != nil || !strings.Contains(name, ".") {
		return ""
	}
	return strings.ToLower(name)
}
