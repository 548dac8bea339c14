package treesync_test

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

	"tidemark/internal/lab"
)

// packageTools skips, or under CI fails, where a real package client's tools are missing.
func packageTools(t *testing.T) {
	t.Helper()
	for program, pkg := range map[string]string{"rsync": "rsync", "rpmbuild": "rpm", "createrepo_c": "createrepo-c", "dnf": "dnf", "/usr/sbin/nginx": "nginx-light", "unshare": "util-linux"} {
		if _, err := exec.LookPath(program); err == nil {
			continue
		}
		if os.Getenv("CI") == "true" {
			t.Fatalf("%s is missing: apt-get install -y %s", program, pkg)
		}
		t.Skipf("%s is missing: apt-get install -y %s", program, pkg)
	}
}

const (
	packageNames    = 8
	packageVersions = 3
	packageBytes    = 40_000 // of payload that does not compress
)

// packageSpec makes packages tide-1 to tide-N in one go.
const packageSpec = `Name: tide
Version: %%{v}
Release: 1
Summary: made for a test
License: MIT
BuildArch: noarch
%%description
Made for a test.
%%{lua: for i=1,%[1]d do print("%%package -n tide-"..i.."\nSummary: made for a test\n%%description -n tide-"..i.."\nMade for a test.\n%%files -n tide-"..i.."\n/usr/share/tide/"..i.."\n") end}
%%install
mkdir -p %%{buildroot}/usr/share/tide
for i in $(seq %[1]d); do head -c %[2]d /dev/urandom >%%{buildroot}/usr/share/tide/$i; done
`

// buildPackages makes all packages in all versions below dir/rpms.
func buildPackages(t *testing.T, dir string) {
	t.Helper()
	spec := filepath.Join(dir, "tide.spec")
	if err := os.WriteFile(spec, fmt.Appendf(nil, packageSpec, packageNames, packageBytes), 0o644); err != nil {
		t.Fatal(err)
	}
	for v := range packageVersions {
		shell(t, dir, "rpmbuild", "-bb", "--define", "_topdir "+dir+"/top", "--define", "_rpmdir "+dir+"/rpms", "--define", "_tmppath "+dir,
			"--define", fmt.Sprint("v ", v+1), "--define", "_build_name_fmt %%{NAME}-%%{VERSION}.rpm", "--define", "_dbpath "+dir+"/rpmdb", spec)
	}
}

// shell runs a tool to its end.
func shell(t *testing.T, dir, name string, args ...string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, name, args...)
	cmd.Dir = dir
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "TZ=UTC"}
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%s: %v\n%s", name, err, out)
	}
}

// packageMaster is a master's tree of two package repositories, and a daemon that serves it behind a relay.
type packageMaster struct {
	dir, rpms string
	relay     *lab.Relay
	metadata  []string // further options of createrepo_c
	moves     int
}

// packageRepos are the directories of the repositories, each with Packages/ and repodata/, and half of the packages.
func packageRepos() []string { return []string{"7/os/x86_64", "7/updates/x86_64"} }

func newPackageMaster(t *testing.T, metadata ...string) *packageMaster {
	t.Helper()
	packageTools(t)
	dir := t.TempDir()
	buildPackages(t, dir)
	m := &packageMaster{dir: filepath.Join(dir, "master"), rpms: filepath.Join(dir, "rpms"), metadata: metadata}
	m.move(t)
	d, err := lab.StartDaemon(t.Context(), lab.Daemon{Dir: filepath.Join(dir, "daemon"), Address: "127.0.0.1", Modules: map[string]string{"centos": m.dir}})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { d.Stop() })
	if m.relay, err = lab.StartRelay(t.Context(), d.Addr); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { m.relay.Close() })
	return m
}

const packageStart = 1488372781

func (m *packageMaster) timestamp() int64 { return packageStart + int64(m.moves)*3600 }

