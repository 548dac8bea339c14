package geo

import (
	"strings"
	"unicode"

	"golang.org/x/text/language"
	"golang.org/x/text/language/display"
)

// Names finds countries by what people write in place of a code. The zero value knows codes alone.
type Names struct{ codes map[string]string } // by bare names

// CountryNames has the English names of CLDR and of ISO 3166-1. Making it takes some milliseconds, asking it next to nothing.
func CountryNames() Names {
	n := Names{codes: map[string]string{}}
	english := display.English.Regions()
	for a := 'A'; a <= 'Z'; a++ {
		for b := 'A'; b <= 'Z'; b++ {
			if code := string([]rune{a, b}); ValidCountry(code) {
				n.codes[bare(english.Name(language.MustParseRegion(code)))] = code
			}
		}
	}
	for _, other := range otherNames {
		n.codes[other.name] = other.code
	}
	return n
}

// Code returns the code of "uk", "DEU", "Germany", "Korea, Republic of"; "" for what is no country. Capitals, blanks and marks do not
// count.
func (n Names) Code(s string) string {
	if len(s) > 100 {
		return ""
	}
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
	return n.codes[bare(s)]
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
