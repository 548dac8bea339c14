package main

import (
	"cmp"
	"path/filepath"
	"strings"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
	"tidemark/internal/strictjson"
)

// usualKey is the secret key that init makes beside the configuration.
const usualKey = "mirror.key"

// checkinStatus is how this mirror's check-ins fare.
type checkinStatus struct {
	URL       string          `json:"url"`
	Accepted  strictjson.Time `json:"accepted,omitzero"`   // when the last one was
	OwedSince strictjson.Time `json:"owed_since,omitzero"` // one is owed: the next runs send it
	Why       string          `json:"why,omitempty"`       // why it was not accepted, and what to do
	Trouble   string          `json:"trouble,omitempty"`   // why none can be signed
}

// String is that in words.
func (c *checkinStatus) String() string {
	switch {
	case c.Trouble != "":
		return c.Trouble
	case !c.OwedSince.IsZero():
		return "owed since " + console.Clock(c.OwedSince.Time) + ": " + c.Why
	case c.Accepted.IsZero():
		return "none yet, to " + c.URL
	}
	return "accepted at " + console.Clock(c.Accepted.Time) + " by " + c.URL
}

// checkinStatus is nil where no receiver is configured.
func (m *mirror) checkinStatus() *checkinStatus {
	if m.cfg.Checkin == nil {
		return nil
	}
	known := m.memory.checkins()
	c := &checkinStatus{URL: m.cfg.Checkin.URL, Accepted: known.Accepted, OwedSince: known.OwedSince, Why: known.Why}
	if _, err := m.ownKey(m.cfg.Checkin.Key); err != nil {
		c.Trouble = words(client.Notice{Text: err.Error(), Hint: m.keyAdvice()})
	}
	return c
}

// publicKey is the public half of this mirror's own key; "" where there is none, or it is not to be read.
func (m *mirror) publicKey() string {
	signer, err := m.ownKey(keyFile(m.cfg))
	if err != nil {
		return ""
	}
	return signer.Key().Public
}

// keyFile is the configured one, or the one that init has made.
func keyFile(cfg *config.Mirror) string {
	beside := filepath.Join(filepath.Dir(cfg.File), usualKey)
	if cfg.Checkin == nil {
		return beside
	}
	return cmp.Or(cfg.Checkin.Key, beside)
}

// keyLine is a mirror's entry in the network's inventory, whole but for the places of the trees, which are to be filled in.
func keyLine(cfg *config.Mirror, public string) string {
	country := ""
	if cfg.Country != "" {
		country = ", country: " + cfg.Country
	}
	var trees []string
	for _, name := range sortedNames(cfg) {
		trees = append(trees, name+": rsync://HOST/MODULE/")
	}
	return "- {id: " + cfg.ID + country + ", trees: {" + strings.Join(trees, ", ") + "}, key: " + public + "}"
}
