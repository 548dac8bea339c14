package contrib_test

import (
	"bytes"
	"context"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"tidemark/internal/lab"
	"tidemark/internal/strictjson"
	"tidemark/manifest"
)

// TestRefused_Exit4: what a site may serve that is not to be followed. A mirror that has seen nothing before ends with exit
// code 4, says what it found, and its tree stays as it is; one that has seen a good manifest keeps to that.
func TestRefused_Exit4(t *testing.T) {
	w := newWorld(t)
	for name, tt := range map[string]struct {
		serve func(t *testing.T)
		says  string
	}{
		"a flipped byte":      {func(t *testing.T) { w.edit(t, "manifest.json", "\"admit\": 1000000", "\"admit\": 1000001") }, "not signed"},
		"a byte added":        {func(t *testing.T) { w.edit(t, "manifest.json", "}\n", "}\n\n") }, "not signed"},
		"key of a stranger":   {func(t *testing.T) { w.stranger(t); w.lay(t, "manifest.bundle.json", "") }, "if the network has changed its key"},
		"no signature":        {func(t *testing.T) { w.lay(t, "manifest.json.asc", "") }, "not signed"},
		"two signatures":      {func(t *testing.T) { w.twice(t); w.lay(t, "manifest.bundle.json", "") }, "not signed"},
		"a signature of text": {func(t *testing.T) { w.textMode(t) }, "not signed"},
		"a torn pair": {func(t *testing.T) {
			old := read(t, w.site("manifest.json.asc"))
			w.publish(t, only("node.de"))
			w.lay(t, "manifest.json.asc", old)
		}, "not signed"},
		"another network": {func(t *testing.T) { w.publish(t, func(m *manifest.Manifest) { m.Network = "debian" }) }, "network debian"},
		"expired":         {func(t *testing.T) { w.dated(t, -25*time.Hour) }, "expired"},
		"from the future": {func(t *testing.T) { w.dated(t, time.Hour) }, "future"},
		"another schema":  {func(t *testing.T) { w.rewrite(t, "tidemark/manifest/v1", "tidemark/manifest/v2") }, "schema"},
		"a URL that is an option": {func(t *testing.T) {
			w.rewrite(t, "\"rsync://127", "\"--rsh=/bin/sh\", \"was\": \"rsync://127")
		}, "--rsh=/bin/sh"},
		"an anchor outside the tree": {func(t *testing.T) { w.rewrite(t, "\"path\": \"7/os/", "\"path\": \"../7/os/") }, "../7/os/"},
		"not JSON":                   {func(t *testing.T) { w.sign(t, []byte("<html>\n")) }, "signed, but"},
		"nothing":                    {func(t *testing.T) { w.sign(t, []byte("\n")) }, "signed, but"},
	} {
		t.Run(name, func(t *testing.T) {
			w.mirror(t, name)
			w.publish(t, nil)
			tt.serve(t)
			r := w.run(t, 4, nil, "run")
			if !strings.Contains(r.stderr, tt.says) {
				t.Errorf("expected words with %q, found %v", tt.says, r)
			}
			w.untouched(t)
			w.run(t, 4, nil, "check")
		})
	}
}

// site is the file of the newest serial's directory.
func (w *world) site(name string) string {
	mark, _ := os.ReadFile(filepath.Join(w.publisher.Site, "latest.txt"))
	return filepath.Join(w.publisher.Site, strings.TrimSpace(string(mark)), name)
}

func (w *world) lay(t *testing.T, name, text string) { t.Helper(); write(t, w.site(name), text) }

func (w *world) edit(t *testing.T, name, from, to string) {
	t.Helper()
	text := read(t, w.site(name))
	if !strings.Contains(text, from) {
		t.Fatalf("%s has no %q", name, from)
	}
	w.lay(t, name, strings.Replace(text, from, to, 1))
}

// sign serves any bytes, signed by the publisher's key.
func (w *world) sign(t *testing.T, payload []byte) {
	t.Helper()
	serial, err := strconv.ParseInt(filepath.Base(w.site("")), 10, 64)
	check(t, err)
	m := &manifest.Manifest{Network: "centos", Serial: serial + 1, Issued: strictjson.At(time.Now()), Expires: strictjson.At(time.Now().Add(time.Hour))}
	bundle, err := w.publisher.Sign(payload, m)
	check(t, err)
	check(t, w.publisher.LayBundle(m.Serial, bundle))
}

// rewrite serves the present document with a change that its encoder would refuse, signed.
func (w *world) rewrite(t *testing.T, from, to string) {
	t.Helper()
	text := read(t, w.site("manifest.json"))
	if !strings.Contains(text, from) {
		t.Fatalf("no %q in the manifest", from)
	}
	w.sign(t, []byte(strings.Replace(text, from, to, 1)))
}

