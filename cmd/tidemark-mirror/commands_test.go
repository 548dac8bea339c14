package main

import (
	"encoding/pem"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"tidemark/config"
	"tidemark/keys"
	"tidemark/sign"
)

// A site with an authority of its own is verified as it is synced: by the configuration's, or by the one that was typed.
func TestVerify_CA(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	site := httptest.NewTLSServer(http.FileServer(http.Dir(s.pub.Site)))
	t.Cleanup(site.Close)
	ca := s.path("ca.pem")
	s.must(os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: site.Certificate().Raw}), 0o644))
	place := site.URL + "/"
	s.expect(1, "verify", place)
	s.expect(0, "verify", "--ca", ca, place)
	s.lines = append(s.lines, "ca: "+ca)
	s.expect(0, "verify", place)
	s.expect(0, "verify", "--trust", s.pub.TrustFile, place)
	alone := exec.CommandContext(t.Context(), "tidemark-mirror", "verify", "--config", s.path("none.yaml"), "--trust", s.pub.TrustFile, "--ca", ca, place)
	if stdout, stderr, exit := result(t, alone); exit != 0 {
		t.Errorf("without a configuration: exit code %d\n%s%s", exit, stdout, stderr)
	}
}

// Who judges by an older trust document than the manifest names is told where the newer one is; so is who cannot know whether
// an unknown key is of a newer one.
func TestVerify_TrustTooOld(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.pinNow("pinned.json")
	s.good()
	s.must(s.pub.NextTrust(nil))
	s.announce(nil)
	old := []string{"verify", "--trust", s.trust, s.pub.Site}
	s.says(s.expect(4, old...), "refused (trust-too-old)", "hint: without --trust this mirror judges by what it follows: tidemark-mirror trust update; or name the newest trust.json ("+s.pub.Site+" has it")
	s.says(s.expect(4, "verify"), "refused (trust-too-old)", "hint: tidemark-mirror trust update follows the chain")
	s.expect(0, "trust", "update")
	s.expect(0, "verify")
	s.rotate(3)
	s.announce(nil)
	s.says(s.expect(4, old...), "refused (signature)", "hint: do not use it, and tell the network's operators, unless this trust.json is not the newest: then without --trust")
}

// A site that goes by another chain is refused, and the admin is told what to do should that be true.
func TestTrustUpdate_OtherChain(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.pinNow("pinned.json")
	s.good()
	s.announce(nil)
	s.expect(0, "run")
	s.pub.Roots = []sign.Signer{s.testKey(4)}
	s.must(s.pub.NextTrust(func(t *keys.Trust) {
		k := s.pub.Roots[0].Key()
		t.Root.Keys = []keys.RootKey{{Holder: "root-2", Key: k.Key, Public: k.Public}}
	}))
	s.announce(nil)
	for _, command := range [][]string{{"trust", "update"}, {"check"}} {
		s.says(s.expect(4, command...), "trust/2.json refused (signature)", "hint: the tree is untouched; no mirror takes another chain by itself",
			"tidemark-mirror trust show trust.json", "where trust: in mirror.yaml says")
	}
}

// What people look at takes nothing from what cron will be told.
func TestCheck_LeavesTheNoticesToRun(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.good()
	s.must(os.WriteFile(s.path("state/fork-1-abcdef01.bundle.json"), []byte("{"), 0o644))
	for _, args := range [][]string{{"check"}, {"sources"}, {"check", "--json"}} {
		_, errs, _ := s.run(args...)
		s.says(errs, "fork-1-abcdef01")
	}
	_, errs, _ := s.run("run", "--now", "-q")
	s.says(errs, "fork-1-abcdef01")
	if _, errs, _ = s.run("run", "--now", "-q"); strings.Contains(errs, "fork-1-abcdef01") {
		t.Errorf("told twice a day:\n%s", errs)
	}
}

