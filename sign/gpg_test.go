package sign_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/keys"
	"tidemark/sign"
	"tidemark/sign/signtest"
)

// agentHome is a gpg home with a key, made an hour ago: its agent is real, and can ask nobody.
type agentHome struct {
	t           *testing.T
	dir         string
	passphrase  string
	now         time.Time
	primary     string
	fingerprint []string // of all its keys, the primary first
}

func newAgentHome(t *testing.T, passphrase, algorithm, usage string) *agentHome {
	t.Helper()
	signtest.Tool(t, "gpg", "gnupg")
	signtest.Tool(t, "gpg-agent", "gnupg")
	h := &agentHome{t: t, dir: signtest.Home(t), passphrase: passphrase, now: time.Now().UTC().Truncate(time.Second)}
	h.file("gpg-agent.conf", "pinentry-program /bin/false\n")
	h.gpg(time.Hour, "--quick-gen-key", "Test Only <test@example.org>", algorithm, usage, "2y")
	h.list()
	return h
}

func (h *agentHome) file(name, text string) {
	h.t.Helper()
	if err := os.WriteFile(filepath.Join(h.dir, name), []byte(text), 0o600); err != nil {
		h.t.Fatal(err)
	}
}

// gpg runs gpg as it would have some time ago.
func (h *agentHome) gpg(ago time.Duration, args ...string) []byte {
	h.t.Helper()
	return signtest.Run(h.t, "gpg", append([]string{"--homedir", h.dir, "--batch", "--no-options", "--pinentry-mode", "loopback", "--passphrase", h.passphrase,
		"--faked-system-time", h.now.Add(-ago).Format("20060102T150405!")}, args...)...)
}

func (h *agentHome) list() {
	h.t.Helper()
	h.fingerprint = nil
	for line := range strings.Lines(string(h.gpg(0, "--with-colons", "--list-keys"))) {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			h.fingerprint = append(h.fingerprint, f[9])
		}
	}
	h.primary = h.fingerprint[0]
}

func (h *agentHome) addSubkey(ago time.Duration, algorithm string) {
	h.t.Helper()
	h.gpg(ago, "--quick-add-key", h.primary, algorithm, "sign", "1y")
	h.list()
}

// offline takes the primary's secret away, as gpg --export-secret-subkeys does on its way to another machine.
func (h *agentHome) offline() *agentHome {
	h.t.Helper()
	there := *h
	there.dir = signtest.Home(h.t)
	there.file("gpg-agent.conf", "pinentry-program /bin/false\n")
	file := filepath.Join(h.t.TempDir(), "subkeys")
	if err := os.WriteFile(file, h.gpg(0, "--export-secret-subkeys", h.primary), 0o600); err != nil {
		h.t.Fatal(err)
	}
	there.gpg(0, "--import", file)
	return &there
}

// forget makes the agent forget the passphrases that it has heard.
func (h *agentHome) forget() {
	h.t.Helper()
	signtest.Run(h.t, "gpgconf", "--homedir", h.dir, "--kill", "gpg-agent")
}

func (h *agentHome) options() sign.GPGOptions {
	o := sign.GPGOptions{Fingerprint: h.primary, Home: h.dir, Now: h.now}
	if h.passphrase != "" {
		o.Passphrase = func() ([]byte, error) { return []byte(h.passphrase), nil }
	}
	return o
}

func (h *agentHome) open(o sign.GPGOptions) sign.Signer {
	h.t.Helper()
	s, err := sign.GPG(h.t.Context(), o)
	if err != nil {
		h.t.Fatal(err)
	}
	return s
}

