package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/manifest"
	"tidemark/sign"
)

// TestAttack: whatever the site serves and a source does, the mirror says what it found, and stays as it was. The names end in
// the exit code.
func TestAttack(t *testing.T) {
	t.Parallel()
	s := newSiege(t)
	for name, attack := range map[string]func(*testing.T, *siege){
		"Forged_Exit4":           attackForged,
		"Fork_Exit4":             attackFork,
		"Rollback_Exit4":         attackRollback,
		"Freeze_Exit4":           attackFreeze,
		"ClockSetBack_Exit4":     attackClockSetBack,
		"TrustOfStrangers_Exit4": attackTrustOfStrangers,
		"EveryCommand_Exit4":     attackEveryCommand,
		"DamagedSeen_Exit1":      attackDamagedSeen,
		"SourceURL_Exit4":        attackSourceURL,
		"TypedURL_Exit2":         attackTypedURL,
		"FallbackURL_Exit2":      attackFallbackURL,
		"SourceOfOthers_Exit6":   attackSourceOfOthers,
		"Site":                   attackSite,
		"OtherAuthority_Exit0":   attackOtherAuthority,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			attack(t, s.of(t))
		})
	}
}

// siege is a mirror that is in date (serial 2, seen and kept), and a trap: the only source of whatever is forged. Whoever
// makes the mirror talk to it has won.
type siege struct {
	*testing.T
	dir   string
	now   time.Time
	pub   *lab.Publisher
	old   *manifest.Manifest // serial 1, genuine
	seen  *manifest.Manifest // serial 2
	next  *manifest.Manifest // serial 3, announces something new at the trap; not published
	trap  *trap
	state string // of the mirror after its sync
}

func newSiege(t *testing.T) *siege {
	t.Helper()
	needTool(t, "rsync")
	now := time.Now().Truncate(time.Second)
	s := &siege{T: t, dir: t.TempDir(), now: now, trap: newTrap(t)}
	var err error
	s.pub, err = lab.NewPublisher(filepath.Join(s.dir, "net"), "centos", now.Add(-3*time.Hour))
	s.must(err)
	master, err := lab.NewTree(filepath.Join(s.dir, "master"), "centos", 1, now.Add(-5*time.Hour).Unix())
	s.must(err)
	node, err := lab.StartDaemon(t.Context(), lab.Daemon{Dir: filepath.Join(s.dir, "node"), Address: "127.0.0.1", Modules: map[string]string{"centos": master.Dir}})
	s.must(err)
	t.Cleanup(func() { node.Stop() })
	s.must(os.Mkdir(s.tree(), 0o755))

	s.old = s.describe(master, node.URL("centos"))
	s.must(s.pub.Publish(s.old))
	s.pub.At(now.Add(-2 * time.Hour))
	s.must(master.Move(now.Add(-4 * time.Hour).Unix()))
	s.seen = s.describe(master, node.URL("centos"))
	s.must(s.pub.Publish(s.seen))

	v := &victim{siege: s, site: s.pub.Site, state: filepath.Join(s.dir, "state"), dir: s.dir}
	if out, exit := v.run("run", "--now"); exit != 0 {
		t.Fatalf("the first sync: exit code %d\n%s", exit, out)
	}
	s.state = v.state
	s.pub.At(now.Add(-time.Hour))
	s.must(master.Move(now.Add(-3 * time.Hour).Unix()))
	s.next = s.describe(master, "rsync://"+s.trap.Addr().String()+"/centos/")
	s.must(s.pub.Publish(s.next)) // to have it numbered and dated; victims see only what is laid for them
	return s
}

// of is the same siege, for another test to fail in.
func (s *siege) of(t *testing.T) *siege {
	other := *s
	other.T = t
	return &other
}

func (s *siege) must(err error) {
	s.Helper()
	if err != nil {
		s.Fatal(err)
	}
}

func (s *siege) tree() string { return filepath.Join(s.dir, "mirror") }

