package publish_test

import (
	"os/exec"
	"strings"
	"testing"

	"tidemark/publish"
)

const labSecret = "H9yooIjZ1a3s3iAX0WvEAGeTnAnON92QaeMBJDbCWxc="

func TestParseTSIG(t *testing.T) {
	t.Parallel()
	want := publish.TSIG{Name: "upd.example.org.", Algorithm: "hmac-sha256", Secret: labSecret}
	for name, text := range map[string]string{
		"tsig-keygen":  "key \"upd.example.org\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + labSecret + "\";\n};\n",
		"by hand":      "# a key\n// for us\n/* alone */ key UPD.example.org. { secret " + labSecret + " ; algorithm HMAC-SHA256; };",
		"keymgr":       "# hmac-sha256:upd.example.org:" + labSecret + "\nkey:\n  - id: upd.example.org\n    algorithm: hmac-sha256\n    secret: " + labSecret + "\n",
		"nsupdate -y":  "hmac-sha256:upd.example.org:" + labSecret + "\n",
		"Windows ends": "hmac-sha256:upd.example.org:" + labSecret + "\r\n",
	} {
		if got, err := publish.ParseTSIG([]byte(text)); err != nil || got != want {
			t.Errorf("%s: %+v, %v", name, got, err)
		}
	}
}

// What the real tools write, in every algorithm that both have.
func TestParseTSIG_RealTools(t *testing.T) {
	t.Parallel()
	needServer(t, "/usr/sbin/tsig-keygen", "bind9")
	needServer(t, "/usr/sbin/keymgr", "knot")
	for _, algorithm := range []string{"hmac-sha1", "hmac-sha224", "hmac-sha256", "hmac-sha384", "hmac-sha512"} {
		for _, argv := range [][]string{{"/usr/sbin/tsig-keygen", "-a", algorithm, "Beacon.Key"}, {"/usr/sbin/keymgr", "-t", "Beacon.Key", algorithm}} {
			b, err := exec.CommandContext(t.Context(), argv[0], argv[1:]...).Output()
			if err != nil {
				t.Fatal(err)
			}
			k, err := publish.ParseTSIG(b)
			if err != nil || k.Name != "beacon.key." || k.Algorithm != algorithm || k.Secret == "" {
				t.Errorf("%q: %v %v %v", argv, k.Name, k.Algorithm, err)
			}
		}
	}
}

func TestParseTSIG_Refused(t *testing.T) {
	t.Parallel()
	key := "key \"upd\" { algorithm hmac-sha256; secret \"" + labSecret + "\"; };"
	for name, text := range map[string]string{
		"empty":              "",
		"two keys":           key + "\n" + key,
		"two keys of knot":   "key:\n  - {id: a, algorithm: hmac-sha256, secret: " + labSecret + "}\n  - {id: b, algorithm: hmac-sha256, secret: " + labSecret + "}\n",
		"another section":    key + "\nzone \"x\" { type primary; };",
		"MD5":                strings.Replace(key, "hmac-sha256", "hmac-md5", 1),
		"no algorithm":       "key upd { secret \"" + labSecret + "\"; };",
		"algorithm twice":    "key upd { algorithm hmac-sha256; algorithm hmac-sha256; };",
		"a secret with junk": strings.Replace(key, "=\"", "=!\"", 1),
		"no secret":          "hmac-sha256:upd:",
		"no name":            "hmac-sha256::" + labSecret,
		"the root's name":    "hmac-sha256:.:" + labSecret,
		"two parts":          "upd:" + labSecret,
		"an open string":     "key \"upd { algorithm hmac-sha256; secret x; };",
		"an open comment":    "/* " + key,
		"a private key":      "Private-key-format: v1.3\nAlgorithm: 163 (HMAC_SHA256)\nKey: " + labSecret + "\n",
		"not text":           key + "\x00",
		"too large":          key + strings.Repeat("\n", 5000),
	} {
		k, err := publish.ParseTSIG([]byte(text))
		if err == nil || k != (publish.TSIG{}) {
			t.Errorf("%s: %+v, %v", name, k, err)
			continue
		}
		if strings.Contains(err.Error(), labSecret[:10]) {
			t.Errorf("%s: the error shows the secret: %v", name, err)
		}
	}
}

// What is accepted is one key, and says the same as a line.
func FuzzParseTSIG(f *testing.F) {
	f.Add([]byte("key \"upd\" {\n\talgorithm hmac-sha256;\n\tsecret \"" + labSecret + "\";\n};\n"))
	f.Add([]byte("# hmac-sha256:upd:" + labSecret + "\nkey:\n  - id: upd\n    algorithm: hmac-sha256\n    secret: " + labSecret + "\n"))
	f.Add([]byte("hmac-sha512:upd.example.org:QUJD\n"))
	f.Add([]byte("/* x */ key a { secret QQ==; algorithm hmac-sha1; };"))
	f.Add([]byte("key \"\" { algorithm \"\"; secret \"\"; };"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := publish.ParseTSIG(b)
		if err != nil {
			if k != (publish.TSIG{}) {
				t.Fatalf("%+v beside %v", k, err)
			}
			return
		}
		if again, err := publish.ParseTSIG([]byte(k.Algorithm + ":" + k.Name + ":" + k.Secret)); err != nil || again != k {
			t.Fatalf("%+v, as a line %+v, %v", k, again, err)
		}
	})
}

// What is accepted keeps its other lines, whatever is written for one name.
func FuzzFragment(f *testing.F) {
	f.Add("; by hand\n\n_other.example.org. IN 300 TXT plain \"and ; quoted\" ; a comment\n", "x")
	f.Add("_tidemark.centos.example.org. 60 IN TXT \"a\\\"b\\\\\" \"\\001\\255\" c\\;d\\ e\r\n", "\"\\;\x00")
	f.Add("_Tidemark.centos.example.org. 60 IN TXT \"x\"\n_a.example.org. TXT x", "\xff")
	f.Add("_a.example.org. TXT \"\"\n", "")
	f.Fuzz(func(t *testing.T, text, record string) {
		const name, other = beaconName + ".", "_other.example.org."
		before, err := publish.FragmentOf([]byte(text), other)
		if err != nil || len(record) > 255 {
			return
		}
		want := publish.RRset{TTL: 60, Records: [][]string{{record}}}
		b, err := publish.FragmentWith([]byte(text), name, want)
		if err != nil {
			t.Fatal(err)
		}
		if len(b) > 64<<10 {
			return
		}
		got, err := publish.FragmentOf(b, name)
		if err != nil || !got.Same(want) || got.TTL != 60 {
			t.Fatalf("%+v, %v of\n%s", got, err, b)
		}
		if after, err := publish.FragmentOf(b, other); err != nil || !after.Same(before) {
			t.Fatalf("another name's records were %+v, are %+v, %v", before, after, err)
		}
		none, err := publish.FragmentWith(b, name, publish.RRset{})
		if err != nil {
			t.Fatal(err)
		}
		again, err := publish.FragmentWith(none, name, want)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := publish.FragmentOf(again, name); err != nil || !got.Same(want) {
			t.Fatalf("removed and written again: %+v, %v", got, err)
		}
	})
}
