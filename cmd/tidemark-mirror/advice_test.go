package main

import (
	"bytes"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/internal/lab"
	"tidemark/sign"
)

// A tree of another user: one sentence, and what to type, before any source is asked.
func TestRun_TreeOfAnotherUser_Exit1(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root, for a second user: run it as root")
	}
	t.Parallel()
	needTool(t, "setpriv")
	s := newScene(t)
	s.good()
	s.announce(nil)
	s.configure()
	if out, err := exec.CommandContext(t.Context(), "chown", "-R", "4711:4711", s.path("state")).CombinedOutput(); err != nil {
		cannot(t, "give files to user 4711: %s", out)
	}
	for _, dir := range []string{filepath.Dir(s.dir), s.dir} {
		s.must(os.Chmod(dir, 0o755))
	}
	c := s.command("run", "--now")
	args := append([]string{"--reuid", "4711", "--regid", "4711", "--clear-groups", "--"}, c.Args...)
	foreign := exec.CommandContext(t.Context(), "setpriv", args...)
	foreign.Env, foreign.Dir = c.Env, "/"
	out, errs, exit := result(t, foreign)
	if exit != 1 {
		t.Errorf("exit code %d\n%s", exit, out)
	}
	s.says(errs, "error: tree centos: cannot write "+s.mirror()+": permission denied", "hint: the user that runs this must own the tree: chown -R USER "+s.mirror())
}

// Nothing is signed by a key of the pinned trust document, and nothing ever was: the hint names the file, and the root keys
// to compare. Where somebody's signature counted, or a manifest was accepted before, it is the site that is wrong.
func TestForeign(t *testing.T) {
	pub, err := lab.NewPublisher(t.TempDir(), "centos", time.Now())
	if err != nil {
		t.Fatal(err)
	}
	pinned, err := os.ReadFile(pub.TrustFile)
	if err != nil {
		t.Fatal(err)
	}
	o := client.LookOptions{State: t.TempDir(), Network: "centos", Trust: pinned, Pinned: pub.TrustFile, Now: time.Now}
	told := func(holders int) string {
		out := &bytes.Buffer{}
		p := &console.Program{Env: console.Env{Stdout: out, Stderr: out}, Name: "tidemark-mirror", Judge: judge}
		err := &client.Refused{Reason: client.Signature, Err: &sign.Refusal{Of: "manifest", Threshold: 2, Holders: holders}}
		if code := p.Report((&mirror{}).foreign(err, o)); code != console.Refused {
			t.Errorf("exit code %d", code)
		}
		return out.String()
	}
	want := "hint: nothing there is signed by a key of " + pub.TrustFile + ": is it this network's? compare the root keys: "
	if got := told(0); !strings.Contains(got, want) || !strings.Contains(got, " root-1") {
		t.Errorf("%s, expected %s", got, want)
	}
	if got := told(1); strings.Contains(got, want) {
		t.Errorf("with one signature: %s", got)
	}
}

// A site that cannot be asked, or has nothing there: what to look at next.
func TestCheck_SiteHints(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.must(os.RemoveAll(s.path("state")))
	s.url = "http://127.0.0.1:1/centos/"
	s.says(s.expect(1, "check"), "connection refused", "hint: url: in mirror.yaml; look with: curl -I http://127.0.0.1:1/centos/manifest.bundle.json\n")
	site := httptest.NewTLSServer(http.FileServer(http.Dir(s.pub.Site)))
	t.Cleanup(site.Close)
	s.url = site.URL + "/"
	s.says(s.expect(1, "check"), "certificate", "hint: ca: FILE in mirror.yaml if the site has an authority of its own\n")
	if text := s.expect(1, "check"); strings.Contains(text, "curl") {
		t.Error(text)
	}
}
