package geo

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func TestCountryOfZone(t *testing.T) {
	for zone, want := range map[string]string{
		"Europe/Helsinki": "FI", "Europe/Mariehamn": "AX", "America/Sao_Paulo": "BR", "America/Argentina/Ushuaia": "AR", "Asia/Kolkata": "IN",
		"Asia/Calcutta": "IN", "US/Eastern": "US", "Iceland": "IS", "Africa/Nairobi": "KE", "Europe/Kiev": "UA", "Atlantic/Reykjavik": "IS",
		"UTC": "", "Etc/UTC": "", "CET": "", "EST5EDT": "", "": "", "Europe": "", "Helsinki": "", "europe/helsinki": "",
		"Europe/Helsinki ": "", "time_zones": "", "FI,Europe/Helsinki": "", "Europe/Helsinki\n": "", "Europe/Nowhere": "",
	} {
		if got := CountryOfZone(zone); got != want {
			t.Errorf("%q: %q, expected %q", zone, got, want)
		}
	}
}

// The zones lie in the countries that the system's tz database gives them; a few that are younger than the table may be missing.
func TestCountryOfZone_AgainstTheTZDatabase(t *testing.T) {
	b, err := os.ReadFile("/usr/share/zoneinfo/zone.tab")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: apt-get install -y tzdata", err)
		}
		t.Skipf("%v: apt-get install -y tzdata", err)
	}
	var known, missing int
	for line := range strings.Lines(string(b)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		f := strings.Fields(line)
		switch got := CountryOfZone(f[2]); got {
		case f[0]:
			known++
		case "":
			missing++
		default:
			t.Errorf("%s: %q, expected %q", f[2], got, f[0])
		}
	}
	if known < 400 || missing > 10 {
		t.Errorf("%d zones are known, %d are not", known, missing)
	}
}

func TestZonesTable(t *testing.T) {
	seen := map[string]bool{}
	for i, line := range strings.Split(strings.TrimSpace(zonesCSV), "\n") {
		country, zones, _ := strings.Cut(line, ",")
		if i > 0 && !ValidCountry(country) {
			t.Errorf("line %d: %q is no country", i+1, country)
		}
		for _, z := range strings.Split(zones, " ") {
			if z == "" || seen[z] {
				t.Errorf("line %d: zone %q is empty or twice", i+1, z)
			}
			seen[z] = true
		}
	}
}

func TestLocalZone(t *testing.T) {
	for name, tt := range map[string]struct {
		tz, link, file string
		zone, from     string
	}{
		"link":              {link: "/usr/share/zoneinfo/Europe/Helsinki", zone: "Europe/Helsinki", from: "/etc/localtime"},
		"relative link":     {link: "../usr/share/zoneinfo/posix/America/Sao_Paulo", file: "Etc/UTC\n", zone: "America/Sao_Paulo", from: "/etc/localtime"},
		"file":              {file: "Africa/Nairobi\n", zone: "Africa/Nairobi", from: "/etc/timezone"},
		"link to elsewhere": {link: "/etc/my-zone", file: "Africa/Nairobi", zone: "Africa/Nairobi", from: "/etc/timezone"},
		"TZ":                {tz: "Asia/Tokyo", link: "/usr/share/zoneinfo/Europe/Helsinki", zone: "Asia/Tokyo", from: "TZ"},
		"TZ with a colon":   {tz: ":/usr/share/zoneinfo/Asia/Tokyo", zone: "Asia/Tokyo", from: "TZ"},
		"nothing":           {},
	} {
		t.Run(name, func(t *testing.T) {
			root := t.TempDir()
			etc := filepath.Join(root, "etc")
			if err := os.Mkdir(etc, 0o755); err != nil {
				t.Fatal(err)
			}
			if tt.link != "" {
				if err := os.Symlink(tt.link, filepath.Join(etc, "localtime")); err != nil {
					t.Fatal(err)
				}
			}
			if tt.file != "" {
				if err := os.WriteFile(filepath.Join(etc, "timezone"), []byte(tt.file), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			zone, from := LocalZone(root, func(string) string { return tt.tz })
			if zone != tt.zone || from != tt.from {
				t.Errorf("%q by %q, expected %q by %q", zone, from, tt.zone, tt.from)
			}
		})
	}
}
