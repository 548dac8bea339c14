package rsync

import (
	"cmp"
	"slices"
	"strings"
)

// sortEntries puts a list into the order in which the server numbers it: below protocol 29 by the bytes of the path; from
// there the top first, each directory's files before its directories, and directories compared with a slash at the end.
func sortEntries(entries []Entry, proto int) {
	less := func(a, b Entry) int { return strings.Compare(a.Name, b.Name) }
	if proto >= 29 {
		less = compareEntries
	}
	slices.SortFunc(entries, less)
}

func compareEntries(a, b Entry) int {
	x, y := orderKey(a), orderKey(b)
	for {
		i, j := strings.IndexByte(x, '/')+1, strings.IndexByte(y, '/')+1
		switch {
		case x == "" || y == "": // the top, or a directory against what is in it
			return cmp.Compare(len(x), len(y))
		case i == 0 && j == 0:
			return strings.Compare(x, y)
		case i == 0:
			return -1
		case j == 0:
			return 1
		}
		if c := strings.Compare(x[:i], y[:j]); c != 0 {
			return c
		}
		x, y = x[i:], y[j:]
	}
}

// orderKey is e's path, with a slash at the end of a directory's; the top's is empty.
func orderKey(e Entry) string {
	switch {
	case e.Name == ".":
		return ""
	case e.IsDir():
		return e.Name + "/"
	}
	return e.Name
}
