package geo

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// CountryByName returns the code of what people write in place of one: "uk", "DEU", "Germany", "Korea, Republic of"; "" for what
// is no country. Capitals, blanks and marks do not count. Names are the English ones of CLDR and of ISO 3166-1.
func CountryByName(s string) string {
	code := strings.ToUpper(strings.TrimSpace(s))
	switch {
	case len(code) == 2 && ValidCountry(code):
		return code
	case code == "UK":
		return "GB"
	case code == "EL": // the European Union's code for it
		return "GR"
	case len(code) == 3 && strings.Trim(code, "ABCDEFGHIJKLMNOPQRSTUVWXYZ") == "":
		if r, err := language.ParseRegion(code); err == nil && r.ISO3() == code && ValidCountry(r.String()) {
			return r.String()
		}
	}
	name := bare(s)
	if name == "" || len(name) > 60 {
		return ""
	}
	for _, other := range otherNames {
		if name == other.name {
			return other.code
		}
	}
	return byCLDR(name)
}

// byCLDR looks through the names of all countries: it is done for a few entries of a list, once.
func byCLDR(name string) string {
	english := display.English.Regions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			code := string([]rune{a, b})
			if ValidCountry(code) && bare(english.Name(language.MustParseRegion(code))) == name {
				return code
			}
		}
	}
	return ""
}

// bare is a name in small letters, without blanks, marks, "the" and "and", and with plain letters for those that are written both
// ways.
func bare(s string) string {
	words := strings.FieldsFunc(strings.ToLower(s), func(r rune) bool { return !unicode.IsLetter(r) })
	var b strings.Builder
	for _, w := range words {
		if w != "the" && w != "and" {
			b.WriteString(w)
		}
	}
	return strings.NewReplacer("ü", "u", "ç", "c", "ô", "o", "é", "e", "ã", "a", "ñ", "n", "í", "i", "å", "a").Replace(b.String())
}

// otherNames are those of ISO 3166-1 that differ from CLDR's, and everyday ones, as bare gives them.
var otherNames = [...]struct{ name, code string }{
	{"boliviaplurinationalstateof", "BO"}, {"bosnia", "BA"}, {"brasil", "BR"}, {"bruneidarussalam", "BN"}, {"burma", "MM"},
	{"czechrepublic", "CZ"}, {"deutschland", "DE"}, {"england", "GB"}, {"espana", "ES"}, {"greatbritain", "GB"},
	{"holland", "NL"}, {"hongkong", "HK"}, {"iranislamicrepublicof", "IR"}, {"islamicrepublicofiran", "IR"}, {"ivorycoast", "CI"},
	{"korea", "KR"}, {"korearepublicof", "KR"}, {"republicofkorea", "KR"}, {"laopeoplesdemocraticrepublic", "LA"},
	{"macao", "MO"}, {"macau", "MO"}, {"macedonia", "MK"}, {"moldovarepublicof", "MD"}, {"republicofmoldova", "MD"},
	{"myanmar", "MM"}, {"northmacedonia", "MK"}, {"palestine", "PS"}, {"palestinestateof", "PS"}, {"peoplesrepublicofchina", "CN"},
	{"russianfederation", "RU"}, {"scotland", "GB"}, {"slovakrepublic", "SK"}, {"southkorea", "KR"}, {"swaziland", "SZ"}, {"eswatini", "SZ"},
	{"syrianarabrepublic", "SY"}, {"taiwanprovinceofchina", "TW"}, {"taiwanroc", "TW"}, {"tanzaniaunitedrepublicof", "TZ"},
	{"turkey", "TR"}, {"turkiye", "TR"}, {"unitedkingdomofgreatbritainnorthernireland", "GB"}, {"unitedstatesofamerica", "US"},
	{"venezuelabolivarianrepublicof", "VE"}, {"vietnam", "VN"}, {"wales", "GB"},
}