func TestGPG_OfflinePrimary(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "test only", "rsa3072", "cert")
	h.addSubkey(time.Hour, "rsa3072")
	h = h.offline()
	h.file("gpg.conf", "sig-notation test@example.org=x\nset-policy-url https://example.org/\narmor\ncomment x\ndigest-algo SHA1\n") // of no consequence
	s := h.open(h.options())
	if k := s.Key(); k.Key != h.primary || len(k.Signing) != 1 || k.Signing[0] != h.fingerprint[1] || k.NotAfter == nil {
		t.Errorf("%+v, expected %s by %s", k, h.primary, h.fingerprint[1])
	}
	signtest.Accepted(t, s, signtest.Request(h.now))
	a, err1 := s.Sign(t.Context(), signtest.Request(h.now))
	b, err2 := s.Sign(t.Context(), signtest.Request(h.now))
	if err := errors.Join(err1, err2); err != nil || a != b {
		t.Errorf("%v: %v, and again %v", err, a, b)
	}
	t.Run("as the file of the same key signs", func(t *testing.T) {
		file, err := sign.OpenPGPFile(h.gpg(0, "--armor", "--export-secret-subkeys", h.primary), h.options().Passphrase, nil, h.now)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := file.Sign(t.Context(), signtest.Request(h.now)); err != nil {
			t.Error(err)
		}
		if x, y := file.Key(), s.Key(); x.Key != y.Key || x.Signing[0] != y.Signing[0] || *x.NotAfter != *y.NotAfter {
			t.Errorf("%+v, by gpg %+v", x, y)
		}
	})
	t.Run("the subkey by its own name", func(t *testing.T) {
		o := h.options()
		o.Fingerprint = strings.ToLower(h.fingerprint[1])
		if got := h.open(o).Key().Signing[0]; got != h.fingerprint[1] {
			t.Errorf("signs with %s, expected %s", got, h.fingerprint[1])
		}
	})
	t.Run("nobody knows the passphrase", func(t *testing.T) {
		h.forget()
		o := h.options()
		o.Passphrase = nil
		signtest.Fails(t.Context(), t, h.open(o), signtest.Request(h.now), "configure passphrase_file")
	})
	t.Run("wrong passphrase", func(t *testing.T) {
		h.forget()
		o := h.options()
		o.Passphrase = func() ([]byte, error) { return []byte("wrong"), nil }
		signtest.Fails(t.Context(), t, h.open(o), signtest.Request(h.now), "Bad passphrase")
		o.Passphrase = func() ([]byte, error) { return nil, errors.New("no such credential") }
		signtest.Fails(t.Context(), t, h.open(o), signtest.Request(h.now), "no such credential")
	})
}

func TestGPG_Ed25519(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "", "ed25519", "sign,cert")
	signtest.Accepted(t, h.open(h.options()), signtest.Request(h.now))
	// Its numbers vary in length, so the armor's padding does too.
	s, sizes := h.open(h.options()), map[int]bool{}
	for i := range 4 {
		r := signtest.Request(h.now)
		r.Payload = fmt.Appendf(nil, "serial %d\n", i)
		sig, err := s.Sign(t.Context(), r)
		if err != nil {
			t.Fatal(err)
		}
		body, err := keys.Dearmor([]byte(sig.Value), keys.ArmorSignature)
		if err != nil {
			t.Fatal(err)
		}
		sizes[len(body)%3] = true
	}
	r := signtest.Request(h.now)
	r.Expires = time.Time{}
	sig, err := s.Sign(t.Context(), r)
	if err != nil || sig.Value == "" {
		t.Errorf("a signature without an end: %v", err)
	}
	r.Issued = h.now.Add(-2 * time.Hour) // before the key was made
	if _, err := s.Sign(t.Context(), r); err != nil {
		t.Error(err)
	}
	r.Issued, r.Expires = h.now.Add(3*365*24*time.Hour), time.Time{}
	if _, err := s.Sign(t.Context(), r); err == nil || !strings.Contains(err.Error(), "the key ended") {
		t.Errorf("after the key's end: %v", err)
	}
}

// The newest subkey that is allowed and whose secret is there.
func TestGPG_Chooses(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "", "ed25519", "sign,cert")
	h.addSubkey(40*time.Minute, "ed25519")
	h.addSubkey(20*time.Minute, "ed25519")
	primary, older, newer := h.fingerprint[0], h.fingerprint[1], h.fingerprint[2]
	for _, c := range []struct {
		name, key string
		allowed   []string
		want      string
	}{
		{"any", primary, nil, newer},
		{"the older", primary, []string{older}, older},
		{"the primary", primary, []string{primary}, primary},
		{"named", older, nil, older},
		{"named and allowed", older, []string{older, newer}, older},
		{"another is named than allowed", older, []string{newer}, ""},
		{"none is allowed", primary, []string{}, ""},
	} {
		o := h.options()
		o.Fingerprint, o.Allowed = c.key, c.allowed
		s, err := sign.GPG(t.Context(), o)
		if c.want == "" {
			if !errors.Is(err, sign.ErrNotAllowed) {
				t.Errorf("%s: %v", c.name, err)
			}
			continue
		}
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if _, err := s.Sign(t.Context(), signtest.Request(h.now)); err != nil || s.Key().Signing[0] != c.want {
			t.Errorf("%s: signs with %s (%v), expected %s", c.name, s.Key().Signing[0], err, c.want)
		}
	}
	there := h.offline() // the primary's secret is not there
	o := there.options()
	o.Allowed = []string{primary}
	if _, err := sign.GPG(t.Context(), o); !errors.Is(err, sign.ErrNotAllowed) {
		t.Errorf("an offline primary: %v", err)
	}
	o.Fingerprint = primary
	o.Now = h.now.Add(18 * 30 * 24 * time.Hour) // the subkeys have ended, the primary has not
	if _, err := sign.GPG(t.Context(), o); err == nil || !strings.Contains(err.Error(), "--quick-add-key "+primary) {
		t.Errorf("ended subkeys: %v", err)
	}
}

