package geo

import (
	"strings"
	"testing"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

func TestCountryNames(t *testing.T) {
	names := CountryNames()
	for name, want := range map[string]string{
		"DE": "DE", "de": "DE", " fi ": "FI", "UK": "GB", "uk": "GB", "EL": "GR", "DEU": "DE", "usa": "US", "GBR": "GB",
		"Germany": "DE", "germany ": "DE", "GERMANY": "DE", "Australia": "AU", "United States": "US", "United States of America": "US",
		"The Netherlands": "NL", "Netherlands": "NL", "Czech Republic": "CZ", "Czechia": "CZ", "Russian Federation": "RU", "Russia": "RU",
		"South Korea": "KR", "Korea, Republic of": "KR", "Korea": "KR", "Viet Nam": "VN", "Vietnam": "VN", "Turkey": "TR", "Türkiye": "TR", "Taiwan": "TW",
		"Hong Kong": "HK", "Iran": "IR", "Iran, Islamic Republic of": "IR", "Bosnia and Herzegovina": "BA", "Bosnia & Herzegovina": "BA", "Moldova": "MD",
		"Côte d’Ivoire": "CI", "Cote d'Ivoire": "CI", "New Caledonia": "NC", "Reunion": "RE", "Réunion": "RE", "United Kingdom": "GB", "Great Britain": "GB", "Macedonia": "MK",
		"North Macedonia": "MK", "Georgia": "GE", "Niger": "NE", "Nigeria": "NG", "Brasil": "BR", "Ireland": "IE",

		"": "", "EU": "", "XX": "", "XXX": "", "EUR": "", "Europe": "", "Asia": "", "World": "", "Michigan": "", "Kosovo": "", "the": "", "12": "", "Deutschland\x00": "DE", "é": "",
		strings.Repeat("Germany", 100): "",
	} {
		if got := names.Code(name); got != want {
			t.Errorf("%.40q: %q, expected %q", name, got, want)
		}
	}
}

// Every country is found by its code in both forms and its English name: no name stands for two.
func TestCountryNames_All(t *testing.T) {
	names := CountryNames()
	for _, c := range countries() {
		r := language.MustParseRegion(c)
		for _, name := range []string{c, strings.ToLower(c), r.ISO3(), display.English.Regions().Name(r)} {
			if got := names.Code(name); got != c {
				t.Errorf("%s by %q: %q", c, name, got)
			}
		}
	}
	for _, o := range otherNames {
		if bare(o.name) != o.name || !ValidCountry(o.code) {
			t.Errorf("%+v is no bare name, or no country", o)
		}
	}
}
