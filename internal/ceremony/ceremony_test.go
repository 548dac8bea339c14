package ceremony

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/scripttest"
)

const (
	pageFile = "../../docs/keys.md"
	ago      = 300 * 24 * time.Hour // section A
)

// TestCeremonies runs every section of the page: A first, and then several stories, each in a copy of that world 300 days
// later, with one more mirror that looks for the first time at its end.
func TestCeremonies(t *testing.T) {
	page, base, bin := prepare(t)
	ran := make(chan map[string]bool, len(stories)+1)
	ran <- map[string]bool{"a-the-beginning": true}
	t.Run("stories", func(t *testing.T) {
		for _, s := range stories {
			t.Run(s.name, func(t *testing.T) {
				t.Parallel()
				s.tell(t, copyWorld(t, base, bin), page, ran)
			})
		}
	})
	if t.Failed() || len(ran) <= len(stories) { // -run chose some of them
		return
	}
	close(ran)
	all := map[string]bool{}
	for done := range ran {
		maps.Copy(all, done)
	}
	for name, s := range page {
		if len(s.steps) > 0 && !all[name] {
			t.Errorf("nobody has run section %q (#%s)", s.title, name)
		}
	}
}

// prepare builds the programs, starts the lab and runs section A, 300 days ago.
func prepare(t *testing.T) (page map[string]*section, base *world, bin string) {
	t.Helper()
	scripttest.NeedTool(t, "rsync", "gpg", "gpgv", "gpgv1", "sqv", "minisign", "curl", "script", "shred")
	page = readPage(t, pageFile)
	bin, then := programs(t)
	layLab(t, bin, then)
	base = newWorld(t, then)
	base.begin(t, page)
	return page, base, bin
}

// TestSoakYears rotates every online key again and again, with a mirror that was installed at the beginning.
func TestSoakYears(t *testing.T) {
	if os.Getenv("TIDEMARK_SOAK") == "" {
		t.Skip("long: TIDEMARK_SOAK=1, or make soak")
	}
	page, base, bin := prepare(t)
	s := story{name: "years", before: today}
	for range 5 {
		s.acts = append(s.acts, act{section: "c1-a-new-ed25519-key"}, act{section: "c2-a-new-openpgp-subkey", oldRing: noKey},
			act{section: "c3-a-wholly-new-openpgp-key", oldRing: noKey}, act{section: "b-every-year-a-new-end"},
			act{section: "d-an-online-key-was-stolen", oldRing: noKey, before: steal, after: refusesStolen}, act{section: "f-a-root-key-was-stolen"})
	}
	s.tell(t, copyWorld(t, base, bin), page, make(chan map[string]bool, 1))
}

// story is a row of ceremonies, one after the other, at one network.
type story struct {
	name   string
	before func(*testing.T, *world)
	acts   []act

	strands bool // mirrors do not follow by themselves
}

// act is one ceremony, with what is true after it beside what world.after asks.
type act struct {
	section string
	oldRing int // gpgv's exit code afterwards, with the keyring from before
	before  func(*testing.T, *world)
	after   func(*testing.T, *world)
}

func (s story) tell(t *testing.T, w *world, page map[string]*section, ran chan<- map[string]bool) {
	done := map[string]bool{}
	w.installMirror(t, "mirror")
	w.installMirror(t, "sleeper")
	if s.before != nil {
		s.before(t, w)
	}
	for n, a := range s.acts {
		if n > 0 { // gpg makes no second key of one name
			w.places = append([]place{{"mirrors (new)", fmt.Sprintf("mirrors (new %d)", n)}}, w.places...)
		}
		if a.before != nil {
			a.before(t, w)
		}
		w.must(t, "admin", "cp ../operator/site/keys/centos.gpg before.gpg")
		w.perform(t, page, a.section, done)
		w.after(t, a)
		if a.after != nil {
			a.after(t, w)
		}
		w.settle(t)
	}
	if s.strands { // mirrors must be given the new chain by hand
		if out, code := w.run(t, "sleeper", "tidemark-mirror check"); code != 4 {
			t.Errorf("a mirror took another chain by itself: exit code %d\n%s", code, out)
		}
	} else {
		w.reaches(t, "sleeper")
	}
	ran <- done
}

// begin is section A, 300 days ago.
func (w *world) begin(t *testing.T, page map[string]*section) {
	t.Helper()
	conf := filepath.Join(w.machine("offline"), "gnupg", "gpg.conf")
	quiet := "batch\npinentry-mode loopback\npassphrase \"\"\n"
	past := fmt.Sprintf("faked-system-time %d\n", time.Now().Add(-ago).Unix())
	writeFile(t, conf, quiet+past)
	w.perform(t, page, "a-the-beginning", map[string]bool{})
	writeFile(t, conf, quiet)
	writeFile(t, filepath.Join(w.machine("operator"), "gnupg", "gpg.conf"), quiet)
	w.endAgents()
}

// installMirror pins what is installed now.
func (w *world) installMirror(t *testing.T, name string) {
	t.Helper()
	dir := w.machine(name)
	w.must(t, name, fmt.Sprintf("mkdir tree && tidemark-mirror init %[1]s --url %[2]s/site --trust %[2]s/trust.json --id ftp.example.fi --country FI --tree centos=%[1]s/tree --state %[1]s/state",
		dir, w.machine("operator")))
}