func TestGPG_Refused(t *testing.T) {
	t.Parallel()
	signtest.Tool(t, "gpg", "gnupg")
	home := signtest.Home(t)
	none := strings.Repeat("0", 40)
	for name, c := range map[string]struct {
		o    sign.GPGOptions
		says string
	}{
		"no fingerprint":    {sign.GPGOptions{Home: home}, "40 hex digits"},
		"a key id":          {sign.GPGOptions{Fingerprint: "73C57F79C42B0737", Home: home}, "40 hex digits"},
		"an option":         {sign.GPGOptions{Fingerprint: "--version", Home: home}, "40 hex digits"},
		"unknown":           {sign.GPGOptions{Fingerprint: none, Home: home}, "gpg --list-secret-keys"},
		"no home":           {sign.GPGOptions{Fingerprint: none, Home: home + "/none"}, "expected gpg's directory"},
		"no such program":   {sign.GPGOptions{Fingerprint: none, Home: home, Program: "no-such-gpg"}, "apt-get install gnupg"},
		"not for execution": {sign.GPGOptions{Fingerprint: none, Home: home, Program: "/dev/null"}, "permission denied"},
	} {
		if s, err := sign.GPG(t.Context(), c.o); err == nil || s != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, expected %q", name, err, c.says)
		}
	}
}

// odd is a gpg that is itself but for making signatures, for which it runs a shell script.
func (h *agentHome) odd(script string) sign.GPGOptions {
	h.t.Helper()
	gpg, err := exec.LookPath("gpg")
	if err != nil {
		h.t.Fatal(err)
	}
	path := filepath.Join(h.t.TempDir(), "gpg")
	text := "#!/bin/sh\ngpg=" + gpg + "\ncase \" $* \" in *' --detach-sign '*) ;; *) exec $gpg \"$@\" ;; esac\n" + script + "\n"
	if err := os.WriteFile(path, []byte(text), 0o700); err != nil {
		h.t.Fatal(err)
	}
	o := h.options()
	o.Program = path
	return o
}

func TestGPG_FailingSigner(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "", "ed25519", "sign,cert")
	for name, c := range map[string]struct{ script, says string }{
		"killed":             {"kill -9 $$", "signal: killed"},
		"killed half-way":    {"$gpg \"$@\" | head -c 50; kill -9 $$", "signal: killed"},
		"nothing":            {"exit 0", "no signature and no error"},
		"half":               {"$gpg \"$@\" | head -c 50", "cut short"},
		"of something else":  {"cat >/dev/null; echo else | $gpg \"$@\"", "does not verify"},
		"two":                {"t=$(mktemp); $gpg \"$@\" >$t; cat $t $t; rm $t", "exactly one signature"},
		"text":               {"cat >/dev/null; echo a signature", "does not verify"},
		"armored":            {"$gpg --armor \"$@\"", "does not verify"},
		"for ever":           {"$gpg \"$@\" --default-sig-expire 0", ""},
		"at another time":    {"a=$*; exec $gpg --homedir " + h.dir + " --batch --no-options --default-sig-expire seconds=86407 --local-user " + h.primary + "! --digest-algo SHA512 --faked-system-time " + h.now.Add(-time.Minute).Format("20060102T150405") + "! --output - --detach-sign", "asked for"},
		"another hash":       {"exec $gpg --homedir " + h.dir + " --batch --no-options --default-sig-expire seconds=86407 --local-user " + h.primary + "! --digest-algo SHA256 --faked-system-time " + h.now.Format("20060102T150405") + "! --output - --detach-sign", "SHA-512"},
		"a notation":         {"exec $gpg --sig-notation '!x@example.org=y' \"$@\"", "does not verify"},
		"a flood":            {"cat /dev/zero", "longer than expected"},
		"a flood of words":   {"head -c 1000000 /dev/zero | tr '\\0' x >&2; exit 2", "exit status 2"},
		"card missing":       {"echo '[GNUPG:] CARDCTRL 4' >&3; echo 'gpg: signing failed: No such device' >&2; exit 2", "gpg --card-status"},
		"wrong PIN":          {"echo '[GNUPG:] SC_OP_FAILURE 2' >&3; exit 2", "after three wrong ones the card blocks"},
		"PIN cancelled":      {"echo '[GNUPG:] SC_OP_FAILURE 1' >&3; exit 2", "cancelled"},
		"key ended":          {"echo '[GNUPG:] INV_SGNR 5 X' >&3; exit 2", "the key has ended"},
		"key revoked":        {"echo '[GNUPG:] INV_SGNR 4 X' >&3; exit 2", "the key is revoked"},
		"no scdaemon":        {"echo 'gpg: signing failed: No SmartCard daemon' >&2; exit 2", "apt-get install scdaemon"},
		"loopback forbidden": {"echo 'gpg: signing failed: Not supported' >&2; exit 2", "allow-loopback-pinentry"},
		"no agent":           {"echo \"gpg: can't connect to the agent: IPC connect call failed\" >&2; exit 2", "gpg-connect-agent"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			signtest.Fails(t.Context(), t, h.open(h.odd(c.script)), signtest.Request(h.now), c.says)
		})
	}
}

