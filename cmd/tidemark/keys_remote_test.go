package main

import (
	"bytes"
	"crypto/ed25519"
	"fmt"
	"io/fs"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
	"tidemark/manifest"
)

// remoteWorld is a publisher none of whose signing keys is in a file: gpg, an ssh-agent and KMS have them, two of each kind.
type remoteWorld struct {
	*testing.T
	dir     string
	net     *lab.Network
	gpgHome string
	gpgKey  string
	socket  string
	kms     *lab.KMS
}

const gpgPass = "correct-horse"

func newRemoteWorld(t *testing.T) *remoteWorld {
	t.Helper()
	scripttest.NeedTool(t, "rsync", "gpg", "gpgv", "ssh-agent", "ssh-add", "ssh-keygen", "minisign")
	short, err := os.MkdirTemp("", "g") // sockets have short paths
	if err != nil {
		t.Fatal(err)
	}
	w := &remoteWorld{T: t, dir: t.TempDir(), gpgHome: filepath.Join(short, "h"), socket: filepath.Join(short, "s")}
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", w.gpgHome, "--kill", "all").Run()
		os.RemoveAll(short)
	})
	if err := os.Mkdir(w.gpgHome, 0o700); err != nil {
		t.Fatal(err)
	}
	w.net, err = lab.New(t.Context(), filepath.Join(w.dir, "lab"), lab.Options{Seed: 1, Start: labStart(), Trees: []string{"centos"},
		Servers: []lab.Server{{ID: "node-1", Kind: manifest.KindNode, Country: "DE"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { w.net.Close() })
	if err := w.net.WriteInventory(w.path("servers.yaml")); err != nil {
		t.Fatal(err)
	}
	w.startAgent()
	w.makeGPGKey()
	w.kms, err = lab.StartKMS(t.Context(), lab.KMSOptions{Keys: map[string]string{"alias/rsa": "RSA_3072", "alias/ed": "ECC_NIST_EDWARDS25519"}})
	if err != nil {
		t.Fatal(err)
	}
	for _, e := range w.kms.Env() {
		name, value, _ := strings.Cut(e, "=")
		t.Setenv(name, value)
	}
	return w
}

func (w *remoteWorld) path(name string) string { return filepath.Join(w.dir, name) }

func (w *remoteWorld) must(name string, args ...string) string {
	w.Helper()
	c := exec.CommandContext(w.Context(), name, args...)
	out, err := c.CombinedOutput()
	if err != nil {
		w.Fatalf("%s %v: %v\n%s", name, args, err, out)
	}
	return string(out)
}

// startAgent runs an ssh-agent in the foreground, so that it ends with the test, and gives it a key.
func (w *remoteWorld) startAgent() {
	w.Helper()
	c := exec.Command("ssh-agent", "-D", "-a", w.socket)
	if err := c.Start(); err != nil {
		w.Fatal(err)
	}
	w.Cleanup(func() { c.Process.Kill(); c.Wait() })
	for range 200 {
		if info, err := os.Stat(w.socket); err == nil && info.Mode().Type() == os.ModeSocket {
			break
		}
		time.Sleep(20 * time.Millisecond)
	}
	public, secret, err := ed25519.GenerateKey(nil)
	if err != nil {
		w.Fatal(err)
	}
	w.agent(func(a agent.ExtendedAgent) error { return a.Add(agent.AddedKey{PrivateKey: secret}) })
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		w.Fatal(err)
	}
	if err := os.WriteFile(w.path("ssh.pub"), ssh.MarshalAuthorizedKey(line), 0o644); err != nil {
		w.Fatal(err)
	}
}

func (w *remoteWorld) agent(do func(agent.ExtendedAgent) error) {
	w.Helper()
	c, err := net.Dial("unix", w.socket)
	if err != nil {
		w.Fatal(err)
	}
	defer c.Close()
	if err := do(agent.NewClient(c)); err != nil {
		w.Fatal(err)
	}
}

func (w *remoteWorld) makeGPGKey() {
	w.Helper()
	w.gpg("--quick-gen-key", "Mirrors <mirrors@example.org>", "ed25519", "sign", "2y")
	for _, line := range strings.Split(w.must("gpg", "--homedir", w.gpgHome, "--batch", "--with-colons", "--list-keys"), "\n") {
		if f := strings.Split(line, ":"); f[0] == "fpr" {
			w.gpgKey = f[9]
		}
	}
}

func (w *remoteWorld) gpg(args ...string) {
	w.Helper()
	w.must("gpg", append([]string{"--homedir", w.gpgHome, "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", gpgPass}, args...)...)
}

// unlockGPG has the agent remember the passphrase, as a person does who starts a machine.
func (w *remoteWorld) unlockGPG() {
	w.Helper()
	w.gpg("--yes", "--output", w.path("unlock.sig"), "--detach-sign", w.path("ssh.pub"))
}

func (w *remoteWorld) tidemark(code int, args ...string) (out string) {
	w.Helper()
	var stdout, stderr bytes.Buffer
	got := run(append([]string{"tidemark"}, args...), console.Env{Stdout: &stdout, Stderr: &stderr, Getenv: os.Getenv, Now: time.Now})
	if got != code {
		w.Fatalf("tidemark %v: exit code %d, expected %d\n%s%s", args, got, code, &stdout, &stderr)
	}
	if strings.Contains(stdout.String()+stderr.String(), gpgPass) {
		w.Errorf("tidemark %v: the passphrase is in what it says", args)
	}
	return stdout.String() + stderr.String()
}

// adopt makes the public halves, a trust version that lets just these keys sign, and the configuration.
func (w *remoteWorld) adopt() {
	w.Helper()
	w.tidemark(0, "init", w.path("net"), "--network", "centos")
	w.tidemark(0, "keys", "adopt", w.path("gpg.asc"), "--gpg", w.gpgKey, "--gpg-home", w.gpgHome)
	w.tidemark(0, "keys", "adopt", w.path("ssh.min"), "--ssh-agent", w.path("ssh.pub"), "--socket", w.socket)
	w.tidemark(0, "keys", "adopt", w.path("rsa.asc"), "--kms", "alias/rsa", "--endpoint", w.kms.Endpoint, "--uid", "KMS <kms@example.org>")
	w.tidemark(0, "keys", "adopt", w.path("ed.min"), "--kms", "alias/ed", "--endpoint", w.kms.Endpoint)
	trust, draft := w.path("net/trust.json"), w.path("trust-2.json")
	w.tidemark(0, "trust", "new", "-o", draft, "--trust", trust, "--add-key", "gpg="+w.path("gpg.asc"), "--add-key", "agent="+w.path("ssh.min"),
		"--add-key", "kms="+w.path("rsa.asc"), "--add-key", "kms="+w.path("ed.min"))
	for _, holder := range []string{"root-1", "root-2"} {
		w.tidemark(0, "trust", "sign", draft, "--key", w.path("net/root/"+holder+".key"), "--trust", trust, "--yes")
	}
	w.tidemark(0, "trust", "check", draft, "--trust", trust, "-o", trust)
	w.configure("")
}

func (w *remoteWorld) configure(more string) {
	w.Helper()
	kms := func(alias string) string {
		return fmt.Sprintf("{key: alias/%s, region: %s, endpoint: %q}", alias, w.kms.Region, w.kms.Endpoint)
	}
	text := fmt.Sprintf(`network: centos
state: net/state
inventory: [servers.yaml]
trees: {centos: {master: lab/master/centos, anchors: [%q]}}
sign:
  openpgp:
    - {gpg: %s, gpg_home: %s}
    - {kms: %s, public: rsa.asc}
  ed25519:
    - {ssh_agent: %s, public: ssh.min}
    - {kms: %s, public: ed.min}
%strust: net/trust.json
publish: [{dir: site}]
settle: 0s
probe: {timeout: 5s, allow_private: true}
`, lab.Anchors()[0], w.gpgKey, w.gpgHome, kms("rsa"), w.socket, kms("ed"), more)
	if err := os.WriteFile(w.path("tidemark.yaml"), []byte(text), 0o600); err != nil {
		w.Fatal(err)
	}
}

// site is every file of it, by name.
func (w *remoteWorld) site() map[string]string {
	w.Helper()
	files := map[string]string{}
	err := filepath.WalkDir(w.path("site"), func(path string, e fs.DirEntry, err error) error {
		if err != nil || e.IsDir() {
			return err
		}
		b, err := os.ReadFile(path)
		files[path] = string(b)
		return err
	})
	if err != nil {
		w.Fatal(err)
	}
	return files
}

// TestRun_SignersElsewhere: signatures of gpg, an ssh-agent and KMS are made and verify in stock tools; a signer that fails, even
// the last after others have signed, leaves the site byte by byte as it was, and the next run with it back publishes.
func TestRun_SignersElsewhere(t *testing.T) {
	w := newRemoteWorld(t)
	w.adopt()
	w.unlockGPG()
	run := func(code int) string { t.Helper(); return w.tidemark(code, "run", "--config", w.path("tidemark.yaml")) }
	if out := run(0); !strings.Contains(out, "published serial 1") {
		t.Fatalf("the first run says:\n%s", out)
	}
	w.stockTools()

	if err := w.net.Move("centos", labStart()+3600); err != nil {
		t.Fatal(err)
	}
	if err := w.net.Sync("node-1"); err != nil {
		t.Fatal(err)
	}
	before := w.site()
	for _, broken := range []struct {
		name        string
		stop, start func()
		says        []string
	}{
		{"the agent of gpg was killed", func() { w.must("gpgconf", "--homedir", w.gpgHome, "--kill", "gpg-agent") }, w.unlockGPG,
			[]string{"error: sign with openpgp key " + w.gpgKey, "gpg key " + w.gpgKey + " in " + w.gpgHome, "hint: "}},
		{"the ssh-agent is locked", func() { w.agent(func(a agent.ExtendedAgent) error { return a.Lock([]byte("x")) }) },
			func() { w.agent(func(a agent.ExtendedAgent) error { return a.Unlock([]byte("x")) }) },
			[]string{"error: signing key key ", "in the ssh-agent at " + w.socket, "hint: see what the agent has: SSH_AUTH_SOCK="}},
		{"KMS refuses the last of all signatures", func() { w.kms.Break(lab.KMSFault{Kind: lab.KMSDenied, From: 2}) }, func() { w.kms.Break() },
			[]string{"error: sign with minisign key ", "KMS key alias/ed", "hint: "}},
	} {
		broken.stop()
		out := run(1)
		for _, s := range broken.says {
			if !strings.Contains(out, s) {
				t.Errorf("%s: it does not say %q:\n%s", broken.name, s, out)
			}
		}
		if diff := cmp.Diff(before, w.site()); diff != "" {
			t.Errorf("%s: the site changed:\n%s", broken.name, diff)
		}
		broken.start()
	}
	if out := run(0); !strings.Contains(out, "published serial 2") {
		t.Errorf("with all signers back, the run says:\n%s", out)
	}
	w.stockTools()

	out := w.tidemark(0, "keys", "list", "--config", w.path("tidemark.yaml"))
	for _, s := range []string{"in gpg", "in an ssh-agent", "in KMS, alias/rsa", "in KMS, alias/ed"} {
		if !strings.Contains(out, s) {
			t.Errorf("keys list does not say %q:\n%s", s, out)
		}
	}
}

// stockTools verifies the first signatures of both kinds, and the others of theirs.
func (w *remoteWorld) stockTools() {
	w.Helper()
	site := w.path("site")
	w.must("gpgv", "--keyring", site+"/keys/centos.gpg", site+"/manifest.json.asc", site+"/manifest.json")
	w.must("minisign", "-Vm", site+"/manifest.json", "-p", w.path("ssh.min"))
	for _, pattern := range []string{"manifest.json.*.asc", "manifest.json.*.minisig"} {
		more, _ := filepath.Glob(filepath.Join(site, pattern))
		if len(more) != 1 {
			w.Fatalf("%s: found %v, expected the second key's", pattern, more)
		}
		if strings.HasSuffix(pattern, ".asc") {
			w.must("gpgv", "--keyring", site+"/keys/centos.gpg", more[0], site+"/manifest.json")
		} else {
			w.must("minisign", "-Vm", site+"/manifest.json", "-x", more[0], "-p", w.path("ed.min"))
		}
	}
}
