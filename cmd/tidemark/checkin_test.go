package main

import (
	"bufio"
	"bytes"
	"context"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"math/big"
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"tidemark/checkin"
	"tidemark/config"
	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/sign"
)

// reception is a directory with the configuration of a receiver and the keys of its mirrors. There is no signing key: a
// receiver needs none.
type reception struct {
	dir     string
	program string // a real one; "": this test's
	signers []sign.Signer
}

func newReception(t testing.TB, mirrors int, more ...string) *reception {
	t.Helper()
	r := &reception{dir: t.TempDir()}
	for range mirrors {
		secret, _, err := keys.GenerateMinisign(nil)
		if err != nil {
			t.Fatal(err)
		}
		s, err := sign.MinisignFile(secret, nil)
		if err != nil {
			t.Fatal(err)
		}
		r.signers = append(r.signers, s)
	}
	r.write(t, "tidemark.yaml", `network: centos
state: state
inventory: [servers.d]
trees:
  centos: {master: /srv/master/centos, anchors: ["**/repomd.xml"]}
sign: {openpgp: {key: keys/openpgp.asc}, ed25519: {key: keys/ed25519.key}}
trust: trust.json
publish: [{dir: site}]
checkin: {spool: spool, per_mirror: 1s, per_second: 10000`+strings.Join(append([]string{""}, more...), ", ")+"}\n")
	r.write(t, "servers.d/nodes.yaml", "- {id: node, kind: node, trees: {centos: rsync://node.example.org/centos/}}\n")
	r.inventory(t, mirrors)
	return r
}

func (r *reception) write(t testing.TB, name, text string) {
	t.Helper()
	file := filepath.Join(r.dir, name)
	if err := os.MkdirAll(filepath.Dir(file), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// inventory lists the first n mirrors.
func (r *reception) inventory(t testing.TB, n int) {
	t.Helper()
	var b strings.Builder
	for i, s := range r.signers[:n] {
		fmt.Fprintf(&b, "- {id: m%d, trees: {centos: rsync://m%d.example.org/centos/}, key: %s}\n", i, i, s.Key().Public)
	}
	r.write(t, "servers.d/mirrors.yaml", b.String())
}

// body is a check-in of mirror i.
func (r *reception) body(t testing.TB, i int) []byte {
	t.Helper()
	b, err := checkin.Seal(context.Background(), checkin.Message{Schema: checkin.Schema, Network: "centos", Mirror: fmt.Sprint("m", i), At: strictjson.At(time.Now()),
		Nonce: fmt.Sprintf("%032x", time.Now().UnixNano()), Trees: map[string]int64{"centos": 1488372781}}, r.signers[i])
	if err != nil {
		t.Fatal(err)
	}
	return b
}

// kept is the check-in of mirror i as it lies in the spool, taken or not.
func (r *reception) kept(i int) []byte {
	for _, sub := range []string{"new", "taken"} {
		if b, err := os.ReadFile(filepath.Join(r.dir, "spool", sub, fmt.Sprintf("m%d.json", i))); err == nil {
			return b
		}
	}
	return nil
}

// serving is a receiver that listens.
type serving struct {
	*exec.Cmd
	serveDocument
	mu    sync.Mutex
	words strings.Builder // of its stderr
	ended chan error
}

func (s *serving) Write(b []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.words.Write(b)
}

func (s *serving) said() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.words.String()
}

// serve starts a receiver and waits until it listens.
func (r *reception) serve(t testing.TB, change ...func(*exec.Cmd)) *serving {
	t.Helper()
	program := r.program
	if program == "" {
		var err error
		if program, err = os.Executable(); err != nil {
			t.Fatal(err)
		}
	}
	s := &serving{Cmd: exec.Command(program), ended: make(chan error, 1)}
	s.Args = []string{"tidemark", "checkin", "serve", "--json", "-v", "--config", filepath.Join(r.dir, "tidemark.yaml"), "--listen", "127.0.0.1:0"}
	s.Stderr = s
	for _, c := range change {
		c(s.Cmd)
	}
	out, err := s.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := s.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { s.Process.Kill() })
	if err := json.NewDecoder(bufio.NewReader(out)).Decode(&s.serveDocument); err != nil {
		s.Wait()
		t.Fatalf("it does not listen: %v\n%s", err, s.said())
	}
	go func() { s.ended <- s.Wait() }()
	return s
}

