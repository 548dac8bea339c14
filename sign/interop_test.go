package sign

import (
	"bytes"
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/internal/strictjson"
	"tidemark/keys"
)

// exported is a directory with the key files that Export writes.
func exported(t testing.TB, f *fixture) string {
	t.Helper()
	root, _, err := keys.GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	rootSigner, err := MinisignFile(root, nil)
	if err != nil {
		t.Fatal(err)
	}
	tr := &keys.Trust{Schema: keys.TrustSchema, Network: "centos", Version: 1, Issued: strictjson.At(f.now), Expires: strictjson.At(f.now.Add(year)),
		Root:     keys.RootRole{Threshold: 1, Keys: []keys.RootKey{{Holder: "alice", Key: rootSigner.Key().Key, Public: rootSigner.Key().Public}}},
		Manifest: f.role}
	files, err := keys.Export(tr, f.now)
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	for name, b := range files {
		write(t, dir, name, b)
	}
	return dir
}

// The missing CRC24 line would break a third of all signatures, and every RSA-3072 one: hence 200 of them.
func TestOpenPGP_200SignaturesInGPGV(t *testing.T) {
	gpgv := tool(t, "gpgv", "gpgv")
	f := fixtures()
	dir := exported(t, f)
	divisible := 0
	for serial := range 200 {
		payload := fmt.Sprintf("{\n  \"serial\": %d\n}\n", serial)
		sig := f.sign(t, f.pgp, payload)
		body, err := keys.Dearmor([]byte(sig.Value), keys.ArmorSignature)
		if err != nil {
			t.Fatal(err)
		}
		if len(body)%3 == 0 {
			divisible++
		}
		doc, asc := write(t, dir, "m", []byte(payload)), write(t, dir, "m.asc", []byte(sig.Value))
		mustRun(t, gpgv, "--keyring", filepath.Join(dir, "centos.gpg"), asc, doc)
	}
	if divisible == 0 {
		t.Error("no body was divisible by 3: the test shows nothing")
	}
}

func TestStockTools(t *testing.T) {
	f := fixtures()
	dir := exported(t, f)
	payload := "{\n  \"serial\": 7\n}\n"
	sigs := f.both(t, payload)
	inline, err := f.pgp.(InlineSigner).SignInline(context.Background(), f.request(payload))
	if err != nil {
		t.Fatal(err)
	}
	home, home1 := gpgHome(t), gpgHome(t)
	doc := write(t, dir, "m", []byte(payload))
	asc := write(t, dir, "m.asc", []byte(sigs[0].Value))
	write(t, dir, "m.minisig", []byte(sigs[1].Value))
	msg := write(t, dir, "m.gpg", inline)
	ring, ascRing, pub := filepath.Join(dir, "centos.gpg"), filepath.Join(dir, "centos.asc"), filepath.Join(dir, "centos.pub")
	commands := []struct {
		apt  string
		args []string
		file string // flipping a byte here must make it refuse
	}{
		{"gpgv", []string{"gpgv", "--keyring", ring, asc, doc}, doc},
		{"gpgv1", []string{"gpgv1", "--keyring", ring, asc, doc}, doc},
		{"sqv", []string{"sqv", "--keyring", ascRing, asc, doc}, doc},
		{"gnupg", []string{"gpg", "--homedir", home, "--batch", "--no-default-keyring", "--keyring", ring, "--verify", asc, doc}, doc},
		{"gnupg", []string{"gpg", "--homedir", home, "--batch", "--no-default-keyring", "--keyring", ring, "-o", "-", "--decrypt", msg}, msg},
		{"gnupg1", []string{"gpg1", "--homedir", home1, "--batch", "--no-default-keyring", "--keyring", ring, "-o", "-", "--decrypt", msg}, msg},
		{"minisign", []string{"minisign", "-V", "-m", doc, "-p", pub}, doc},
	}
	for _, c := range commands {
		t.Run(c.args[0]+" "+filepath.Base(c.file), func(t *testing.T) {
			path := tool(t, c.args[0], c.apt)
			out := mustRun(t, path, c.args[1:]...)
			if c.file == msg && string(out) != payload {
				t.Errorf("decrypted %q, signed %q", out, payload)
			}
			good, err := os.ReadFile(c.file)
			if err != nil {
				t.Fatal(err)
			}
			defer write(t, dir, filepath.Base(c.file), good)
			write(t, dir, filepath.Base(c.file), bytes.Replace(good, []byte("7"), []byte("8"), 1))
			if _, err := runs(path, c.args[1:]...); err == nil {
				t.Error("accepted with a changed byte")
			}
		})
	}
}