// describe is the manifest of the tree as it is now, with one source.
func (s *siege) describe(tree *lab.Tree, url string) *manifest.Manifest {
	s.Helper()
	t, err := lab.TreeAt(s.Context(), tree.Dir, s.now)
	s.must(err)
	source, err := lab.Offer("node", manifest.KindNode, "FI", "centos", url, t.Timestamp, s.now.Add(-4*time.Hour))
	s.must(err)
	return &manifest.Manifest{Trees: map[string]manifest.Tree{"centos": t}, Sources: []manifest.Source{source}, Policy: lab.Policy()}
}

// news is a copy of serial 3, changed.
func (s *siege) news(change func(*manifest.Manifest)) *manifest.Manifest {
	m := *s.next
	if change != nil {
		change(&m)
	}
	return &m
}

func (s *siege) encode(m *manifest.Manifest) []byte {
	s.Helper()
	b, err := manifest.Encode(m)
	s.must(err)
	return b
}

// bundle has the genuine keys sign m.
func (s *siege) bundle(m *manifest.Manifest) []byte {
	s.Helper()
	return s.signed(s.encode(m), m, s.pub.Signers...)
}

// genuine has the genuine keys sign serial 3 with another text, as a publisher gone wrong would: nothing but the reader's
// own strictness is left.
func (s *siege) genuine(old, text string) []byte {
	s.Helper()
	good := string(s.encode(s.next))
	bad := strings.Replace(good, old, text, 1)
	if bad == good {
		s.Fatalf("%s is not in the document", old)
	}
	return s.signed([]byte(bad), s.next, s.pub.Signers...)
}

// signed has those keys sign the payload, with the comment and the times of m.
func (s *siege) signed(payload []byte, m *manifest.Manifest, by ...sign.Signer) []byte {
	s.Helper()
	e := sign.Envelope{Payload: payload}
	for _, signer := range by {
		sig, err := signer.Sign(context.Background(), sign.Request{Payload: payload, Comment: m.Comment(payload), Issued: m.Issued.Time, Expires: m.Expires.Time})
		s.must(err)
		e.Signatures = append(e.Signatures, sig)
	}
	return s.pack(&e)
}

func (s *siege) pack(e *sign.Envelope) []byte {
	s.Helper()
	b, err := e.Encode()
	s.must(err)
	return b
}

func (s *siege) envelope(bundle []byte) *sign.Envelope {
	s.Helper()
	e, err := sign.ParseEnvelope(bundle, sign.MaxBundle)
	s.must(err)
	return e
}

func (s *siege) stranger() sign.Signer {
	s.Helper()
	k, err := lab.TestMinisign(2)
	s.must(err)
	return k
}

// trap counts who comes.
type trap struct {
	net.Listener
	came atomic.Int64
}

func newTrap(t *testing.T) *trap {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	p := &trap{Listener: l}
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			p.came.Add(1)
			c.Close()
		}
	}()
	return p
}

// victim is the mirror for one attack: the siege's tree, a copy of its state, and a site of its own.
type victim struct {
	*siege
	dir   string
	site  string // directory
	url   string // of the site, in place of the directory
	lines []string
	state string
	clock time.Duration
}

func (s *siege) victim(t *testing.T) *victim {
	t.Helper()
	dir := t.TempDir()
	v := &victim{siege: s.of(t), dir: dir, site: filepath.Join(dir, "site"), state: filepath.Join(dir, "state")}
	v.must(errors.Join(os.Mkdir(v.site, 0o755), os.CopyFS(v.state, os.DirFS(s.state))))
	return v
}

// lay puts a file into the site.
func (v *victim) lay(name string, b []byte) {
	v.Helper()
	file := filepath.Join(v.site, name)
	v.must(errors.Join(os.MkdirAll(filepath.Dir(file), 0o755), os.WriteFile(file, b, 0o644)))
}

