package geo

// ValidCountry reports whether c is an ISO 3166-1 alpha-2 code in capitals.
func ValidCountry(c string) bool { panic("stub") }

// Continent returns AF, AN, AS, EU, NA, OC or SA for a country, "" when not known.
func Continent(country string) string { panic("stub") }

// ValidContinent reports whether c is one of the seven codes.
func ValidContinent(c string) bool { panic("stub") }

// Nearby returns the embedded table: for each country its neighbours, nearest first. The caller may change the copy.
func Nearby() map[string][]string { panic("stub") }
