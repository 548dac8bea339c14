package keys

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"tidemark/internal/strictjson"
)

func (k ManifestKey) name() string {
	return fmt.Sprintf("the %s key %s of %s", k.Kind, k.Key, k.Holder)
}

// material is what the keys of an entry are made of, where it can be read.
func (k ManifestKey) material() []string {
	if k.Kind == Minisign {
		m, err := ParseMinisign(k.Public)
		if err != nil {
			return nil
		}
		return []string{string(m.Public)}
	}
	if k.Revoked {
		return packetMaterial([]byte(k.Public))
	}
	cert, err := ReadCertificate([]byte(k.Public))
	if err != nil {
		return nil
	}
	return cert.material
}

// live reports whether the key may sign at an instant, by the document and by its certificate.
func (k ManifestKey) live(now time.Time) bool {
	if k.Revoked || k.early(now) {
		return false
	}
	return !k.ended(now)
}

func (k ManifestKey) ended(now time.Time) bool {
	end := k.End()
	return end != nil && now.After(*end)
}

func (r ManifestRole) ids() []string {
	var list []string
	for _, k := range r.Keys {
		list = append(list, k.Key)
	}
	return list
}

func (r ManifestRole) holders() []string {
	var list []string
	for _, k := range r.Keys {
		if !k.Revoked {
			list = append(list, k.Holder)
		}
	}
	return list
}

func (r ManifestRole) find(id string) (ManifestKey, bool) {
	i := slices.IndexFunc(r.Keys, func(k ManifestKey) bool { return k.Key == id })
	if i < 0 {
		return ManifestKey{}, false
	}
	return r.Keys[i], true
}

// enough reports whether these keys, signing together, make what the role asks for.
func (r ManifestRole) enough(with []ManifestKey) bool {
	holders, kinds := map[string]bool{}, map[Kind]bool{}
	for _, k := range with {
		holders[k.Holder], kinds[k.Kind] = true, true
	}
	for _, k := range r.Required {
		if !kinds[k] {
			return false
		}
	}
	return len(holders) >= max(r.Threshold, 1)
}

// alone lists the holders whose own keys make what the role asks for.
func (r ManifestRole) alone() []string {
	of := map[string][]ManifestKey{}
	var list []string
	for _, k := range r.Keys {
		if !k.Revoked {
			of[k.Holder] = append(of[k.Holder], k)
		}
	}
	for _, k := range r.Keys {
		if r.enough(of[k.Holder]) && !slices.Contains(list, k.Holder) {
			list = append(list, k.Holder)
		}
	}
	return list
}

// manifest compares the manifest roles: keys by their ids.
func (d *differ) manifest() {
	o, n := d.old.Manifest, d.next.Manifest
	if o.Threshold != n.Threshold {
		alarm := ""
		if !d.first && n.Threshold < o.Threshold {
			alarm = "fewer keys have to be stolen for a false manifest" + d.newlyAlone()
		}
		d.alarm("threshold", fmt.Sprintf("Holders who must sign each manifest: %d%s.", n.Threshold, d.was(o.Threshold)), alarm)
	}
	d.required()
	for _, k := range n.Keys {
		if before, ok := o.find(k.Key); ok {
			d.keyChanged(before, k)
		} else {
			d.keyAdded(k)
		}
	}
	for _, k := range o.Keys {
		if !slices.Contains(n.ids(), k.Key) {
			d.keyRemoved(k)
		}
	}
	if !slices.Equal(common(o.ids(), n.ids()), common(n.ids(), o.ids())) {
		d.say("key-order", "The keys of the manifest role stand in another order: the first minisign key is the one that keys/%s.pub has.", d.next.Network)
	}
	d.together()
}

// newlyAlone names who can sign manifests without anybody else, and could not before.
func (d *differ) newlyAlone() string {
	who := without(d.next.Manifest.alone(), d.old.Manifest.alone())
	if len(who) == 0 {
		return ""
	}
	return "; alone can do it now: " + names(who)
}

func (d *differ) required() {
	o, n := d.old.Manifest.Required, d.next.Manifest.Required
	var lost, come []string
	for _, k := range o {
		if !slices.Contains(n, k) {
			lost = append(lost, string(k))
		}
	}
	for _, k := range n {
		if !slices.Contains(o, k) {
			come = append(come, string(k))
		}
	}
	switch {
	case len(lost) > 0:
		d.alarm("required", fmt.Sprintf("Manifests need %s signatures no more, only %s.", strings.Join(lost, " and "), kinds(n)), "a thief needs fewer kinds of keys"+d.newlyAlone())
	case len(come) > 0 && d.first:
		d.say("required", "Each manifest needs a signature of these kinds: %s.", kinds(n))
	case len(come) > 0:
		d.say("required", "Manifests need %s signatures too: mirrors refuse those without, so the publisher must make them before this version is published.", strings.Join(come, " and "))
	case !slices.Equal(o, n):
		d.say("required", "The required kinds stand in another order (%s), which changes nothing.", kinds(n))
	}
}

