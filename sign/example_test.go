package sign_test

import (
	"fmt"
	"os"
	"strings"
	"testing"
	"time"

	"tidemark/keys"
	"tidemark/sign"
)

const examplePublic = "RWSOm96iJXZqA04zYL3VXAvCkU6YVflnnp319KnocvPo4M8PsHlYH5zO"

// The envelope of the package doc, verified.
func ExampleVerify() {
	b, err := os.ReadFile("testdata/example.bundle.json")
	if err != nil {
		fmt.Println(err)
		return
	}
	e, err := sign.ParseEnvelope(b, sign.MaxBundle)
	if err != nil {
		fmt.Println(err)
		return
	}
	role := keys.ManifestRole{Threshold: 1, Required: []keys.Kind{keys.Minisign}, Keys: []keys.ManifestKey{
		{Holder: "publisher", Kind: keys.Minisign, Key: "036A7625A2DE9B8E", Public: examplePublic},
	}}
	now := time.Date(2026, 11, 22, 8, 0, 0, 0, time.UTC)
	votes, err := sign.Verify(e.Payload, e.Signatures, role, now)
	fmt.Printf("%s%d vote, %v\n", e.Payload, len(votes), err)
	for _, v := range votes {
		fmt.Println(v.Holder, v.Kind, v.Key, v.Comment)
	}
	_, err = sign.Verify([]byte("{}\n"), e.Signatures, role, now)
	fmt.Println(err)
	// Output:
	// {
	//   "hello": "world"
	// }
	// 1 vote, <nil>
	// publisher minisign 036A7625A2DE9B8E an example
	// signatures for the manifest refused: 0 of 1 needed holders signed, no good minisign signature, which is required; minisign 036A7625A2DE9B8E: the signature is not of this key over these bytes
}

// The package doc shows that very envelope and key.
func TestDoc_Example(t *testing.T) {
	doc, err := os.ReadFile("doc.go")
	if err != nil {
		t.Fatal(err)
	}
	b, err := os.ReadFile("testdata/example.bundle.json")
	if err != nil {
		t.Fatal(err)
	}
	text := strings.ReplaceAll(string(doc), "//\t", "")
	if !strings.Contains(text, string(b)) || !strings.Contains(text, examplePublic) {
		t.Error("doc.go shows another envelope than testdata/example.bundle.json, or another key")
	}
}