// gpg enforces the signature's own life: all the freeze protection that its users get.
func TestOpenPGP_GPGSeesItExpire(t *testing.T) {
	gpg := tool(t, "gpg", "gnupg")
	f := fixtures()
	dir, home := exported(t, f), gpgHome(t)
	doc := write(t, dir, "m", []byte("text\n"))
	asc := write(t, dir, "m.asc", []byte(f.sign(t, f.pgp, "text\n").Value))
	verify := func(d time.Duration) error {
		_, err := runs(gpg, "--homedir", home, "--batch", "--faked-system-time", f.now.Add(d).Format("20060102T150405!"),
			"--no-default-keyring", "--keyring", filepath.Join(dir, "centos.gpg"), "--verify", asc, doc)
		return err
	}
	if err := verify(23 * time.Hour); err != nil {
		t.Error(err)
	}
	if err := verify(25 * time.Hour); err == nil {
		t.Error("gpg accepts it after its end")
	}
}

// A key as gpg keeps it when the primary is offline: only the signing subkey's secret, under a passphrase.
func TestOpenPGPFile_OfflinePrimary(t *testing.T) {
	gpg, gpgv := tool(t, "gpg", "gnupg"), tool(t, "gpgv", "gpgv")
	home := gpgHome(t)
	g := func(args ...string) []byte {
		return mustRun(t, gpg, append([]string{"--homedir", home, "--batch", "--pinentry-mode", "loopback", "--passphrase", "test only"}, args...)...)
	}
	g("--quick-gen-key", "Offline <offline@example.org>", "rsa3072", "cert", "2y")
	var fpr string
	for l := range strings.Lines(string(g("--with-colons", "--list-keys"))) {
		if x := strings.Split(l, ":"); x[0] == "fpr" && fpr == "" {
			fpr = x[9]
		}
	}
	g("--quick-add-key", fpr, "rsa3072", "sign", "1y")
	now := time.Now().Add(2 * time.Second)
	asked := 0
	s, err := OpenPGPFile(g("--armor", "--export-secret-subkeys", fpr), func() ([]byte, error) { asked++; return []byte("test only"), nil }, nil, now)
	if err != nil {
		t.Fatal(err)
	}
	k := held(s, "publisher")
	if k.Key != fpr || len(k.Signing) != 1 || k.Signing[0] == fpr || k.NotAfter == nil || asked != 1 {
		t.Errorf("key %+v, passphrase asked %d times", k, asked)
	}
	dir := t.TempDir()
	sig, err := s.Sign(context.Background(), Request{Payload: []byte("text\n"), Issued: now, Expires: now.Add(time.Hour)})
	if err != nil {
		t.Fatal(err)
	}
	ring := write(t, dir, "k.gpg", g("--export", fpr))
	doc, asc := write(t, dir, "m", []byte("text\n")), write(t, dir, "m.asc", []byte(sig.Value))
	time.Sleep(time.Until(now.Add(time.Second))) // gpgv takes the key's time and ours from one clock
	mustRun(t, gpgv, "--keyring", ring, asc, doc)
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.OpenPGP}, Keys: []keys.ManifestKey{k}}
	if _, err := Verify([]byte("text\n"), []Signature{sig}, role, now); err != nil {
		t.Error(err)
	}
	// What gpg signs with that subkey, we accept: detached, and inline once wrapped.
	theirs := g("--armor", "--local-user", fpr, "--digest-algo", "SHA512", "-o", "-", "--detach-sign", doc)
	fromGPG, err := FromASC(theirs, role)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := Verify([]byte("text\n"), []Signature{fromGPG}, role, now); err != nil {
		t.Error(err)
	}
	msg, err := Inline([]byte("text\n"), fromGPG)
	if err != nil {
		t.Fatal(err)
	}
	if got := mustRun(t, gpg, "--homedir", home, "--batch", "-o", "-", "--decrypt", write(t, dir, "m.gpg", msg)); string(got) != "text\n" {
		t.Errorf("decrypted %q", got)
	}
	wrong := func() ([]byte, error) { return []byte("wrong"), nil }
	if _, err := OpenPGPFile(g("--armor", "--export-secret-subkeys", fpr), wrong, nil, now); err == nil || !strings.Contains(err.Error(), "passphrase is wrong") {
		t.Errorf("wrong passphrase: %v", err)
	}
	if _, err := OpenPGPFile(g("--armor", "--export-secret-subkeys", fpr), nil, nil, now); err == nil || !strings.Contains(err.Error(), "no passphrase is configured") {
		t.Errorf("no passphrase: %v", err)
	}
}

