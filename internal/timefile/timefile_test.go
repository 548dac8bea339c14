package timefile

import (
	"strings"
	"testing"
)

// Wed Mar 1 12:53:01 UTC 2017
const want = 1488372781

func TestParse(t *testing.T) {
	for name, text := range map[string]string{
		"CentOS TIME":                "1488372781\n",
		"Arch lastsync, no newline":  "1488372781",
		"CR LF":                      "1488372781\r\n",
		"mirmon":                     "1488372781 ftp.example.org\nmore\n",
		"number, then a tab":         "1488372781\tx\n",
		"number, then lines":         "1488372781\n<html>\n",
		"RFC 3339":                   "2017-03-01T12:53:01Z\n",
		"RFC 3339, offset":           "2017-03-01T14:53:01+02:00\n",
		"RFC 3339, fraction":         "2017-03-01T12:53:01.999Z",
		"date -u":                    "Wed Mar  1 12:53:01 UTC 2017\n",
		"date -u, GMT":               "Wed Mar  1 12:53:01 GMT 2017\n",
		"date -u, en_US":             "Wed 01 Mar 2017 12:53:01 PM UTC\n",
		"date -u, en_GB":             "Wed  1 Mar 12:53:01 UTC 2017\n",
		"date -R":                    "Wed, 01 Mar 2017 12:53:01 +0000\n",
		"date -R, offset":            "Wed, 01 Mar 2017 07:53:01 -0500\n",
		"date --rfc-3339":            "2017-03-01 12:53:01+00:00\n",
		"HTTP date":                  "Wed, 01 Mar 2017 12:53:01 GMT\n",
		"Debian's master, old form":  "Wed Mar  1 12:53:01 UTC 2017\nUsing dak v1\nRunning on host: franck.debian.org\n",
		"Debian's master":            "Wed Mar  1 12:53:01 UTC 2017\nUsing dak v1\nRunning on host: franck.debian.org\nArchive serial: 2017030102\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n",
		"a Debian site, other zone":  "Wed Mar  1 12:53:01 GMT 2017\nDate: Wed, 01 Mar 2017 12:53:01 +0000\nDate-Started: Wed, 01 Mar 2017 12:00:00 +0000\nUsed ftpsync version: 20160306\n",
		"a trace's Date line first":  "Date: Wed, 01 Mar 2017 12:53:01 +0000\nCreator: x\n",
		"the Date line wins":         "Wed Mar  1 12:00:00 UTC 2017\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n",
		"a Date line of another day": "Wed Mar  1 12:53:01 UTC 2017\nDate: tomorrow\n",
	} {
		got, err := Parse([]byte(text))
		if err != nil || got != want {
			t.Errorf("%s: %d, %v, expected %d", name, got, err, want)
		}
	}
}

func TestParse_Refused(t *testing.T) {
	for name, text := range map[string]string{
		"empty":                  "",
		"an empty line":          "\n1488372781\n",
		"HTML":                   "<!DOCTYPE html>\n<html><body>1488372781</body></html>\n",
		"HTML in one line":       "<html>1488372781</html>",
		"number in HTML":         "1488372781<br>\n",
		"words":                  "not a number\n",
		"zero":                   "0\n",
		"negative":               "-1\n",
		"plus":                   "+1488372781\n",
		"hex":                    "0x58b6c3ed\n",
		"fraction":               "1488372781.5\n",
		"milliseconds":           "1488372781000\n",
		"more than 64 bits":      "99999999999999999999999\n",
		"other digits":           "١٤٨٨٣٧٢٧٨١\n",
		"NUL":                    "1488372781\x00\n",
		"UTF-16":                 "\xff\xfe1\x004\x00",
		"BOM":                    "\uFEFF1488372781\n",
		"an ambiguous zone":      "Wed Mar  1 12:53:01 CST 2017\n",
		"an unknown zone":        "Wed Mar  1 12:53:01 XYZ 2017\n",
		"an ambiguous -R":        "Wed, 01 Mar 2017 12:53:01 EST\n",
		"no such day":            "2017-02-30T12:53:01Z\n",
		"before 1970":            "1969-12-31T23:59:59Z\n",
		"a Date line after HTML": "<html>\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n",
		"a Date line after text": "hello\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n",
	} {
		got, err := Parse([]byte(text))
		if err == nil {
			t.Errorf("%s: %q is read as %d", name, text, got)
		} else if got != 0 {
			t.Errorf("%s: %d beside the error", name, got)
		}
	}
}

// The refusal shows the bytes seen, quoted, cut at 64.
func TestParse_ShowsTheBytes(t *testing.T) {
	_, err := Parse([]byte("<html>\x1b[31m" + strings.Repeat("A", 100)))
	if err == nil || !strings.Contains(err.Error(), `"<html>\x1b[31m`+strings.Repeat("A", 53)+`"...`) {
		t.Errorf("%v", err)
	}
	_, err = Parse([]byte("1488372781\n" + strings.Repeat(" ", MaxSize)))
	if err == nil || !strings.Contains(err.Error(), "more than 4096 bytes") {
		t.Errorf("%v", err)
	}
	if _, err := Parse([]byte("1488372781\n" + strings.Repeat(" ", MaxSize-11))); err != nil {
		t.Errorf("a file of MaxSize: %v", err)
	}
}

func FuzzTimefile(f *testing.F) {
	for _, s := range []string{"1488372781\n", "2017-03-01T12:53:01Z", "Wed Mar  1 12:53:01 UTC 2017\nDate: Wed, 01 Mar 2017 12:53:01 +0000\n", "<html>", "99999999999999999999", "Wed, 01 Mar 2017 12:53:01 +0000", "Wed 01 Mar 2017 12:53:01 PM UTC"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		got, err := Parse(b)
		if err == nil && (got < 1 || got > maxSeconds) || err != nil && got != 0 {
			t.Fatalf("%q: %d, %v", b, got, err)
		}
		if err != nil && len(err.Error()) > 600 {
			t.Fatalf("a message of %d bytes", len(err.Error()))
		}
	})
}
