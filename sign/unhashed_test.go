package sign

import (
	"bytes"
	"encoding/binary"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ProtonMail/go-crypto/openpgp/packet"

	"tidemark/keys"
)

// unhashed puts subpackets into the area of a signature that nobody signed.
func unhashed(t testing.TB, sig Signature, sub []byte) Signature {
	t.Helper()
	before, area, after := areas(t, sig.Value)
	area = slices.Concat(area, sub)
	body := slices.Concat(binary.BigEndian.AppendUint16(bytes.Clone(before), uint16(len(area))), area, after)
	out := armored(t, keys.AppendPacket(nil, keys.TagSignature, body))
	out.Key = sig.Key
	return out
}

// areas cuts a signature's packet into what is signed, the unhashed area without its length, and the numbers.
func areas(t testing.TB, value string) (before, area, after []byte) {
	t.Helper()
	body, err := keys.Dearmor([]byte(value), keys.ArmorSignature)
	if err != nil {
		t.Fatal(err)
	}
	list, err := keys.SplitPackets(body, 1)
	if err != nil {
		t.Fatal(err)
	}
	b := list[0].Body
	at := 6 + int(binary.BigEndian.Uint16(b[4:]))
	end := at + 2 + int(binary.BigEndian.Uint16(b[at:]))
	return b[:at], b[at+2 : end], b[end:]
}

// What stands where nobody signed could carry anything to those who read on: forged policy, or 64 KiB of noise.
func TestVerify_StuffedUnhashedArea(t *testing.T) {
	f := fixtures()
	role := onlyPGP(f.role.Keys[0])
	good := f.sign(t, f.pgp, text)
	id := binary.BigEndian.AppendUint64([]byte{9, subIssuer}, secretOf(f.pgp).KeyId)
	fpr := append([]byte{22, subIssuerFingerprint, 4}, secretOf(f.pgp).Fingerprint...)
	for name, c := range map[string]struct {
		sub  []byte
		good bool
	}{
		"nothing":               {nil, true},
		"issuer":                {id, true},
		"issuer fingerprint":    {fpr, true},
		"both":                  {slices.Concat(id, fpr), true},
		"issuer twice":          {slices.Concat(id, id), false},
		"fingerprint twice":     {slices.Concat(fpr, id, fpr), false},
		"life":                  {[]byte{5, 3, 0, 0, 0, 0}, false},
		"notation":              {append([]byte{11, 20, 0x80, 0, 0, 0, 0, 1, 0, 1}, "xy"...), false},
		"type 100":              {[]byte{1, 100}, false},
		"40 kB of noise":        {bytes.Repeat([]byte{1, 100}, 20000), false},
		"no type":               {[]byte{0}, false},
		"length of two bytes":   {append([]byte{192, 0, subIssuer}, make([]byte, 191)...), false},
		"issuer, cut short":     {id[:9], false},
		"issuer, longer":        {append([]byte{10}, append(bytes.Clone(id[1:]), 0)...), false},
		"fingerprint, version6": {append([]byte{34, subIssuerFingerprint, 6}, make([]byte, 32)...), false},
	} {
		s := unhashed(t, good, c.sub)
		_, err := Verify([]byte(text), []Signature{s}, role, f.now)
		if c.good {
			if err != nil {
				t.Errorf("%s: %v", name, err)
			}
			continue
		}
		t.Run(name, func(t *testing.T) { refusal(t, err, Malformed) })
	}
}

// Signatures as gpg, gpg 1.4 and the library make them pass: theirs name the issuer in the unhashed area, or in none.
func TestVerify_SignaturesMadeElsewhere(t *testing.T) {
	f := fixtures()
	doc := write(t, t.TempDir(), "m", []byte(text))
	private := write(t, t.TempDir(), "k.asc", f.private)
	for _, c := range []struct{ name, apt string }{{"gpg", "gnupg"}, {"gpg1", "gnupg1"}} {
		t.Run(c.name, func(t *testing.T) {
			path, home := tool(t, c.name, c.apt), gpgHome(t)
			mustRun(t, path, "--homedir", home, "--batch", "--import", private)
			asc := mustRun(t, path, "--homedir", home, "--batch", "--digest-algo", "SHA512", "--armor", "-o", "-", "--detach-sign", doc)
			if _, area, _ := areas(t, string(asc)); len(area) == 0 {
				t.Error("the unhashed area is empty: the case shows nothing")
			}
			s, err := FromASC(asc, f.role)
			if err != nil {
				t.Fatal(err)
			}
			if _, err := Verify([]byte(text), []Signature{s}, onlyPGP(f.role.Keys[0]), time.Now()); err != nil {
				t.Error(err)
			}
		})
	}
	library := craft(t, secretOf(f.pgp), text, func(s *packet.Signature) { s.IssuerFingerprint = secretOf(f.pgp).Fingerprint })
	if _, err := Verify([]byte(text), []Signature{library}, onlyPGP(f.role.Keys[0]), f.now); err != nil {
		t.Errorf("the library's: %v", err)
	}
}

// sq 0.27 made key and signature, over "hello\n"; the secret key was thrown away.
func TestVerify_SignatureMadeBySequoia(t *testing.T) {
	read := func(name string) string {
		b, err := os.ReadFile("testdata/" + name)
		if err != nil {
			t.Fatal(err)
		}
		return string(b)
	}
	text := read("sq-made-cert.asc")
	cert, err := keys.ReadCertificate([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	k := keys.ManifestKey{Holder: "one", Kind: keys.OpenPGP, Key: cert.Primary.Fingerprint, Public: text, Signing: cert.SigningFingerprints()}
	s, err := FromASC([]byte(read("sq-made-signature.asc")), onlyPGP(k))
	if err != nil {
		t.Fatal(err)
	}
	made := time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC)
	if _, err := Verify([]byte("hello\n"), []Signature{s}, onlyPGP(k), made); err != nil {
		t.Error(err)
	}
	_, err = Verify([]byte("hallo\n"), []Signature{s}, onlyPGP(k), made)
	refusal(t, err, BadSignature)
}

// base64 readers pass over carriage returns: one signature would have many texts.
func TestVerify_MinisigCarriageReturn(t *testing.T) {
	f := fixtures()
	good := f.sign(t, f.mini, text)
	lines := strings.SplitAfter(good.Value, "\n")
	for i := range lines {
		for _, at := range []int{0, 20, len(lines[i]) - 1} {
			if at < 0 || at >= len(lines[i]) {
				continue
			}
			bad := slices.Clone(lines)
			bad[i] = bad[i][:at] + "\r" + bad[i][at:]
			s := Signature{Kind: good.Kind, Key: good.Key, Value: strings.Join(bad, "")}
			_, err := Verify([]byte(text), []Signature{s}, keys.ManifestRole{Threshold: 1, Keys: f.role.Keys}, f.now)
			refusal(t, err, Malformed)
		}
	}
}
