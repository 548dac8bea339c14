package main

import (
	"cmp"
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"github.com/urfave/cli/v2"

	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
	"tidemark/sign/sshagent"
)

func adoptCommand(e *console.Program) *cli.Command {
	return e.Command("adopt", "write the public half of a key that lives elsewhere", "FILE", []cli.Flag{
		&cli.StringFlag{Name: "gpg", Usage: "a key that gpg has, by its `FINGERPRINT` (40 hex digits)"},
		&cli.StringFlag{Name: "gpg-home", Usage: "gpg's home `DIR`, when it is not this user's own"},
		&cli.StringFlag{Name: "ssh-agent", Usage: "an Ed25519 key in an ssh-agent, by its public `FILE` (id_ed25519.pub)"},
		&cli.StringFlag{Name: "socket", Usage: "the agent's `SOCKET`, when it is not the one of SSH_AUTH_SOCK"},
		&cli.StringFlag{Name: "kms", Usage: "a `KEY` of AWS KMS: its id, its ARN, or alias/NAME"},
		&cli.StringFlag{Name: "region", Usage: "the AWS `REGION`, when the environment does not say"},
		&cli.StringFlag{Name: "endpoint", Usage: "another `URL` of the KMS API"},
		&cli.StringFlag{Name: "ca", Usage: "the PEM `FILE` of that endpoint's certificate authority"},
		&cli.StringFlag{Name: "uid", Usage: "`NAME <ADDRESS>` in the certificate of an RSA key of KMS", Value: "Tidemark manifest signing"},
		console.DryRun(),
	}, `The private key stays where it is: in gpg-agent or on its smartcard, in an ssh-agent or on its token, in KMS. FILE gets what
everybody may know of it: an OpenPGP certificate (gpg, RSA keys of KMS) or a minisign public key (ssh-agent, Ed25519 keys of KMS).
"tidemark trust new --add-key" takes it, and so does public: in the configuration. No configuration is needed here.

A key of an ssh-agent should be one that logs in nowhere. An RSA key of KMS has no certificate yet: it signs one for itself, valid for
two years from now, so keep FILE: another run makes another key of the same material.

Examples:
  tidemark keys adopt keys/release.asc --gpg 0123456789ABCDEF0123456789ABCDEF01234567
  tidemark keys adopt keys/token.pub --ssh-agent ~/.ssh/id_token.pub
  tidemark keys adopt keys/kms.asc --kms alias/centos --region eu-north-1 --uid 'CentOS mirrors <mirrors@example.org>'`, adoptKey)
}

// adopted is the public half of a key, and how the configuration names the key.
type adopted struct {
	kind   keys.Kind
	id     string
	public []byte
	line   string // under sign: in the configuration
}

func adoptKey(c *console.Call) error {
	form, err := adoptForm(c)
	if err != nil {
		return err
	}
	file := c.Args().First()
	if _, err := os.Lstat(file); err == nil {
		return console.Hinted(fmt.Errorf("%s is there already", file), "name another file, or move it away: nothing is overwritten")
	}
	ctx, cancel := context.WithTimeout(c.Context.Context, signPatience)
	defer cancel()
	at, err := filepath.Abs(file)
	if err != nil {
		return err
	}
	a, err := form(ctx, c, at)
	if err != nil {
		return err
	}
	if c.Dry {
		c.Say("dry run, nothing was written: %s key %s", a.kind, a.id)
	} else {
		if err := console.WriteNew(file, a.public, 0o644); err != nil {
			return err
		}
		c.Say("%s key %s\npublic  %s", a.kind, a.id, file)
	}
	c.Say("next: tidemark trust new --add-key HOLDER=%s; and in the configuration, under sign:\n  %s", file, a.line)
	return c.Document(adoptDocument{Schema: "tidemark/keys-adopt/v1", Kind: a.kind, Key: a.id, Public: file, Configuration: a.line, DryRun: c.Dry})
}

// adoptDocument is `keys adopt --json`.
type adoptDocument struct {
	Schema        string    `json:"schema"`
	Kind          keys.Kind `json:"kind"`
	Key           string    `json:"key"`
	Public        string    `json:"public"`
	Configuration string    `json:"configuration"` // the line under sign:
	DryRun        bool      `json:"dry_run,omitempty"`
}

// adoptFunc finds the key; file is where its public half will lie, as the configuration is to name it.
type adoptFunc func(ctx context.Context, c *console.Call, file string) (*adopted, error)

