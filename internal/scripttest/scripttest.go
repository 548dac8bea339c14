// Package scripttest is what the programs' script tests have in common (testdata/script/*.txtar): commands of the scripts,
// and the tools of the system that they need. Only tests import it.
//
//	codes 4 tidemark verify DIR     run a command and compare its exit code
//	schema stdout                   validate a document (a file, or stdout) against the schema that it names
//	flip FILE                       change one bit in the middle of a file
//	plain stdout FILE               write a text to FILE, with the variables of the script put back for their values
package scripttest

import (
	"bytes"
	"maps"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/rogpeppe/go-internal/testscript"
	"github.com/santhosh-tekuri/jsonschema/v6"

	"tidemark/schema"
)

// Commands are those of the package documentation and own.
func Commands(own map[string]func(*testscript.TestScript, bool, []string)) map[string]func(*testscript.TestScript, bool, []string) {
	all := map[string]func(*testscript.TestScript, bool, []string){"codes": codes, "schema": followsSchema, "flip": flip, "plain": plain}
	maps.Copy(all, own)
	return all
}

// Offset is how far the clock of a tested program is off: TIDEMARK_TEST_CLOCK, such as "-26h". The shipped programs have no
// such switch.
func Offset() time.Duration {
	d, _ := time.ParseDuration(os.Getenv("TIDEMARK_TEST_CLOCK"))
	return d
}

// NeedTool ends the test when a program of the system is missing: under CI=true it fails, else it is skipped.
func NeedTool(t testing.TB, names ...string) {
	t.Helper()
	for _, name := range names {
		_, err := exec.LookPath(name)
		switch {
		case err == nil:
		case os.Getenv("CI") == "true":
			t.Fatalf("%s is missing: scripts/deps test", name)
		default:
			t.Skipf("%s is missing: apt-get install -y %s", name, name)
		}
	}
}

// codes runs a command and compares its exit code: `codes 4 tidemark verify …`.
func codes(ts *testscript.TestScript, neg bool, args []string) {
	want := args[0]
	err := ts.Exec(args[1], args[2:]...)
	got := "0"
	if err != nil {
		got = strings.TrimPrefix(err.Error(), "exit status ")
	}
	if got != want {
		ts.Fatalf("exit code of %s: found %s, expected %s", strings.Join(args[1:], " "), got, want)
	}
}

// followsSchema validates a document (a file, or stdout of the last command) against the schema that it names.
func followsSchema(ts *testscript.TestScript, neg bool, args []string) {
	ts.Check(FollowsSchema(ts.ReadFile(args[0])))
}

// FollowsSchema validates a document against the schema that it names.
func FollowsSchema(text string) error {
	doc, err := jsonschema.UnmarshalJSON(strings.NewReader(text))
	if err != nil {
		return err
	}
	object, _ := doc.(map[string]any)
	name, _ := object["schema"].(string)
	b, err := schema.Get(name)
	if err != nil {
		return err
	}
	parsed, err := jsonschema.UnmarshalJSON(bytes.NewReader(b))
	if err != nil {
		return err
	}
	c := jsonschema.NewCompiler()
	if err := c.AddResource(name, parsed); err != nil {
		return err
	}
	s, err := c.Compile(name)
	if err != nil {
		return err
	}
	return s.Validate(doc)
}

// flip changes one bit in the middle of a file.
func flip(ts *testscript.TestScript, neg bool, args []string) {
	file := ts.MkAbs(args[0])
	b, err := os.ReadFile(file)
	ts.Check(err)
	b[len(b)/2] ^= 1
	ts.Check(os.WriteFile(file, b, 0o644))
}

// plain makes a text comparable with a golden one: `plain stdout FILE NAME...` writes it to FILE with $NAME for the value of
// each variable, the longest value first.
func plain(ts *testscript.TestScript, neg bool, args []string) {
	text, names := ts.ReadFile(args[0]), slices.Clone(args[2:])
	slices.SortStableFunc(names, func(a, b string) int { return len(ts.Getenv(b)) - len(ts.Getenv(a)) })
	for _, name := range names {
		if v := ts.Getenv(name); v != "" {
			text = strings.ReplaceAll(text, v, "$"+name)
		}
	}
	ts.Check(os.WriteFile(ts.MkAbs(args[1]), []byte(text), 0o644))
}