// move gives every repository other versions of half of its packages, so that files come and go, then new metadata, then
// the time file.
func (m *packageMaster) move(t *testing.T) {
	t.Helper()
	m.moves++
	repos := packageRepos()
	for i, repo := range repos {
		packages := filepath.Join(m.dir, repo, "Packages")
		if err := os.MkdirAll(packages, 0o755); err != nil {
			t.Fatal(err)
		}
		for n := i; n < packageNames; n += len(repos) {
			now := (m.moves + n/len(repos)) / 2 % packageVersions
			for v := range packageVersions {
				name := fmt.Sprintf("tide-%d-%d.rpm", n+1, v+1)
				to := filepath.Join(packages, name)
				err := os.Remove(to)
				if v == now {
					err = os.Link(filepath.Join(m.rpms, name), to)
				}
				if err != nil && !os.IsNotExist(err) {
					t.Fatal(err)
				}
			}
		}
		shell(t, m.dir, "createrepo_c", append(append([]string{"-q", "--workers=1"}, m.metadata...), filepath.Join(m.dir, repo))...)
		m.date(t, filepath.Join(m.dir, repo, "repodata"))
	}
	if err := lab.WriteTime(m.dir, m.timestamp()); err != nil {
		t.Fatal(err)
	}
}

// date gives metadata the update's time: two updates of this test come within one second, which plain rsync would not see.
func (m *packageMaster) date(t *testing.T, dir string) {
	t.Helper()
	entries, err := os.ReadDir(dir)
	if err != nil {
		t.Fatal(err)
	}
	at := time.Unix(m.timestamp(), 0)
	for _, e := range entries {
		if err := os.Chtimes(filepath.Join(dir, e.Name()), at, at); err != nil {
			t.Fatal(err)
		}
	}
}

// dnf reads the repositories at base as a user's machine does that knows nothing of them: metadata, then every package.
func dnf(ctx context.Context, t *testing.T, base string) error {
	dir := t.TempDir()
	none := filepath.Join(dir, "none")
	conf := fmt.Sprintf("[main]\nreposdir=%[1]s\npluginpath=%[1]s\nvarsdir=%[1]s\nplugins=0\ngpgcheck=0\nretries=1\ntimeout=30\nskip_if_unavailable=0\n"+
		"cachedir=%[2]s/cache\nlogdir=%[2]s/log\npersistdir=%[2]s/persist\n", none, dir)
	for i, repo := range packageRepos() {
		conf += fmt.Sprintf("[lab%[1]d]\nname=lab%[1]d\nbaseurl=%[2]s%[3]s/\n", i, base, repo)
	}
	for _, d := range []string{"cache", "log", "persist", "root"} {
		if err := os.Mkdir(filepath.Join(dir, d), 0o755); err != nil {
			return err
		}
	}
	if err := os.WriteFile(filepath.Join(dir, "dnf.conf"), []byte(conf), 0o644); err != nil {
		return err
	}
	packages := filepath.Join(dir, "packages")
	args := []string{"dnf", "-y", "-c", filepath.Join(dir, "dnf.conf"), "--installroot=" + filepath.Join(dir, "root"), "--releasever=1",
		"--refresh", "install", "--downloadonly", "--destdir=" + packages, "tide-*"}
	if os.Geteuid() != 0 {
		args = append([]string{"unshare", "-r"}, args...) // dnf installs, even into a directory, as root only
	}
	cmd := exec.CommandContext(ctx, args[0], args[1:]...)
	cmd.Env = []string{"PATH=" + os.Getenv("PATH"), "HOME=" + dir, "LC_ALL=C", "TZ=UTC", "no_proxy=*"}
	if out, err := cmd.CombinedOutput(); err != nil {
		return fmt.Errorf("%s: %w\n%s", strings.Join(args, " "), err, bytes.TrimSpace(out))
	}
	got, err := os.ReadDir(packages)
	if err != nil || len(got) != packageNames {
		return fmt.Errorf("dnf got %d packages, expected %d (%v)", len(got), packageNames, err)
	}
	return nil
}