// until waits for what must come soon.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for end := time.Now().Add(20 * time.Second); !ok(); time.Sleep(10 * time.Millisecond) {
		if time.Now().After(end) {
			t.Fatalf("in 20 s there was no sign that %s", what)
		}
	}
}

// stop asks for the end and waits for it.
func (s *serving) stop(t testing.TB) {
	t.Helper()
	if err := s.Process.Signal(syscall.SIGTERM); err != nil {
		t.Fatal(err)
	}
	select {
	case err := <-s.ended:
		if err != nil {
			t.Errorf("it ended with %v\n%s", err, s.said())
		}
	case <-time.After(20 * time.Second):
		t.Fatal("it did not end")
	}
}

func knock(t testing.TB, c *http.Client, url string, body []byte) (status int, words string) {
	t.Helper()
	res, err := c.Post(url, "", bytes.NewReader(body))
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	b, _ := io.ReadAll(res.Body)
	return res.StatusCode, string(b)
}

// TestCheckinServe is the receiver's life: heard, refused, a new mirror, a broken inventory, the end.
func TestCheckinServe(t *testing.T) {
	t.Parallel()
	r := newReception(t, 2)
	r.inventory(t, 1)
	s := r.serve(t)
	if s.Schema != "tidemark/checkin-serve/v1" || s.Network != "centos" || s.Mirrors != 1 || s.Spool != filepath.Join(r.dir, "spool") {
		t.Errorf("%+v", s.serveDocument)
	}
	want := func(i, status int) {
		t.Helper()
		body := r.body(t, i)
		got, words := knock(t, http.DefaultClient, s.URL, body)
		if got != status {
			t.Errorf("m%d: %d %s, expected %d", i, got, words, status)
		}
		if kept := bytes.Equal(r.kept(i), body); kept != (status == http.StatusAccepted) {
			t.Errorf("m%d: %d, and kept: %v", i, got, kept)
		}
	}
	want(0, http.StatusAccepted)
	want(1, http.StatusForbidden)
	r.inventory(t, 2)
	s.Process.Signal(syscall.SIGHUP)
	until(t, "the inventory was read", func() bool {
		return strings.Contains(s.said(), "inventory read again: 2 mirrors of centos may check in")
	})
	want(1, http.StatusAccepted)
	r.write(t, "servers.d/broken.yaml", "- {id: broken\n")
	s.Process.Signal(syscall.SIGHUP)
	until(t, "it warned", func() bool {
		return strings.Contains(s.said(), "the inventory is not taken over, that of before stays in force")
	})
	want(0, http.StatusAccepted)

	slow, err := net.Dial("tcp", s.Listen) // a request that is under way when the end is asked for
	if err != nil {
		t.Fatal(err)
	}
	defer slow.Close()
	slow.SetDeadline(time.Now().Add(20 * time.Second))
	body := r.body(t, 1)
	fmt.Fprintf(slow, "POST / HTTP/1.1\r\nHost: x\r\nContent-Length: %d\r\nExpect: 100-continue\r\n\r\n", len(body))
	in := bufio.NewReader(slow)
	if line, err := in.ReadString('\n'); !strings.Contains(line, "100 Continue") { // now it reads the body
		t.Fatalf("%q, %v", line, err)
	}
	go func() {
		time.Sleep(200 * time.Millisecond)
		slow.Write(body)
	}()
	s.stop(t)
	if rest, _ := io.ReadAll(in); !strings.Contains(string(rest), "202 Accepted") || !bytes.Equal(r.kept(1), body) {
		t.Errorf("the request under way was answered %q", rest)
	}
}

// Whoever looks up why a mirror is refused finds its name, and what was only claimed as such.
func TestRefusedAttributes(t *testing.T) {
	t.Parallel()
	var log bytes.Buffer
	slog.New(slog.NewTextHandler(&log, nil)).Warn("refused", refusedAttributes(map[checkin.Reason]checkin.Refusals{
		checkin.WrongClock:   {Count: 3, Mirrors: []string{"a", "b"}},
		checkin.BadSignature: {Count: 1, Claimed: []string{"c"}},
		checkin.Malformed:    {Count: 2},
	})...)
	if want := " clock=3 clock_of=a,b malformed=2 signature=1 signature_claimed=c\n"; !strings.HasSuffix(log.String(), want) {
		t.Errorf("%sexpected it to end with%s", &log, want)
	}
}

