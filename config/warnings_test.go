package config

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// secretKey has the form of a minisign secret key without a passphrase; its bytes are zeros.
var secretKey = "untrusted comment: minisign secret key\n" +
	"RWQAAEIy" + zeros152 + "\n"

var zeros152 = strings.Repeat("A", 202) + "A="

func TestWarnings(t *testing.T) {
	file := writeConfig(t, "")
	dir := filepath.Dir(file)
	for name, mode := range map[string]os.FileMode{"pgp.asc": 0o644, "ed.key": 0o600} {
		write(t, filepath.Join(dir, name), []byte("key"))
		chmod(t, filepath.Join(dir, name), mode)
	}
	if err := os.Mkdir(filepath.Join(dir, "master"), 0o755); err != nil {
		t.Fatal(err)
	}
	p, err := LoadPublisher(file)
	if err != nil {
		t.Fatal(err)
	}
	check := func(want ...string) {
		t.Helper()
		got := []string{}
		for _, w := range p.Warnings() {
			got = append(got, strings.ReplaceAll(w.String(), dir+"/", ""))
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
	open := "tidemark.yaml: sign: pgp.asc may be read by others than its owner (mode 0644) (chmod 600 pgp.asc)"
	check(open)

	chmod(t, filepath.Join(dir, "ed.key"), 0o604)
	chmod(t, file, 0o664)
	check(
		"tidemark.yaml: tidemark.yaml may be changed by others than its owner (mode 0664) (chmod go-w tidemark.yaml)",
		open,
		"tidemark.yaml: sign: ed.key may be read by others than its owner (mode 0604) (chmod 600 ed.key)",
	)

	chmod(t, filepath.Join(dir, "ed.key"), 0o600)
	chmod(t, file, 0o666)
	chmod(t, p.Inventory[0], 0o666)
	if err := os.Remove(p.Trees["centos"].Master); err != nil {
		t.Fatal(err)
	}
	p.Publish[0].URL = "http://mirrors.example.org/"
	if err := os.Mkdir(filepath.Join(dir, "root"), 0o755); err != nil {
		t.Fatal(err)
	}
	write(t, filepath.Join(dir, "root", "a.key"), []byte(secretKey))
	check(
		"tidemark.yaml: tidemark.yaml may be changed by others than its owner (mode 0666) (chmod go-w tidemark.yaml)",
		open,
		"tidemark.yaml: inventory: inventory.yaml may be changed by everybody (mode 0666) (chmod o-w inventory.yaml)",
		"tidemark.yaml: trees.centos.master: master is no directory that can be read (nothing new of this tree is announced until it is there)",
		"tidemark.yaml: publish[0].url: http://mirrors.example.org/ is not encrypted (serve it over https)",
		"tidemark.yaml: root/a.key: a private root key lies readable beside the online keys (move it to where its holder keeps it, offline)",
	)
	p.Publish[0].URL = "http://127.0.0.1:8080/"
	if n := len(p.Warnings()); n != 5 {
		t.Errorf("%d warnings with an address of loopback, want 5", n)
	}
}

// A key that lives elsewhere is as private as its place: gpg's home, and the agent's socket in a directory that others get into.
func TestWarnings_KeysElsewhere(t *testing.T) {
	dir, err := os.MkdirTemp("", "w") // a socket has a short path
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	home, socket := filepath.Join(dir, "gnupg"), filepath.Join(dir, "agent")
	if err := os.Mkdir(home, 0o700); err != nil {
		t.Fatal(err)
	}
	l, err := net.Listen("unix", socket)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	p := &Publisher{File: filepath.Join(dir, "none.yaml"), Sign: Sign{
		OpenPGP: []SigningKey{{GPG: &GPGKey{Home: home}}, {KMS: &KMSKey{Endpoint: "http://kms.example.org"}}, {GPG: &GPGKey{}}},
		Ed25519: []SigningKey{{SSHAgent: socket}, {SSHAgent: AgentOfEnvironment}},
	}}
	for _, c := range []struct {
		dir, home, socket os.FileMode
		want              []string
	}{
		{0o700, 0o700, 0o600, nil},
		{0o700, 0o700, 0o666, nil}, // nobody gets to it
		{0o755, 0o700, 0o600, nil},
		{0o755, 0o700, 0o622, []string{"agent lets others than its owner sign (mode 0622)"}},
		{0o700, 0o750, 0o600, []string{"gnupg may be looked into by others than its owner (mode 0750)"}},
	} {
		chmod(t, dir, c.dir)
		chmod(t, home, c.home)
		chmod(t, socket, c.socket)
		var got []string
		for _, w := range p.Warnings() {
			got = append(got, strings.ReplaceAll(w.Text, dir+"/", ""))
		}
		if diff := cmp.Diff(append(c.want, "http://kms.example.org is not encrypted"), got, cmpopts.SortSlices(strings.Compare)); diff != "" {
			t.Errorf("%o %o %o (-want +got):\n%s", c.dir, c.home, c.socket, diff)
		}
	}
}

func TestRootKeysBeside(t *testing.T) {
	dir := t.TempDir()
	if got := RootKeysBeside(dir); got != nil {
		t.Errorf("no directory root: got %v", got)
	}
	if err := os.MkdirAll(filepath.Join(dir, "root", "sub.key"), 0o755); err != nil {
		t.Fatal(err)
	}
	for name, text := range map[string]string{
		"b.key":    secretKey,
		"a.key":    strings.Replace(secretKey, "RWQAAEIy", "RWRTY0Iy", 1), // with a passphrase
		"a.pub":    "untrusted comment: minisign public key\nRWQ" + strings.Repeat("A", 53) + "\n",
		"part.key": "untrusted comment: half a key\nRWQAAEIy" + strings.Repeat("A", 100) + "\n",
		"note.txt": "keys of 2026",
		"big":      strings.Repeat("\n", 5000) + secretKey,
	} {
		write(t, filepath.Join(dir, "root", name), []byte(text))
	}
	want := []string{filepath.Join(dir, "root", "a.key"), filepath.Join(dir, "root", "b.key")}
	if diff := cmp.Diff(want, RootKeysBeside(dir)); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}

func chmod(t *testing.T, file string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(file, mode); err != nil {
		t.Fatal(err)
	}
}

// A node in maintenance must not stop the cron job; that its absence stops announcing is said.
func TestWarnings_QuorumOutOfReach(t *testing.T) {
	p, err := LoadPublisher(filepath.Join("testdata", "quorum-maintenance.yaml"))
	if err != nil {
		t.Fatal(err)
	}
	if got := p.Warnings().Error(); !strings.Contains(got, "trees.centos.quorum: quorum of 3 cannot be met: only 2 nodes count") {
		t.Errorf("the warnings are:\n%s", got)
	}
}
