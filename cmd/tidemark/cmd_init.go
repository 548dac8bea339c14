package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/ident"
	"tidemark/internal/strictjson"
	"tidemark/inventory"
	"tidemark/keys"
	"tidemark/sign"
)

const (
	rootHolders   = 3
	rootThreshold = 2
	trustLife     = 365 * 24 * time.Hour
)

func initCommand(e *console.Program) *cli.Command {
	return e.Command("init", "make a configuration, keys and a trust root that work at once", "DIR", []cli.Flag{
		&cli.StringFlag{Name: "network", Usage: "the `NAME` of your mirror network, e.g. centos"},
		&cli.StringFlag{Name: "import-openpgp", Usage: "sign with the key in `FILE`, exported by gpg (an offline primary with a signing subkey will do)"},
		&cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with the passphrase of the imported key, and for the keys made here"},
		&cli.StringSliceFlag{Name: "root", Usage: "a root holder and the public half of the key that only they have, `HOLDER=FILE.pub`; may be repeated. No private root key is made here then"},
		&cli.IntFlag{Name: "root-threshold", Usage: "how many of these root holders must sign a trust.json: `N` (default: more than half)"},
	}, `Writes into DIR:
  tidemark.yaml     the configuration, every key explained
  inventory.yaml    your nodes and mirrors, with an example of each
  keys/             the online signing keys (mode 0600)
  root/             three root keys, two of which must sign every new trust.json: move them to their holders, offline
  trust.json        who may sign, signed by the root keys
  state/, site/     the publisher's memory, and what it publishes

That is enough to begin with. Where it matters, let each root holder make a key of their own, offline (minisign -G, or tidemark
keys generate ed25519), and send its public half. With --root there is no root/, and trust-1.json is written instead of
trust.json: the holders sign it, and trust check makes trust.json of it. docs/keys.md has the ceremony.
  tidemark init DIR --network example --root alice=alice.pub --root bob=bob.pub --root carol=carol.pub --root-threshold 2
  tidemark trust check DIR/trust-1.json -o DIR/trust.json

Make a key whose primary stays offline, and import it:
  gpg --quick-gen-key 'Example mirrors <mirrors@example.org>' rsa3072 cert 5y
  gpg --quick-add-key FINGERPRINT rsa3072 sign 1y
  gpg --armor --export-secret-subkeys FINGERPRINT > online.asc
  tidemark init DIR --network example --import-openpgp online.asc --passphrase-file FILE`, func(c *console.Call) error {
		i := &initializer{Call: c, dir: c.Args().First(), network: c.String("network")}
		return i.run()
	})
}

// initializer lays a publisher's directory.
type initializer struct {
	*console.Call
	dir, network string
	pass         []byte
	passFile     string
	roots        keys.RootRole // of --root; without keys: they are made here
}

func (i *initializer) run() error {
	if err := i.Need("network"); err != nil {
		return err
	}
	if err := ident.Check(i.network); err != nil {
		return console.Usage("--network: %w", err)
	}
	if f := i.String("passphrase-file"); f != "" {
		abs, err := filepath.Abs(f)
		if err != nil {
			return err
		}
		i.passFile = abs
		if i.pass, err = sign.PassphraseFromFile(abs)(); err != nil {
			return err
		}
	}
	if _, err := os.Stat(filepath.Join(i.dir, "tidemark.yaml")); err == nil {
		return console.Exit(console.Failed, fmt.Errorf("%s is there already, nothing was changed", filepath.Join(i.dir, "tidemark.yaml")), "choose another directory, or edit what is there")
	}
	if err := i.readRoots(); err != nil {
		return err
	}
	for _, d := range []string{".", "site", "keys", "root", "state"} { // DIR itself first: a web server must get to DIR/site
		mode := os.FileMode(0o700)
		if d == "." || d == "site" {
			mode = 0o755
		}
		if d == "root" && i.held() {
			continue
		}
		if err := os.MkdirAll(filepath.Join(i.dir, d), mode); err != nil {
			return fmt.Errorf("make directories: %w", err)
		}
	}
	online, err := i.onlineKeys()
	if err != nil {
		return err
	}
	if err := i.writeTrust(online); err != nil {
		return err
	}
	if err := i.writeConfig(); err != nil {
		return err
	}
	return i.tell(online)
}

