package console_test

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
	"tidemark/internal/strictyaml"
)

var errOwn = errors.New("the program's own")

func program() (p *console.Program, out, errs *bytes.Buffer) {
	out, errs = new(bytes.Buffer), new(bytes.Buffer)
	return &console.Program{Name: "tool", Version: "1", Config: "/etc/tool.yaml", Whose: "the tool's",
		Env: console.Env{Stdout: out, Stderr: errs, Getenv: os.Getenv, Now: time.Now},
		Judge: func(err error) (int, string) {
			if errors.Is(err, errOwn) {
				return console.Guard, "ask the guard"
			}
			return 0, ""
		}}, out, errs
}

type helpful struct{}

func (helpful) Error() string { return "helpful" }
func (helpful) Hint() string  { return "do this" }

// Each kind of error looks the same on the screen, and ends with its exit code.
func TestReport(t *testing.T) {
	for _, tt := range []struct {
		name string
		err  error
		code int
		want string
	}{
		{"none", nil, 0, ""},
		{"plain", errors.New("broken"), console.Failed, "tool: error: broken\n"},
		{"usage", console.Usage("--at %q", "x"), console.Misuse, "tool: error: --at \"x\"\n"},
		{"exit with hint", console.Exit(console.Refused, errors.New("no"), "try %d", 2), console.Refused, "tool: error: no\ntool: hint: try 2\n"},
		{"hint", console.Hinted(errors.New("no"), "so"), console.Failed, "tool: error: no\ntool: hint: so\n"},
		{"hint around an exit", console.Hinted(fmt.Errorf("b: %w", console.Exit(console.Locked, errors.New("a"), "")), "so"), console.Locked, "tool: error: b: a\ntool: hint: so\n"},
		{"exit around a hint", console.Exit(console.Locked, fmt.Errorf("b: %w", console.Hinted(errors.New("a"), "so")), ""), console.Locked, "tool: error: b: a\ntool: hint: so\n"},
		{"status", fmt.Errorf("x: %w", console.Status(100)), 100, ""},
		{"judged", fmt.Errorf("x: %w", errOwn), console.Guard, "tool: error: x: the program's own\ntool: hint: ask the guard\n"},
		{"its own hint first", console.Hinted(errOwn, "mine"), console.Guard, "tool: error: the program's own\ntool: hint: mine\n"},
		{"typed hint", fmt.Errorf("x: %w", helpful{}), console.Failed, "tool: error: x: helpful\ntool: hint: do this\n"},
		{"disk full", &fs.PathError{Op: "write", Path: "/x", Err: syscall.ENOSPC}, console.Failed,
			"tool: error: write /x: no space left on device\ntool: hint: make room on that file system, then run again: nothing half-written is ever served\n"},
		{"configuration", console.Exit(console.Misuse, strictyaml.Problems{{File: "a.yaml", Line: 3, Field: "id", Text: "too long", Hint: "shorter"}, {File: "a.yaml", Text: "no trees"}}, ""),
			console.Misuse, "tool: error: a.yaml:3: id: too long\ntool: hint: shorter\ntool: error: a.yaml: no trees\n"},
		{"configuration, as it comes", fmt.Errorf("load: %w", strictyaml.Problems{{File: "a.yaml", Text: "no trees"}}), console.Misuse, "tool: error: a.yaml: no trees\n"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			p, out, errs := program()
			if code := p.Report(tt.err); code != tt.code || p.Code(tt.err) != tt.code {
				t.Errorf("exit code %d, expected %d", code, tt.code)
			}
			if diff := cmp.Diff(tt.want, errs.String()); diff != "" || out.Len() > 0 {
				t.Errorf("%s%s", diff, out)
			}
		})
	}
}

// run types a command of a program with "go DIR [FILE]", "many [X…]" and "group sub".
func run(t *testing.T, args ...string) (code int, got, errs string) {
	t.Helper()
	p, out, stderr := program()
	tell := func(c *console.Call) error {
		if err := c.Need("name"); err != nil && c.Bool("needy") {
			return err
		}
		c.Say("%s %v json=%t quiet=%t dry=%t name=%s list=%v", c.Context.Command.Name, c.Args().Slice(), c.JSON, c.Quiet, c.Dry, c.String("name"), c.StringSlice("list"))
		c.Warn("careful")
		c.Log.Info("working")
		return c.Document(map[string]int{"a": 1})
	}
	flags := func() []cli.Flag {
		return []cli.Flag{&cli.StringFlag{Name: "name", Aliases: []string{"n"}}, &cli.StringSliceFlag{Name: "list"}, &cli.BoolFlag{Name: "needy"}, console.DryRun()}
	}
	code = p.Run(append([]string{"tool"}, args...), p.Command("go", "goes", "DIR [FILE]", flags(), "Goes.", tell),
		p.Command("many", "takes many", "[X…]", flags(), "", tell), p.Group("group", "has parts", p.Command("sub", "a part", "", flags(), "", tell)))
	return code, out.String(), stderr.String()
}