func kinds(list []Kind) string {
	var names []string
	for _, k := range list {
		names = append(names, string(k))
	}
	return strings.Join(names, " and ")
}

func (d *differ) keyAdded(k ManifestKey) {
	text, alarm := fmt.Sprintf("%s may sign manifests%s.", upper(k.name()), until(k.End())), ""
	switch {
	case k.Revoked:
		text = fmt.Sprintf("%s is revoked; it was not in the version before.", upper(k.name()))
	case k.ended(d.now):
		alarm = "it has ended already and can sign nothing"
	case d.future(k) != "":
		alarm = d.future(k)
	case !d.first && slices.Contains(d.next.Manifest.alone(), k.Holder) && !slices.Contains(d.old.Manifest.alone(), k.Holder):
		alarm = k.Holder + " alone can sign manifests"
	}
	if strange := d.strange(k); strange != "" {
		alarm = strange
	}
	d.alarm("key-added", text, alarm)
}

// strange says that the version before knew what this key is made of under another name, "" if it did not.
func (d *differ) strange(k ManifestKey) string {
	if r, ok := sameAsRoot(d.old.Root, k); ok {
		return fmt.Sprintf("it is the root key %s of %s: on a machine that is online, it could sign trust documents for every mirror that still holds version %d", r.Key, r.Holder, d.old.Version)
	}
	of := k.material()
	for _, x := range d.old.Manifest.Keys {
		if x.Key == k.Key || len(common(x.material(), of)) == 0 {
			continue
		}
		if x.Revoked {
			return fmt.Sprintf("it is made of the same key as %s, which is revoked", x.name())
		}
		return fmt.Sprintf("it is made of the same key as %s", x.name())
	}
	return ""
}

func sameAsRoot(root RootRole, k ManifestKey) (RootKey, bool) {
	of := k.material()
	for _, r := range root.Keys {
		if m, err := ParseMinisign(r.Public); r.Key == k.Key || err == nil && slices.Contains(of, string(m.Public)) {
			return r, true
		}
	}
	return RootKey{}, false
}

const refusedAtOnce = "it may sign today: mirrors refuse what is signed by it alone as soon as they have this version"

func (d *differ) keyRemoved(k ManifestKey) {
	switch {
	case k.Revoked:
		d.say("key-removed", "%s is not listed any more; it was revoked, and stays refused as an unknown key. But should it come back one day, nothing will warn of it.", upper(k.name()))
	case k.live(d.now):
		d.alarm("key-removed", fmt.Sprintf("%s may not sign any more.", upper(k.name())), refusedAtOnce)
	default:
		d.say("key-removed", "%s, which has ended, is not listed any more.", upper(k.name()))
	}
}

func (d *differ) keyChanged(o, n ManifestKey) {
	switch {
	case o.Revoked && !n.Revoked:
		d.alarm("key-unrevoked", fmt.Sprintf("%s is not revoked any more.", upper(n.name())), "a revoked key comes back: whoever stole it can sign manifests again")
	case !o.Revoked && n.Revoked:
		alarm := ""
		if o.live(d.now) {
			alarm = refusedAtOnce
		}
		d.alarm("key-revoked", fmt.Sprintf("%s is revoked: nothing that it signs, or ever signed, counts.", upper(n.name())), alarm)
	}
	if o.Holder != n.Holder {
		d.alarm("key-holder", fmt.Sprintf("%s belonged to %s.", upper(n.name()), o.Holder), "votes are counted by holder: make sure that no person has two names")
	}
	if o.Kind != n.Kind {
		d.alarm("key-kind", fmt.Sprintf("%s was of kind %s.", upper(n.name()), o.Kind), "a key does not change its kind: these are two keys")
	}
	d.keyEnd(o, n)
	d.keySigning(o, n)
	if o.Public != n.Public {
		d.keyRenewed(o, n)
	}
}

