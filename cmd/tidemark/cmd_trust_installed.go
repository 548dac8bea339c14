package main

import (
	"errors"
	"fmt"
	"io/fs"
	"path/filepath"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

// installed is the publisher's trust, where there is a publisher: holders have no configuration.
type installed struct {
	network string
	file    string     // the configuration's trust.json
	state   string     // its state directory
	doc     *trustFile // nil: not there yet
}

// findInstalled reads the configuration's trust.json. Without a configuration, and none asked for, it is nil.
func findInstalled(c *console.Call) (*installed, error) {
	if c.String("config") == "" {
		return nil, nil
	}
	cfg, err := config.LoadPublisher(c.String("config"))
	if errors.Is(err, fs.ErrNotExist) && !c.IsSet("config") {
		return nil, nil
	}
	if err != nil {
		return nil, console.Exit(console.Misuse, err, "")
	}
	i := &installed{network: cfg.Network, file: cfg.Trust, state: cfg.State}
	if i.doc, err = readSealed("the installed trust", cfg.Trust); errors.Is(err, fs.ErrNotExist) {
		return i, nil
	}
	if err == nil && i.doc.trust.Network != cfg.Network {
		err = console.Exit(console.Refused, fmt.Errorf("the installed trust: %s is of network %q, expected %q", cfg.Trust, i.doc.trust.Network, cfg.Network), "set trust: in the configuration to this network's trust.json")
	}
	return i, err
}

// needInstalled is findInstalled for commands that can do nothing without one. what names what else the person could give.
func needInstalled(c *console.Call, what string) (*installed, error) {
	i, err := findInstalled(c)
	switch {
	case err != nil:
		return nil, err
	case i == nil:
		return nil, console.Exit(console.Misuse, fmt.Errorf("no configuration (%q), and so no installed trust.json", c.String("config")), "name %s, or the configuration: --config FILE", what)
	case i.doc == nil:
		return nil, console.Exit(console.Misuse, fmt.Errorf("the installed trust: %s is not there", i.file), "sign and install a first version: tidemark trust check trust-1.json -o %s; or name %s", shellWord(i.file), what)
	}
	return i, nil
}

// kept is what the state directory has of the chain: version N, as it was published.
func (i *installed) kept(version int64) (*trustFile, error) {
	name := filepath.Join(i.state, "trust", fmt.Sprintf("%d.json", version))
	b, err := console.ReadFile(name, sign.MaxTrustFile)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("trust chain: %w", err)
	}
	return parseTrustFile(name, b)
}

// withConfig is a command to type next, with the configuration named where it is not the usual one.
func withConfig(c *console.Call, command string) string {
	if file := c.String("config"); file != "" && c.IsSet("config") {
		return command + " --config " + shellWord(file)
	}
	return command
}

// newest walks the chain kept in the state on from t, each step verified.
func (i *installed) newest(t *keys.Trust) (*keys.Trust, error) {
	for range maxTrustSteps {
		name := filepath.Join(i.state, "trust", fmt.Sprintf("%d.json", t.Version+1))
		b, err := console.ReadFile(name, sign.MaxTrustFile)
		if errors.Is(err, fs.ErrNotExist) {
			return t, nil
		}
		if err != nil {
			return t, fmt.Errorf("trust chain: %w", err)
		}
		next, err := sign.NextTrust(t, b)
		if err != nil {
			return t, console.Exit(console.Refused, fmt.Errorf("trust chain: %s does not follow version %d: %w", name, t.Version, err), "see: tidemark trust show %s", shellWord(name))
		}
		t = next
	}
	return t, nil
}

// maxTrustSteps bounds the walk.
const maxTrustSteps = 1000

// oldFor finds the version before a draft: --trust; else what lies at out already; else the configuration's. None is nil.
func oldFor(c *console.Call, draft *trustFile, out string) (*trustFile, error) {
	if name := c.String("trust"); name != "" {
		return readSealed("--trust", name)
	}
	if draft.trust.Version == 1 {
		return nil, nil
	}
	if out != "" {
		there, err := readSealed("-o", out)
		if err == nil && there.trust.Version < draft.trust.Version {
			return there, nil
		}
		if err != nil && !errors.Is(err, fs.ErrNotExist) {
			return nil, err
		}
	}
	i, err := findInstalled(c)
	if err != nil || i == nil || i.doc == nil {
		return nil, err
	}
	if i.doc.trust.Version == draft.trust.Version && i.doc.trust.Network == draft.trust.Network {
		return i.kept(draft.trust.Version - 1) // installed already: more signatures may come
	}
	return i.doc, nil
}
