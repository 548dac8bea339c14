package sshagent

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"golang.org/x/crypto/ed25519"
	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"

	"tidemark/sign"
	"tidemark/sign/signtest"
)

// realAgent is an ssh-agent with a key that ssh-keygen made.
type realAgent struct {
	t               *testing.T
	dir, socket     string
	key, publicLine string // files
}

func start(t *testing.T) *realAgent {
	t.Helper()
	for _, name := range []string{"ssh-agent", "ssh-add", "ssh-keygen"} {
		signtest.Tool(t, name, "openssh-client")
	}
	dir, err := os.MkdirTemp("/tmp", "a")
	if err != nil {
		t.Fatal(err)
	}
	a := &realAgent{t: t, dir: dir, socket: dir + "/s", key: dir + "/k", publicLine: dir + "/k.pub"}
	cmd := exec.Command("ssh-agent", "-D", "-a", a.socket)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(dir)
	})
	for range 500 {
		if _, err := os.Stat(a.socket); err == nil {
			break
		}
		time.Sleep(10 * time.Millisecond)
	}
	signtest.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", "test only", "-f", a.key)
	return a
}

// add runs ssh-add; stdin and askpass answer its questions.
func (a *realAgent) add(args ...string) error {
	cmd := exec.Command("ssh-add", args...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + a.dir, "SSH_AUTH_SOCK=" + a.socket, "SSH_ASKPASS=" + a.askpass("test only"), "SSH_ASKPASS_REQUIRE=force"}
	out, err := cmd.CombinedOutput()
	if err != nil {
		return errors.New(err.Error() + ": " + string(out))
	}
	return nil
}

func (a *realAgent) askpass(answer string) string {
	file := filepath.Join(a.dir, "askpass")
	if err := os.WriteFile(file, []byte("#!/bin/sh\necho '"+answer+"'\n"), 0o700); err != nil {
		a.t.Fatal(err)
	}
	return file
}

func (a *realAgent) mustAdd(args ...string) {
	a.t.Helper()
	if err := a.add(args...); err != nil {
		a.t.Fatal(err)
	}
}

func (a *realAgent) options() Options {
	line, err := os.ReadFile(a.publicLine)
	if err != nil {
		a.t.Fatal(err)
	}
	return Options{Socket: a.socket, Public: line}
}

func (a *realAgent) open() sign.Remote {
	a.t.Helper()
	r, err := Open(a.t.Context(), a.options())
	if err != nil {
		a.t.Fatal(err)
	}
	return r
}

func request() sign.Request { return signtest.Request(time.Now()) }

