package main

import (
	"bytes"
	"crypto/sha256"
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
		&cli.StringFlag{Name: "ca", Usage: "the authority of the site's certificate, when it is none of the system's (`FILE`, PEM; it stays where it is)"},
		&cli.StringFlag{Name: "beacon", Usage: "the `NAME` of the network's signed DNS record: looking for news is then one packet"},
		&cli.StringFlag{Name: "checkin", Usage: "where to tell the network that a sync is done: a `URL` with https://"},
		&cli.StringSliceFlag{Name: "exclude", Usage: "what this mirror does not carry: a `PATTERN` of rsync; may be repeated"},
	}, `Writes a commented mirror.yaml, and the trust document beside it, into DIR, or where --config says. On a terminal it asks for
what the flags leave open. Trees that are there already are taken as they are: nothing in them is touched. What is there
is never overwritten. It also makes this mirror's own key, mirror.key and mirror.pub, and prints the line for the network's
operators: by it they know this mirror's check-ins. A key that is there is kept. The state directory belongs to who runs the
mirror: typed by root, it is made for the owner of the first tree's directory; where that is nobody or root, the command that
makes it is printed.

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
	program  string // its path, as cron needs it
	key      initKey
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
	StateWith   string     `json:"state_command,omitempty"` // still to be typed, by root: it makes the state directory
	Key         initKey    `json:"key"`
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
	if i.program, err = os.Executable(); err != nil {
		return fmt.Errorf("place of this program: %w", err)
	}
	if err := i.collect(); err != nil {
		return err
	}
	cfg, err := i.write()
	if err != nil {
		return err
	}
	owner, err := i.makeState(cfg)
	if err != nil {
		return err
	}
	if owner.name != "" && i.key.Made {
		if err := i.key.own(owner.uid, owner.gid); err != nil {
			return err
		}
	}
	return i.tell(cfg, owner)
}

// write lays trust, key and configuration, once the latter was found to be right: a typing error leaves nothing behind.
func (i *initializer) write() (*config.Mirror, error) {
	dir := filepath.Dir(i.file)
	pinned := filepath.Join(dir, "trust.json")
	i.values.Trust = "trust.json"
	text := config.MirrorTemplate(i.values)
	zone, _ := geo.LocalZone("/", i.Getenv)
	cfg, err := config.ParseMirror(i.file, text, zone, rsyncRules())
	if err != nil {
		return nil, console.Exit(console.Misuse, err, "")
	}
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, fmt.Errorf("make directories: %w", err)
	}
	there, err := console.ReadFile(pinned, int64(len(i.envelope)))
	if laid := err == nil && bytes.Equal(there, i.envelope); !laid {
		if err := console.WriteNew(pinned, i.envelope, 0o644); err != nil {
			return nil, err
		}
		defer func() {
			if err != nil {
				os.Remove(pinned)
			}
		}()
	}
	if i.key, err = makeKey(dir); err != nil {
		return nil, err
	}
	i.key.Line = keyLine(cfg, i.key.Public)
	if err = console.WriteNew(i.file, text, 0o644); err != nil {
		i.key.undo()
	}
	return cfg, err
}

func (i *initializer) tell(cfg *config.Mirror, owner stateOwner) error {
	d := initDocument{Schema: "tidemark/mirror-init/v1", File: i.file, Network: cfg.Network, Mirror: cfg.ID, Country: cfg.Country, CountryFrom: cfg.Auto,
		State: cfg.State, StateWith: owner.command, Trust: initTrust{File: cfg.Trust, Version: i.trust.Version, Expires: i.trust.Expires},
		Key: i.key, Trees: []initTree{}, Cron: cronLine(cfg, i.program)}
	i.Say("%s: mirror %s of network %s, %s", i.file, cfg.ID, cfg.Network, place(self(cfg)))
	if cfg.Auto != "" {
		i.Say("  found     %s", cfg.Auto)
	}
	i.Say("  trust     version %d, ends %s; compare its root keys with what the network tells you elsewhere (in words: tidemark-mirror trust show %s):", i.trust.Version, console.Clock(i.trust.Expires.Time), shellWord(cfg.Trust))
	for _, k := range i.trust.Root.Keys {
		i.Say("            %s %s", k.Key, k.Holder)
	}
	i.tellKey()
	for _, name := range sortedNames(cfg) {
		t := i.adopt(name, cfg.Trees[name].Path)
		i.Say("  tree      %s in %s: %s", t.Tree, t.Path, t)
		d.Trees = append(d.Trees, t)
	}
	if owner.name != "" && owner.command == "" {
		i.Say("  state     %s, which belongs to %s: let %s run the mirror, too", cfg.State, owner.name, owner.name)
	}
	warnConfig(i.Call, cfg)
	i.next(d, owner)
	return i.Document(d)
}

// tellKey prints what the network's operators need to know this mirror's check-ins.
func (i *initializer) tellKey() {
	what := "made in"
	if !i.key.Made {
		what = "kept as it was in"
	}
	i.Say("  key       %s %s; tell the network's operators (HOST and MODULE are for you to fill in), for their inventory:", what, i.key.File)
	i.Say("            %s", i.key.Line)
}

// next are the commands to type, ready to be pasted.
func (i *initializer) next(d initDocument, owner stateOwner) {
	i.Say("next:")
	if owner.command != "" {
		i.Say("  %s", owner.command)
	}
	if i.key.Made && owner.as != "" && owner.name == "" {
		i.Say("  chown USER %s", shellWord(i.key.File))
	}
	for _, t := range d.Trees {
		switch {
		case t.There:
		case owner.as != "" && owner.name == "":
			i.Say("  install -d -o USER %s", shellWord(t.Path))
		default:
			i.Say("  %smkdir -p %s", owner.as, shellWord(t.Path))
		}
	}
	program, flag := owner.as+shellWord(i.program), " --config "+shellWord(i.file)
	if i.file == i.Config {
		flag = ""
	}
	i.Say("  %s sources%s", program, flag)
	i.Say("  %s run --dry-run%s", program, flag)
	whose := "the user that owns the trees"
	if owner.name != "" {
		whose = owner.name
	}
	i.Say("and then, in the crontab of %s:\n  %s", whose, d.Cron)
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
	held, err := treesync.Read(path, usualTime, i.Now())
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
// cron has neither the PATH of a shell nor its rules: the program is written out, and a percent sign would end the line.
func cronLine(cfg *config.Mirror, program string) string {
	const every = int(5 * time.Minute / time.Minute)
	sum := sha256.Sum256([]byte(cfg.ID))
	command := shellWord(program) + " run -q --config " + shellWord(cfg.File)
	return fmt.Sprintf("%d-59/%d * * * *  %s", int(sum[0])%every, every, strings.ReplaceAll(command, "%", `\%`))
}

// shellWord is s as one word of a shell's line.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+:,@%", r)
	}
	if s != "" && !strings.ContainsFunc(s, func(r rune) bool { return !plain(r) }) {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}

// collect takes the flags, and asks for what they leave open.
func (i *initializer) collect() error {
	v := &i.values
	v.Country, v.State, v.Exclude = i.String("country"), i.String("state"), i.StringSlice("exclude")
	v.Beacon, v.Checkin = i.String("beacon"), i.String("checkin")
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
		if info, err := os.Stat(v.URL); err != nil || !info.IsDir() {
			return console.Exit(console.Misuse, fmt.Errorf("--url: there is no directory %s", v.URL), "an address begins with https://")
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
	if file := i.String("ca"); file != "" {
		if _, err := console.Authorities("--ca", file); err != nil {
			return err
		}
		if v.CA, err = filepath.Abs(file); err != nil {
			return fmt.Errorf("--ca: %w", err)
		}
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