// dated publishes a document that was issued then, good for a day.
func (w *world) dated(t *testing.T, ago time.Duration) {
	t.Helper()
	m, err := w.Network.Manifest(context.Background(), time.Now())
	check(t, err)
	m.Issued, m.Expires = strictjson.At(time.Now().Add(ago)), strictjson.At(time.Now().Add(ago+24*time.Hour))
	check(t, w.publisher.Publish(m))
}

// stranger has the document signed by a key that is not the network's.
func (w *world) stranger(t *testing.T) {
	t.Helper()
	w.gpg(t, []string{"--passphrase", "", "--quick-gen-key", "stranger", "ed25519", "sign", "1y"},
		[]string{"--armor", "--detach-sign", "-o", w.site("manifest.json.asc"), w.site("manifest.json")})
}

// twice adds a second, good signature of a stranger.
func (w *world) twice(t *testing.T) {
	t.Helper()
	good, other, asc := filepath.Join(w.dir, "good.sig"), filepath.Join(w.dir, "other.sig"), w.site("manifest.json.asc")
	w.gpg(t, []string{"-o", good, "--dearmor", asc})
	w.stranger(t)
	w.gpg(t, []string{"-o", other, "--dearmor", asc})
	w.lay(t, "manifest.json.asc", read(t, good)+read(t, other))
}

// textMode has the network's key sign line ends away: the same signature is good for other bytes.
func (w *world) textMode(t *testing.T) {
	t.Helper()
	w.gpg(t, []string{"--import", w.publisher.OpenPGPKey},
		[]string{"--armor", "--textmode", "--detach-sign", "-o", w.site("manifest.json.asc"), w.site("manifest.json")})
}

// gpg runs commands with a home of their own.
func (w *world) gpg(t *testing.T, commands ...[]string) {
	t.Helper()
	needTools(t, "gpg", "gpg-agent", "gpgconf")
	home, err := os.MkdirTemp("", "tm") // short: a socket lies in it
	check(t, err)
	t.Cleanup(func() {
		exec.Command("gpgconf", "--homedir", home, "--kill", "gpg-agent").Run()
		os.RemoveAll(home)
	})
	for _, args := range commands {
		out, err := exec.Command("gpg", append([]string{"--homedir", home, "--batch", "--yes", "--pinentry-mode", "loopback"}, args...)...).CombinedOutput()
		if err != nil {
			t.Fatalf("gpg %q: %v\n%s", args, err, out)
		}
	}
}

// TestKept: with a good manifest seen before, a bad one changes nothing but the exit code: the good one stays in force.
func TestKept(t *testing.T) {
	w := newWorld(t)
	w.run(t, 100, nil, "check")
	w.edit(t, "manifest.json.asc", "-----BEGIN PGP SIGNATURE-----", "-----BEGIN PGP NOTHING-----")
	r := w.run(t, 4, nil, "run")
	if !strings.Contains(r.stderr, "serial 1 stays in force") {
		t.Errorf("expected that serial 1 stays in force: %v", r)
	}
	w.holds(t)
	if r := w.run(t, 4, nil, "run"); r.stderr != "" {
		t.Errorf("said twice in a day: %v", r)
	}
	check(t, os.Remove(filepath.Join(w.publisher.Site, "latest.txt")))
	w.run(t, 0, nil, "run")
}

// TestUnreachable_Exit1: nothing was ever seen, and nothing is to be had.
func TestUnreachable_Exit1(t *testing.T) {
	w := newWebWorld(t)
	check(t, w.web.Stop())
	if r := w.run(t, 1, nil, "run"); !strings.Contains(r.stderr, w.web.URL) {
		t.Errorf("expected words with the URL: %v", r)
	}
	w.untouched(t)
}

// TestExpired: what is kept is good until its own end, and five minutes more. Then: exit code 4 while the site answers, 1
// when it does not.
func TestExpired(t *testing.T) {
	w := newWebWorld(t)
	w.publisher.Validity = 24 * time.Hour
	w.dated(t, -24*time.Hour-2*time.Minute)
	w.run(t, 100, nil, "check") // the signature has ended, the skew has not
	conf := w.settings.write(t, w.state)
	late := clock(t, w.dir, "+10 minutes")
	if r := perform(t, nil, late, conf, "check"); r.code != 4 || !strings.Contains(r.stderr, "expired") {
		t.Errorf("expected exit code 4: %v", r)
	}
	check(t, w.web.Stop())
	if r := perform(t, nil, late, conf, "check"); r.code != 1 {
		t.Errorf("expected exit code 1: %v", r)
	}
}

// clock gives the script another date(1).
func clock(t *testing.T, dir, offset string) []string {
	t.Helper()
	date, err := exec.LookPath("date")
	check(t, err)
	write(t, filepath.Join(dir, "bin", "date"), fmt.Sprintf("#!%s\nexec %s -d '%s' \"$@\"\n", "/bin/sh", date, offset))
	check(t, os.Chmod(filepath.Join(dir, "bin", "date"), 0o755))
	return []string{"PATH=" + filepath.Join(dir, "bin") + ":" + os.Getenv("PATH")}
}

