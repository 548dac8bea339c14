package quorum

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"tidemark/internal/strictjson"
)

// remembered is the text of a memory that holds a little of everything.
func remembered(t testing.TB) []byte {
	w := newWorld(t, "majority", 3, 2)
	w.digest = "x"
	w.run()
	w.lists, w.policy.ListShare, w.now = true, 100, w.now.Add(time.Hour)
	w.change(5, 2, 1, 1, 1)
	w.sync("n1", "n2", "m2")
	w.servers["m2"][0].diff = diffOf(1, 2, 3, 4)
	w.fail(FailBusy, "m1")
	w.run()
	w.change(9, 3, 1, 1, 1)
	w.memory = Record(w.memory, []MasterReading{w.look()}, w.policy, w.published, w.now)
	text, err := EncodeMemory(w.memory)
	if err != nil {
		t.Fatal(err)
	}
	return text
}

func TestMemoryRoundTrip(t *testing.T) {
	text := remembered(t)
	mem, err := LoadMemory(text)
	if err != nil {
		t.Fatal(err)
	}
	again, err := EncodeMemory(mem)
	if err != nil || !bytes.Equal(text, again) {
		t.Errorf("%v: %s", err, cmp.Diff(string(text), string(again)))
	}
	if mem.Trees["centos"].Unsettled == nil || mem.Servers["m1"]["centos"].Soft != 1 {
		t.Errorf("lost on the way: %+v", mem)
	}
}

