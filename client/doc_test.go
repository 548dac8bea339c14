package client

import (
	"os"
	"strings"
	"testing"

	"tidemark/internal/strictjson"
	"tidemark/keys"
	"tidemark/manifest"
	"tidemark/sign"
)

// The state files of doc.go are true: those of testdata/example.
func TestDoc_State(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile("../testdata/example/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	asc, err := sign.FromASC(read("manifest.json.asc"), keys.ManifestRole{})
	if err != nil {
		t.Fatal(err)
	}
	mini, err := sign.FromMinisig(read("manifest.json.minisig"))
	if err != nil {
		t.Fatal(err)
	}
	payload := read(ManifestFile)
	bundle := pack(t, payload, []sign.Signature{asc, mini})
	m, err := manifest.Parse(payload)
	if err != nil {
		t.Fatal(err)
	}
	for _, v := range []any{
		Seen{Serial: m.Serial, SHA256: manifest.SHA256(payload), Issued: m.Issued},
		memory{Validator: Validator{URL: "https://mirrors.example.org/centos/" + BundleFile, ETag: `"67402d80-8351"`}, Bundle: manifest.SHA256(bundle), TrustChecked: strictjson.At(day0.Add(3600e9))},
	} {
		b, err := strictjson.Marshal(v)
		if err != nil {
			t.Fatal(err)
		}
		if text := "//\t" + strings.ReplaceAll(strings.TrimSpace(string(b)), "\n", "\n//\t") + "\n"; !strings.Contains(string(doc), text) {
			t.Errorf("doc.go has not\n%s", text)
		}
	}
}
