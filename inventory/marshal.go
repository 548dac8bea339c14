package inventory

import (
	"regexp"
	"strconv"
	"strings"
)

// Marshal writes servers as an inventory file that Load reads back the same, one line each. What has its default value is left out.
func Marshal(servers []Server) []byte {
	if len(servers) == 0 {
		return []byte("[]\n")
	}
	var b strings.Builder
	for _, s := range servers {
		b.WriteString("- {" + strings.Join(fields(s), ", ") + "}\n")
	}
	return []byte(b.String())
}

func fields(s Server) (out []string) {
	add := func(given bool, key, value string) {
		if given {
			out = append(out, key+": "+value)
		}
	}
	usual := defaultMirrorSlots
	if s.Kind == KindNode {
		usual = defaultNodeSlots
	}
	if s.MaxConnections > 0 {
		usual = min(usual, s.MaxConnections)
	}
	add(true, "id", scalar(s.ID))
	add(s.Kind != KindMirror, "kind", s.Kind)
	add(s.Country != "", "country", scalar(s.Country))
	add(s.City != "", "city", scalar(s.City))
	add(s.ASN != 0, "asn", strconv.FormatInt(s.ASN, 10))
	add(s.Group != "", "group", scalar(s.Group))
	add(s.Slots != usual, "slots", strconv.Itoa(s.Slots))
	add(s.MaxConnections != 0, "max_connections", strconv.Itoa(s.MaxConnections))
	add(s.Key != "", "key", scalar(s.Key))
	add(s.Maintenance, "maintenance", "true")
	add(s.Private, "private", "true")
	add(s.Partial && len(s.Exclude) == 0, "partial", "true")
	var excluded []string
	for _, p := range s.Exclude {
		excluded = append(excluded, strconv.Quote(p))
	}
	add(len(s.Exclude) > 0, "exclude", "["+strings.Join(excluded, ", ")+"]")
	var trees []string
	for _, name := range sortedKeys(s.Trees) {
		trees = append(trees, scalar(name)+": "+scalar(s.Trees[name].String()))
	}
	add(true, "trees", "{"+strings.Join(trees, ", ")+"}")
	return out
}

// plainScalar is what every YAML reader takes for the text it is: letters first, and more than a word that may mean something.
var plainScalar = regexp.MustCompile(`^[A-Za-z][A-Za-z0-9]*(://|[._-])[A-Za-z0-9._/:~+-]*[A-Za-z0-9/]$|^[A-Za-z]{4,}$|^[A-Z]{2}$`)

// scalar quotes what a YAML reader might take for something else: NO is a truth value to those of YAML 1.1. Go's quoted strings are
// YAML's.
func scalar(s string) string {
	switch strings.ToLower(s) {
	case "no", "on", "true", "false", "null":
		return strconv.Quote(s)
	}
	if plainScalar.MatchString(s) {
		return s
	}
	return strconv.Quote(s)
}