// minisign and openpgp are the two uses of one remote.
func minisign(t *testing.T, r sign.Remote) sign.Signer {
	t.Helper()
	public, err := sign.MinisignOf(r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.MinisignRemote(public, r)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func openpgp(t *testing.T, r sign.Remote) sign.Signer {
	t.Helper()
	now := time.Now()
	cert, err := sign.CertifyRemote(t.Context(), "Test Only <test@example.org>", r, now.Add(-time.Hour), 365*24*time.Hour)
	if err != nil {
		t.Fatal(err)
	}
	s, err := sign.OpenPGPRemote(cert, r, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	return s
}

func TestSSHAgent_StockToolsAccept(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.mustAdd(a.key)
	t.Run("minisign", func(t *testing.T) { signtest.Accepted(t, minisign(t, a.open()), request()) })
	t.Run("OpenPGP", func(t *testing.T) { signtest.Accepted(t, openpgp(t, a.open()), request()) })
	t.Run("by 32 bytes", func(t *testing.T) {
		public := a.open().Public().(ed25519.PublicKey)
		if _, err := Open(t.Context(), Options{Socket: a.socket, Public: public}); err != nil {
			t.Error(err)
		}
	})
}

func TestSSHAgent_Locked(t *testing.T) {
	t.Parallel()
	a := start(t)
	if _, err := Open(t.Context(), a.options()); err == nil || !strings.Contains(err.Error(), "ssh-add FILE loads a key") {
		t.Errorf("an empty agent: %v", err)
	}
	a.mustAdd(a.key)
	mini, pgp := minisign(t, a.open()), openpgp(t, a.open())
	a.mustAdd("-x")
	signtest.Fails(t.Context(), t, mini, request(), "ssh-add -X unlocks")
	signtest.Fails(t.Context(), t, pgp, request(), "ssh-add -X unlocks")
	if _, err := Open(t.Context(), a.options()); err == nil || !strings.Contains(err.Error(), "locked") {
		t.Errorf("a locked agent: %v", err)
	}
	a.mustAdd("-X")
	if _, err := mini.Sign(t.Context(), request()); err != nil {
		t.Errorf("unlocked again: %v", err)
	}
	signtest.Run(t, "ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", a.dir+"/other")
	a.mustAdd("-D")
	a.mustAdd(a.dir + "/other")
	signtest.Fails(t.Context(), t, mini, request(), "1 other keys")
}

// The agent asks by SSH_ASKPASS, which is not there for it: nobody confirms.
func TestSSHAgent_NobodyConfirms(t *testing.T) {
	t.Parallel()
	a := start(t)
	a.mustAdd("-c", a.key)
	signtest.Fails(t.Context(), t, minisign(t, a.open()), request(), "(ssh-add -c)")
}

func TestOpen_Refused(t *testing.T) {
	t.Parallel()
	line := publicLine(t)
	for name, c := range map[string]struct {
		o    Options
		says string
	}{
		"no socket":  {Options{Public: line}, "SSH_AUTH_SOCK"},
		"nobody":     {Options{Socket: filepath.Join(t.TempDir(), "none"), Public: line}, "does it run?"},
		"no key":     {Options{Socket: "/s"}, "ssh-ed25519"},
		"a key file": {Options{Socket: "/s", Public: []byte("-----BEGIN OPENSSH PRIVATE KEY-----\n")}, "name the .pub file"},
	} {
		if r, err := Open(t.Context(), c.o); err == nil || r != nil || !strings.Contains(err.Error(), c.says) {
			t.Errorf("%s: %v, %v, expected %q", name, r, err, c.says)
		}
	}
}

func publicLine(t testing.TB) []byte {
	t.Helper()
	k, err := ssh.NewPublicKey(ed25519.PublicKey(bytes.Repeat([]byte{7}, 32)))
	if err != nil {
		t.Fatal(err)
	}
	return ssh.MarshalAuthorizedKey(k)
}

// oddAgent answers on a socket as it likes.
func oddAgent(t *testing.T, answer func(net.Conn, agent.Agent)) (Options, ed25519.PrivateKey) {
	t.Helper()
	dir, err := os.MkdirTemp("/tmp", "a")
	if err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", dir+"/s")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close(); os.RemoveAll(dir) })
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	ring := agent.NewKeyring()
	if err := ring.Add(agent.AddedKey{PrivateKey: secret}); err != nil {
		t.Fatal(err)
	}
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				defer c.Close()
				answer(c, ring)
			}()
		}
	}()
	return Options{Socket: dir + "/s", Public: public}, secret
}

// wrongKey signs with another key, or at a wrong length, from the second signature on.
type wrongKey struct {
	agent.Agent
	signed *atomic.Int32
	blob   []byte
}

func (w wrongKey) Sign(k ssh.PublicKey, data []byte) (*ssh.Signature, error) {
	s, err := w.Agent.Sign(k, data)
	if n := w.signed.Add(1); err == nil && n > 1 {
		s.Blob = w.blob
	}
	return s, err
}

func TestSSHAgent_WrongSignature(t *testing.T) {
	t.Parallel()
	for name, size := range map[string]int{"wrong": ed25519.SignatureSize, "short": 10, "none": 0, "long": 300} {
		var signed atomic.Int32
		o, _ := oddAgent(t, func(c net.Conn, ring agent.Agent) {
			agent.ServeAgent(wrongKey{ring, &signed, make([]byte, size)}, c)
		})
		r, err := Open(t.Context(), o)
		if err != nil {
			t.Fatal(err)
		}
		sig, err := minisign(t, r).Sign(t.Context(), request())
		if err == nil || sig != (sign.Signature{}) || signed.Load() != 2 {
			t.Errorf("%s: %v, %v after %d signatures", name, sig, err, signed.Load())
		}
	}
}