// The zero Memory is a publisher's first: it can be decided with, and saved.
func TestMemoryZero(t *testing.T) {
	w := newWorld(t, "all", 1, 0)
	w.memory = Memory{}
	w.run()
	for _, mem := range []Memory{{}, NewMemory()} {
		text, err := EncodeMemory(mem)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := LoadMemory(text); err != nil {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestMemoryRefused(t *testing.T) {
	good := string(remembered(t))
	tests := []struct{ name, old, new, says string }{
		{"empty", good, "", ""},
		{"schema", `"tidemark/memory/v1"`, `"tidemark/memory/v2"`, `expected "tidemark/memory/v1"`},
		{"trailing bytes", good, good + "x", ""},
		{"duplicate member", `"guard": {}`, `"guard": {}, "guard": {}`, "guard"},
		{"member in another case", `"guard": {}`, `"Guard": {}`, ""},
		{"name of a tree", `"centos": {`, `"Cent OS": {`, "Cent OS"},
		{"name of a server", `"m1": {`, `"-m1": {`, "-m1"},
		{"announced, not recorded", `"announced": 17`, `"announced": 16`, "expected one that is recorded"},
		{"recorded twice", `"timestamp": 1795248300,`, `"timestamp": 1795248000,`, "rising"},
		{"anchors out of order", `"path": "v0/repomd.xml"`, `"path": "v9/repomd.xml"`, "rising order"},
		{"size below zero", `"size": 101`, `"size": -101`, "size -101"},
		{"not a SHA-256", `"sha256": "`, `"sha256": "x`, "64 lower-case hex digits"},
		{"files below zero", `"files": 10`, `"files": -10`, "-10 files"},
		{"state", `"state": "verified"`, `"state": "fine"`, `"fine"`},
		{"soft errors below zero", `"soft": 1`, `"soft": -1`, "soft errors -1"},
		{"depth", `"depth": "anchors"`, `"depth": "abyss"`, `"abyss"`},
		{"state of a list", `"state": "wrong"
`, `"state": "verified"
`, "expected wrong, incomplete, mixed or moving"},
		{"files of a list below zero", `"missing": 2`, `"missing": -2`, "-2: expected 0 or more"},
		{"address of a list", `"address": "192.0.2.1",
          "timestamp": 1795248300,
          "files"`, `"address": "nowhere",
          "timestamp": 1795248300,
          "files"`, "expected an IP address"},
		{"family", "\n          4\n", "\n          5\n", "family 5"},
		{"guard", `"guard": {}`, `"guard": {"runs": -1}`, "-1 runs"},
		{"time", `"at": "2026`, `"at": "26`, "RFC 3339"},
		{"failed look", `"unsettled": {`, `"unsettled": {"failure": {"kind": "busy", "text": ""},`, "expected a successful one"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			bad := strings.Replace(good, tt.old, tt.new, 1)
			if bad == good {
				t.Fatalf("%q is not in the document:\n%s", tt.old, good)
			}
			if _, err := LoadMemory([]byte(bad)); err == nil || !strings.Contains(err.Error(), tt.says) {
				t.Errorf("got %v, want a refusal with %q", err, tt.says)
			}
		})
	}
}

// What is loaded can be worked with and saved again.
func FuzzMemory(f *testing.F) {
	f.Add(remembered(f))
	f.Add([]byte(`{"schema": "tidemark/memory/v1", "trees": {}, "servers": {}, "guard": {}}`))
	f.Add([]byte(`{"schema": "tidemark/memory/v1", "trees": {"centos": {"announced": 5}}, "servers": {"m1": {"centos": {"valid": true, "timestamp": 9}}}, "guard": {"runs": 2}}`))
	f.Add([]byte(`{"schema": "tidemark/memory/v1", "trees": {}, "servers": {"m1": {"centos": {"url": "rsync://m1.example.org/centos/", "state": "busy", "soft": 9223372036854775807, "last": {"at": "2026-11-22T08:00:00Z"}}}}, "guard": {}}`))
	f.Add([]byte(`{}`))
	w := newWorld(f, "majority", 3, 2)
	w.run()
	readings := w.ask()
	readings.Rested = []string{"m1/centos", "n1/centos"}
	w.policy.Backoff, w.policy.Spot = time.Hour, 500
	w.keepLists(w.memory)
	f.Fuzz(func(t *testing.T, data []byte) {
		mem, err := LoadMemory(data)
		if err != nil {
			return
		}
		text, err := EncodeMemory(mem)
		if err != nil {
			t.Fatalf("loaded, but not to be saved: %v", err)
		}
		again, err := LoadMemory(text)
		if err != nil {
			t.Fatalf("saved, but not to be loaded: %v", err)
		}
		if second, err := EncodeMemory(again); err != nil || !bytes.Equal(text, second) {
			t.Fatalf("%v: %s", err, cmp.Diff(string(text), string(second)))
		}
		Plan(mem, w.policy, w.now, w.rnd)
		for _, published := range []bool{false, true} {
			previous := w.published
			if !published {
				previous = nil
			}
			d := Decide(readings, w.policy, previous, mem, w.now)
			if _, err := EncodeMemory(d.Memory); err != nil {
				t.Fatalf("decided with, but not to be saved: %v", err)
			}
			if tree := d.Manifest.Trees["centos"]; tree.Timestamp < mem.Trees["centos"].Announced {
				t.Fatalf("announced went from %d to %d", mem.Trees["centos"].Announced, tree.Timestamp)
			}
		}
	})
}

// at takes no time from a clock that runs ahead.
func TestAt(t *testing.T) {
	early := strictjson.At(start.Add(-1))
	if got := at(early, start); got != early {
		t.Errorf("%v became %v", early, got)
	}
	for _, odd := range []strictjson.Time{{}, strictjson.At(start.Add(3600e9))} {
		if got := at(odd, start); got != strictjson.At(start) {
			t.Errorf("%v became %v", odd, got)
		}
	}
}

func TestWords(t *testing.T) {
	for seconds, want := range map[int64]string{0: "0 s", -5: "0 s", 59: "59 s", 60: "1 min", 61: "1 min 1 s", 3600: "1 h", 3661: "1 h 1 min", 86400: "1 d", 90000: "1 d 1 h", 864000: "10 d"} {
		if got := span(seconds); got != want {
			t.Errorf("%d seconds: %q, want %q", seconds, got, want)
		}
	}
	if got := stamp(1488372781); got != "1488372781 (2017-03-01 12:53:01 UTC)" {
		t.Error(got)
	}
	if got := stamp(1 << 62); got != "4611686018427387904" {
		t.Error(got)
	}
}
