package keys

import (
	"fmt"
	"slices"
	"strings"
)

func (r RootRole) holders() []string {
	var list []string
	for _, k := range r.Keys {
		list = append(list, k.Holder)
	}
	return list
}

func (r RootRole) ids() []string {
	var list []string
	for _, k := range r.Keys {
		list = append(list, k.Key)
	}
	return list
}

// alone lists the holders who could sign a trust document without anybody else, by this role.
func (r RootRole) alone() []string {
	if r.Threshold > 1 {
		return nil
	}
	return without(r.holders(), nil)
}

// root compares the root roles: keys by their ids.
func (d *differ) root() {
	o, n := d.old.Root, d.next.Root
	if o.Threshold != n.Threshold {
		who := without(n.holders(), nil)
		d.alarm("root-threshold", fmt.Sprintf("%d of %d root holders (%s) must sign each version of the trust document%s.", n.Threshold, len(who), names(who), d.was(o.Threshold)), d.rootThresholdAlarm())
	}
	for _, k := range n.Keys {
		i := slices.IndexFunc(o.Keys, func(x RootKey) bool { return x.Key == k.Key })
		if i < 0 {
			d.rootAdded(k)
			continue
		}
		d.rootChanged(o.Keys[i], k)
	}
	for _, k := range o.Keys {
		if !slices.Contains(n.ids(), k.Key) {
			d.rootRemoved(k)
		}
	}
	if a, b := common(o.ids(), n.ids()), common(n.ids(), o.ids()); !slices.Equal(a, b) {
		d.say("root-order", "The root keys stand in another order, which changes nothing.")
	}
	d.rootWhole()
	d.rootAll()
	d.alike()
}

func (d *differ) rootThresholdAlarm() string {
	o, n := d.old.Root, d.next.Root
	switch {
	case n.Threshold <= 1:
		return fmt.Sprintf("one holder alone (%s) can sign every later version, and so decide who signs manifests", names(n.alone()))
	case !d.first && n.Threshold < o.Threshold:
		return "fewer holders are needed than before: fewer keys have to be stolen"
	}
	return ""
}

func (d *differ) rootAdded(k RootKey) {
	text, alarm := fmt.Sprintf("%s gets the root key %s.", k.Holder, k.Key), ""
	if slices.Contains(d.old.Root.holders(), k.Holder) {
		text = fmt.Sprintf("%s gets another root key, %s; the holder still has one vote.", k.Holder, k.Key)
	} else if !d.first && slices.Contains(d.next.Root.alone(), k.Holder) {
		alarm = k.Holder + " alone can sign every later version"
	}
	if m, ok := sameMaterial(d.old.Manifest, k.Public); ok {
		alarm = fmt.Sprintf("it was an online key until now (%s of %s): whoever had that machine may have it", m.Key, m.Holder)
	}
	for _, x := range d.old.Root.Keys {
		if x.Key != k.Key && sameMinisign(x.Public, k.Public) {
			alarm = fmt.Sprintf("it is the key %s of %s under another id", x.Key, x.Holder)
		}
	}
	d.alarm("root-added", text, alarm)
}

func (d *differ) rootChanged(o, n RootKey) {
	if o.Holder != n.Holder {
		d.alarm("root-holder", fmt.Sprintf("The root key %s belongs to %s, it belonged to %s.", n.Key, n.Holder, o.Holder),
			"votes are counted by holder: make sure that no person has two names")
	}
	if o.Public != n.Public {
		d.alarm("root-public", fmt.Sprintf("The root key %s of %s is another key under the same id.", n.Key, n.Holder),
			"ids do not collide by chance: somebody made this key to look like the old one")
	}
}