// A card that takes its time signs for the second that it was asked for, and not for the one in which it is done.
func TestGPG_SlowCard(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "", "ed25519", "sign,cert")
	s := h.open(h.odd("{ sleep 1.2; cat; } | $gpg \"$@\""))
	if _, err := s.Sign(t.Context(), signtest.Request(time.Now().Truncate(time.Second))); err != nil {
		t.Error(err)
	}
}

// A gpg that hangs, with a child that holds its pipes, is ended with the context.
func TestGPG_Hangs(t *testing.T) {
	t.Parallel()
	h := newAgentHome(t, "", "ed25519", "sign,cert")
	pids := filepath.Join(t.TempDir(), "pids")
	s := h.open(h.odd("sleep 600 & echo $! >>" + pids + "; echo '[GNUPG:] PINENTRY_LAUNCHED 1 x' >&3; wait"))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Second)
	defer cancel()
	sig, err := s.Sign(ctx, signtest.Request(h.now))
	if !errors.Is(err, context.DeadlineExceeded) || sig != (sign.Signature{}) || !strings.Contains(err.Error(), "asking somebody for a passphrase") {
		t.Errorf("%v, %v", sig, err)
	}
	pid, err := os.ReadFile(pids)
	if err != nil {
		t.Fatal(err)
	}
	for range 100 {
		state, err := os.ReadFile("/proc/" + strings.TrimSpace(string(pid)) + "/stat")
		if err != nil || strings.Contains(string(state), ") Z ") {
			return
		}
		time.Sleep(20 * time.Millisecond)
	}
	t.Errorf("the child of gpg with pid %s still runs", pid)
}

// What is on the command line and in the environment, others can read.
func TestGPG_PassphraseIsNowhere(t *testing.T) {
	t.Setenv("TIDEMARK_TEST_SECRET", "horse battery") // passphrase_env
	t.Setenv("GNUPGHOME", "/nonexistent")
	h := newAgentHome(t, "horse battery", "ed25519", "sign,cert")
	seen := filepath.Join(t.TempDir(), "seen")
	o := h.odd("{ echo \"$@\"; env; } >" + seen + "; exec $gpg \"$@\"")
	o.Passphrase = sign.PassphraseFromEnv("TIDEMARK_TEST_SECRET")
	h.forget()
	if _, err := h.open(o).Sign(t.Context(), signtest.Request(h.now)); err != nil {
		t.Fatal(err)
	}
	text, err := os.ReadFile(seen)
	if err != nil {
		t.Fatal(err)
	}
	if strings.Contains(string(text), "battery") {
		t.Errorf("the passphrase is to be seen:\n%s", text)
	}
	args, env, _ := strings.Cut(string(text), "\n")
	want := "--no-options --batch --no-tty --no-greeting --no-auto-check-trustdb --trust-model always --status-fd 3 --homedir " + h.dir +
		" --pinentry-mode loopback --passphrase-fd 4 --faked-system-time " + h.now.Format("20060102T150405") + "! --default-sig-expire seconds=86407 --digest-algo SHA512 --local-user " + h.primary + "! --output - --detach-sign"
	if args != want {
		t.Errorf("called with %s\nexpected    %s", args, want)
	}
	for line := range strings.Lines(env) {
		if name, _, _ := strings.Cut(line, "="); strings.HasPrefix(name, "TIDEMARK") || strings.HasPrefix(name, "AWS") || strings.HasPrefix(name, "SSH") {
			t.Errorf("its environment has %s", name)
		}
	}
}
