package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/urfave/cli/v2"
	"golang.org/x/crypto/ed25519"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
	"tidemark/sign/sshagent"
)

func trustSignCommand(e *console.Program, person keyboard) *cli.Command {
	return e.Command("sign", "sign a draft with your root key", "DRAFT", []cli.Flag{
		&cli.StringFlag{Name: "key", Usage: "your root key: minisign's secret key `FILE`"},
		&cli.StringFlag{Name: "ssh-agent", Usage: "your root key is in an ssh-agent; `SSHKEY.pub` is its public half, as ssh-add -L prints it"},
		&cli.StringFlag{Name: "socket", Usage: "the ssh-agent's `SOCKET` (default: $SSH_AUTH_SOCK)"},
		&cli.StringFlag{Name: "passphrase-file", Usage: "`FILE` with the passphrase of the key (default: asked for on the terminal)"},
		trustFlag(), newChainFlag(),
		&cli.BoolFlag{Name: "yes", Usage: "do not ask: the difference was read and compared before"},
		console.DryRun(),
	}, `For root holders. Needs no network and no configuration: the draft, the trust.json before it and your key. Shows who
may sign by the draft, what changes, the SHA-256 to compare with the other holders, and that of OLD, which must be your own copy,
kept from the last time: who gives you a false one shows you a false difference. Then it repeats the alarms and asks; where there
are alarms, the answer gives their number: yes 2. Your signature goes to DRAFT.<KEYID>.minisig. Send that file back; the draft itself is not changed. minisign's own program does as well: the line to
type is printed.

Refused are a draft that this program cannot show as a whole, one that cannot follow the version before or has ended,
and a key that is a root key of neither.

Exit codes: 0 signed; 1 not signed, or a file cannot be read or written; 2 usage; 4 refused.

Examples:
  tidemark trust sign trust-4.json --trust trust.json --key /media/usb/alice.key
  tidemark trust sign trust-4.json --trust trust.json --ssh-agent ~/.ssh/id_ed25519_sk.pub`, func(c *console.Call) error {
		s := &signing{Call: c, person: person, patience: signPatience}
		return s.run()
	})
}

// signing is one holder's.
type signing struct {
	*console.Call
	person     keyboard
	draft, old *trustFile
	newChain   bool
	patience   time.Duration // with an ssh-agent, each time that it is asked
	alarms     int           // what the answer must count
}

// trustSignDocument is `trust sign --json`.
type trustSignDocument struct {
	Schema string `json:"schema"`
	trustDescription
	Changes   []keys.Change `json:"changes"`
	Holder    string        `json:"holder,omitempty"` // none in a dry run
	Key       string        `json:"key,omitempty"`
	Signature string        `json:"signature,omitempty"` // the file written
}

func (s *signing) run() error {
	if err := s.usage(); err != nil {
		return err
	}
	var err error
	if s.draft, err = readTrustFile(s.Args().First()); err != nil {
		return err
	}
	s.newChain = s.Bool("new-chain")
	if s.old, err = oldFor(s.Call, s.draft, ""); err != nil {
		return err
	}
	if err := s.draft.sound(s.old, s.newChain, s.Now()); err != nil {
		return err
	}
	if _, err := sign.Count(before(s.old, s.newChain), s.draft.payload, nil); err != nil {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(s.draft.name), err), "do not sign it; ask who made it")
	}
	doc := trustSignDocument{Schema: "tidemark/trust-sign/v1", trustDescription: described(s.draft), Changes: s.show()}
	if s.Dry {
		s.Say("would ask, and sign; nothing was written")
		return s.Document(doc)
	}
	if err := s.agreed(); err != nil {
		return err
	}
	signer, err := s.signer(s.Context.Context)
	if err != nil {
		return err
	}
	if doc.Key, doc.Holder, err = s.rootKey(signer); err != nil {
		return err
	}
	if doc.Signature, err = s.write(signer); err != nil {
		return err
	}
	s.Say("signed as %s with key %s: %s", doc.Holder, doc.Key, harmless(doc.Signature))
	s.Say("next: send that file to who collects the signatures; they count them with: tidemark trust check %s", shellWord(s.draft.name))
	return s.Document(doc)
}

func (s *signing) usage() error {
	if (s.String("key") == "") == (s.String("ssh-agent") == "") {
		return console.Exit(console.Misuse, errors.New("trust sign: expected either --key or --ssh-agent"), "your key: --key FILE, or --ssh-agent SSHKEY.pub")
	}
	if s.String("socket") != "" && s.String("ssh-agent") == "" {
		return console.Usage("--socket: only with --ssh-agent")
	}
	if s.Bool("yes") || s.Dry {
		return nil
	}
	if !s.person.on {
		return console.Exit(console.Misuse, errors.New("trust sign: nobody can be asked here (no terminal)"), "read the draft first: tidemark trust show; then add --yes")
	}
	if s.JSON || s.Quiet || !s.person.sees {
		return console.Exit(console.Misuse, errors.New("trust sign: with --json or --quiet, or with its output in a file, nobody sees what is to be signed"), "read the draft first: tidemark trust show; then add --yes")
	}
	return nil
}

// show prints the document and what it changes.
func (s *signing) show() []keys.Change {
	d := describe(s.Call, false)
	d.document(s.draft)
	changes := changesOf(s.old, s.draft, s.newChain, s.Now())
	d.changes(s.old, changes)
	d.signing(s.draft)
	d.compared(s.old)
	s.alarms = d.again(changes)
	return changes
}