func (d *differ) keyEnd(o, n ManifestKey) {
	if sameTime(o.NotAfter, n.NotAfter) {
		return
	}
	var end *time.Time
	if n.NotAfter != nil {
		end = &n.NotAfter.Time
	}
	text, alarm := fmt.Sprintf("%s may sign%s by its not_after; it was%s.", upper(n.name()), until(end), until(timeOf(o.NotAfter))), ""
	if end == nil && n.Kind == OpenPGP {
		text = fmt.Sprintf("%s has no not_after any more (it was %s): its certificate's own end counts, so it may sign%s.", upper(n.name()), date(o.NotAfter.Time), until(n.End()))
	}
	switch {
	case n.Revoked:
	case o.live(d.now) && !n.live(d.now):
		alarm = refusedAtOnce
	case !o.live(d.now) && n.live(d.now) && !o.Revoked:
		alarm = "it had ended, and may sign again"
	}
	d.alarm("key-end", text, alarm)
}

func (d *differ) keySigning(o, n ManifestKey) {
	lost, come := without(o.Signing, n.Signing), without(n.Signing, o.Signing)
	if len(come) > 0 {
		d.say("key-signing", "With %s, %s may sign too.", n.name(), strings.Join(come, " and "))
	}
	if len(lost) > 0 {
		alarm := ""
		for _, f := range lost {
			if end := o.EndOf(f); !o.Revoked && (end == nil || !d.now.After(*end)) {
				alarm = refusedAtOnce
			}
		}
		d.alarm("key-signing", fmt.Sprintf("With %s, %s may not sign any more.", n.name(), strings.Join(lost, " and ")), alarm)
	}
	if len(come)+len(lost) == 0 && !slices.Equal(o.Signing, n.Signing) {
		d.say("key-signing", "The signing keys of %s stand in another order, which changes nothing.", n.name())
	}
}

// votes warns of new holders who need none of the old ones, and of a threshold that nobody may be missing from.
func (d *differ) votes() {
	o, n := d.old.Manifest, d.next.Manifest
	come := slices.DeleteFunc(slices.Clone(n.Keys), func(k ManifestKey) bool { return k.Revoked || slices.Contains(o.holders(), k.Holder) })
	if !d.first && n.Threshold > 1 && n.enough(come) {
		who := without(ManifestRole{Keys: come}.holders(), nil)
		d.alarm("majority", fmt.Sprintf("%s are new among the holders of the manifest role.", names(who)), "they can sign manifests without anybody of today")
	}
	all := func(r ManifestRole) bool { return r.Threshold > 1 && r.Threshold == len(without(r.holders(), nil)) }
	if all(n) && !all(o) {
		d.alarm("threshold-all", fmt.Sprintf("All %d holders of the manifest role must sign each manifest.", n.Threshold),
			"with one key lost no manifest can be published until the root holders have signed another version")
	}
}

// together warns of what no key shows by itself.
func (d *differ) together() {
	d.votes()
	if !d.first && !d.next.Manifest.enough(d.kept()) && d.old.Manifest.enough(live(d.old.Manifest.Keys, d.now)) {
		d.alarm("overlap", fmt.Sprintf("The keys of version %d that may still sign in version %d do not suffice for version %d.", d.old.Version, d.next.Version, d.next.Version),
			"mirrors refuse the manifest of today as soon as they have this version: publish both together, with a manifest signed by the new keys")
	}
	both := func(t *Trust) []string { return common(t.Root.alone(), t.Manifest.alone()) }
	if who := without(both(d.next), both(d.old)); len(who) > 0 {
		d.alarm("alone", fmt.Sprintf("%s alone can sign trust documents and manifests.", names(who)), "who takes that one person's keys has everything")
	}
}

// kept lists the keys that may sign now by both versions.
func (d *differ) kept() []ManifestKey {
	var list []ManifestKey
	for _, k := range live(d.next.Manifest.Keys, d.now) {
		o, ok := d.old.Manifest.find(k.Key)
		if ok && o.live(d.now) && (k.Kind != OpenPGP || len(common(o.signingAt(d.now), k.signingAt(d.now))) > 0) && (k.Kind != Minisign || o.Public == k.Public) {
			list = append(list, k)
		}
	}
	return list
}

func live(list []ManifestKey, now time.Time) []ManifestKey {
	return slices.DeleteFunc(slices.Clone(list), func(k ManifestKey) bool { return !k.live(now) })
}

func until(end *time.Time) string {
	if end == nil {
		return " without an end"
	}
	return " until " + date(*end)
}

func timeOf(t *strictjson.Time) *time.Time {
	if t == nil {
		return nil
	}
	return &t.Time
}

func sameTime(a, b *strictjson.Time) bool {
	return a == nil && b == nil || a != nil && b != nil && a.Equal(b.Time)
}

func upper(s string) string { return strings.ToUpper(s[:1]) + s[1:] }
