package keys

import (
	"bytes"
	"os"
	"strings"
	"testing"
)

func write(t testing.TB, file string, b []byte) {
	t.Helper()
	if err := os.WriteFile(file, b, 0o600); err != nil {
		t.Fatal(err)
	}
}

func TestArmor_RoundTrip(t *testing.T) {
	for n := 1; n < 200; n++ { // every remainder of 3, and of the line length
		body := bytes.Repeat([]byte{byte(n)}, n)
		text, err := Armor(ArmorSignature, body)
		if err != nil {
			t.Fatal(err)
		}
		if !bytes.Contains(text, []byte("\n=")) || !bytes.HasSuffix(text, []byte("-----\n")) {
			t.Fatalf("%d bytes: no checksum line or no final line feed:\n%s", n, text)
		}
		got, err := Dearmor(text, ArmorSignature)
		if err != nil || !bytes.Equal(got, body) {
			t.Fatalf("%d bytes: %v", n, err)
		}
	}
}

func TestDearmor_Refused(t *testing.T) {
	good, err := Armor(ArmorSignature, []byte("forty-two bytes that are no real signature"))
	if err != nil {
		t.Fatal(err)
	}
	s := string(good)
	if _, err := Dearmor(good, ArmorSignature); err != nil {
		t.Fatal(err)
	}
	sum := s[strings.LastIndex(s, "\n="):strings.Index(s, "\n-----END")]
	cases := map[string]string{
		"junk before":      "x\n" + s,
		"blank before":     "\n" + s,
		"junk after":       s + "x\n",
		"blank after":      s + "\n",
		"two blocks":       s + s,
		"no final LF":      strings.TrimSuffix(s, "\n"),
		"CRLF":             strings.ReplaceAll(s, "\n", "\r\n"),
		"no checksum":      strings.Replace(s, sum, "", 1),
		"wrong checksum":   strings.Replace(s, sum, "\n=AAAA", 1),
		"other type":       strings.ReplaceAll(s, "SIGNATURE", "MESSAGE"),
		"bad header":       strings.Replace(s, "-----\n\n", "-----\nnot a header\n\n", 1),
		"no empty line":    strings.Replace(s, "-----\n\n", "-----\n", 1),
		"blank in body":    strings.Replace(s, sum, "\n"+sum, 1),
		"space in body":    strings.Replace(s, sum, " "+sum, 1),
		"text after sum":   strings.Replace(s, sum, sum+"\nAAAA", 1),
		"empty":            "",
		"only a line feed": "\n",
		"one line":         "-----BEGIN PGP SIGNATURE-----\n",
		"empty body":       "-----BEGIN PGP SIGNATURE-----\n\n=twTO\n-----END PGP SIGNATURE-----\n",
		"bits left over":   "-----BEGIN PGP SIGNATURE-----\n\nAB==\n=twTO\n-----END PGP SIGNATURE-----\n",
		"trailing space":   strings.Replace(s, "SIGNATURE-----\n", "SIGNATURE----- \n", 1),
		"dash escape":      strings.Replace(s, "-----BEGIN", "- -----BEGIN", 1),
	}
	for name, text := range cases {
		if text == s {
			t.Errorf("%s: the case changes nothing", name)
		}
		if _, err := Dearmor([]byte(text), ArmorSignature); err == nil {
			t.Errorf("%s was accepted:\n%s", name, text)
		}
	}
	withHeader := strings.Replace(s, "-----\n\n", "-----\nVersion: GnuPG v1\nComment: x\n\n", 1)
	if _, err := Dearmor([]byte(withHeader), ArmorSignature); err != nil {
		t.Errorf("gpg 1 writes headers: %v", err)
	}
}

func FuzzDearmor(f *testing.F) {
	good, err := Armor(ArmorSignature, []byte("body"))
	if err != nil {
		f.Fatal(err)
	}
	f.Add(good)
	f.Fuzz(func(t *testing.T, text []byte) {
		body, err := Dearmor(text, ArmorSignature)
		if err != nil {
			return
		}
		again, err := Armor(ArmorSignature, body)
		if err != nil {
			t.Fatal(err)
		}
		if got, err := Dearmor(again, ArmorSignature); err != nil || !bytes.Equal(got, body) {
			t.Fatalf("not the same again: %v", err)
		}
	})
}

func TestSplitPackets(t *testing.T) {
	one := AppendPacket(nil, TagLiteral, []byte("abc"))
	list, err := SplitPackets(append(bytes.Clone(one), one...), 2)
	if err != nil || len(list) != 2 || string(list[1].Body) != "abc" || !bytes.Equal(list[1].Raw, one) {
		t.Fatalf("%+v, %v", list, err)
	}
	for name, b := range map[string][]byte{
		"no packet":           {0x3f},
		"indeterminate":       {0xa3, 1, 2},
		"partial":             {0xcb, 0xe1, 1, 2, 0},
		"cut in the header":   {0xcb, 0xff, 0, 0},
		"cut in two octets":   {0xcb, 0xc0},
		"cut in the old form": {0x89, 1},
		"cut in the body":     {0xcb, 5, 1},
		"nothing but a tag":   {0xcb},
		"4 GiB":               {0xcb, 0xff, 0xff, 0xff, 0xff, 0xff, 1},
	} {
		if _, err := SplitPackets(b, 2); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
	if _, err := SplitPackets(append(bytes.Clone(one), one...), 1); err == nil {
		t.Error("more packets than allowed")
	}
}

func FuzzSplitPackets(f *testing.F) {
	f.Add(AppendPacket(nil, TagLiteral, []byte("abc")))
	f.Add([]byte{0x89, 0, 1, 7})
	f.Add([]byte{0xcb, 0xc0, 0})
	f.Fuzz(func(t *testing.T, b []byte) {
		list, err := SplitPackets(b, 8)
		if err != nil {
			return
		}
		var all []byte
		for _, p := range list {
			all = append(all, p.Raw...)
		}
		if !bytes.Equal(all, b) {
			t.Fatal("bytes were lost or made")
		}
	})
}