// agreed asks. Only the whole word is an answer, and where there are alarms, their number with it.
func (s *signing) agreed() error {
	if s.Bool("yes") {
		return nil
	}
	expected, also := "yes", ""
	if s.alarms > 0 {
		expected, also = fmt.Sprintf("yes %d", s.alarms), ", alarms and all"
	}
	fmt.Fprintf(s.Stderr, "Is this what you agreed on with the other holders%s? Type %s to sign: ", also, expected)
	answer, err := s.person.line(s.Context.Context)
	if err != nil {
		return err
	}
	if !strings.EqualFold(answer, expected) {
		return console.Exit(console.Failed, fmt.Errorf("not signed: the answer was not %s", expected), "talk to the other holders, and to who made the draft")
	}
	return nil
}

func (s *signing) signer(ctx context.Context) (sign.Signer, error) {
	if s.String("ssh-agent") != "" {
		return s.agent(ctx)
	}
	file := s.String("key")
	b, err := console.ReadInput(file, 1<<20)
	if err != nil {
		return nil, fmt.Errorf("--key: %w", err)
	}
	k, err := sign.MinisignFile(b, s.passphrase(file))
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("--key %s: %w", harmless(file), err), "expected the secret key file that minisign -G or tidemark keys generate ed25519 made, and its passphrase")
	}
	return k, nil
}

func (s *signing) passphrase(file string) sign.Passphrase {
	if f := s.String("passphrase-file"); f != "" {
		return sign.PassphraseFromFile(f)
	}
	return func() ([]byte, error) {
		if !s.person.on {
			return nil, errors.New("the key is encrypted, and nobody can be asked here (no terminal): name its passphrase with --passphrase-file")
		}
		fmt.Fprintf(s.Stderr, "Passphrase of %s: ", harmless(file))
		defer fmt.Fprintln(s.Stderr)
		return s.person.secret(s.Context.Context)
	}
}

// agent finds the root key that an ssh-agent holds; the trust document says by which id minisign knows it.
func (s *signing) agent(ctx context.Context) (sign.Signer, error) {
	socket := s.String("socket")
	if socket == "" {
		socket = s.Getenv("SSH_AUTH_SOCK")
	}
	if socket == "" {
		return nil, console.Exit(console.Misuse, errors.New("--ssh-agent: no agent: $SSH_AUTH_SOCK is not set"), "start one: eval $(ssh-agent); ssh-add; or name its socket: --socket PATH")
	}
	file := s.String("ssh-agent")
	public, err := console.ReadInput(file, 64<<10)
	if err != nil {
		return nil, fmt.Errorf("--ssh-agent: %w", err)
	}
	ctx, cancel := context.WithTimeout(ctx, s.patience)
	defer cancel()
	r, err := sshagent.Open(ctx, sshagent.Options{Socket: socket, Public: public})
	if err != nil {
		return nil, console.Hinted(fmt.Errorf("--ssh-agent %s: %w", harmless(file), err), "see which keys it holds: ssh-add -L")
	}
	held, ok := r.Public().(ed25519.PublicKey)
	if !ok {
		return nil, console.Exit(console.Refused, fmt.Errorf("--ssh-agent %s: no Ed25519 key", harmless(file)), "root keys are Ed25519 keys: ssh-keygen -t ed25519")
	}
	for _, k := range s.rootKeys() {
		if m, err := keys.ParseMinisign(k.Public); err == nil && bytes.Equal(m.Public, held) {
			return sign.MinisignRemote(m, r)
		}
	}
	return nil, s.noRoot(fmt.Sprintf("the key of %s", harmless(file)))
}

// rootKeys are those of the version before, and of the draft.
func (s *signing) rootKeys() []keys.RootKey {
	list := slices.Clone(s.draft.trust.Root.Keys)
	if b := before(s.old, s.newChain); b != nil {
		list = append(list, b.Root.Keys...)
	}
	return list
}

// rootKey says whose root key signs.
func (s *signing) rootKey(signer sign.Signer) (id, holder string, err error) {
	own := signer.Key()
	for _, k := range s.rootKeys() {
		if k.Public == own.Public {
			return k.Key, k.Holder, nil
		}
	}
	return "", "", s.noRoot("key " + own.Key)
}

func (s *signing) noRoot(what string) error {
	var names []string
	for _, k := range s.rootKeys() {
		if name := k.Holder + " " + k.Key; !slices.Contains(names, name) {
			names = append(names, name)
		}
	}
	return console.Exit(console.Refused, fmt.Errorf("%s is a root key neither of the draft nor of the version before; expected one of %s", what, strings.Join(names, ", ")),
		"take the key that belongs to this network: tidemark trust show %s lists them", shellWord(s.draft.name))
}

// write signs, and lays the signature beside the draft once it was seen to count.
func (s *signing) write(signer sign.Signer) (string, error) {
	ctx, cancel := context.WithTimeout(s.Context.Context, s.patience)
	defer cancel()
	sig, err := signer.Sign(ctx, sign.Request{Payload: s.draft.payload, Comment: s.draft.comment(), Issued: s.Now()})
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	b, err := sign.Count(before(s.old, s.newChain), s.draft.payload, []sign.Signature{sig})
	if err != nil {
		return "", fmt.Errorf("sign: %w", err)
	}
	if len(b.Old.Signed)+len(b.New.Signed) == 0 {
		return "", fmt.Errorf("sign: the signature does not count: %s", reasons(b.Rejected))
	}
	file := s.draft.name + "." + sig.Key + ".minisig"
	if there, err := console.ReadFile(file, sign.MaxSignature); err == nil && string(there) == sig.Value {
		return file, nil
	}
	return file, console.WriteNew(file, []byte(sig.Value), 0o644)
}

// reasons says why signatures do not count.
func reasons(list []sign.Rejected) string {
	var words []string
	for _, r := range list {
		words = append(words, harmless(r.Detail))
	}
	if len(words) == 0 {
		return "no root key of either version made it"
	}
	return strings.Join(words, "; ")
}
