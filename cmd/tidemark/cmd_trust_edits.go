package main

import (
	"bytes"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/manifest"
)

// edit does to the draft what the flags say: first what goes, then what comes, then the rules.
func (d *drafting) edit() error {
	d.taken = map[string]string{}
	for _, step := range []func() error{d.dropKeys, d.addKeys, d.revokeKeys, d.endKeys, d.editRoots, d.rules, d.serials} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// take notes that a flag speaks of a key; two flags about one key are a mistake.
func (d *drafting) take(id, flag string) error {
	if other, ok := d.taken[id]; ok {
		return fmt.Errorf("%s and %s both speak of key %s: expected one of them", other, flag, id)
	}
	d.taken[id] = flag
	return nil
}

// change calls do, and finds out which key it changed.
func (d *drafting) change(flag, typed string, do func(string) error) error {
	id, err := d.find(typed)
	if err == nil {
		err = d.take(id, flag)
	}
	if err == nil {
		err = do(id)
	}
	if err != nil {
		return fmt.Errorf("%s %s: %w", flag, harmless(typed), err)
	}
	return nil
}

// find resolves what was typed to the one key of the manifest role that it can mean.
func (d *drafting) find(typed string) (string, error) {
	want := strings.ToUpper(strings.ReplaceAll(typed, " ", ""))
	var found []string
	for _, k := range d.old.trust.Manifest.Keys {
		if k.Key == want || len(want) >= leastDigits && strings.HasSuffix(k.Key, want) {
			found = append(found, k.Key)
		}
	}
	for _, k := range d.next.Manifest.Keys {
		if (k.Key == want || len(want) >= leastDigits && strings.HasSuffix(k.Key, want)) && !slices.Contains(found, k.Key) {
			found = append(found, k.Key)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return "", fmt.Errorf("no such key in the manifest role; expected one of %s", strings.Join(d.keyIDs(), ", "))
	}
	return "", fmt.Errorf("more than one key ends so: %s", strings.Join(found, ", "))
}

// leastDigits is how much of an id must be typed.
const leastDigits = 8

func (d *drafting) keyIDs() (ids []string) {
	for _, k := range d.old.trust.Manifest.Keys {
		ids = append(ids, k.Key)
	}
	return ids
}

func (d *drafting) dropKeys() error {
	for _, typed := range d.StringSlice("drop-key") {
		if err := d.change("--drop-key", typed, d.next.DropKey); err != nil {
			return err
		}
	}
	return nil
}

func (d *drafting) addKeys() error {
	for _, typed := range d.StringSlice("add-key") {
		holder, public, err := namedFile("--add-key", typed)
		if err != nil {
			return err
		}
		id, err := d.next.PutKey(holder, public)
		if err == nil {
			err = d.take(id, "--add-key")
		}
		if err != nil {
			return fmt.Errorf("--add-key %s: %w", harmless(typed), err)
		}
	}
	return nil
}

func (d *drafting) revokeKeys() error {
	for _, typed := range d.StringSlice("revoke-key") {
		if err := d.change("--revoke-key", typed, d.next.RevokeKey); err != nil {
			return err
		}
	}
	return nil
}

func (d *drafting) endKeys() error {
	for _, typed := range d.StringSlice("end-key") {
		id, date, ok := strings.Cut(typed, "=")
		if !ok {
			return fmt.Errorf("--end-key %s: expected ID=DATE", harmless(typed))
		}
		at, err := parseDate(date)
		if err != nil {
			return fmt.Errorf("--end-key %s: %w", harmless(typed), err)
		}
		if id, err = d.find(id); err != nil {
			return fmt.Errorf("--end-key %s: %w", harmless(typed), err)
		}
		if flag := d.taken[id]; flag != "" && flag != "--add-key" { // a key may come with an end
			return d.take(id, "--end-key")
		}
		if err := d.next.EndKey(id, at); err != nil {
			return fmt.Errorf("--end-key %s: %w", harmless(typed), err)
		}
	}
	return nil
}

// editRoots takes out before it puts in: a holder's key is replaced by both flags.
func (d *drafting) editRoots() error {
	for _, typed := range d.StringSlice("drop-root") {
		if err := d.next.DropRoot(typed); err != nil {
			return fmt.Errorf("--drop-root %s: %w", harmless(typed), err)
		}
	}
	for _, typed := range d.StringSlice("add-root") {
		holder, public, err := namedFile("--add-root", typed)
		if err != nil {
			return err
		}
		id, err := d.next.PutRoot(holder, public)
		if err != nil {
			return fmt.Errorf("--add-root %s: %w", harmless(typed), err)
		}
		if slices.Contains(d.StringSlice("drop-root"), id) {
			return fmt.Errorf("--add-root %s: --drop-root takes the same key out", harmless(typed))
		}
	}
	return nil
}

func (d *drafting) rules() error {
	if d.IsSet("root-threshold") {
		d.next.Root.Threshold = d.Int("root-threshold")
	}
	if d.IsSet("threshold") {
		d.next.Manifest.Threshold = d.Int("threshold")
	}
	if d.IsSet("require") {
		d.next.Manifest.Required = nil
		for _, k := range d.StringSlice("require") {
			d.next.Manifest.Required = append(d.next.Manifest.Required, keys.Kind(k))
		}
	}
	return nil
}

func (d *drafting) serials() error {
	d.next.ResetSerial = d.Bool("reset-serial")
	if !d.IsSet("min-serial") {
		if d.next.ResetSerial {
			return d.afterReleased()
		}
		return nil
	}
	n, was := d.Int64("min-serial"), d.old.trust.MinSerial
	if n < was && !d.next.ResetSerial {
		return fmt.Errorf("--min-serial %d: version %d has %d already; going back makes sense only with --reset-serial", n, d.old.trust.Version, was)
	}
	d.next.MinSerial = n
	return nil
}

// afterReleased lets the serials begin anew above those that were released from here: caches keep m/<serial>/ for a year, and readers
// must not find two manifests under one serial.
func (d *drafting) afterReleased() error {
	if d.String("trust") != "" {
		return nil // no configuration, no state
	}
	i, err := findInstalled(d.Call)
	if err != nil || i == nil {
		return err
	}
	st, _, err := (&state{dir: i.state}).site()
	if errors.Is(err, fs.ErrPermission) {
		d.Warn("%v: give --min-serial, above what was published", err)
		return nil
	}
	if err != nil || st.Released == 0 {
		return err
	}
	if st.Released > manifest.MaxSerial/2 {
		return fmt.Errorf("--reset-serial: serial %d was released from here: give --min-serial, above the last good serial", st.Released)
	}
	d.minSerial = max(st.Released+1, d.old.trust.MinSerial)
	d.next.MinSerial = d.minSerial
	return nil
}

// namedFile reads HOLDER=FILE. A private key is not what anybody wants to publish.
func namedFile(flag, typed string) (holder string, public []byte, err error) {
	holder, file, ok := strings.Cut(typed, "=")
	if !ok || holder == "" || file == "" {
		return "", nil, fmt.Errorf("%s %s: expected HOLDER=FILE, like alice=alice.pub", flag, harmless(typed))
	}
	b, err := console.ReadInput(file, keys.MaxTrust)
	if err != nil {
		return "", nil, fmt.Errorf("%s: %w", flag, err)
	}
	if bytes.Contains(b, []byte("PRIVATE KEY")) || bytes.HasPrefix(b, []byte("untrusted comment:")) && bytes.Contains(firstLine(b), []byte("secret key")) {
		return "", nil, fmt.Errorf("%s: %s is a private key, expected the public half (often beside it, with .pub at its end)", flag, harmless(file))
	}
	return holder, b, nil
}

func firstLine(b []byte) []byte {
	line, _, _ := bytes.Cut(b, []byte("\n"))
	return line
}

// distinct is a list sorted, each once.
func distinct(list []string) []string {
	list = slices.Clone(list)
	slices.Sort(list)
	return slices.Compact(list)
}