// TestRollback: an older serial is an edge that lags, for an hour; then exit code 4. It is never used.
func TestRollback(t *testing.T) {
	w := newWorld(t)
	w.publish(t, only("node.de", "mirror.fi"))
	w.run(t, 0, nil)
	write(t, filepath.Join(w.publisher.Site, "latest.txt"), "m/1/\n")
	if r := w.run(t, 0, nil, "check"); r.stderr != "" {
		t.Errorf("an edge that lags is told: %v", r)
	}
	write(t, filepath.Join(w.state, "older"), fmt.Sprintln(time.Now().Add(-61*time.Minute).Unix()))
	if r := w.run(t, 4, nil, "check"); !strings.Contains(r.stderr, "rollback") {
		t.Errorf("expected words of a rollback: %v", r)
	}
	write(t, filepath.Join(w.publisher.Site, "latest.txt"), "m/2/\n")
	w.run(t, 0, nil, "check")
	write(t, filepath.Join(w.publisher.Site, "latest.txt"), "m/1/\n")
	w.run(t, 0, nil, "check") // an hour of its own
}

// TestFork_Exit4: two good documents with one serial; both are kept.
func TestFork_Exit4(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	kept := read(t, w.site("manifest.json"))
	w.publish(t, func(m *manifest.Manifest) {
		m.Serial = 1
		only("node.de")(m)
	})
	served := read(t, w.site("manifest.json"))
	r := w.run(t, 4, nil, "run")
	if !strings.Contains(r.stderr, "fork") {
		t.Errorf("expected words of a fork: %v", r)
	}
	for name, want := range map[string]string{"kept": kept, "served": served} {
		if got := read(t, filepath.Join(w.state, "fork-1-"+name+".json")); got != want {
			t.Errorf("fork-1-%s.json is another document", name)
		}
		read(t, filepath.Join(w.state, "fork-1-"+name+".asc"))
	}
	if read(t, filepath.Join(w.state, "1.json")) != kept {
		t.Error("the document in force was replaced")
	}
}

// TestDamagedState: what is kept was damaged on the disk; the site's copy heals it.
func TestDamagedState(t *testing.T) {
	w := newWorld(t)
	w.run(t, 0, nil)
	file := filepath.Join(w.state, "1.json")
	good := read(t, file)
	write(t, file, good[:len(good)/2])
	w.run(t, 0, nil, "check")
	if read(t, file) != good {
		t.Error("not healed")
	}
}

// TestWeb: a web server that does not play by the rules is one that has no manifest: exit code 1, and nothing is followed.
func TestWeb(t *testing.T) {
	w := newWebWorld(t)
	check(t, w.web.Stop())
	for name, extra := range map[string]string{
		"redirect to http":    "location = /latest.txt { return 302 http://127.0.0.1/latest.txt; }",
		"redirect to another": "location = /latest.txt { return 301 https://localhost/latest.txt; }",
		"a page for all":      "location = /latest.txt { return 200 \"<html>m/1/</html>\"; }",
		"a path elsewhere":    "location = /latest.txt { return 200 \"m/../../x/\"; }",
		"a URL":               "location = /latest.txt { return 200 \"https://example.org/\"; }",
		"forbidden":           "location /m/ { return 403; }",
		"an error":            "location /m/ { return 503; }",
	} {
		t.Run(name, func(t *testing.T) {
			w.mirror(t, name)
			web, err := lab.StartSite(context.Background(), filepath.Join(w.dir, strings.ReplaceAll("odd "+name, " ", "-")), w.publisher.Site, lab.WebOptions{Extra: extra})
			check(t, err)
			defer web.Stop()
			w.settings["URL"], w.settings["CACERT"] = web.URL, web.CA
			if r := w.run(t, 1, nil, "run"); r.stderr == "" {
				t.Error("it says nothing")
			}
			w.untouched(t)
			w.settings["CACERT"] = filepath.Join(w.dir, "web", "tls", "ca.pem")
			w.run(t, 1, nil, "run") // a stranger's certificate
		})
	}
}

// TestEndlessBody: a document that does not end is cut at 8 MiB, whatever the server says of its length.
func TestEndlessBody(t *testing.T) {
	w := newWebWorld(t)
	cert, err := w.web.Certificate()
	check(t, err)
	served := make(chan int, 8)
	endless := httpServer(t, cert, func(rw http.ResponseWriter, r *http.Request) {
		if filepath.Base(r.URL.Path) != "manifest.json" {
			http.FileServer(http.Dir(w.publisher.Site)).ServeHTTP(rw, r)
			return
		}
		chunk, n := bytes.Repeat([]byte(" "), 1<<20), 0
		for n < 512 {
			if _, err := rw.Write(chunk); err != nil {
				break
			}
			n++
		}
		served <- n
	})
	w.settings["URL"] = endless
	w.run(t, 1, nil, "run")
	if n := <-served; n > 100 {
		t.Errorf("took %d MiB", n)
	}
	w.untouched(t)
}