// adoptForm insists on one place, and on the flags that belong to it.
func adoptForm(c *console.Call) (adoptFunc, error) {
	places := []struct {
		flag string
		with []string
		from adoptFunc
	}{
		{"gpg", []string{"gpg-home"}, adoptGPG},
		{"ssh-agent", []string{"socket"}, adoptAgent},
		{"kms", []string{"region", "endpoint", "ca", "uid"}, adoptKMS},
	}
	var form adoptFunc
	for _, p := range places {
		switch {
		case c.String(p.flag) != "" && form != nil:
			return nil, console.Usage("expected one of --gpg, --ssh-agent and --kms")
		case c.String(p.flag) != "":
			form = p.from
			continue
		}
		for _, w := range p.with {
			if c.IsSet(w) {
				return nil, console.Usage("--%s goes with --%s", w, p.flag)
			}
		}
	}
	if form == nil {
		return nil, console.Usage("expected one of --gpg FINGERPRINT, --ssh-agent FILE.pub and --kms KEY: where the key lives")
	}
	return form, nil
}

func adoptGPG(ctx context.Context, c *console.Call, _ string) (*adopted, error) {
	id := strings.ToUpper(strings.ReplaceAll(c.String("gpg"), " ", "")) // gpg prints it with spaces
	home, err := absolute(c.String("gpg-home"))
	if err != nil {
		return nil, err
	}
	k := configuredKey{config.SigningKey{GPG: &config.GPGKey{Fingerprint: id, Home: home}}, keys.OpenPGP}
	s, err := sign.GPG(ctx, sign.GPGOptions{Fingerprint: k.GPG.Fingerprint, Home: k.GPG.Home, Now: c.Now()})
	if err != nil {
		return nil, console.Hinted(err, "%s", k.hint())
	}
	line := "openpgp: {gpg: " + k.GPG.Fingerprint
	if k.GPG.Home != "" {
		line += ", gpg_home: " + k.GPG.Home
	}
	return &adopted{keys.OpenPGP, s.Key().Key, []byte(s.Key().Public), line + "}"}, nil
}

// absolute makes a path fit for a configuration that lies elsewhere; "" stays.
func absolute(path string) (string, error) {
	if path == "" {
		return "", nil
	}
	return filepath.Abs(path)
}

func adoptAgent(ctx context.Context, c *console.Call, file string) (*adopted, error) {
	public, err := console.ReadFile(c.String("ssh-agent"), maxKeyFile)
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("public key: %w", err), "name the public file of the key: ssh-add -L prints them all")
	}
	socket, err := absolute(c.String("socket"))
	if err != nil {
		return nil, err
	}
	k := configuredKey{config.SigningKey{SSHAgent: cmp.Or(socket, config.AgentOfEnvironment)}, keys.Minisign}
	socket, err = k.agentSocket()
	if err != nil {
		return nil, console.Hinted(err, "name the agent's socket: --socket SOCKET")
	}
	r, err := sshagent.Open(ctx, sshagent.Options{Socket: socket, Public: public})
	if err != nil {
		return nil, console.Hinted(err, "%s", k.hint())
	}
	return adoptMinisign(r, fmt.Sprintf("ed25519: {ssh_agent: %s, public: %s}", k.SSHAgent, file))
}

func adoptMinisign(r sign.Remote, line string) (*adopted, error) {
	half, err := sign.MinisignOf(r)
	if err != nil {
		return nil, err
	}
	return &adopted{keys.Minisign, half.ID, half.File(), line}, nil
}

func adoptKMS(ctx context.Context, c *console.Call, file string) (*adopted, error) {
	ca, err := absolute(c.String("ca"))
	if err != nil {
		return nil, err
	}
	k := configuredKey{config.SigningKey{KMS: &config.KMSKey{Key: c.String("kms"), Region: c.String("region"), Endpoint: c.String("endpoint"), CA: ca}}, keys.OpenPGP}
	r, err := k.remote(ctx, nil)
	if err != nil {
		return nil, console.Hinted(err, "%s", k.hint())
	}
	more := ""
	for _, f := range [][2]string{{"region", k.KMS.Region}, {"endpoint", k.KMS.Endpoint}, {"ca", ca}} {
		if f[1] != "" {
			more += ", " + f[0] + ": " + f[1]
		}
	}
	line := fmt.Sprintf("{kms: {key: %s%s}, public: %s}", k.KMS.Key, more, file)
	if _, isRSA := r.Public().(*rsa.PublicKey); !isRSA {
		return adoptMinisign(r, "ed25519: "+line)
	}
	if c.Dry { // the certificate takes a signature
		return nil, errors.New("--dry-run: an RSA key of KMS has no name before it has signed its certificate; KMS has the key, and lets this user read its public half")
	}
	public, err := sign.CertifyRemote(ctx, c.String("uid"), r, c.Now(), lifetime)
	if err != nil {
		return nil, console.Hinted(err, "%s", k.hint())
	}
	cert, err := keys.ReadCertificate(public)
	if err != nil {
		return nil, err
	}
	return &adopted{keys.OpenPGP, cert.Primary.Fingerprint, public, "openpgp: " + line}, nil
}