func TestMinisign_BothWays(t *testing.T) {
	minisign := tool(t, "minisign", "minisign")
	f := fixtures()
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	mustRun(t, minisign, "-G", "-W", "-p", at("k.pub"), "-s", at("k.key"))
	secret, err := os.ReadFile(at("k.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := MinisignFile(secret, nil)
	if err != nil {
		t.Fatal(err)
	}
	doc := write(t, dir, "m", []byte("text\n"))
	write(t, dir, "m.minisig", []byte(f.sign(t, s, "text\n").Value))
	out := mustRun(t, minisign, "-V", "-m", doc, "-p", at("k.pub"))
	if !strings.Contains(string(out), "Trusted comment: tidemark test serial=1") {
		t.Errorf("minisign says:\n%s", out)
	}
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}, Keys: []keys.ManifestKey{held(s, "alice")}}
	for _, c := range []struct {
		flag string
		ok   bool
	}{{"-S", true}, {"-SH", true}, {"-Sl", false}} { // the last is the legacy form
		mustRun(t, minisign, c.flag, "-m", doc, "-s", at("k.key"))
		text, err := os.ReadFile(at("m.minisig"))
		if err != nil {
			t.Fatal(err)
		}
		sig, err := FromMinisig(text)
		if !c.ok {
			if err == nil || !strings.Contains(err.Error(), "legacy") {
				t.Errorf("%s: %v", c.flag, err)
			}
			sig = Signature{Kind: keys.Minisign, Key: s.Key().Key, Value: string(text)}
			_, err := Verify([]byte("text\n"), []Signature{sig}, role, f.now)
			refusal(t, err, Algorithm)
			continue
		}
		if err != nil {
			t.Fatal(err)
		}
		if _, err := Verify([]byte("text\n"), []Signature{sig}, role, f.now); err != nil {
			t.Errorf("%s: %v", c.flag, err)
		}
	}
}

func TestMinisignFile_Encrypted(t *testing.T) {
	minisign := tool(t, "minisign", "minisign")
	if testing.Short() {
		t.Skip("minisign's scrypt takes seconds and 1 GiB")
	}
	dir := t.TempDir()
	cmd := exec.Command(minisign, "-G", "-p", filepath.Join(dir, "k.pub"), "-s", filepath.Join(dir, "k.key"))
	cmd.Stdin = strings.NewReader("test only\ntest only\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	secret, err := os.ReadFile(filepath.Join(dir, "k.key"))
	if err != nil {
		t.Fatal(err)
	}
	s, err := MinisignFile(secret, func() ([]byte, error) { return []byte("test only"), nil })
	if err != nil {
		t.Fatal(err)
	}
	pub, err := os.ReadFile(filepath.Join(dir, "k.pub"))
	if err != nil {
		t.Fatal(err)
	}
	if k, err := keys.ParseMinisignFile(pub); err != nil || k.String() != s.Key().Public {
		t.Errorf("another key: %v", err)
	}
	if _, err := MinisignFile(secret, nil); err == nil || !strings.Contains(err.Error(), "no passphrase") {
		t.Errorf("no passphrase: %v", err)
	}
}
