package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

// units are the files by name, each with its lines.
func units(t *testing.T) map[string][]string {
	t.Helper()
	all := map[string][]string{}
	for _, kind := range []string{"service", "timer", "path"} {
		files, err := filepath.Glob("*." + kind)
		if err != nil {
			t.Fatal(err)
		}
		for _, f := range files {
			b, err := os.ReadFile(f)
			if err != nil {
				t.Fatal(err)
			}
			all[f] = strings.Split(strings.TrimSpace(string(b)), "\n")
		}
	}
	return all
}

// TestUnits reads them as systemd.syntax(7) says, and asks for what each cannot do without.
func TestUnits(t *testing.T) {
	all := units(t)
	for name, lines := range all {
		section := ""
		for i, line := range lines {
			key, _, assigned := strings.Cut(line, "=")
			switch {
			case line == "", strings.HasPrefix(line, "#"):
			case strings.HasPrefix(line, "[") && strings.HasSuffix(line, "]"):
				section = line
			case section == "" || !assigned || strings.TrimSpace(key) != key:
				t.Errorf("%s:%d: %q is no assignment in a section", name, i+1, line)
			}
		}
	}
	for name, want := range map[string][]string{
		"tidemark-checkin.service": {"User=tidemark-checkin", "NoNewPrivileges=yes", "ProtectSystem=strict", "ReadWritePaths=/var/spool/tidemark", "CapabilityBoundingSet=",
			"ExecStart=/usr/local/bin/tidemark checkin serve --config /etc/tidemark/tidemark.yaml", "WantedBy=multi-user.target", "MemoryMax=128M"},
		"tidemark-checkins.path":    {"DirectoryNotEmpty=/var/spool/tidemark/new", "Unit=tidemark-checkins.service"},
		"tidemark-checkins.service": {"Type=oneshot", "ExecStart=/usr/local/bin/tidemark run --checkins -q --config /etc/tidemark/tidemark.yaml", "StartLimitIntervalSec=0", "SuccessExitStatus=5"},
		"tidemark.service":          {"Type=oneshot", "ExecStart=/usr/local/bin/tidemark run -q --config /etc/tidemark/tidemark.yaml"},
		"tidemark.timer":            {"OnCalendar=*:0/5", "WantedBy=timers.target"},
		"tidemark-mirror.service":   {"Type=oneshot", "ExecStart=/usr/local/bin/tidemark-mirror run -q --config /etc/tidemark/mirror.yaml"},
		"tidemark-mirror.timer":     {"OnCalendar=*:0/5", "WantedBy=timers.target"},
	} {
		for _, line := range want {
			if !slices.Contains(all[name], line) {
				t.Errorf("%s: no %s", name, line)
			}
		}
		delete(all, name)
	}
	for name := range all {
		t.Errorf("%s: nothing is asked of it here", name)
	}
}

// TestUnits_SystemdAnalyze asks systemd itself, where it is.
func TestUnits_SystemdAnalyze(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		t.Skip("systemd-analyze is missing: apt-get install -y systemd") // not installed by scripts/deps: a CI image has none
	}
	dir := t.TempDir()
	args := []string{"verify", "--man=no"}
	for name, lines := range units(t) {
		text := strings.NewReplacer("/usr/local/bin/tidemark-mirror", "/bin/true", "/usr/local/bin/tidemark", "/bin/true").Replace(strings.Join(lines, "\n") + "\n")
		file := filepath.Join(dir, name)
		if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
			t.Fatal(err)
		}
		args = append(args, file)
	}
	cmd := exec.CommandContext(t.Context(), analyze, args...)
	cmd.Env = append(os.Environ(), "SYSTEMD_UNIT_PATH="+dir+":")
	if out, err := cmd.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("%v\n%s", err, out)
	}
}
