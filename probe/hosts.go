package probe

import (
	"cmp"
	"slices"
)

// byHost groups the jobs that must follow each other: those with the same name or the same address, or linked through others
// with either. A name's A and AAAA are one machine. The first groups are those with a node, then those that take longest, one
// of many hosts of an organisation among them, so that none of them starts last. What asks nobody is a group of its own.
func byHost(jobs []job, perGroup int) [][]job {
	same := links{}
	for _, j := range jobs {
		if j.addr.IsValid() && j.fail == nil {
			same.join(j.ask.URL.Host(), j.addr.String())
		}
	}
	var groups [][]job
	index := map[string]int{}
	for _, j := range jobs {
		if j.fail != nil {
			groups = append(groups, []job{j})
			continue
		}
		host := same.find(j.ask.URL.Host())
		at, seen := index[host]
		if !seen {
			at = len(groups)
			groups = append(groups, nil)
			index[host] = at
		}
		groups[at] = append(groups[at], j)
	}
	length := lengths(groups, perGroup)
	slices.SortStableFunc(groups, func(a, b []job) int {
		return cmp.Or(cmp.Compare(rank(a), rank(b)), cmp.Compare(length(b), length(a)))
	})
	return groups
}

// first reports a host with a node.
func first(host []job) bool {
	return slices.ContainsFunc(host, func(j job) bool { return j.ask.First })
}

func rank(host []job) int {
	if first(host) {
		return 0
	}
	return 1
}

// lengths tells how many jobs follow each other because of a host: its own, or those of all hosts of its organisation, so
// many of which are asked at a time.
func lengths(hosts [][]job, perGroup int) func(host []job) int {
	of := map[string]int{}
	if perGroup > 0 {
		for _, host := range hosts {
			for _, j := range host {
				of[groupOf(j)]++
			}
		}
	}
	return func(host []job) int {
		n := len(host)
		if perGroup > 0 {
			n = max(n, of[groupOf(host[0])]/perGroup)
		}
		return n
	}
}

// groupOf is the organisation that is asked. A server without one is its own.
func groupOf(j job) string {
	if j.ask.Group != "" {
		return j.ask.Group
	}
	return "\x00" + j.ask.Server
}

func groupsOf(host []job) []string {
	groups := make([]string, 0, 1)
	for _, j := range host {
		if g := groupOf(j); !slices.Contains(groups, g) {
			groups = append(groups, g)
		}
	}
	return groups
}

// byServer groups the jobs at one host: each server has a budget of its own, so that one name that leads to another's
// address costs that one nothing.
func byServer(jobs []job) [][]job {
	var groups [][]job
	index := map[string]int{}
	for _, j := range jobs {
		at, seen := index[j.ask.Server]
		if !seen {
			at = len(groups)
			groups = append(groups, nil)
			index[j.ask.Server] = at
		}
		groups[at] = append(groups[at], j)
	}
	return groups
}

// links says which names and addresses belong together: each points to another one, the last to itself.
type links map[string]string

func (l links) find(name string) string {
	last := name
	for next, ok := l[last]; ok && next != last; next, ok = l[last] {
		last = next
	}
	for name != last { // the next search is shorter
		name, l[name] = l[name], last
	}
	return last
}

func (l links) join(a, b string) {
	if a, b = l.find(a), l.find(b); a != b {
		l[a] = b
	}
}