// A signing key need not be readable: here the receiver is another user, in the group of the spool.
func TestCheckinServe_AnotherUser(t *testing.T) {
	t.Parallel()
	if os.Geteuid() != 0 {
		if os.Getenv("CI") == "true" {
			t.Fatal("only root can be two users: run it as root")
		}
		t.Skip("only root can be two users: run it as root")
	}
	const nobody = 65534
	r := newReception(t, 1)
	r.program = filepath.Join(r.dir, "tidemark")
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	if out, err := exec.Command("cp", self, r.program).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	r.write(t, "keys/ed25519.key", "secret")
	r.write(t, "state/site.json", "{}")
	spool, err := checkin.OpenSpool(filepath.Join(r.dir, "spool")) // as run does
	if err != nil {
		t.Fatal(err)
	}
	for name, mode := range map[string]os.FileMode{"keys/ed25519.key": 0o600, "keys": 0o700, "state": 0o700, "..": 0o755} {
		if err := os.Chmod(filepath.Join(r.dir, name), mode); err != nil {
			t.Fatal(err)
		}
	}
	for _, name := range []string{"", "tmp", "new", "taken"} {
		at := filepath.Join(r.dir, "spool", name)
		info, err := os.Stat(at)
		if err == nil {
			err = os.Chown(at, 0, nobody)
		}
		if err == nil {
			err = os.Chmod(at, info.Mode()) // which chown took the setgid bit from
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	s := r.serve(t, func(c *exec.Cmd) {
		c.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
		c.Dir = "/"
	})
	body := r.body(t, 0)
	if status, words := knock(t, http.DefaultClient, s.URL, body); status != http.StatusAccepted {
		t.Fatalf("%d %s\n%s", status, words, s.said())
	}
	s.stop(t)
	info, err := os.Stat(filepath.Join(r.dir, "spool/new/m0.json"))
	if err != nil {
		t.Fatal(err)
	}
	if st := info.Sys().(*syscall.Stat_t); st.Uid != nobody || st.Gid != nobody || info.Mode() != 0o640 {
		t.Errorf("%d:%d %v, expected %d:%d and mode 0640", st.Uid, st.Gid, info.Mode(), nobody, nobody)
	}
	entries, err := spool.Take(func(string) bool { return true })
	if err != nil || len(entries) != 1 || !bytes.Equal(entries[0].Body, body) {
		t.Errorf("%d entries, %v", len(entries), err)
	}
	if err := spool.Done(); err != nil {
		t.Error(err)
	}
}

// certificate makes a new pair for 127.0.0.1 and returns what trusts it.
func (r *reception) certificate(t testing.TB) *x509.CertPool {
	t.Helper()
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	now := time.Now()
	c := &x509.Certificate{SerialNumber: big.NewInt(now.UnixNano()), Subject: pkix.Name{CommonName: "checkin"}, NotBefore: now.Add(-time.Hour), NotAfter: now.Add(time.Hour),
		IPAddresses: []net.IP{net.IPv4(127, 0, 0, 1)}, IsCA: true, BasicConstraintsValid: true, KeyUsage: x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign}
	der, err := x509.CreateCertificate(rand.Reader, c, c, &key.PublicKey, key)
	if err != nil {
		t.Fatal(err)
	}
	secret, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		t.Fatal(err)
	}
	cert := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
	r.write(t, "cert.pem", string(cert))
	r.write(t, "key.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: secret})))
	pool := x509.NewCertPool()
	pool.AppendCertsFromPEM(cert)
	return pool
}

func TestCheckinServe_TLS(t *testing.T) {
	t.Parallel()
	r := newReception(t, 2, "cert: cert.pem", "key: key.pem")
	pool := r.certificate(t)
	s := r.serve(t)
	with := func(c *tls.Config) *http.Client {
		return &http.Client{Transport: &http.Transport{TLSClientConfig: c, DisableKeepAlives: true}}
	}
	if status, words := knock(t, with(&tls.Config{RootCAs: pool}), s.URL, r.body(t, 0)); status != http.StatusAccepted {
		t.Errorf("%s: %d %s", s.URL, status, words)
	}
	if res, err := with(&tls.Config{RootCAs: pool, MinVersion: tls.VersionTLS10, MaxVersion: tls.VersionTLS11}).Get(s.URL); err == nil {
		t.Errorf("TLS 1.1: %s, expected a refusal", res.Status)
	}
	fresh := r.certificate(t)
	s.Process.Signal(syscall.SIGHUP)
	until(t, "there was a new certificate", func() bool {
		res, err := with(&tls.Config{RootCAs: fresh}).Get(s.URL)
		if err == nil {
			res.Body.Close()
		}
		return err == nil
	})
	r.write(t, "cert.pem", "broken")
	s.Process.Signal(syscall.SIGHUP)
	until(t, "it warned", func() bool { return strings.Contains(s.said(), "the certificate is not taken over") })
	if status, words := knock(t, with(&tls.Config{RootCAs: fresh}), s.URL, r.body(t, 1)); status != http.StatusAccepted {
		t.Errorf("%s: %d %s", s.URL, status, words)
	}
	s.stop(t)
}

// An inventory that changes while it is being read is read again.
func TestLoadWatched(t *testing.T) {
	t.Parallel()
	r := newReception(t, 2)
	r.inventory(t, 1)
	cfg, err := config.LoadPublisher(filepath.Join(r.dir, "tidemark.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	cfg, files, err := loadWatched(cfg, func(file string) (*config.Publisher, error) {
		cfg, err := config.LoadPublisher(file)
		r.inventory(t, 2)
		return cfg, err
	})
	if err != nil || len(cfg.Servers) != 2 {
		t.Fatalf("%d servers, %v, expected the node and one mirror", len(cfg.Servers), err)
	}
	if !files.changed() || files.changed() {
		t.Error("expected it to have changed, once")
	}
}

// What is to be typed about a spool that is stuck names its directories, and nothing that a stranger may have named.
func TestSpoolAdvice(t *testing.T) {
	t.Parallel()
	for _, tt := range []struct {
		err  error
		want string
	}{
		{errors.New("permission denied"), "let this user write to the directory checkin.spool"},
		{errors.Join(&checkin.Stuck{Dirs: []string{"/s/new", "/s/taken"}}), "(find /s/new /s/taken -mindepth 1 -delete)"},
		{&checkin.Stuck{}, "see contrib/systemd/README.md"},
	} {
		if got := spoolAdvice(tt.err); !strings.Contains(got, tt.want) {
			t.Errorf("%v: %s\nexpected %s", tt.err, got, tt.want)
		}
	}
}

func TestWatched(t *testing.T) {
	t.Parallel()
	r := &reception{dir: t.TempDir()}
	r.write(t, "file", "a")
	r.write(t, "dir/a.yaml", "a")
	w := watch("", filepath.Join(r.dir, "file"), filepath.Join(r.dir, "dir"), filepath.Join(r.dir, "missing"))
	for _, step := range []struct {
		name string
		do   func() error
		want bool
	}{
		{"nothing", func() error { return nil }, false},
		{"a file of the directory replaced by one of the same length", func() error {
			r.write(t, "other", "b")
			return os.Rename(filepath.Join(r.dir, "other"), filepath.Join(r.dir, "dir/a.yaml"))
		}, true},
		{"nothing more", func() error { return nil }, false},
		{"a file more", func() error { r.write(t, "dir/b.yaml", ""); return nil }, true},
		{"a file longer", func() error { r.write(t, "file", "abc"); return nil }, true},
		{"one that comes", func() error { r.write(t, "missing", ""); return nil }, true},
		{"one that goes", func() error { return os.Remove(filepath.Join(r.dir, "file")) }, true},
	} {
		if err := step.do(); err != nil {
			t.Fatal(err)
		}
		if got := w.changed(); got != step.want {
			t.Errorf("%s: changed: %v", step.name, got)
		}
	}
}
