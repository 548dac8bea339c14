package manifest

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

const example = vectors + "/example"

// needTool ends the test when a program of the system is not there.
func needTool(t *testing.T, tool, debianPackage string) {
	t.Helper()
	if _, err := exec.LookPath(tool); err == nil {
		return
	}
	if os.Getenv("CI") == "true" {
		t.Fatalf("%s is missing: apt-get install -y %s", tool, debianPackage)
	}
	t.Skipf("%s is missing: apt-get install -y %s", tool, debianPackage)
}

// docBlock returns the indented lines of doc.go, without the comment marks.
func docBlock(t *testing.T) string {
	t.Helper()
	b, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	var out strings.Builder
	for line := range strings.Lines(string(b)) {
		if text, ok := strings.CutPrefix(line, "//\t"); ok {
			out.WriteString(text)
		}
	}
	return out.String()
}

func TestDocShowsTheExample(t *testing.T) {
	b, err := os.ReadFile(filepath.Join(example, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(docBlock(t), string(b)) {
		t.Error("doc.go does not show testdata/example/manifest.json")
	}
	m, err := Parse(b)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := Encode(m); err != nil || !bytes.Equal(again, b) {
		t.Errorf("the example is not the encoder's text: %v", err)
	}
	minisig, err := os.ReadFile(filepath.Join(example, "manifest.json.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	if want := "trusted comment: " + m.Comment(b) + "\n"; !strings.Contains(string(minisig), want) {
		t.Errorf("the example's trusted comment is not %q", want)
	}
}

// TestDocCommands runs every command of doc.go, with the example as it is and with one
// byte of it changed.
func TestDocCommands(t *testing.T) {
	for tool, pkg := range map[string]string{"jq": "jq", "gpgv": "gpgv", "minisign": "minisign", "sha256sum": "coreutils", "bash": "bash"} {
		needTool(t, tool, pkg)
	}
	b, err := os.ReadFile(filepath.Join(example, "manifest.json"))
	if err != nil {
		t.Fatal(err)
	}
	var command string
	var want []string
	ran, refused := 0, 0
	changed := changedExample(t, b)
	run := func() {
		if command == "" {
			return
		}
		ran++
		script := strings.ReplaceAll(command, "SUM", SHA256(b))
		out, err := bash(t, example, script)
		if got, want := out, strings.ReplaceAll(strings.Join(want, ""), "SUM", SHA256(b)); err != nil || got != want {
			t.Errorf("$ %s\n%s\n%v, expected\n%s", script, got, err, want)
		}
		if _, err := bash(t, changed, script); err != nil {
			refused++
		}
	}
	for line := range strings.Lines(docBlock(t)) {
		switch text, ok := strings.CutPrefix(line, "$ "); {
		case ok:
			run()
			command, want = strings.TrimSpace(text), nil
		case strings.HasPrefix(line, "v=tm1"):
			run()
			command = ""
		default:
			want = append(want, line)
		}
	}
	if ran < 7 || refused != 3 {
		t.Errorf("ran %d commands, of which %d refused the changed manifest; expected 7, 3", ran, refused)
	}
}

// changedExample is a copy of the example with another serial.
func changedExample(t *testing.T, b []byte) string {
	t.Helper()
	dir := t.TempDir()
	if err := os.CopyFS(dir, os.DirFS(example)); err != nil {
		t.Fatal(err)
	}
	changed := bytes.Replace(b, []byte("4127"), []byte("4128"), 1)
	if err := os.WriteFile(filepath.Join(dir, "manifest.json"), changed, 0o644); err != nil {
		t.Fatal(err)
	}
	return dir
}

func readFile(t *testing.T, path string) []byte {
	t.Helper()
	b, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return b
}

func bash(t *testing.T, dir, script string) (string, error) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "bash", "-c", script)
	cmd.Dir = dir
	out, err := cmd.Output()
	return string(out), err
}

// TestOtherWritersAgree: the encoder's text is that of Python's json module and of jq.
func TestOtherWritersAgree(t *testing.T) {
	needTool(t, "python3", "python3")
	needTool(t, "jq", "jq")
	paths, err := filepath.Glob(filepath.Join(vectors, "good", "*.json"))
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range paths {
		if strings.HasPrefix(filepath.Base(path), "foreign-") {
			continue
		}
		want, err := os.ReadFile(path)
		if err != nil {
			t.Fatal(err)
		}
		for _, writer := range [][]string{
			{"jq", "-a", ".", path},
			{"python3", "-c", "import json,sys; print(json.dumps(json.load(open(sys.argv[1])), indent=2))", path},
		} {
			got, err := exec.CommandContext(t.Context(), writer[0], writer[1:]...).Output()
			if err != nil || !bytes.Equal(got, want) {
				t.Errorf("%s writes %s in another way (%v)", writer[0], path, err)
			}
		}
	}
}
