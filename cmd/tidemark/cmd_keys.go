package main

import (
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

// lifetime of a generated OpenPGP key.
const lifetime = 2 * 365 * 24 * time.Hour

func keysCommand(e *console.Program) *cli.Command {
	return e.Group("keys", "generate, adopt, list and export the signing keys",
		e.Command("generate", "make a new signing key", "openpgp|ed25519 FILE", []cli.Flag{
			&cli.StringFlag{Name: "uid", Usage: "the OpenPGP key's `NAME <ADDRESS>`", Value: "Tidemark manifest signing"},
			&cli.StringFlag{Name: "passphrase-file", Usage: "encrypt the key with the passphrase in `FILE`"},
		}, `Writes the private key to FILE (mode 0600) and the public key to FILE.pub. A new key signs nothing that mirrors accept
until the root holders have put it into a new trust version.

Example:
  tidemark keys generate ed25519 keys/ed25519-2027.key`, generateKey),
		adoptCommand(e),
		e.Command("list", "who may sign, when each key ends, and where it lives", "", nil,
			`Lists the keys of trust.json and their ends, and of those in the configuration the place: a file, gpg, an ssh-agent, KMS.
No agent and no service is asked for it, and no passphrase but that of an Ed25519 key's file, which tells nothing without.`, listKeys),
		e.Command("export", "write the public keys for other tools", "DIR", nil,
			`Writes NETWORK.asc and NETWORK.gpg (for sqv, gpg and gpgv), NETWORK.pub (minisign), NETWORK.pem (openssl), and NETWORK.txt, which
says who may sign, with every fingerprint in digits and in words, to be compared aloud. Where a certificate has a mail address,
.well-known/openpgpkey/ is a Web Key Directory: put it at the root of the address's domain, or of openpgpkey.DOMAIN, and
"gpg --locate-external-keys ADDRESS" finds the key.`, exportKeys),
	)
}

func generateKey(c *console.Call) error {
	kind, file := c.Args().Get(0), c.Args().Get(1)
	var pass []byte
	if f := c.String("passphrase-file"); f != "" {
		var err error
		if pass, err = sign.PassphraseFromFile(f)(); err != nil {
			return err
		}
	}
	private, public, id, err := newKey(kind, c.String("uid"), pass, c.Now())
	if err != nil {
		return err
	}
	if err := console.WriteNew(file, private, 0o600); err != nil {
		return err
	}
	if err := console.WriteNew(file+".pub", public, 0o644); err != nil {
		return err
	}
	c.Say("%s key %s\nprivate %s\npublic  %s", kind, id, file, file+".pub")
	return c.Document(map[string]string{"schema": "tidemark/keys-generate/v1", "kind": kind, "key": id, "private": file, "public": file + ".pub"})
}

func newKey(kind, uid string, pass []byte, now time.Time) (private, public []byte, id string, err error) {
	switch kind {
	case "openpgp":
		private, cert, err := keys.GenerateOpenPGP(uid, pass, now, lifetime)
		if err != nil {
			return nil, nil, "", err
		}
		public, err := cert.Armored()
		return private, public, cert.Primary.Fingerprint, err
	case "ed25519":
		private, public, err := keys.GenerateMinisign(pass)
		if err != nil {
			return nil, nil, "", err
		}
		k, err := keys.ParseMinisignFile(public)
		return private, public, k.ID, err
	}
	return nil, nil, "", console.Usage("key kind %q: expected openpgp or ed25519", kind)
}

func exportKeys(c *console.Call) error {
	p, err := openPublisher(c, true)
	if err != nil {
		return err
	}
	files, err := keys.Export(p.trust, p.Now(), p.earlier()...)
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	directory, err := keys.WKD(p.trust, p.Now())
	if err != nil {
		return fmt.Errorf("export: %w", err)
	}
	maps.Copy(files, directory)
	dir := c.Args().First()
	for _, name := range sortedKeys(files) {
		file := filepath.Join(dir, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		if err := console.WriteFile(file, files[name], 0o644); err != nil {
			return fmt.Errorf("export: %w", err)
		}
		c.Say("%s", file)
	}
	return c.Document(map[string]any{"schema": "tidemark/keys-export/v1", "network": p.cfg.Network, "dir": dir, "files": sortedKeys(files)})
}
