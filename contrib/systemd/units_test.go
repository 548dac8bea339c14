package systemd_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"
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
			"ExecStart=/usr/local/bin/tidemark checkin serve --config /etc/tidemark/tidemark.yaml", "WantedBy=multi-user.target", "MemoryMax=128M", "TasksMax=128"},
		"tidemark-checkins.path":    {"DirectoryNotEmpty=/var/spool/tidemark/new", "Unit=tidemark-checkins.service"},
		"tidemark-checkins.service": {"Type=oneshot", "ExecStart=/usr/local/bin/tidemark run --checkins -q --config /etc/tidemark/tidemark.yaml", "StartLimitIntervalSec=0", "SuccessExitStatus=3 5 7"},
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

// value is what a unit assigns to key, once.
func value(t *testing.T, unit, key string) string {
	t.Helper()
	var found []string
	for _, line := range units(t)[unit] {
		if v, ok := strings.CutPrefix(line, key+"="); ok {
			found = append(found, v)
		}
	}
	if len(found) != 1 {
		t.Fatalf("%s: %d assignments to %s, expected one", unit, len(found), key)
	}
	return found[0]
}

// A run that waits for another one must not be killed meanwhile, nor as soon as it can begin.
func TestUnits_TimeoutIsLongerThanTheLockIsWaitedFor(t *testing.T) {
	const file = "../../cmd/tidemark/state.go"
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	found := regexp.MustCompile(`lockPatience += (\d+) \* time\.Minute`).FindSubmatch(text)
	if found == nil {
		t.Fatalf("%s: no lockPatience in minutes", file)
	}
	patience, err := time.ParseDuration(string(found[1]) + "m")
	if err != nil {
		t.Fatal(err)
	}
	timeout, err := time.ParseDuration(strings.TrimSuffix(value(t, "tidemark-checkins.service", "TimeoutStartSec"), "in"))
	if err != nil || timeout < 2*patience {
		t.Errorf("TimeoutStartSec is %v, %v, expected twice the %v that a run waits for the lock", timeout, err, patience)
	}
}

// A run that failed and left something in the spool is not tried again at once; one that left nothing keeps nobody waiting.
func TestUnits_PauseAfterAFailure(t *testing.T) {
	quoted := value(t, "tidemark-checkins.service", "ExecStopPost")
	script, _ := strings.CutPrefix(quoted, "/bin/sh -c '")
	if script = strings.TrimSuffix(script, "'"); len(script) != len(quoted)-len("/bin/sh -c ''") || strings.Contains(script, "'") {
		t.Fatalf("ExecStopPost=%s", quoted)
	}
	for _, tt := range []struct {
		result string
		lying  []string // nil: the directory cannot be read
		pause  bool
	}{
		{"success", []string{}, false},
		{"success", []string{"a.json"}, false}, // it came during the run
		{"exit-code", []string{}, false},
		{"exit-code", []string{"a.json"}, true},
		{"timeout", []string{".hidden"}, true},
		{"exit-code", nil, true},
	} {
		dir := filepath.Join(t.TempDir(), "new")
		if tt.lying != nil {
			if err := os.Mkdir(dir, 0o700); err != nil {
				t.Fatal(err)
			}
		}
		for _, name := range tt.lying {
			if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
				t.Fatal(err)
			}
		}
		text := strings.NewReplacer("$$", "$", "/var/spool/tidemark/new", dir, "sleep 60", "echo pause").Replace(script) // $$ is systemd's $
		cmd := exec.CommandContext(t.Context(), "/bin/sh", "-c", text)
		cmd.Env = append(os.Environ(), "SERVICE_RESULT="+tt.result)
		out, err := cmd.Output()
		if got := string(out) == "pause\n"; err != nil || got != tt.pause {
			t.Errorf("%s, and %q lies there: %q, %v, expected a pause: %v", tt.result, tt.lying, out, err, tt.pause)
		}
	}
}

// TestUnits_SystemdAnalyze asks systemd itself.
func TestUnits_SystemdAnalyze(t *testing.T) {
	analyze, err := exec.LookPath("systemd-analyze")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatal("systemd-analyze is missing: apt-get install -y systemd")
		}
		t.Skip("systemd-analyze is missing: apt-get install -y systemd")
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
