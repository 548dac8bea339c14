package main

import (
	"fmt"
	"strings"

	"tidemark/internal/console"
	"tidemark/keys"
	"tidemark/sign"
)

// trustHealthDocument is `trust check --json` without a draft.
type trustHealthDocument struct {
	Schema string `json:"schema"`
	trustDescription
	Roles     []rootTally  `json:"roles"`
	Chain     string       `json:"chain"`     // in words: its place in what was published
	Published int64        `json:"published"` // the newest version that the state has; 0: none
	Warnings  []string     `json:"warnings"`  // ends within 90 days
	Keys      []spelledKey `json:"keys"`
}

// spelledKey is a key with what people compare.
type spelledKey struct {
	Role   string    `json:"role"` // root, manifest
	Holder string    `json:"holder"`
	Kind   keys.Kind `json:"kind"`
	Key    string    `json:"key"`
	Words  []string  `json:"words"` // openpgp: of the fingerprint; minisign: of the public key
}

// checkInstalled says whether the installed trust.json is in order.
func checkInstalled(c *console.Call) error {
	i, err := needInstalled(c, "a DRAFT")
	if err != nil {
		return err
	}
	ballot, err := sign.Count(nil, i.doc.payload, i.doc.sealed.Signatures)
	if err != nil {
		return console.Exit(console.Refused, fmt.Errorf("%s: %w", harmless(i.file), err), "restore it from a copy")
	}
	doc := trustHealthDocument{Schema: "tidemark/trust-health/v1", trustDescription: described(i.doc), Warnings: endings(i.doc.trust, c.Now()), Keys: spelled(i.doc.trust)}
	doc.Roles = []rootTally{{Version: ballot.New.Version, Threshold: ballot.New.Threshold, Signed: append([]string{}, ballot.New.Signed...), Missing: append([]string{}, ballot.New.Missing...), Enough: ballot.New.Enough()}}
	d := describe(c, true)
	d.document(i.doc)
	c.Say("Signed by %s, %d needed.", strings.Join(ballot.New.Signed, ", "), ballot.New.Threshold)
	problem := i.place(c, &doc)
	c.Say("Chain: %s.", doc.Chain)
	if doc.Warnings == nil {
		doc.Warnings = []string{}
	}
	for _, w := range doc.Warnings {
		c.Warn("%s", w)
	}
	if problem == nil && !c.Now().Before(i.doc.trust.Expires.Time) {
		problem = console.Exit(console.Refused, fmt.Errorf("version %d ended at %s: mirrors refuse every manifest", doc.Version, console.Clock(doc.Expires.Time)), "renew it: tidemark trust new")
	}
	if err := c.Document(doc); err != nil {
		return err
	}
	return problem
}

// place finds the installed version in the chain that the state keeps.
func (i *installed) place(c *console.Call, doc *trustHealthDocument) error {
	t := i.doc.trust
	kept, err := i.kept(t.Version)
	if err != nil {
		doc.Chain = "what was published cannot be read"
		return err
	}
	previous, err := i.kept(t.Version - 1)
	if err != nil {
		doc.Chain = "what was published cannot be read"
		return err
	}
	switch {
	case kept != nil && string(kept.payload) != string(i.doc.payload):
		doc.Published = kept.trust.Version
		doc.Chain = fmt.Sprintf("another version %d was published", t.Version)
		return console.Exit(console.Refused, fmt.Errorf("another version %d was published (%s) than is installed (%s)", t.Version, kept.name, i.file), "install what was published: cp %s %s; a number is never used twice", shellWord(kept.name), shellWord(i.file))
	case kept != nil:
		newest, err := i.newest(t)
		doc.Published = newest.Version
		doc.Chain = fmt.Sprintf("published as version %d", t.Version)
		if err != nil {
			return err
		}
		if newest.Version > t.Version {
			doc.Chain += fmt.Sprintf("; version %d is newer, and in force", newest.Version)
		}
		return nil
	case previous != nil:
		doc.Published = previous.trust.Version
		if ballot, err := sign.Count(previous.trust, i.doc.payload, i.doc.sealed.Signatures); err != nil || !ballot.Complete {
			doc.Chain = fmt.Sprintf("does not follow version %d, which was published", previous.trust.Version)
			if err == nil {
				err = fmt.Errorf("its root keys have not signed enough")
			}
			return console.Exit(console.Refused, fmt.Errorf("version %d (%s) does not follow version %d, which was published: %w", t.Version, i.file, previous.trust.Version, err), "have it signed by the root holders of version %d, too; only for a new chain: tidemark run --bootstrap", previous.trust.Version)
		}
		doc.Chain = fmt.Sprintf("follows version %d, which was published; the next tidemark run publishes it", previous.trust.Version)
		return nil
	}
	if doc.Published = i.top(); doc.Published == 0 {
		doc.Chain = "nothing of it is kept in the state yet; the next tidemark run publishes it"
		return nil
	}
	if _, err := openPublisher(c, true); err != nil { // what the run would say
		doc.Chain = fmt.Sprintf("does not follow version %d, which was published", doc.Published)
		return err
	}
	doc.Chain = fmt.Sprintf("follows version %d, which was published, by the versions between them; the next tidemark run publishes it", doc.Published)
	return nil
}

func spelled(t *keys.Trust) (list []spelledKey) {
	for _, k := range t.Root.Keys {
		list = append(list, spelledKey{"root", k.Holder, keys.Minisign, k.Key, keys.Words(keyBytes(keys.Minisign, k.Key, k.Public))})
	}
	for _, k := range t.Manifest.Keys {
		list = append(list, spelledKey{"manifest", k.Holder, k.Kind, k.Key, keys.Words(keyBytes(k.Kind, k.Key, k.Public))})
	}
	return list
}
