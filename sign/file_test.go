package sign

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"tidemark/keys"
)

func TestOpenPGPFile_Refused(t *testing.T) {
	f := fixtures()
	private := string(f.private)
	for name, c := range map[string]struct {
		in, want string
		now      time.Time
	}{
		"public part": {f.pgp.Key().Public, "only the public part", f.now},
		"junk":        {"x" + private, "first line", f.now},
		"cut short":   {private[:len(private)/2], "armor", f.now},
		"two keys":    {private + private, "armor", f.now},
		"empty":       {"", "armor", f.now},
		"oversize":    {private + strings.Repeat("x", 2*keys.MaxCertificate), "at most", f.now},
		"ended":       {private, "expired", f.now.Add(2 * year)},
	} {
		if _, err := OpenPGPFile([]byte(c.in), nil, nil, c.now); err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v, expected %q in it", name, err, c.want)
		}
	}
}

func TestOpenPGPFile_Passphrase(t *testing.T) {
	f := fixtures()
	private, _, err := keys.GenerateOpenPGP("Test Only", []byte("test only"), f.now.Add(-time.Hour), year)
	if err != nil {
		t.Fatal(err)
	}
	good := func() ([]byte, error) { return []byte("test only"), nil }
	s, err := OpenPGPFile(private, good, nil, f.now)
	if err != nil {
		t.Fatal(err)
	}
	f.sign(t, s, text)
	for name, pass := range map[string]Passphrase{"wrong": func() ([]byte, error) { return []byte("x"), nil }, "none": nil, "empty": func() ([]byte, error) { return nil, nil }} {
		if _, err := OpenPGPFile(private, pass, nil, f.now); err == nil || !strings.Contains(err.Error(), "passphrase") {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestOpenPGPSign_Times(t *testing.T) {
	f := fixtures()
	r := f.request(text)
	r.Issued = f.now.Add(-2 * time.Hour) // before the key was made
	sig, err := f.pgp.Sign(context.Background(), r)
	if err != nil {
		t.Fatal(err)
	}
	s, err := dearmorSignature(sig.Value)
	if err != nil {
		t.Fatal(err)
	}
	if made := f.now.Add(-time.Hour); !s.CreationTime.Equal(made) || !made.Add(time.Duration(*s.SigLifetimeSecs)*time.Second).Equal(r.Expires) {
		t.Errorf("made %s, lives %d s, expected %s and until %s", s.CreationTime, *s.SigLifetimeSecs, made, r.Expires)
	}
	r = f.request(text)
	r.Expires = r.Issued
	if _, err := f.pgp.Sign(context.Background(), r); err == nil {
		t.Error("a signature without a life")
	}
	r = f.request(text)
	r.Issued, r.Expires = f.now.Add(2*year), f.now.Add(3*year)
	if _, err := f.pgp.Sign(context.Background(), r); err == nil || !strings.Contains(err.Error(), "the key ended") {
		t.Errorf("after the key's end: %v", err)
	}
}

func TestSign_Cancelled(t *testing.T) {
	f := fixtures()
	ctx, cancel := context.WithCancel(context.Background())
	cancel()
	for _, s := range []Signer{f.pgp, f.mini} {
		if _, err := s.Sign(ctx, f.request(text)); err == nil {
			t.Errorf("%s signed after the end", s.Key().Kind)
		}
	}
}

func TestMinisignFile_Refused(t *testing.T) {
	f := fixtures()
	half := bytes.Clone(f.secretMini)
	at := bytes.IndexByte(half, '\n') + 130 // inside the key
	half[at] ^= 'A' ^ 'B'
	if half[at] < 'A' || half[at] > 'Z' {
		half[at] = 'Q'
	}
	for name, in := range map[string][]byte{"empty": nil, "damaged": half, "cut short": f.secretMini[:60], "public": []byte("untrusted comment: x\n" + f.mini.Key().Public + "\n")} {
		if _, err := MinisignFile(in, nil); err == nil {
			t.Errorf("%s was accepted", name)
		}
	}
}

func TestMinisignSign_Comment(t *testing.T) {
	f := fixtures()
	for _, bad := range []string{"a\nb", strings.Repeat("x", maxComment)} {
		if _, err := f.mini.Sign(context.Background(), Request{Payload: []byte("x"), Comment: bad}); err == nil {
			t.Errorf("comment %.20q was signed", bad)
		}
	}
}

func TestPassphrase(t *testing.T) {
	dir := t.TempDir()
	file := write(t, dir, "pass", []byte("a secret \n"))
	open := write(t, dir, "open", []byte("x\n"))
	if err := os.Chmod(open, 0o644); err != nil {
		t.Fatal(err)
	}
	t.Setenv("CREDENTIALS_DIRECTORY", dir)
	t.Setenv("TEST_PASS", "from env")
	t.Setenv("TEST_EMPTY", "")
	for name, c := range map[string]struct {
		pass Passphrase
		want string // "!" and a part of the refusal
	}{
		"file":               {PassphraseFromFile(file), "a secret "},
		"env":                {PassphraseFromEnv("TEST_PASS"), "from env"},
		"credential":         {PassphraseFromCredential("pass"), "a secret "},
		"no file":            {PassphraseFromFile(filepath.Join(dir, "none")), "!no such file"},
		"open file":          {PassphraseFromFile(open), "!chmod 600"},
		"empty file":         {PassphraseFromFile(write(t, dir, "empty", []byte("\n"))), "!expected 1 to"},
		"long file":          {PassphraseFromFile(write(t, dir, "long", make([]byte, maxPassphrase+1))), "!expected 1 to"},
		"empty variable":     {PassphraseFromEnv("TEST_EMPTY"), "!not set"},
		"credential path":    {PassphraseFromCredential("../pass"), "!plain file name"},
		"missing credential": {PassphraseFromCredential("none"), "!no such file"},
	} {
		got, err := c.pass()
		if want, refused := strings.CutPrefix(c.want, "!"); refused {
			if err == nil || !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v, expected %q in it", name, err, want)
			}
		} else if err != nil || string(got) != want {
			t.Errorf("%s: %q, %v", name, got, err)
		}
	}
	t.Setenv("CREDENTIALS_DIRECTORY", "")
	if _, err := PassphraseFromCredential("pass")(); err == nil || !strings.Contains(err.Error(), "LoadCredential=pass") {
		t.Errorf("outside systemd: %v", err)
	}
}
