package keys

import (
	"bytes"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

func TestMinisign_RealTool(t *testing.T) {
	minisign := tool(t, "minisign", "minisign")
	dir := t.TempDir()
	at := func(n string) string { return filepath.Join(dir, n) }
	run(t, minisign, "-G", "-W", "-p", at("m.pub"), "-s", at("m.key"))
	file, err := os.ReadFile(at("m.pub"))
	if err != nil {
		t.Fatal(err)
	}
	k, err := ParseMinisignFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(k.File(), file) {
		t.Errorf("we write\n%s, minisign wrote\n%s", k.File(), file)
	}
	zero := "untrusted comment: minisign public key FDB12A392418D5C\nRWRcjUGSoxLbD3E3tXTNFe7Bz7Dq5sX2h86ODJIzx2M5BkbsfqDgQsof\n" // minisign's own, of 0FDB12A392418D5C
	if k, err := ParseMinisignFile([]byte(zero)); err != nil || string(k.File()) != zero || k.ID != "0FDB12A392418D5C" {
		t.Errorf("%s, %v", k.File(), err)
	}
	secret, public, err := GenerateMinisign(nil)
	if err != nil {
		t.Fatal(err)
	}
	write(t, at("our.key"), secret)
	write(t, at("our.pub"), public)
	write(t, at("file"), []byte("text\n"))
	run(t, minisign, "-S", "-m", at("file"), "-s", at("our.key"))
	run(t, minisign, "-V", "-m", at("file"), "-p", at("our.pub"))
}

func TestGenerateMinisign_Encrypted(t *testing.T) {
	minisign := tool(t, "minisign", "minisign")
	secret, public, err := GenerateMinisign([]byte("test only"))
	if err != nil {
		t.Fatal(err)
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "k"), secret)
	write(t, filepath.Join(dir, "p"), public)
	write(t, filepath.Join(dir, "f"), []byte("text\n"))
	cmd := exec.Command(minisign, "-S", "-m", filepath.Join(dir, "f"), "-s", filepath.Join(dir, "k"))
	cmd.Stdin = strings.NewReader("test only\n")
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	run(t, minisign, "-V", "-m", filepath.Join(dir, "f"), "-p", filepath.Join(dir, "p"))
}

func TestParseMinisign_Refused(t *testing.T) {
	s := minisignKey(t).String()
	for name, bad := range map[string]string{
		"empty": "", "short": s[:54], "long": s + "AAAA", "line feed": s[:20] + "\n" + s[20:],
		"other algorithm": "RU" + s[2:], "not base64": "!" + s[1:],
	} {
		if _, err := ParseMinisign(bad); err == nil {
			t.Errorf("%s was accepted: %q", name, bad)
		}
	}
	for name, bad := range map[string]string{"no comment": s + "\n", "three lines": "untrusted comment: x\n" + s + "\nx\n", "secret": "untrusted comment: x\nRWQAAEIy\n"} {
		if _, err := ParseMinisignFile([]byte(bad)); err == nil {
			t.Errorf("%s was accepted: %q", name, bad)
		}
	}
}

func FuzzParseMinisign(f *testing.F) {
	f.Add(minisignKey(f).String())
	f.Fuzz(func(t *testing.T, s string) {
		if k, err := ParseMinisign(s); err == nil && k.String() != s {
			t.Fatalf("%q reads and is written as %q", s, k)
		}
	})
}

// What is read as a key is written as the same line, and the file that we write of it is read as the same key.
func FuzzParseMinisignFile(f *testing.F) {
	f.Add([]byte("untrusted comment: minisign public key C6E8270B592965FF\nRWT/ZSlZCyfoxj3X6EMB0GaAPwapP4uEp9TQ2ARSy/Npb8JLromLoszT\n"))
	f.Add([]byte("untrusted comment: \nRWT/ZSlZCyfoxj3X6EMB0GaAPwapP4uEp9TQ2ARSy/Npb8JLromLoszT"))
	f.Fuzz(func(t *testing.T, b []byte) {
		k, err := ParseMinisignFile(b)
		if err != nil {
			if k.ID != "" || k.Public != nil {
				t.Fatal("a key beside an error")
			}
			return
		}
		if line := strings.TrimSuffix(string(b[bytes.IndexByte(b, '\n')+1:]), "\n"); line != k.String() {
			t.Fatalf("%q was read, it would be written as %q", line, k)
		}
		again, err := ParseMinisignFile(k.File())
		if err != nil || again.ID != k.ID || !again.Public.Equal(k.Public) {
			t.Fatalf("%q: %v", k.File(), err)
		}
	})
}