func (d *differ) rootRemoved(k RootKey) {
	text, alarm := fmt.Sprintf("%s loses the root key %s.", k.Holder, k.Key), ""
	if !slices.Contains(d.next.Root.holders(), k.Holder) {
		text = fmt.Sprintf("%s is no root holder any more (key %s).", k.Holder, k.Key)
	}
	if m, ok := sameMaterial(d.next.Manifest, k.Public); ok {
		alarm = fmt.Sprintf("it becomes an online key (%s of %s): it must not lie on a machine while any mirror still holds version %d", m.Key, m.Holder, d.old.Version)
	}
	d.alarm("root-removed", text, alarm)
}

// rootWhole warns when nothing of the old root stays.
func (d *differ) rootWhole() {
	o, n := d.old.Root, d.next.Root
	switch {
	case len(o.Keys) == 0: // a first version
	case len(common(o.holders(), n.holders())) == 0:
		d.alarm("root-whole", fmt.Sprintf("The root is new as a whole: %s instead of %s.", names(without(n.holders(), nil)), names(without(o.holders(), nil))),
			"no holder of the old root is in the new one: this is how a stolen root would be taken over")
	case len(common(o.ids(), n.ids())) == 0:
		d.alarm("root-whole", "Every root key is replaced at once.", "compare each new key with its holder, by voice: none of the old keys can sign again")
	default:
		d.newcomers()
	}
}

// newcomers warns when keys that were not in the root before suffice by themselves: those of new holders, and further ones of old.
func (d *differ) newcomers() {
	var who []string
	for _, k := range d.next.Root.Keys {
		if !slices.Contains(d.old.Root.ids(), k.Key) {
			who = append(who, k.Holder)
		}
	}
	if who = without(who, nil); len(who) >= max(d.next.Root.Threshold, 1) {
		d.alarm("root-majority", fmt.Sprintf("Of the root keys, %d of %d holders have new ones: %s.", len(who), len(without(d.next.Root.holders(), nil)), names(who)),
			fmt.Sprintf("with the new keys alone (%s), every later version can be signed without any root key of today: compare each with its holder, by voice", names(who)))
	}
}

// rootAll warns when no root holder can be missed any more.
func (d *differ) rootAll() {
	all := func(r RootRole) bool { return r.Threshold > 1 && r.Threshold == len(without(r.holders(), nil)) }
	if all(d.next.Root) && !all(d.old.Root) {
		d.alarm("root-all", fmt.Sprintf("All %d root holders must sign each version of the trust document.", d.next.Root.Threshold),
			"with one key lost no version can ever follow, and every mirror has to be set up anew")
	}
}

// alike warns of holders' names that pass for each other: one person would have two votes, or look like another.
func (d *differ) alike() {
	holders := func(t *Trust) []string { return without(append(t.Root.holders(), t.Manifest.holders()...), nil) }
	old, next := holders(d.old), holders(d.next)
	for i, a := range next {
		for _, b := range next[:i] {
			if looks(a) == looks(b) && !(slices.Contains(old, a) && slices.Contains(old, b)) {
				d.alarm("look-alike", fmt.Sprintf("%s and %s are two holders.", a, b), "their names look alike: make sure that they are two persons, and both those whom you know")
			}
		}
	}
}

// looks folds a name to what hurried eyes see.
func looks(name string) string {
	return strings.NewReplacer("rn", "m", "vv", "w", "0", "o", "1", "l", "i", "l", "5", "s", ".", "", "_", "", "-", "").Replace(strings.ToLower(name))
}

// sameMaterial finds the key of the role that is made of the same 32 bytes as a root key.
func sameMaterial(role ManifestRole, public string) (ManifestKey, bool) {
	root, err := ParseMinisign(public)
	if err != nil {
		return ManifestKey{}, false
	}
	for _, k := range role.Keys {
		if slices.Contains(k.material(), string(root.Public)) {
			return k, true
		}
	}
	return ManifestKey{}, false
}

func sameMinisign(a, b string) bool {
	x, errX := ParseMinisign(a)
	y, errY := ParseMinisign(b)
	return errX == nil && errY == nil && x.Public.Equal(y.Public)
}
