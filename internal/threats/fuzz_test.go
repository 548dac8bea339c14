package threats

import (
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// parsers are those of foreign bytes, with the fuzz targets of each.
var parsers = map[string][]string{
	"manifest":                {"manifest.FuzzParse", "client.FuzzOpen"},
	"pointer":                 {"manifest.FuzzParsePointer"},
	"beacon":                  {"manifest.FuzzBeacon", "client.FuzzLookBeacon", "internal/dnstxt.FuzzAnswer"},
	"envelope":                {"sign.FuzzParseEnvelope", "client.FuzzOpenFiles"},
	"minisig":                 {"sign.FuzzMinisig"},
	"OpenPGP signature":       {"sign.FuzzOpenPGPSignature", "sign.FuzzFromASC"},
	"OpenPGP packets":         {"sign.FuzzOpenPGPPacket", "keys.FuzzSplitPackets"},
	"OpenPGP message":         {"sign.FuzzOpenInline"},
	"OpenPGP private key":     {"sign.FuzzOpenPGPFile"},
	"OpenPGP certificate":     {"keys.FuzzReadCertificate"},
	"armor":                   {"keys.FuzzDearmor"},
	"minisign public key":     {"keys.FuzzParseMinisign", "keys.FuzzParseMinisignFile"},
	"trust":                   {"keys.FuzzParseTrust", "sign.FuzzOpenTrust"},
	"inventory":               {"inventory.FuzzInventory", "inventory.FuzzImport"},
	"check-in":                {"checkin.FuzzOpen", "checkin.FuzzSpool"},
	"time file":               {"internal/timefile.FuzzTimefile"},
	"gpg's list of keys":      {"sign.FuzzParseSecretKeys"},
	"ssh public key":          {"sign/sshagent.FuzzParsePublic"},
	"KMS public key":          {"sign/kms.FuzzReadPublic"},
	"address of a user id":    {"keys.FuzzWKD_Address"},
	"rsync greeting":          {"rsync.FuzzGreeting", "rsync.FuzzMux", "rsync.FuzzSession"},
	"rsync file list":         {"rsync.FuzzFileList", "internal/filelist.FuzzBlocks"},
	"rsync's output":          {"rsync.FuzzOutput", "rsync.FuzzStderr"},
	"rsync URL":               {"internal/rsyncurl.FuzzURL"},
	"JSON":                    {"internal/strictjson.FuzzStrictJSON"},
	"YAML":                    {"internal/strictyaml.FuzzDecode", "config.FuzzConfig", "config.FuzzMirror"},
	"state of a reader":       {"client.FuzzSeen", "client.FuzzMemory", "client.FuzzBeaconMemory"},
	"answers of a web site":   {"client.FuzzRetryAfter"},
	"answers of name servers": {"publish.FuzzParseTSIG", "publish.FuzzFragment", "publish/route53.FuzzParseValue"},
}

// TestFuzz_EveryParser: each of them has its targets, and each target has seeds, which run in every go test.
func TestFuzz_EveryParser(t *testing.T) {
	seeds := map[string]map[string]int{}
	for what, targets := range parsers {
		for _, target := range targets {
			pkg, name, _ := strings.Cut(target, ".")
			if seeds[pkg] == nil {
				seeds[pkg] = seedsOf(t, pkg)
			}
			n, there := seeds[pkg][name]
			switch {
			case !there:
				t.Errorf("%s: there is no %s", what, target)
			case n == 0:
				t.Errorf("%s: %s has no seeds", what, target)
			}
		}
	}
}

// seedsOf counts the seeds of each fuzz target of a package: calls of Add, and files below testdata/fuzz.
func seedsOf(t *testing.T, pkg string) map[string]int {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(root, pkg, "*_test.go"))
	if err != nil {
		t.Fatal(err)
	}
	count := map[string]int{}
	for _, file := range files {
		parsed, err := parser.ParseFile(token.NewFileSet(), file, nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		for _, d := range parsed.Decls {
			f, ok := d.(*ast.FuncDecl)
			if !ok || f.Recv != nil || !strings.HasPrefix(f.Name.Name, "Fuzz") {
				continue
			}
			kept, _ := os.ReadDir(filepath.Join(root, pkg, "testdata", "fuzz", f.Name.Name))
			count[f.Name.Name] = len(kept)
			ast.Inspect(f, func(n ast.Node) bool {
				if call, ok := n.(*ast.SelectorExpr); ok && call.Sel.Name == "Add" {
					count[f.Name.Name]++
				}
				return true
			})
		}
	}
	return count
}
