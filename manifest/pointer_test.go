package manifest_test

import (
	"fmt"
	"strings"
	"testing"

	"tidemark/manifest"
)

func FuzzParsePointer(f *testing.F) {
	good, err := manifest.PointTo(7, strings.Repeat("a", 64)).Encode()
	if err != nil {
		f.Fatal(err)
	}
	for _, seed := range []string{string(good), "", "{}", "null", `{"schema":"tidemark/pointer/v1"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		p, err := manifest.ParsePointer(b)
		if err != nil {
			if p != nil {
				t.Error("a pointer and an error")
			}
			return
		}
		again, err := p.Encode()
		if err != nil {
			t.Fatal(err)
		}
		q, err := manifest.ParsePointer(again)
		if err != nil || *q != *p {
			t.Errorf("%+v became %+v, %v", p, q, err)
		}
		if p.Path != fmt.Sprintf("m/%d/", p.Serial) {
			t.Errorf("serial %d is said to lie at %q", p.Serial, p.Path)
		}
	})
}