func TestSSHAgent_HangsAndHangsUp(t *testing.T) {
	t.Parallel()
	asked := make(chan bool, 1)
	o, _ := oddAgent(t, func(c net.Conn, ring agent.Agent) {
		select {
		case asked <- true:
			agent.ServeAgent(ring, c) // the first connection
		default:
			io.Copy(io.Discard, c)
		}
	})
	r, err := Open(t.Context(), o)
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 200*time.Millisecond)
	defer cancel()
	if sig, err := minisign(t, r).Sign(ctx, request()); !errors.Is(err, context.DeadlineExceeded) || sig != (sign.Signature{}) || !strings.Contains(err.Error(), "no answer in time") {
		t.Errorf("%v, %v", sig, err)
	}
	gone, _ := oddAgent(t, func(net.Conn, agent.Agent) {})
	if r, err := Open(t.Context(), gone); err == nil || r != nil {
		t.Errorf("%v, %v", r, err)
	}
	noise, _ := oddAgent(t, func(c net.Conn, _ agent.Agent) { c.Write(bytes.Repeat([]byte{0xff}, 1<<10)) })
	if r, err := Open(t.Context(), noise); err == nil || r != nil {
		t.Errorf("%v, %v", r, err)
	}
}

func TestParsePublic(t *testing.T) {
	t.Parallel()
	good := string(publicLine(t))
	ecdsa := "ecdsa-sha2-nistp256 AAAAE2VjZHNhLXNoYTItbmlzdHAyNTYAAAAIbmlzdHAyNTYAAABBBGsaxJ8QcgdhnVvXr1MKHgLlqmuxjcY29wb6fZBQi2Hb+MTsXvdwKzsZEvpxD+vOmpM9UEnO4XqVYuoUsjMyh+o= x"
	for name, c := range map[string]struct{ in, says string }{
		"a line":         {good, ""},
		"with a comment": {strings.TrimSpace(good) + " somebody's token\n", ""},
		"32 bytes":       {strings.Repeat("\x07", 32), ""},
		"a FIDO key":     {skLine(), "a FIDO key signs a hash"},
		"ECDSA":          {ecdsa, "expected"},
		"two lines":      {good + good, "expected one line"},
		"options":        {"command=\"x\" " + good, "no options"},
		"empty":          {"", "ssh-ed25519"},
		"31 bytes":       {strings.Repeat("\x07", 31), "ssh-ed25519"},
		"cut short":      {good[:40], "ssh-ed25519"},
		"long":           {good + strings.Repeat("\n", maxPublic), "at most"},
	} {
		k, err := ParsePublic([]byte(c.in))
		if c.says == "" && (err != nil || !bytes.Equal(k, bytes.Repeat([]byte{7}, 32))) {
			t.Errorf("%s: %x, %v", name, k, err)
		}
		if c.says != "" && (err == nil || k != nil || !strings.Contains(err.Error(), c.says)) {
			t.Errorf("%s: %x, %v, expected %q", name, k, err, c.says)
		}
	}
}

// skLine is the public key of a FIDO token.
func skLine() string {
	blob := ssh.Marshal(struct {
		Type, Key, Application string
	}{ssh.KeyAlgoSKED25519, strings.Repeat("\x07", 32), "ssh:"})
	k, err := ssh.ParsePublicKey(blob)
	if err != nil {
		panic(err)
	}
	return string(ssh.MarshalAuthorizedKey(k))
}

func FuzzParsePublic(f *testing.F) {
	f.Add(publicLine(f))
	f.Add([]byte(skLine()))
	f.Add([]byte("command=\"x\" ssh-ed25519 AAAA"))
	f.Add(bytes.Repeat([]byte{7}, 32))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParsePublic(b)
		if (err == nil) != (len(k) == ed25519.PublicKeySize) {
			t.Fatalf("%x and %v", k, err)
		}
		if err != nil {
			return
		}
		wire, err := ssh.NewPublicKey(k)
		if err != nil {
			t.Fatal(err)
		}
		if again, err := ParsePublic(ssh.MarshalAuthorizedKey(wire)); err != nil || !again.Equal(k) {
			t.Fatalf("%x was read, and %x again: %v", k, again, err)
		}
	})
}