// onlineKeys makes or imports the keys of the manifest role.
func (i *initializer) onlineKeys() ([]keys.ManifestKey, error) {
	private, err := i.openpgp()
	if err != nil {
		return nil, err
	}
	pass := func() ([]byte, error) {
		if i.pass == nil {
			return nil, errors.New("the key is encrypted: name its passphrase with --passphrase-file")
		}
		return i.pass, nil
	}
	pgp, err := sign.OpenPGPFile(private, pass, nil, i.Now())
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("OpenPGP key: %w", err), "export it with: gpg --armor --export-secret-subkeys FINGERPRINT")
	}
	secret, public, err := keys.GenerateMinisign(i.pass)
	if err != nil {
		return nil, err
	}
	ed, err := keys.ParseMinisignFile(public)
	if err != nil {
		return nil, err
	}
	if err := console.WriteNew(filepath.Join(i.dir, "keys", "openpgp.asc"), private, 0o600); err != nil {
		return nil, err
	}
	if err := console.WriteNew(filepath.Join(i.dir, "keys", "ed25519.key"), secret, 0o600); err != nil {
		return nil, err
	}
	both := []keys.ManifestKey{pgp.Key(), {Kind: keys.Minisign, Key: ed.ID, Public: ed.String()}}
	for n := range both {
		both[n].Holder = "publisher"
	}
	return both, nil
}

func (i *initializer) openpgp() ([]byte, error) {
	if f := i.String("import-openpgp"); f != "" {
		b, err := console.ReadInput(f, 1<<20)
		if err != nil {
			return nil, fmt.Errorf("--import-openpgp: %w", err)
		}
		return b, nil
	}
	private, _, err := keys.GenerateOpenPGP(fmt.Sprintf("Tidemark manifest signing of %s", i.network), i.pass, i.Now(), lifetime)
	return private, err
}

// readRoots reads the public halves of root keys that people hold.
func (i *initializer) readRoots() error {
	var t keys.Trust
	for _, typed := range i.StringSlice("root") {
		holder, public, err := namedFile("--root", typed)
		if err != nil {
			return console.Exit(console.Misuse, err, "--root HOLDER=FILE.pub, for each root holder")
		}
		if _, err := t.PutRoot(holder, public); err != nil {
			return console.Exit(console.Misuse, fmt.Errorf("--root %s: %w", harmless(typed), err), "expected the .pub file of minisign -G, or of tidemark keys generate ed25519")
		}
	}
	material := map[string]string{}
	for _, k := range t.Root.Keys {
		made := string(keyBytes(keys.Minisign, k.Key, k.Public))
		if other := material[made]; other != "" {
			return console.Usage("--root: %s and %s are the same key under two ids: each holder needs a key of their own", other, k.Key)
		}
		material[made] = k.Key
	}
	i.roots = t.Root
	holders := len(needed(&t).Holders)
	switch n := i.Int("root-threshold"); {
	case !i.IsSet("root-threshold"):
		i.roots.Threshold = holders/2 + 1
	case !i.held():
		return console.Usage("--root-threshold: only with --root")
	case n < 1 || n > holders:
		return console.Usage("--root-threshold %d: expected 1 to %d, the number of root holders", n, holders)
	default:
		i.roots.Threshold = n
	}
	return nil
}

// held reports whether the root keys are with people already.
func (i *initializer) held() bool { return len(i.roots.Keys) > 0 }

// newTrust is version 1, without root keys yet where they are made here.
func (i *initializer) newTrust(online []keys.ManifestKey) *keys.Trust {
	now := strictjson.At(i.Now())
	return &keys.Trust{Schema: keys.TrustSchema, Network: i.network, Version: 1, Issued: now, Expires: strictjson.At(now.Add(trustLife)),
		Root:     i.roots,
		Manifest: keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP, keys.Minisign}, Keys: online}}
}

// writeTrust makes trust version 1: a draft for the root holders, or one signed by root keys that are made here.
func (i *initializer) writeTrust(online []keys.ManifestKey) error {
	t := i.newTrust(online)
	if i.held() {
		b, err := t.Encode()
		if err != nil {
			return console.Exit(console.Misuse, err, "each root holder has a key of their own, which is used for nothing else")
		}
		return console.WriteNew(i.draft(), b, 0o644)
	}
	t.Root.Threshold = rootThreshold
	var signers []sign.Signer
	for n := 1; n <= rootHolders; n++ {
		holder := fmt.Sprintf("root-%d", n)
		secret, public, err := keys.GenerateMinisign(nil)
		if err != nil {
			return err
		}
		k, err := keys.ParseMinisignFile(public)
		if err != nil {
			return err
		}
		s, err := sign.MinisignFile(secret, nil)
		if err != nil {
			return err
		}
		for name, b := range map[string][]byte{holder + ".key": secret, holder + ".pub": public} {
			if err := console.WriteNew(filepath.Join(i.dir, "root", name), b, 0o600); err != nil {
				return err
			}
		}
		t.Root.Keys = append(t.Root.Keys, keys.RootKey{Holder: holder, Key: k.ID, Public: k.String()})
		signers = append(signers, s)
	}
	return i.signTrust(t, signers)
}

