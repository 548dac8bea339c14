package arch_test

import (
	"fmt"
	"os"
	"path"
	"strings"
	"testing"
	"testing/fstest"

	"tidemark/internal/arch"
)

// house is the table of the floors. A package that is missing here is refused.
var house = arch.House{
	Floors: map[string]int{
		"cmd/tidemark":        5,
		"cmd/tidemark-mirror": 5,
		"cmd/tidemark-lab":    5,

		"config":           4,
		"internal/console": 4,

		"probe":              3,
		"publish":            3,
		"client":             3,
		"treesync":           3,
		"history":            3,
		"site":               3,
		"publish/s3":         3,
		"publish/cloudfront": 3,
		"publish/route53":    3,
		"sign/kms":           3,
		"sign/sshagent":      3,

		"quorum":  2,
		"rsync":   2,
		"checkin": 2,

		"manifest":  1,
		"sign":      1,
		"inventory": 1,

		"keys":   0,
		"schema": 0,
		// The cellar: leaves that keys and everything above may use.
		"internal/strictjson": -1,
		"internal/strictyaml": -1,
		"internal/rsyncurl":   -1,
		"internal/ident":      -1,
		"internal/geo":        -1,
		"internal/timefile":   -1,
		"internal/dnstxt":     -1,
		"internal/filelist":   -1,
		"internal/filter":     -1,
		"internal/netrange":   -1,

		"internal/arch":       arch.Free,
		"internal/ceremony":   arch.Free,
		"internal/lab":        arch.Free,
		"internal/scripttest": arch.Free,
		"internal/threats":    arch.Free,
		"publish/storetest":   arch.Free,
		"sign/signtest":       arch.Free,
	},
	Tests:    []string{"internal/arch", "internal/ceremony", "internal/scripttest", "internal/threats", "publish/storetest", "sign/signtest"},
	Adapters: []string{"publish/s3", "publish/cloudfront", "publish/route53", "sign/kms", "sign/sshagent"},
	// None of these links the AWS SDK; make check asks the go command as well.
	Links: []string{
		"aead.dev/minisign",
		"github.com/ProtonMail/go-crypto",
		"github.com/bmatcuk/doublestar/v4",
		"github.com/gofrs/flock",
		"github.com/google/renameio/v2",
		"github.com/jedib0t/go-pretty/v6",
		"github.com/miekg/dns",
		"github.com/santhosh-tekuri/jsonschema/v6",
		"github.com/schollz/progressbar/v3",
		"github.com/urfave/cli/v2",
		"go.yaml.in/yaml/v4",
		"golang.org/x",
	},
	Long: map[string]string{},
}

// TestHouse reads the repository itself.
func TestHouse(t *testing.T) {
	tree, err := arch.Load(os.DirFS("../.."))
	if err != nil {
		t.Fatal(err)
	}
	for _, known := range []string{"cmd/tidemark", "cmd/tidemark-mirror", "manifest", "internal/arch"} {
		if tree.Packages[known] == nil {
			t.Errorf("package %s was not found: is the whole repository read?", known)
		}
	}
	for _, p := range arch.Check(tree, house) {
		t.Error(p)
	}
}

// sound is a small tree that keeps every rule; each case below adds what breaks one.
func sound() fstest.MapFS {
	return files(
		"go.mod", "module tidemark\n\ngo 1.26.0\n",
		"cmd/tidemark/main.go", "// Command tidemark runs.\npackage main\n\nimport (\n\t\"os\"\n\t\"time\"\n\n\t\"tidemark/config\"\n\t\"tidemark/publish/s3\"\n)\n\nvar commit string\n\nfunc main() { _ = time.Now; s3.Put(config.X, commit); os.Exit(1) }\n",
		"cmd/tidemark-mirror/main.go", "// Command tidemark-mirror runs.\npackage main\n\nimport (\n\t\"github.com/urfave/cli/v2\"\n\t\"tidemark/client\"\n)\n\nfunc main() { cli.VersionFlag = client.F }\n",
		"cmd/tidemark-lab/main.go", "// Command tidemark-lab runs.\npackage main\n\nimport \"tidemark/internal/lab\"\n\nfunc main() { lab.Run() }\n",
		"config/config.go", "// Package config reads.\npackage config\n\nimport \"tidemark/inventory\"\n\nconst X = inventory.X\n",
		"client/client.go", "// Package client opens.\npackage client\n\nimport \"tidemark/manifest\"\n\nvar F = manifest.F\n",
		"publish/publish.go", "// Package publish puts.\npackage publish\n",
		"publish/s3/s3.go", "// Package s3 adapts.\npackage s3\n\nimport (\n\t\"github.com/aws/aws-sdk-go-v2/service/s3\"\n\t\"tidemark/publish\"\n)\n\nfunc Put(...any) { s3.New(publish.X) }\n",
		"inventory/inventory.go", "// Package inventory lists.\npackage inventory\n\nconst X = 1\n",
		"internal/lab/lab.go", "// Package lab plays.\npackage lab\n\nimport \"tidemark/client\"\n\nvar _ = client.F\n",
		"manifest/doc.go", "// Package manifest is the document.\npackage manifest\n\nimport (\n\t\"errors\"\n\t_ \"embed\"\n)\n\n//go:embed doc.go\nvar text string\n\nvar ErrF = errors.New(\"f\")\n\nvar table = map[string]int{\"a\": 1}\n\nfunc F() int { table := map[string]int{}; table[text] = 1; return len(table) }\n",
		"manifest/doc_test.go", "package manifest_test\n\nimport (\n\t\"tidemark/config\"\n\t\"tidemark/internal/lab\"\n\t\"time\"\n)\n\nvar now = time.Now()\n",
		"tools/go.mod", "module tidemark/tools\n",
		"tools/x.go", "package util\n",
		"manifest/testdata/x.go", "package util\n",
	)
}

