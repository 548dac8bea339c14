package rsync

import (
	"regexp"
	"sync"
)

// progressLine is what --info=progress2 writes between carriage returns, the last two fields together once at the end:
//
//	3000000  25%    6.81MB/s    0:00:00 (xfr#1, to-chk=3/6)
var progressLine = sync.OnceValue(func() *regexp.Regexp {
	return regexp.MustCompile(`^ {1,32}([0-9]{1,18}) {1,8}([0-9]{1,3})% {1,16}([0-9.]{1,12}[kKMGTP]?B/s) {1,16}([0-9]{1,6}:[0-9]{2}:[0-9]{2}|\?\?:\?\?:\?\?)(?: |$)`)
})

func parseProgress(line []byte) (Progress, bool) {
	m := progressLine().FindSubmatch(line)
	if m == nil {
		return Progress{}, false
	}
	return Progress{Bytes: number(m[1]), Percent: min(100, int(number(m[2]))), Rate: string(m[3]), Left: string(m[4])}, true
}