func TestRun(t *testing.T) {
	t.Setenv("TIDEMARK_CONFIG", "")
	const warned = "tool: warning: careful\n"
	for _, tt := range []struct {
		args string
		code int
		out  string
		errs string
	}{
		{"go a", 0, "go [a] json=false quiet=false dry=false name= list=[]\n", warned},
		{"go a b --name x --list 1 --list 2 --dry-run", 0, "go [a b] json=false quiet=false dry=true name=x list=[1 2]\n", warned},
		{"go --list=1 a -n y", 0, "go [a] json=false quiet=false dry=false name=y list=[1]\n", warned},
		{"go a --json", 0, "{\n  \"a\": 1\n}\n", warned},
		{"go a -q", 0, "", warned},
		{"many", 0, "many [] json=false quiet=false dry=false name= list=[]\n", warned},
		{"many a b c", 0, "many [a b c] json=false quiet=false dry=false name= list=[]\n", warned},
		{"group sub", 0, "sub [] json=false quiet=false dry=false name= list=[]\n", warned},
		{"--version", 0, "tool 1\n", ""},
		{"go", 2, "", "tool: error: go: found 0 arguments, expected DIR [FILE]\ntool: hint: see: tool go --help\n"},
		{"go a b c", 2, "", "tool: error: go: found 3 arguments, expected DIR [FILE]\ntool: hint: see: tool go --help\n"},
		{"group sub a", 2, "", "tool: error: group sub: found 1 arguments, expected no arguments\ntool: hint: see: tool group sub --help\n"},
		{"go a -- --json", 2, "", "tool: error: \"--\" stands behind an argument\ntool: hint: flags come first: tool go -- … DIR [FILE]\n"},
		{"go -- --json", 2, "", "tool: error: \"--json\" stands behind an argument\ntool: hint: flags come first: tool go --json … DIR [FILE]\n"},
		{"go a --frob", 2, "", "tool: error: unknown flag --frob\ntool: hint: see: tool go --help\n"},
		{"--json go a", 2, "", "tool: error: unknown flag --json\ntool: hint: flags belong behind the command: tool COMMAND --flag\n"},
		{"frob", 2, "", "tool: error: unknown command \"frob\"\ntool: hint: tool --help lists them\n"},
		{"group frob", 2, "", "tool: error: unknown command \"frob\"\ntool: hint: tool group --help lists them\n"},
		{"go a --nmae x", 2, "", "tool: error: unknown flag --nmae\ntool: hint: did you mean --name? see: tool go --help\n"},
		{"go a --jsn=1", 2, "", "tool: error: unknown flag --jsn\ntool: hint: did you mean --json? see: tool go --help\n"},
		{"group sub --lst 1", 2, "", "tool: error: unknown flag --lst\ntool: hint: did you mean --list? see: tool group sub --help\n"},
		{"mnay a", 2, "", "tool: error: unknown command \"mnay\"\ntool: hint: did you mean tool many? tool --help lists all\n"},
		{"group subs", 2, "", "tool: error: unknown command \"subs\"\ntool: hint: did you mean tool group sub? tool group --help lists all\n"},
		{"go a --needy", 2, "", "tool: error: go: --name is missing\ntool: hint: see: tool go --help\n"},
		{"go a --log-format xml", 2, "", "tool: error: --log-format \"xml\": expected text or json\n"},
	} {
		t.Run(tt.args, func(t *testing.T) {
			code, out, errs := run(t, strings.Fields(tt.args)...)
			if code != tt.code {
				t.Errorf("exit code %d, expected %d", code, tt.code)
			}
			if diff := cmp.Diff(tt.out, out) + cmp.Diff(tt.errs, errs); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestRun_Logs(t *testing.T) {
	if _, _, errs := run(t, "go", "a", "-v"); !strings.Contains(errs, "level=INFO msg=working") {
		t.Errorf("nothing logged under --verbose: %s", errs)
	}
	_, _, errs := run(t, "go", "a", "-v", "--log-format", "json")
	if !strings.Contains(errs, `"msg":"working"`) || !strings.Contains(errs, `"level":"WARN","msg":"careful"`) {
		t.Errorf("expected two JSON lines: %s", errs)
	}
	code, _, errs := run(t, "go", "a", "--needy", "--log-format", "json")
	if code != console.Misuse || !strings.Contains(errs, `"level":"ERROR","msg":"go: --name is missing","hint":"see: tool go --help"}`) || strings.Contains(errs, "tool: ") {
		t.Errorf("exit code %d, expected the error and its hint as a line of JSON: %s", code, errs)
	}
}

func TestRun_Help(t *testing.T) {
	code, out, _ := run(t, "go", "--help")
	for _, want := range []string{"tool go", "Goes.", "--config value", "the tool's configuration (default: \"/etc/tool.yaml\")", "--log-format"} {
		if code != 0 || !strings.Contains(out, want) {
			t.Errorf("no %q in the help (exit code %d):\n%s", want, code, out)
		}
	}
}

func TestFiles(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "a")
	if err := console.WriteNew(file, []byte("one"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := console.WriteNew(file, []byte("two"), 0o600); err == nil {
		t.Error("a file that was there was written over")
	}
	if b, err := console.ReadFile(file, 3); err != nil || string(b) != "one" {
		t.Errorf("%q, %v", b, err)
	}
	if b, err := console.ReadFile(file, 2); err == nil {
		t.Errorf("%q of a larger file, expected an error", b)
	}
	if err := console.WriteFile(file, []byte("three"), 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := console.ReadFile(file, 100); err != nil || string(b) != "three" {
		t.Errorf("%q, %v", b, err)
	}
	pipe := filepath.Join(dir, "pipe")
	if err := syscall.Mkfifo(pipe, 0o600); err != nil {
		t.Fatal(err)
	}
	if b, err := console.ReadFile(pipe, 100); err == nil { // with O_NONBLOCK missing this would hang
		t.Errorf("%q of a pipe, expected an error", b)
	}
	go os.WriteFile(pipe, []byte("typed"), 0)
	if b, err := console.ReadInput(pipe, 100); err != nil || string(b) != "typed" {
		t.Errorf("%q, %v of a pipe that was typed", b, err)
	}
	done := make(chan string)
	go func() { b, _ := os.ReadFile(pipe); done <- string(b) }()
	if err := console.WriteFile(pipe, []byte("four"), 0o600); err != nil {
		t.Fatal(err)
	}
	if got := <-done; got != "four" {
		t.Errorf("the pipe gave %q", got)
	}
	if info, err := os.Lstat(pipe); err != nil || info.Mode().Type() != fs.ModeNamedPipe {
		t.Errorf("the pipe was replaced: %v, %v", info.Mode(), err)
	}
}

func TestWords(t *testing.T) {
	at := time.Date(2017, 3, 1, 12, 53, 1, 0, time.UTC)
	for got, want := range map[string]string{
		console.Clock(at.In(time.FixedZone("", 3600))):      "2017-03-01 12:53:01 UTC",
		console.Stamp(at.Unix()):                            "1488372781 (2017-03-01 12:53:01 UTC)",
		console.Stamp(0):                                    "none",
		console.When(time.Time{}):                           "never",
		console.Ago(at, at.Add(40*time.Second)):             "40s",
		console.Ago(at, at.Add(119*time.Minute)):            "119m",
		console.Ago(at, at.Add(47*time.Hour)):               "47h",
		console.Ago(at, at.Add(72*time.Hour)):               "3d",
		console.Ago(time.Time{}, at) + console.When(at)[:4]: "never2017",
	} {
		if got != want {
			t.Errorf("%q, expected %q", got, want)
		}
	}
	w := console.Table("a", "long name")
	w.AppendRow([]any{1, "x"})
	if got := console.Render(w); got != " A  LONG NAME\n 1  x" {
		t.Errorf("%q", got)
	}
}

func TestStateDir(t *testing.T) {
	p, _, errs := program()
	dir := filepath.Join(t.TempDir(), "a", "b")
	if err := p.StateDir(dir); err != nil {
		t.Fatal(err)
	}
	if info, err := os.Stat(dir); err != nil || info.Mode().Perm() != 0o700 {
		t.Errorf("%v, %v, expected mode 0700", info.Mode(), err)
	}
	if os.Geteuid() != 0 {
		t.Skip("the rest is about root")
	}
	if err := os.Chown(dir, 4711, -1); err != nil {
		t.Skip(err) // a user namespace without that user
	}
	if code := p.Report(p.StateDir(dir)); code != console.Misuse || !strings.Contains(errs.String(), "tool: hint: run as its owner: setpriv --reuid 4711 --regid ") {
		t.Errorf("exit code %d\n%s", code, errs)
	}
	if got := console.RunAs(0, 0); got != "runuser -u root --" {
		t.Error(got)
	}
}
