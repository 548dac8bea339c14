// Package geo knows countries, continents, and which countries are near which.
//
// Countries are the officially assigned ISO 3166-1 alpha-2 codes, in capitals: FI
// is one; fi, UK, EU, XK and XX are not. Continents are the seven codes AF, AN, AS,
// EU, NA, OC and SA; a country's follows the UN M.49 groupings (Cyprus and Turkey
// are in AS, Russia in EU, Mexico in NA), except that the islands beside Antarctica
// count as AN.
//
// Nearby is a table of neighbours, nearest first in the sense of the network and not
// of the map, for the countries that have mirrors:
//
//	Nearby()["FI"] // SE DK NO DE NL ...
//
// A machine's country is guessed from its time zone:
//
//	zone, from := LocalZone("/", os.Getenv) // Europe/Helsinki, /etc/localtime
//	CountryOfZone(zone)                     // FI
//
// What people write in place of a code is found by CountryNames: Germany is DE, UK is GB.
package geo