// today is a network that publishes, a mirror that follows it, and an admin who has its keyring.
func today(t *testing.T, w *world) {
	t.Helper()
	w.must(t, "operator", "tidemark run")
	w.reaches(t, "mirror")
	w.must(t, "admin", "cp ../operator/site/keys/centos.* .")
	w.must(t, "admin", "gpgv --keyring ./centos.gpg ../operator/site/manifest.json.asc ../operator/site/manifest.json")
}

// settle gives what is new the names of what was there before, so that the next ceremony finds what the page says.
func (w *world) settle(t *testing.T) {
	t.Helper()
	moved := false
	for _, m := range []struct{ machine, from, to string }{
		{"operator", "keys/ed25519-new.key", "keys/ed25519.key"}, {"operator", "keys/ed25519-new.key.pub", "keys/ed25519.key.pub"},
		{"operator", "keys/openpgp-new.asc", "keys/openpgp.asc"},
		{"bob", "bob-2.key", "bob.key"}, {"bob", "bob-2.pub", "bob.pub"},
	} {
		if err := os.Rename(filepath.Join(w.machine(m.machine), m.from), filepath.Join(w.machine(m.machine), m.to)); err == nil {
			moved = moved || m.machine == "operator"
		}
	}
	if moved {
		w.configure(t, "sign:\n  openpgp: {key: keys/openpgp.asc}\n  ed25519: {key: keys/ed25519.key}\n")
		live := w.live(t, "openpgp")
		if primaries, _ := w.offlineKeys(t); slices.Contains(primaries, live) {
			w.inUse = live
		}
	}
	for _, f := range glob(t, w.machine("stick"), "*") {
		os.Remove(f)
	}
	w.must(t, "operator", "cp trust.json "+w.machine("stick"))
}

// programs builds the real ones, and a tidemark whose clock is a while ago. Without the race detector: they are many
// processes on few cores.
func programs(t *testing.T) (bin, then string) {
	t.Helper()
	bin, then = filepath.Join(t.TempDir(), "bin"), filepath.Join(t.TempDir(), "then")
	main, err := filepath.Abs("../../cmd/tidemark/main.go")
	if err != nil {
		t.Fatal(err)
	}
	slow := strings.Replace(readFile(t, main), "time.Now,", fmt.Sprintf("func() time.Time { return time.Now().Add(-%d) },", ago), 1)
	if slow == readFile(t, main) {
		t.Fatalf("%s has no clock to replace", main)
	}
	replaced, overlay := filepath.Join(t.TempDir(), "main.go"), filepath.Join(t.TempDir(), "overlay.json")
	writeFile(t, replaced, slow)
	writeFile(t, overlay, fmt.Sprintf(`{"Replace": {%q: %q}}`, main, replaced))
	for _, args := range [][]string{
		{"-o", bin + "/", "../../cmd/tidemark", "../../cmd/tidemark-mirror"},
		{"-o", then + "/", "-overlay", overlay, "../../cmd/tidemark"},
	} {
		if out, err := exec.Command("go", append([]string{"build", "-ldflags=-s -w"}, args...)...).CombinedOutput(); err != nil {
			t.Fatalf("go build: %v\n%s", err, out)
		}
	}
	return bin, then
}

// layLab starts a master with one node, which all worlds share, and lays the editor that enters them into a configuration.
func layLab(t *testing.T, dirs ...string) {
	t.Helper()
	dir := t.TempDir()
	n, err := lab.New(t.Context(), filepath.Join(dir, "lab"), lab.Options{Seed: 1, Start: time.Now().Add(-ago - 24*time.Hour).Unix(), Trees: []string{"centos"},
		Servers: []lab.Server{{ID: "eu-msync-1", Kind: "node", Country: "DE"}}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { n.Close() })
	if err := n.WriteInventory(filepath.Join(dir, "inventory.yaml")); err != nil {
		t.Fatal(err)
	}
	writeFile(t, filepath.Join(dir, "tidemark.yaml"), fmt.Sprintf("network: centos\nstate: state\ninventory: [inventory.yaml]\ntrees:\n  centos: {master: %s, anchors: [%q], quorum: majority}\n"+
		"sign:\n  openpgp: {key: keys/openpgp.asc}\n  ed25519: {key: keys/ed25519.key}\ntrust: trust.json\npublish: [{dir: site}]\nsettle: 1s\nprobe: {timeout: 5s, allow_private: true}\n",
		n.Master("centos"), lab.Anchors()[0]))
	for _, d := range dirs {
		writeFile(t, filepath.Join(d, "editor"), fmt.Sprintf("#!/bin/sh\nexec cp %[1]s/tidemark.yaml %[1]s/inventory.yaml .\n", dir))
		if err := os.Chmod(filepath.Join(d, "editor"), 0o755); err != nil {
			t.Fatal(err)
		}
	}
}

func writeFile(t testing.TB, file, text string) {
	t.Helper()
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
}
