package inventory

import (
	"cmp"
	"fmt"
	"slices"
	"strings"

	"tidemark/internal/netrange"
	"tidemark/internal/rsyncurl"
	"tidemark/internal/strictyaml"
)

// Finding is something that keeps a server, or one of its trees, from being used in full.
type Finding struct {
	Error              bool   // the inventory cannot be used like this; otherwise it is good to know
	strictyaml.Problem        // Field is the server's key: "trees.centos"
	ID                 string // of the server; "": it has none that can be used, or a file is meant
	Who                string // the server for people: its id, "entry 3" of its file, "8 servers" of [Grouped]
	many               string // Text, where it is said of several servers; "": as Text is
}

// InFull is the finding with its server: the field is "ftp.funet.fi: trees.centos".
func (f Finding) InFull() strictyaml.Problem {
	p := f.Problem
	p.Field = strings.Trim(f.Who+": "+f.Field, ": ")
	return p
}

// mostNamed is how many servers are named one by one.
const mostNamed = 12

// Grouped says once what is found of several servers alike, at the first one's place, with their ids: a list of which each entry is
// refused for one reason should not be read 257 times.
func Grouped(found []Finding) (out []Finding) {
	type kind struct {
		wrong             bool
		field, text, hint string
	}
	at, ids := map[kind]int{}, map[int][]string{}
	for _, f := range found {
		k := kind{f.Error, f.Field, cmp.Or(f.many, f.Text), f.Hint}
		i, again := at[k]
		if !again || f.ID == "" {
			at[k] = len(out)
			i = len(out)
			out = append(out, f)
		}
		ids[i] = append(ids[i], f.ID)
	}
	for i, all := range ids {
		if len(all) < 2 {
			continue
		}
		f := &out[i]
		f.ID, f.Who, f.Text = "", fmt.Sprintf("%d servers", len(all)), cmp.Or(f.many, f.Text)
		named := all[:min(len(all), mostNamed)]
		f.Text += ": " + strings.Join(named, ", ")
		if more := len(all) - len(named); more > 0 {
			f.Text += fmt.Sprintf(" and %d more", more)
		}
	}
	return out
}

// ReviewOptions of Review.
type ReviewOptions struct {
	Trees        []string // of the configuration; nil: not known
	AllowPrivate bool     // probe.allow_private
}

// Review says of servers, as Load gives them, what each will not be used for, and why: by id.
func Review(servers []Server, o ReviewOptions) []Finding {
	r := reviewer{o: o, hosts: map[string]string{}}
	for _, s := range servers {
		r.server(s)
	}
	slices.SortStableFunc(r.found, func(a, b Finding) int { return cmp.Compare(a.ID, b.ID) })
	return r.found
}

type reviewer struct {
	o     ReviewOptions
	hosts map[string]string // with the tree, to the first server there
	found []Finding
}

func (r *reviewer) add(s Server, wrong bool, key, hint, format string, args ...any) {
	r.found = append(r.found, Finding{Error: wrong, ID: s.ID, Who: s.ID,
		Problem: strictyaml.Problem{File: s.File, Line: s.Line, Field: key, Text: fmt.Sprintf(format, args...), Hint: hint}})
}

func (r *reviewer) server(s Server) {
	if s.Maintenance {
		r.add(s, false, "maintenance", "remove the key when it is back", "in maintenance: not asked, not counted, not offered")
	}
	if s.Private {
		r.add(s, false, "private", "", "private: checked and counted, never in the manifest or on the status page")
	}
	switch {
	case len(s.Exclude) > 0:
		r.add(s, false, "exclude", "", "partial: judged without what %s hides, shown, never offered", strings.Join(s.Exclude, " "))
	case s.Partial:
		r.add(s, false, "partial", "name what it leaves out with exclude: then the rest is judged in full", "partial: files may be missing, it is shown, never offered")
	}
	if s.Slots == 0 {
		r.add(s, false, "slots", "", "no slots: verified and shown, never offered")
	}
	if s.Kind == KindNode && s.Country == "" {
		r.add(s, false, "country", "add country: to it", "a node without a country: it is near to no mirror")
	}
	for _, tree := range sortedKeys(s.Trees) {
		r.tree(s, tree, s.Trees[tree])
	}
}

func (r *reviewer) tree(s Server, tree string, u rsyncurl.URL) {
	key := strictyaml.Path("trees", tree)
	if r.o.Trees != nil && !slices.Contains(r.o.Trees, tree) {
		hint := "trees of this network: " + strings.Join(r.o.Trees, ", ")
		if near := strictyaml.Nearest(tree, r.o.Trees); near != "" {
			hint = "did you mean " + near + "?"
		}
		r.add(s, true, key, hint, "the configuration has no tree of this name")
	}
	if what, ok := PrivateHost(u); ok && !r.o.AllowPrivate {
		r.add(s, true, key, AllowPrivateHint, "%s is a %s address, which is not probed", u.Host(), what)
		r.found[len(r.found)-1].many = "private, loopback or other addresses that are not of the public internet, which are not probed"
	}
	if u.TLS() {
		r.add(s, false, key, "give its plain rsync:// URL, where it has one", "rsync over TLS: checked, never offered, since mirrors do not speak it")
	}
	if example(u.Host()) {
		r.add(s, false, key, "replace it by a server of yours", "%s is an example host: nobody answers", u.Host())
	}
	place := tree + " " + u.HostPort()
	if first, taken := r.hosts[place]; taken {
		r.add(s, false, key, "keep one of the two, unless they are two servers", "%s is asked for this tree as %s already", u.Host(), first)
	} else {
		r.hosts[place] = s.ID
	}
}

// AllowPrivateHint is what to do about a private address that is meant.
const AllowPrivateHint = "a list must not make this machine look into its own network; where that is meant, have in the configuration probe: {allow_private: true}"

// PrivateHost says of a URL with an address in place of a name what kind of address it is, when no public server has it. What names
// lead to is looked at when they are asked.
func PrivateHost(u rsyncurl.URL) (what string, ok bool) {
	addr, literal := u.Addr()
	if !literal {
		return "", false
	}
	return netrange.Private(addr)
}

// example reports whether a name is one of those that RFC 2606 keeps for documentation and tests.
func example(host string) bool {
	labels := strings.Split(host, ".")
	last := labels[len(labels)-1]
	if last == "test" || last == "example" || last == "invalid" {
		return true
	}
	return len(labels) > 1 && labels[len(labels)-2] == "example" && (last == "com" || last == "net" || last == "org")
}
