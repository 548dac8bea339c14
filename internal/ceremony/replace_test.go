package ceremony

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"tidemark/keys"
	"tidemark/sign"
)

// place is a text of the page, and what stands for it here.
type place struct{ page, here string }

// places are what the page calls otherwise than it lies here. W is the world's directory, M the machine's.
var places = []place{
	{"/media/stick", "W/stick"},
	{"/etc/tidemark", "M"},
	{"/tmp/new-machine", "W/new"},
	{"~/.gnupg/", "M/gnupg/"},
	{"https://mirrors.example.org/centos/", "file://W/operator/site/"},
	// No passphrases: scrypt takes a gigabyte and seconds for each.
	{"minisign -G ", "minisign -G -W "},
	{" --passphrase-file passphrase", ""},
}

// asking is the command that asks on a terminal. The answer is yes, with the number of alarms that it shows.
const (
	asking = "tidemark trust sign "
	answer = `n=$(%s --dry-run | sed -n 's/^ALARMS in it: //p'); printf 'yes%%s\n' "${n:+ $n}" | script -qefc %s /dev/null`
)

var capitals = regexp.MustCompile(`\b(OLDFINGERPRINT|NEWFINGERPRINT|FINGERPRINT|NEWSUBKEY|OLDKEY)\b|(trust[-/]|version )N\b`)

// replace puts the world's values into a line of the page.
func (w *world) replace(t testing.TB, machine, text string) string {
	t.Helper()
	for _, p := range slices.Concat(places, w.places) {
		here := strings.NewReplacer("W/", w.dir+"/", "M", w.machine(machine)).Replace(p.here)
		text = strings.ReplaceAll(text, p.page, here)
	}
	return capitals.ReplaceAllStringFunc(text, func(name string) string {
		if before, is := strings.CutSuffix(name, "N"); is {
			return before + fmt.Sprint(w.draft(t))
		}
		return w.value(t, name)
	})
}

func (w *world) value(t testing.TB, name string) string {
	t.Helper()
	switch name {
	case "OLDKEY":
		return w.live(t, keys.Minisign)
	case "OLDFINGERPRINT":
		return w.live(t, keys.OpenPGP)
	}
	primaries, subkeys := w.offlineKeys(t)
	switch {
	case name == "FINGERPRINT" && len(primaries) > 0:
		return w.primary(primaries)
	case name == "NEWFINGERPRINT" && len(primaries) > 0:
		return primaries[len(primaries)-1]
	case name == "NEWSUBKEY" && len(subkeys) > 0:
		return subkeys[len(subkeys)-1]
	}
	t.Fatalf("%s: no such key yet", name)
	return ""
}

// primary is the key in use: the first one, until a ceremony is over and another has its place.
func (w *world) primary(all []string) string {
	if w.inUse != "" {
		return w.inUse
	}
	return all[0]
}

// draft is the number of the newest draft that the operator has.
func (w *world) draft(t testing.TB) int64 {
	t.Helper()
	files, err := filepath.Glob(filepath.Join(w.dir, "operator", "trust-*.json"))
	if err != nil || len(files) == 0 {
		t.Fatalf("no draft: %v", err)
	}
	var newest int64
	for _, f := range files {
		var n int64
		if _, err := fmt.Sscanf(filepath.Base(f), "trust-%d.json", &n); err == nil && n > newest {
			newest = n
		}
	}
	return newest
}

// trust is the operator's trust.json.
func (w *world) trust(t testing.TB) *keys.Trust {
	t.Helper()
	b, err := os.ReadFile(filepath.Join(w.dir, "operator", "trust.json"))
	if err != nil {
		t.Fatal(err)
	}
	trust, err := sign.OpenTrust(b)
	if err != nil {
		t.Fatal(err)
	}
	return trust
}

// live is the oldest key of a kind that is not revoked.
func (w *world) live(t testing.TB, kind keys.Kind) string {
	t.Helper()
	for _, k := range w.trust(t).Manifest.Keys {
		if k.Kind == kind && !k.Revoked {
			return k.Key
		}
	}
	t.Fatalf("no %s key in trust.json", kind)
	return ""
}

// offlineKeys are the fingerprints of the secret keys of offline$, oldest first: primaries, and subkeys of the one in use.
func (w *world) offlineKeys(t testing.TB) (primaries, subkeys []string) {
	t.Helper()
	out := w.must(t, "offline", "gpg --batch --list-secret-keys --with-colons")
	var kind string
	for _, line := range strings.Split(out, "\n") {
		f := strings.Split(line, ":")
		switch {
		case f[0] == "sec" || f[0] == "ssb":
			kind = f[0]
		case f[0] == "fpr" && kind == "sec":
			primaries = append(primaries, f[9])
		case f[0] == "fpr" && kind == "ssb" && primaries[len(primaries)-1] == w.primary(primaries):
			subkeys = append(subkeys, f[9])
		}
	}
	return primaries, subkeys
}
