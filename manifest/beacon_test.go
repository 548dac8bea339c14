package manifest

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func signedBeacon() Beacon {
	b := BeaconOf(three(), "C6E8270B592965FF")
	b.Signature = bytes.Repeat([]byte{0xfb, 0xff}, 32)
	return b
}

func TestBeacon(t *testing.T) {
	b := signedBeacon()
	want := "v=tm1 n=centos s=4127 e=1795420800 t=altarch:1488070381,centos:1488372781,vault:1487767981 k=C6E8270B592965FF"
	if got := b.Signed(); got != want {
		t.Errorf("signed text\n%s, expected\n%s", got, want)
	}
	if !strings.HasPrefix(b.Text(), want+" g=-_") {
		t.Errorf("record %s", b.Text())
	}
	got, err := ParseBeacon(b.Text())
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(b, got); diff != "" {
		t.Error(diff)
	}
	if got := b.Strings(); len(got) != 1 || got[0] != b.Text() {
		t.Errorf("three trees take %d strings, expected 1", len(got))
	}
}

// DESIGN 4.4: one string up to about five trees, more beyond.
func TestBeacon_Strings(t *testing.T) {
	b := signedBeacon()
	b.Trees = map[string]int64{}
	for i := range MaxTrees {
		name := fmt.Sprintf("tree-%02d%s", i, strings.Repeat("x", 92))
		if i < 5 {
			name = fmt.Sprintf("tree-%d", i)
		}
		b.Trees[name] = maxTimestamp
		parts := b.Strings()
		if i < 5 && len(parts) != 1 {
			t.Errorf("%d trees take %d strings, expected 1", i+1, len(parts))
		}
		for _, p := range parts {
			if len(p) > 255 || p == "" {
				t.Errorf("a string of %d bytes", len(p))
			}
		}
		got, err := ParseBeacon(strings.Join(parts, ""))
		if err != nil {
			t.Fatalf("%d trees: %v", i+1, err)
		}
		if diff := cmp.Diff(b, got); diff != "" {
			t.Fatal(diff)
		}
	}
}

func TestParseBeacon_Refused(t *testing.T) {
	good := signedBeacon().Text()
	if _, err := ParseBeacon(good); err != nil {
		t.Fatal(err)
	}
	noTrees := signedBeacon()
	noTrees.Trees = nil
	if _, err := ParseBeacon(noTrees.Text()); err != nil {
		t.Errorf("no trees: %v", err)
	}
	for name, bad := range map[string]string{
		"empty":              "",
		"another version":    edit(good, "v=tm1", "v=tm2"),
		"two spaces":         edit(good, " n=", "  n="),
		"tab":                edit(good, " n=", "\tn="),
		"leading space":      " " + good,
		"trailing space":     good + " ",
		"trailing newline":   good + "\n",
		"one more field":     good + " x=1",
		"fields swapped":     edit(good, "n=centos s=4127", "s=4127 n=centos"),
		"bad network":        edit(good, "n=centos", "n=CentOS"),
		"no network":         edit(good, "n=centos", "n="),
		"serial zero":        edit(good, "s=4127", "s=0"),
		"serial with a plus": edit(good, "s=4127", "s=+4127"),
		"serial with a zero": edit(good, "s=4127", "s=04127"),
		"serial 2^53":        edit(good, "s=4127", "s=9007199254740992"),
		"serial overflow":    edit(good, "s=4127", "s=99999999999999999999"),
		"expires in ms":      edit(good, "e=1795420800", "e=1795420800000"),
		"trees unsorted":     edit(good, "altarch:1488070381,centos:1488372781", "centos:1488372781,altarch:1488070381"),
		"tree twice":         edit(good, "altarch:1488070381", "centos:1488372781"),
		"tree without time":  edit(good, "altarch:1488070381", "altarch"),
		"tree time signed":   edit(good, "altarch:1488070381", "altarch:-1"),
		"tree bad name":      edit(good, "altarch:", "alt/arch:"),
		"empty tree":         edit(good, "t=altarch", "t=,altarch"),
		"key in lower case":  edit(good, "k=C6E8", "k=c6e8"),
		"key too short":      edit(good, "k=C6E8", "k=C6E"),
		"padded signature":   good + "==",
		"standard base64":    strings.NewReplacer("-", "+", "_", "/").Replace(good),
		"short signature":    good[:len(good)-2],
		"loose last bits":    good[:len(good)-1] + "x",
		"newline inside":     good[:len(good)-4] + "\n" + good[len(good)-4:],
		"too long":           good + strings.Repeat("A", MaxBeacon),
		"too many trees":     edit(good, "t=altarch", "t="+manyBeaconTrees()+",altarch"),
	} {
		if b, err := ParseBeacon(bad); err == nil {
			t.Errorf("%s: accepted as %+v", name, b)
		} else if cmp.Diff(b, Beacon{}) != "" {
			t.Errorf("%s: refused, but a value was returned", name)
		}
	}
}

func manyBeaconTrees() string {
	items := make([]string, MaxTrees)
	for i := range items {
		items[i] = fmt.Sprintf("a%02d:1", i)
	}
	return strings.Join(items, ",")
}

func FuzzBeacon(f *testing.F) {
	f.Add(signedBeacon().Text())
	f.Add("v=tm1 n=a s=1 e=1 t= k=0123456789ABCDEF g=" + strings.Repeat("A", 86))
	f.Add("v=tm1 n= s= e= t=:,: k= g=")
	f.Fuzz(func(t *testing.T, s string) {
		b, err := ParseBeacon(s)
		if err == nil && b.Text() != s {
			t.Errorf("%q is written again as %q", s, b.Text())
		}
	})
}