func (i *initializer) signTrust(t *keys.Trust, signers []sign.Signer) error {
	payload, err := t.Encode()
	if err != nil {
		return fmt.Errorf("encode trust: %w", err)
	}
	env := sign.Envelope{Payload: payload}
	for _, s := range signers {
		sig, err := s.Sign(context.Background(), sign.Request{Payload: payload, Comment: fmt.Sprintf("trust %s version=%d", t.Network, t.Version), Issued: t.Issued.Time})
		if err != nil {
			return fmt.Errorf("sign trust: %w", err)
		}
		env.Signatures = append(env.Signatures, sig)
	}
	b, err := env.Encode()
	if err != nil {
		return fmt.Errorf("encode trust: %w", err)
	}
	if _, err := sign.OpenTrust(b); err != nil {
		return fmt.Errorf("the new trust does not verify: %w", err)
	}
	return console.WriteNew(filepath.Join(i.dir, "trust.json"), b, 0o644)
}

func (i *initializer) writeConfig() error {
	s := &state{dir: filepath.Join(i.dir, "state")}
	if err := s.save("site.json", siteState{Schema: siteSchema}); err != nil { // known, and nothing published: the first run may begin
		return err
	}
	if err := console.WriteNew(filepath.Join(i.dir, "inventory.yaml"), inventory.Template(i.network), 0o644); err != nil {
		return err
	}
	return console.WriteNew(filepath.Join(i.dir, "tidemark.yaml"), config.Template(config.TemplateValues{Network: i.network, Passphrase: i.passFile}), 0o644)
}

// draft is where the first version goes that root holders sign.
func (i *initializer) draft() string { return filepath.Join(i.dir, "trust-1.json") }

func (i *initializer) tell(online []keys.ManifestKey) error {
	doc := initDocument{Schema: "tidemark/init/v1", Dir: i.dir, Network: i.network, OpenPGP: online[0].Key, Ed25519: online[1].Key}
	i.Say("%s: network %s", i.dir, i.network)
	for _, k := range online {
		i.Say("  %-9s %s", k.Kind, k.Key)
	}
	file := filepath.Join(i.dir, "tidemark.yaml")
	if i.held() {
		doc.Draft, doc.Root = i.draft(), &neededRole{Version: 1, Threshold: i.roots.Threshold, Holders: needed(&keys.Trust{Root: i.roots}).Holders}
		i.tellHolders(doc.Root)
	} else {
		i.Say("  root      %d of %d keys in %s: move them to %d people, offline, before mirrors rely on them (docs/keys.md)", rootThreshold, rootHolders, filepath.Join(i.dir, "root"), rootHolders)
	}
	i.Say("next: edit %s and %s, then", file, filepath.Join(i.dir, "inventory.yaml"))
	for _, command := range []string{"config check", "run --dry-run", "run"} {
		i.Say("  tidemark %s --config %s", command, file)
	}
	return i.Document(doc)
}

// tellHolders says how the draft becomes a trust.json.
func (i *initializer) tellHolders(r *neededRole) {
	draft := shellWord(i.draft())
	i.Say("  root      %d of %s must sign %s: nothing can be published before", r.Threshold, strings.Join(r.Holders, ", "), i.draft())
	i.Say("first: send %s to each of them (docs/keys.md); they read it and sign:", i.draft())
	i.Say("  tidemark trust sign %s --key THEIR.key", filepath.Base(i.draft()))
	i.Say("then put their .minisig files beside it, and count:")
	i.Say("  tidemark trust check %s -o %s", draft, shellWord(filepath.Join(i.dir, "trust.json")))
}

// initDocument is `init --json`.
type initDocument struct {
	Schema  string      `json:"schema"`
	Dir     string      `json:"dir"`
	Network string      `json:"network"`
	OpenPGP string      `json:"openpgp"`
	Ed25519 string      `json:"ed25519"`
	Draft   string      `json:"draft,omitempty"` // with --root: what the holders sign
	Root    *neededRole `json:"root,omitempty"`
}
