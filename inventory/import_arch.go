package inventory

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
)

// parseArch reads the mirror status of Arch Linux (mirrors/status/json, version 3): an object with urls, a list of objects with
// url, protocol, active, country, country_code. Every protocol of a server is an entry of its own.
func parseArch(file listFile) ([]entry, error) {
	var doc struct {
		URLs []json.RawMessage `json:"urls"`
	}
	if err := json.Unmarshal(file.data, &doc); err != nil {
		return nil, &formError{fmt.Errorf("expected an object with a list urls: %w", err)}
	}
	switch {
	case doc.URLs == nil:
		return nil, errEmpty
	case len(doc.URLs) > maxListEntries:
		return nil, errTooMany
	}
	out := make([]entry, len(doc.URLs))
	at := lineFinder{text: file.data, line: 1}
	at.of([]byte(`"urls"`))
	for i, raw := range doc.URLs {
		out[i] = archEntry(raw)
		out[i].file, out[i].line = file.name, at.of(raw)
		if out[i].name == "" {
			out[i].name = fmt.Sprintf("urls[%d]", i)
		}
	}
	return out, nil
}

// lineFinder finds pieces of a text, one after the other.
type lineFinder struct {
	text []byte // that is left
	line int    // where it begins
}

// of is the line on which piece begins; 0 when it is not there.
func (f *lineFinder) of(piece []byte) int {
	i := bytes.Index(f.text, piece)
	if i < 0 {
		return 0
	}
	line := f.line + bytes.Count(f.text[:i], []byte("\n"))
	f.line = line + bytes.Count(piece, []byte("\n"))
	f.text = f.text[i+len(piece):]
	return line
}

func archEntry(raw json.RawMessage) (e entry) {
	var u struct {
		URL      string `json:"url"`
		Protocol string `json:"protocol"`
		Active   *bool  `json:"active"`
		Country  string `json:"country"`
		Code     string `json:"country_code"`
	}
	var wrong *json.UnmarshalTypeError
	if err := json.Unmarshal(raw, &u); errors.As(err, &wrong) && wrong.Field != "" {
		e.skip(whyBroken, "%s: found a %s, expected another type", wrong.Field, wrong.Value)
	} else if err != nil {
		e.skip(whyBroken, "found %.40q, expected an object with url, protocol and country", raw)
	}
	if e.why != "" {
		return e
	}
	e.name, e.rsync = u.URL, u.URL
	e.country, e.region = u.Code, u.Country
	protocol, _, _ := strings.Cut(u.URL, "://")
	if u.Protocol != "" {
		protocol = u.Protocol
	}
	switch {
	case u.URL == "":
		e.skip(whyBroken, "found no url")
	case !strings.EqualFold(protocol, "rsync"):
		e.skip(whyNoRsync, "protocol %s, expected rsync", protocol)
	case u.Active != nil && !*u.Active:
		e.skip(whyInactive, "active: false")
	default:
		e.name = hostOf(u.URL)
	}
	return e
}

// hostOf is the host of a URL, as an id is made of it; the URL itself where there is none.
func hostOf(s string) string {
	_, rest, _ := strings.Cut(straight(strings.TrimFunc(s, blank)), "://")
	host, _, _ := strings.Cut(rest, "/")
	host = host[strings.LastIndexByte(host, '@')+1:]
	if address, _, ok := strings.Cut(strings.TrimPrefix(host, "["), "]"); ok {
		return strings.ReplaceAll(address, ":", "-") // an id has no colon
	}
	host, _, _ = strings.Cut(host, ":")
	if host == "" {
		return s
	}
	return host
}