func files(pairs ...string) fstest.MapFS {
	m := fstest.MapFS{}
	for i := 0; i < len(pairs); i += 2 {
		m[pairs[i]] = &fstest.MapFile{Data: []byte(pairs[i+1])}
	}
	return m
}

func TestCheck_SoundTree(t *testing.T) {
	for _, p := range check(t, sound(), house) {
		t.Error(p)
	}
}

func check(t *testing.T, fsys fstest.MapFS, h arch.House) []string {
	t.Helper()
	tree, err := arch.Load(fsys)
	if err != nil {
		t.Fatal(err)
	}
	return arch.Check(tree, h)
}

// TestCheck_EachRuleCanFail lays one file into the sound tree and wants one
// problem, at its place.
func TestCheck_EachRuleCanFail(t *testing.T) {
	for _, tt := range []struct{ name, file, src, want string }{
		{"import of a higher floor", "manifest/x.go", `import _ "tidemark/client"`,
			"manifest/x.go:2: manifest (floor 1) imports client (floor 3)"},
		{"import of an equal floor", "client/x.go", `import _ "tidemark/publish"`,
			"client/x.go:2: client (floor 3) imports publish (floor 3)"},
		{"adapter imports another's parent", "publish/s3/x.go", `import _ "tidemark/client"`,
			"publish/s3/x.go:2: publish/s3 (floor 3) imports client (floor 3)"},
		{"parent imports its adapter", "publish/x.go", `import _ "tidemark/publish/s3"`,
			"publish/x.go:2: publish (floor 3) imports publish/s3 (floor 3)"},
		{"adapter outside cmd/tidemark", "cmd/tidemark-lab/x.go", `import _ "tidemark/publish/s3"`,
			"cmd/tidemark-lab imports publish/s3: only cmd/tidemark"},
		{"config outside cmd", "internal/lab/x.go", `import _ "tidemark/config"`,
			"internal/lab imports config: only cmd/*"},
		{"config imports more than inventory", "config/x.go", `import _ "tidemark/manifest"`,
			"config imports manifest: it imports inventory and internal/* only"},
		{"lab outside cmd/tidemark-lab", "cmd/tidemark/x.go", `import _ "tidemark/internal/lab"`,
			"cmd/tidemark imports internal/lab"},
		{"arch imported", "cmd/tidemark/x.go", `import _ "tidemark/internal/arch"`,
			"cmd/tidemark imports internal/arch: only tests do"},
		{"AWS outside an adapter", "publish/x.go", `import _ "github.com/aws/smithy-go/ptr"`,
			"publish imports github.com/aws/smithy-go/ptr: only leaf adapters"},
		{"mirror links an unknown module", "manifest/x.go", `import _ "example.org/big"`,
			"cmd/tidemark-mirror -> client -> manifest -> example.org/big"},
		{"unknown package", "harbour/x.go", ``, "package harbour stands on no floor"},
		{"time.Now called", "client/x.go", `import "time"; func x() { _ = time.Now() }`, "client uses time.Now"},
		{"time.Now handed on", "client/x.go", `import "time"; var now = time.Now`, "client uses time.Now"},
		{"time.Since, renamed import", "client/x.go", `import tm "time"; func x(t tm.Time) { use(tm.Since(t)) }`, "client uses time.Since"},
		{"time.Until", "client/x.go", `import "time"; func x(t time.Time) { _ = time.Until(t) }`, "client uses time.Until"},
		{"os.Exit", "client/x.go", `import "os"; func x() { os.Exit(1) }`, "client uses os.Exit"},
		{"log.Fatalf", "client/x.go", `import "log"; func x() { log.Fatalf("x") }`, "client uses log.Fatal"},
		{"dot import", "client/x.go", `import . "time"`, "imports time into its own names"},
		{"var without value", "client/x.go", `var n int`, "package-level var n has no value"},
		{"string without value in a library", "client/x.go", `var s string`, "package-level var s has no value"},
		{"made map", "client/x.go", `var m = make(map[string]int)`, "package-level var m is made empty with make"},
		{"new", "client/x.go", `var m = new(int)`, "package-level var m is made empty with new"},
		{"lock", "client/x.go", `import "sync"; var m = sync.Mutex{}`, "package-level var m is a sync.Mutex"},
		{"pool", "client/x.go", `import "sync"; var m = &sync.Pool{}`, "package-level var m is a sync.Pool"},
		{"assigned", "client/x.go", `var n = 1; func x() { n = 2 }`, "var n is changed"},
		{"assigned in another file", "manifest/x.go", `func x() { table = nil }`, "manifest/x.go:2: package-level var table is changed"},
		{"element assigned", "manifest/x.go", `func x() { table["b"] = 2 }`, "var table is changed"},
		{"field assigned", "client/x.go", `var v = struct{ n int }{}; func x() { (v.n)++ }`, "var v is changed"},
		{"deleted from", "manifest/x.go", `func x() { delete(table, "a") }`, "var table is changed"},
		{"ranged into", "client/x.go", `var n = 1; func x() { for n = range 3 { } }`, "var n is changed"},
		{"address taken", "client/x.go", `var n = 1; func x() { use(&n) }`, "var n is changed, or its address taken"},
		{"another package's", "client/x.go", `import "net/http"; func x() { http.DefaultClient = nil }`, "client changes net/http.DefaultClient"},
		{"drawer", "client/utils/x.go", ``, "a package named utils is a drawer"},
		{"long function", "client/x.go", "func x() {" + strings.Repeat("\n", 60) + "}", "client/x.go: x has 61 lines, the limit is 60"},
		{"long file", "client/x.go", strings.Repeat("\n", 399), "client/x.go has 401 lines, the limit is 400"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree := sound()
			dir := path.Dir(tt.file)
			pkg := path.Base(dir)
			if strings.HasPrefix(dir, "cmd/") {
				pkg = "main"
			}
			src := fmt.Sprintf("// Package %s has a doc.\npackage %s; %s\n", pkg, pkg, tt.src)
			tree[tt.file] = &fstest.MapFile{Data: []byte(src)}
			got := check(t, tree, house)
			if len(got) != 1 || !strings.Contains(got[0], tt.want) {
				t.Errorf("want one problem, with %q; got:\n%s", tt.want, strings.Join(got, "\n"))
			}
		})
	}
}

