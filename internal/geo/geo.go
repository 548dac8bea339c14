package geo

import (
	_ "embed"
	"strings"

	"golang.org/x/text/language"
)

//go:embed nearby.csv
var nearbyCSV string

// ValidCountry reports whether c is an officially assigned ISO 3166-1 alpha-2 code in capitals.
func ValidCountry(c string) bool {
	if len(c) != 2 || !capital(c[0]) || !capital(c[1]) || unassigned(c) {
		return false
	}
	r, err := language.ParseRegion(c)
	return err == nil && r.IsCountry() && r.Canonicalize() == r // UK is canonically GB
}

func capital(b byte) bool { return 'A' <= b && b <= 'Z' }

// unassigned names the codes that CLDR takes for countries and ISO 3166-1 does not
// assign: exceptional and transitional reservations, and codes of former countries.
func unassigned(c string) bool {
	switch c {
	case "AC", "AN", "CP", "CQ", "CS", "DG", "EA", "EZ", "FQ", "IC", "NT", "PC", "SU", "TA", "UN", "XK", "YU":
		return true
	}
	return false
}

// Continent returns AF, AN, AS, EU, NA, OC or SA for a country, "" when c is not a valid country.
func Continent(country string) string {
	if !ValidCountry(country) {
		return ""
	}
	switch country {
	case "AQ", "BV", "GS", "HM", "TF": // south of 60 degrees or next to it; M.49 spreads all but AQ
		return "AN"
	case "IO":
		return "AS"
	}
	r := language.MustParseRegion(country)
	for _, g := range [...]struct{ m49, code string }{
		{"002", "AF"}, {"142", "AS"}, {"150", "EU"}, {"009", "OC"}, {"005", "SA"}, {"003", "NA"},
	} {
		if language.MustParseRegion(g.m49).Contains(r) {
			return g.code
		}
	}
	return ""
}

// ValidContinent reports whether c is one of the seven codes.
func ValidContinent(c string) bool {
	switch c {
	case "AF", "AN", "AS", "EU", "NA", "OC", "SA":
		return true
	}
	return false
}

// Nearby returns the embedded table: for each country its neighbours, nearest first.
// The caller may change the copy.
func Nearby() map[string][]string {
	table := make(map[string][]string)
	lines := strings.Split(strings.TrimSpace(nearbyCSV), "\n")
	for _, line := range lines[1:] {
		country, list, _ := strings.Cut(strings.TrimSpace(line), ",")
		table[country] = strings.Split(list, "-")
	}
	return table
}
