package inventory

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
)

// parseCSV reads a table whose first line names the columns: id (or name, host), rsync (or url), country, city, asn, group (or
// sponsor), private, active; others are passed over. Without a column for the id, the host of the rsync URL is taken.
func parseCSV(file listFile) ([]entry, error) {
	return table(file, func(c columns) error {
		if c.has("region") && c.has("sponsor") && !c.has(ids...) {
			return fmt.Errorf("the columns are those of the full mirror list of CentOS, where a country may be a state")
		}
		return nil
	}, func(c columns, row []string) entry {
		e := entry{
			name: c.get(row, ids...), rsync: c.get(row, "rsync", "url"),
			country: c.get(row, "country", "country_code"), city: c.get(row, "city"),
			asns: nonEmpty(c.get(row, "asn")), group: c.get(row, "group", "sponsor"),
		}
		e.private = e.truth("private", c.get(row, "private"))
		if active := c.get(row, "active"); nonEmpty(active) != nil && !e.truth("active", active) {
			e.skip(whyInactive, "active: %q", active)
		}
		if !c.has(ids...) && e.rsync != "" {
			e.name = hostOf(e.rsync)
		}
		return e
	})
}

// ids are the columns that name a server.
var ids = []string{"id", "name", "host"}

// csvColumns are those that parseCSV reads.
var csvColumns = append([]string{"rsync", "url", "country", "country_code", "city", "asn", "group", "sponsor", "private", "active"}, ids...)

// centosColumns are those of the full mirror list of CentOS, where the header does not say which is which: region, country,
// sponsor, the sponsor's address, and links for HTTP, FTP (later HTTPS) and rsync.
var centosColumns = []string{"region", "country", "sponsor", "sponsor url", "http", "ftp", "rsync"}

// parseCentOS reads the CSV of the full mirror list, of which this is assumed: the first line names the columns, whose words
// (region, country, sponsor, rsync) are looked for; where no column names rsync, there are the seven of centosColumns. Quotes
// within a field are written \" as well as "", text may be ISO 8859-1, and a last line of one field is the list's date. Country is
// a state where the region is a country ("US"). The id is the host of the rsync URL.
func parseCentOS(file listFile) ([]entry, error) {
	file.data = bytes.ReplaceAll([]byte(latin1(file.data)), []byte(`\"`), []byte(`""`))
	return table(file, func(c columns) error {
		if !c.has("region") || !c.has("sponsor") || c.has(append(ids, "private", "active", "asn")...) {
			return fmt.Errorf("the columns are not those of the full mirror list of CentOS: region, country, sponsor, its address, links for HTTP, FTP and rsync")
		}
		return nil
	}, func(c columns, row []string) entry {
		e := entry{
			region: c.get(row, "region"), country: c.get(row, "country"), group: c.get(row, "sponsor"), rsync: c.get(row, "rsync"),
			name: c.get(row, "sponsor"),
		}
		if len(e.region) == 2 && !strings.EqualFold(e.region, "EU") { // "US", with a state
			e.country, e.region = e.region, ""
		}
		if strings.TrimFunc(e.rsync, blank) != "" {
			e.name = hostOf(e.rsync)
		}
		return e
	})
}

// columns of a table, by their names in small letters.
type columns map[string]int

func (c columns) has(names ...string) bool {
	return slices.ContainsFunc(names, func(n string) bool { _, ok := c[n]; return ok })
}

// get is the field in the first of these columns that there is.
func (c columns) get(row []string, names ...string) string {
	for _, n := range names {
		if i, ok := c[n]; ok && i < len(row) {
			return row[i]
		}
	}
	return ""
}

func nonEmpty(s string) []string {
	if strings.TrimFunc(s, blank) == "" {
		return nil
	}
	return []string{s}
}

// header reads the first line; nil when no column is for rsync URLs.
func header(row []string) columns {
	c := columns{}
	for i, field := range row {
		name := strings.ToLower(strings.TrimFunc(field, blank))
		for _, word := range []string{"rsync", "region"} { // "rsync mirror link"
			if strings.Contains(name, word) {
				name = word
			}
		}
		if _, again := c[name]; !again {
			c[name] = i
		}
	}
	if c.has("rsync", "url") {
		return c
	}
	if len(row) == len(centosColumns) && c.has("region") {
		for i, name := range centosColumns {
			c[name] = i
		}
		return c
	}
	return nil
}

// rows reads CSV (RFC 4180), rows of any length.
func rows(file listFile) *csv.Reader {
	r := csv.NewReader(bytes.NewReader(bytes.TrimPrefix(file.data, []byte("\uFEFF"))))
	r.FieldsPerRecord = -1
	r.TrimLeadingSpace = true
	return r
}

// table reads the lines of a CSV file, once the columns are those that are wanted.
func table(file listFile, want func(columns) error, read func(columns, []string) entry) (out []entry, err error) {
	r := rows(file)
	first, err := r.Read()
	if errors.Is(err, io.EOF) {
		return nil, errEmpty
	}
	if err != nil {
		return nil, &formError{fmt.Errorf("the header: %w", err)}
	}
	c := header(first)
	if c == nil {
		return nil, &formError{fmt.Errorf("the first line is %.200q, expected the names of columns, one of them rsync", Printable(strings.Join(first, ",")))}
	}
	if err := want(c); err != nil {
		return nil, &formError{err}
	}
	for {
		row, err := r.Read()
		if errors.Is(err, io.EOF) {
			return trimStamp(out, c), nil
		}
		if len(out) >= maxListEntries {
			return nil, errTooMany
		}
		e := entry{}
		var broken *csv.ParseError
		switch {
		case errors.As(err, &broken):
			e = entry{line: broken.StartLine, name: fmt.Sprintf("line %d", broken.StartLine)}
			e.skip(whyBroken, "%v", err)
		case err != nil:
			return nil, err
		default:
			e = read(c, row)
			e.line, _ = r.FieldPos(0)
			switch {
			case len(row) == 1 && len(c) > 1:
				e.name = row[0]
				e.skip(whyBroken, "found one field, expected %d", len(first))
			case len(row) > len(first) && nonEmpty(strings.Join(row[len(first):], "")) != nil: // an unquoted comma: who knows what stands where
				e.why = ""
				e.skip(whyBroken, "found %d fields, expected %d: a comma within a field needs quotes about it", len(row), len(first))
			}
		}
		e.file = file.name
		if e.name == "" {
			e.name = fmt.Sprintf("line %d", e.line)
			e.skip(whyNoName, "found no name")
		}
		out = append(out, e)
	}
}

// trimStamp takes off the last line when it is a single field among rows of several: the date of CentOS's list.
func trimStamp(out []entry, c columns) []entry {
	if n := len(out); n > 1 && c.has("region") && out[n-1].why == whyBroken && strings.HasPrefix(out[n-1].text, "found one field") {
		return out[:n-1]
	}
	return out
}