func TestCheck_MirrorReachesAWS(t *testing.T) {
	tree := sound()
	tree["manifest/x.go"] = &fstest.MapFile{Data: []byte("package manifest\n\nimport _ \"github.com/aws/aws-sdk-go-v2/aws\"\n")}
	got := strings.Join(check(t, tree, house), "\n")
	want := "the mirror's program links the AWS SDK: cmd/tidemark-mirror -> client -> manifest -> github.com/aws/aws-sdk-go-v2/aws"
	if !strings.Contains(got, want) {
		t.Errorf("want %q, got:\n%s", want, got)
	}
}

func TestCheck_MissingDoc(t *testing.T) {
	for file, src := range map[string]string{
		"client/client.go":         "package client\n\nvar F = 1\n",
		"inventory/inventory.go":   "// What is this?\npackage inventory\n\nconst X = 1\n",
		"cmd/tidemark-lab/main.go": "package main\n",
	} {
		tree := sound()
		tree[file] = &fstest.MapFile{Data: []byte(src)}
		got := check(t, tree, house)
		if len(got) != 1 || !strings.Contains(got[0], "has no doc") {
			t.Errorf("%s: want one problem about its doc, got:\n%s", file, strings.Join(got, "\n"))
		}
	}
}

// TestCheck_Exceptions: an exception lets one long function pass, and must be
// needed and justified.
func TestCheck_Exceptions(t *testing.T) {
	long := "package client\n\nfunc x() {" + strings.Repeat("\n", 60) + "}\n"
	for _, tt := range []struct {
		name, src, reason string
		want              int
	}{
		{"needed", long, "one switch over all exit codes", 0},
		{"not needed", "package client\n", "one switch over all exit codes", 1},
		{"no reason", long, "", 2},
	} {
		t.Run(tt.name, func(t *testing.T) {
			tree, h := sound(), house
			tree["client/x.go"] = &fstest.MapFile{Data: []byte(tt.src)}
			h.Long = map[string]string{"client/x.go: x": tt.reason}
			if got := check(t, tree, h); len(got) != tt.want {
				t.Errorf("want %d problems, got:\n%s", tt.want, strings.Join(got, "\n"))
			}
		})
	}
}

func TestLoad_Refuses(t *testing.T) {
	for name, fsys := range map[string]fstest.MapFS{
		"no go.mod":      files("a/a.go", "package a\n"),
		"no module line": files("go.mod", "go 1.26\n"),
		"broken file":    files("go.mod", "module m\n", "a/a.go", "package\n"),
	} {
		if _, err := arch.Load(fsys); err == nil {
			t.Errorf("%s: want an error", name)
		}
	}
}
