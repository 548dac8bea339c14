package geo

import (
	"os"
	"slices"
	"strings"
	"testing"
)

func TestValidCountry(t *testing.T) {
	for _, c := range []string{"FI", "GB", "US", "AQ", "SS", "CW", "PS", "TW", "VA"} {
		if !ValidCountry(c) {
			t.Errorf("%s is refused", c)
		}
	}
	for _, c := range []string{"", "F", "FIN", "fi", "Fi", "UK", "EU", "XX", "XK", "ZZ", "AN", "YU", "CS", "SU", "DD", "BU", "TP", "ZR", "FX", "AC", "IC", "EA", "AA", "QO", "XA", "UN", "EZ", "00", "F ", " F", "ÄÖ", "F\n"} {
		if ValidCountry(c) {
			t.Errorf("%q is accepted", c)
		}
	}
}

// The valid codes are those of ISO 3166-1 as the tz database lists them.
func TestValidCountry_AgainstTheTZDatabase(t *testing.T) {
	b, err := os.ReadFile("/usr/share/zoneinfo/iso3166.tab")
	if err != nil {
		if os.Getenv("CI") == "true" {
			t.Fatalf("%v: apt-get install -y tzdata", err)
		}
		t.Skipf("%v: apt-get install -y tzdata", err)
	}
	var want []string
	for line := range strings.Lines(string(b)) {
		if !strings.HasPrefix(line, "#") {
			want = append(want, line[:2])
		}
	}
	slices.Sort(want)
	if got := countries(); !slices.Equal(got, want) {
		t.Errorf("got\n%v\nexpected\n%v", got, want)
	}
}

func countries() []string {
	var all []string
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if c := string([]rune{a, b}); ValidCountry(c) {
				all = append(all, c)
			}
		}
	}
	return all
}

func TestContinent(t *testing.T) {
	for country, want := range map[string]string{
		"ZA": "AF", "EG": "AF", "AQ": "AN", "TF": "AN", "JP": "AS", "TR": "AS", "CY": "AS", "IO": "AS", "FI": "EU", "RU": "EU", "IS": "EU",
		"US": "NA", "MX": "NA", "PR": "NA", "GL": "NA", "AU": "OC", "NC": "OC", "BR": "SA", "GF": "SA", "FK": "SA",
		"EU": "", "UK": "", "": "", "fi": "",
	} {
		if got := Continent(country); got != want {
			t.Errorf("%q: %q, expected %q", country, got, want)
		}
	}
	for _, c := range countries() {
		if !ValidContinent(Continent(c)) {
			t.Errorf("%s is on no continent", c)
		}
	}
	for _, c := range []string{"", "eu", "EUR", "XX", "LA"} {
		if ValidContinent(c) {
			t.Errorf("continent %q is accepted", c)
		}
	}
}

func TestNearby(t *testing.T) {
	table := Nearby()
	if len(table) != 141 {
		t.Errorf("%d countries, expected 141", len(table))
	}
	for country, near := range table {
		seen := map[string]bool{country: true}
		for _, c := range near {
			if !ValidCountry(country) || !ValidCountry(c) || seen[c] {
				t.Errorf("%s: %v: %q is no country, twice, or near itself", country, near, c)
			}
			seen[c] = true
		}
	}
	if got := table["FI"]; len(got) < 3 || got[0] != "SE" {
		t.Errorf("near FI: %v, expected SE first", got)
	}
	table["FI"][0] = "XX"
	delete(table, "SE")
	if again := Nearby(); again["FI"][0] != "SE" || again["SE"] == nil {
		t.Error("a caller changed the table of others")
	}
}
