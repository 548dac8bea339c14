package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"

	"tidemark/internal/rsyncurl"
	"tidemark/quorum"
)

// TestPublicStatus: nobody's private servers, nothing that only the operator needs, and small; the operator's own is left as it is.
func TestPublicStatus(t *testing.T) {
	t.Parallel()
	url, err := rsyncurl.Parse("rsync://mirror-00000.example.org/pub/centos/")
	if err != nil {
		t.Fatal(err)
	}
	d := statusDocument{Schema: statusSchema, Network: "centos", At: hoursAgo(0), Trees: []quorum.TreeReport{{Tree: "centos", Trouble: "/srv/master"}}, Problems: []string{"secret"}}
	for i := range 100 {
		v := quorum.Verdict{Server: fmt.Sprintf("mirror-%05d", i), Kind: "mirror", Tree: "centos", State: quorum.Verified, Source: true, URL: url,
			Reason:  "its time file says 1795330800 (2026-11-22 07:00:00 UTC), the announced timestamp, and its whole list equals the master's, so it is a source",
			Address: "198.51.100.200", Raw: "1795330800", Timestamp: 1795330800, Since: hoursAgo(5), Good: hoursAgo(1), Depth: "listing", Listed: hoursAgo(3),
			List: &quorum.ListLook{At: hoursAgo(3), Address: "198.51.100.200", Timestamp: 1795330800, Files: 240_000, Bytes: 1 << 40, Extra: 1, First: []string{"extra: lost+found/x"}},
			Soft: 3, Rested: true, Next: hoursAgo(-1)}
		d.Verdicts = append(d.Verdicts, v)
	}
	d.Verdicts = append(d.Verdicts, quorum.Verdict{Server: "hidden", Tree: "centos", URL: url})
	d.Verdicts[0].Timestamp, d.Verdicts[0].Raw = 0, "<html>"
	b, err := json.Marshal(d.public(map[string]bool{"hidden": true}))
	if err != nil {
		t.Fatal(err)
	}
	for _, never := range []string{"hidden", "secret", "/srv/master", `"soft"`, `"rested"`, `"next"`, `"first"`, `"raw":"1`} {
		if strings.Contains(string(b), never) {
			t.Errorf("it says %s", never)
		}
	}
	if !strings.Contains(string(b), `"raw":"\u003chtml`) {
		t.Error("what stood in place of a number is gone")
	}
	if each := len(b) / 100; each > 650 {
		t.Errorf("%d bytes a verdict", each)
	} else {
		t.Logf("%d bytes a verdict", each)
	}
	if v := d.Verdicts[1]; v.Soft != 3 || v.List.First == nil || d.Trees[0].Trouble == "" {
		t.Error("the operator's own was changed")
	}
}