// run runs the program with an rsync that says what it was started with; it gives what was said on stderr, and the exit code.
func (v *victim) run(command string, args ...string) (said string, exit int) {
	v.Helper()
	url := v.url
	if url == "" {
		url = v.site
	}
	text := fmt.Sprintf("network: centos\nid: ftp.example.fi\nurl: %q\ntrust: %s\nstate: %s\nsplay: 0s\ncountry: FI\nrsync: %s\n%s\ntrees: {centos: {path: %s}}\n",
		url, v.pub.TrustFile, v.state, filepath.Join(v.dir, "rsync"), strings.Join(v.lines, "\n"), v.tree())
	spy := "#!/bin/sh\nprintf '%s\\n' \"$@\" >> " + filepath.Join(v.dir, "started") + "\nexec rsync \"$@\"\n"
	config := filepath.Join(v.dir, "mirror.yaml")
	v.must(errors.Join(os.WriteFile(config, []byte(text), 0o644), os.WriteFile(filepath.Join(v.dir, "rsync"), []byte(spy), 0o755)))
	ctx, cancel := context.WithTimeout(v.Context(), 2*time.Minute) // a reader that never ends has lost
	defer cancel()
	c := exec.CommandContext(ctx, "tidemark-mirror", append([]string{command, "--config", config}, args...)...)
	c.Env = append(os.Environ(), "TIDEMARK_TEST_CLOCK="+v.clock.String(), "https_proxy=", "HTTPS_PROXY=")
	c.Dir = v.dir
	var errs bytes.Buffer
	c.Stderr = &errs
	var ended *exec.ExitError
	if err := c.Run(); err != nil && !errors.As(err, &ended) {
		v.Fatal(err)
	}
	return errs.String(), c.ProcessState.ExitCode()
}

// repels wants that run ends with that exit code and says each of words; that no rsync was started, nobody came to the
// trap, and tree, seen-state and kept manifest are as they were.
func (v *victim) repels(exit int, words ...string) {
	v.Helper()
	before := v.remembered()
	out, got := v.run("run", "--now", "-v")
	if got != exit {
		v.Errorf("exit code %d, expected %d:\n%s", got, exit, out)
	}
	for _, w := range words {
		if !strings.Contains(out, w) {
			v.Errorf("expected %q in:\n%s", w, out)
		}
	}
	if exit == 4 && !strings.Contains(out, "tidemark-mirror: hint: ") || strings.Contains(out, "from a copy") { // nobody has a copy of it
		v.Errorf("expected a hint for a mirror's admin in:\n%s", out)
	}
	v.unharmed(before)
}

// remembered is what must not move.
func (v *victim) remembered() [2]string {
	v.Helper()
	var files [2]string
	for i, name := range []string{"seen.json", "manifest.bundle.json"} {
		b, err := os.ReadFile(filepath.Join(v.state, name))
		v.must(err)
		files[i] = string(b)
	}
	return files
}

func (v *victim) unharmed(before [2]string) {
	v.Helper()
	if v.remembered() != before {
		v.Error("what was seen, or the kept manifest, has changed")
	}
	if b, err := os.ReadFile(filepath.Join(v.dir, "started")); err == nil {
		v.Errorf("rsync was started with:\n%s", b)
	}
	if n := v.trap.came.Load(); n > 0 {
		v.Errorf("%d connections came to the trap", n)
	}
	for _, name := range []string{"canary", "mirror/canary", "../canary"} {
		if _, err := os.Lstat(filepath.Join(v.dir, name)); err == nil {
			v.Errorf("%s was made: a command of the attacker's was run", name)
		}
	}
	b, err := os.ReadFile(filepath.Join(v.tree(), lab.TimeFile))
	if want := fmt.Sprintln(v.seen.Trees["centos"].Timestamp); err != nil || string(b) != want {
		v.Errorf("the time file says %q, %v, expected %q", b, err, want)
	}
}

// recovers lays the genuine serial 3: the mirror sees that there is something new. (It cannot have it: the trap is its source.)
func (v *victim) recovers() {
	v.Helper()
	v.url, v.lines, v.clock = "", nil, 0
	v.must(os.RemoveAll(v.site))
	v.lay("manifest.bundle.json", v.bundle(v.next))
	if out, exit := v.run("check"); exit != 100 {
		v.Errorf("check with the genuine manifest: exit code %d, expected 100:\n%s", exit, out)
	}
}