// A state directory that others may write is told by cron's run, once a day.
func TestRun_WarnsOfTheState(t *testing.T) {
	t.Parallel()
	s := newScene(t)
	s.must(os.Chmod(s.path("state"), 0o777))
	_, errs, _ := s.run("run", "--now", "-q")
	s.says(errs, "may be changed by others")
	if _, errs, _ = s.run("run", "--now", "-q"); strings.Contains(errs, "may be changed") {
		t.Errorf("told twice a day:\n%s", errs)
	}
	s.env = []string{"TIDEMARK_TEST_CLOCK=23h59m"}
	if _, errs, _ = s.run("run", "--now", "-q"); strings.Contains(errs, "may be changed") {
		t.Errorf("told twice a day:\n%s", errs)
	}
	s.env = []string{"TIDEMARK_TEST_CLOCK=24h1m"}
	_, errs, _ = s.run("run", "--now", "-q")
	s.says(errs, "may be changed by others")
}

// cannot ends a test on a system that does not let root do what it needs (a user namespace without that user). Continuous
// integration has to.
func cannot(t *testing.T, format string, args ...any) {
	t.Helper()
	if os.Getenv("CI") == "true" {
		t.Fatalf(format, args...)
	}
	t.Skipf(format, args...)
}

// The documented set-up: root types init, and the owner of the trees runs the mirror.
func TestInit_AsRoot(t *testing.T) {
	if os.Geteuid() != 0 {
		t.Skip("needs root: run it as root")
	}
	t.Parallel()
	needTool(t, "setpriv")
	s := newScene(t)
	const uid = 4711
	if err := os.Chown(s.mirror(), uid, uid); err != nil {
		cannot(t, "give a directory to user %d: %v", uid, err)
	}
	state := s.path("var/state")
	args := []string{"init", s.path("etc"), "--url", s.pub.Site, "--trust", s.pub.TrustFile, "--id", mirrorID, "--country", "FI", "--state", state}
	out, errs, exit := result(t, exec.CommandContext(t.Context(), "tidemark-mirror", append(args, "--tree", "centos="+s.mirror())...))
	if exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errs)
	}
	s.says(out, state+", which belongs to 4711", "setpriv --reuid 4711 --regid 4711 --clear-groups ", "in the crontab of 4711:")
	if info, err := os.Stat(state); err != nil || info.Sys().(*syscall.Stat_t).Uid != uid || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v, expected a directory of user %d", info, err, uid)
	}
	s.must(os.Mkdir(s.path("mine"), 0o755))
	args[1], args[len(args)-1] = s.path("etc2"), s.path("state2")
	out, errs, exit = result(t, exec.CommandContext(t.Context(), "tidemark-mirror", append(args, "--tree", "centos="+s.path("mine"), "--tree", "vault="+s.path("vault"))...))
	if exit != 0 {
		t.Fatalf("exit code %d\n%s%s", exit, out, errs)
	}
	s.says(out, "install -d -o USER -m 700 "+s.path("state2"), "install -d -o USER "+s.path("vault"), "runuser -u USER -- ")
	if _, err := os.Stat(s.path("state2")); err == nil {
		t.Error("root made the state directory for nobody that it knows")
	}
}

// Cron's line has the program's whole path; a shell and cron read the odd names in it as they are.
func TestCronLine(t *testing.T) {
	for _, tt := range []struct{ program, file, want string }{
		{"/usr/local/bin/tidemark-mirror", "/etc/tidemark/mirror.yaml", "/usr/local/bin/tidemark-mirror run -q --config /etc/tidemark/mirror.yaml"},
		{"/opt/a b/tidemark-mirror", "/etc/100%/it's.yaml", `'/opt/a b/tidemark-mirror' run -q --config '/etc/100\%/it'\''s.yaml'`},
	} {
		got := cronLine(&config.Mirror{ID: "ftp.example.fi", File: tt.file}, tt.program)
		if want := "0-59/5 * * * *  " + tt.want; got != want {
			t.Errorf("%s, expected %s", got, want)
		}
	}
}
