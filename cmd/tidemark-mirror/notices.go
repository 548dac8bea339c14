package main

import (
	"errors"

	"tidemark/client"
	"tidemark/config"
	"tidemark/internal/console"
)

// warnConfig tells what is dangerous about the files and directories of the configuration.
func warnConfig(c *console.Call, cfg *config.Mirror) {
	for _, w := range cfg.Warnings() {
		c.Warn("%s", w)
	}
}

// heed tells what was noted, and stops nothing: a person is told all, cron each kind once a day.
func (m *mirror) heed(v *client.View) {
	noted := v.Noted
	if m.Terminal {
		noted = v.All
	}
	for _, n := range noted {
		m.Warn("%s", words(n))
	}
}

// inDocument is an error as a JSON document has it: an answer, which is an exit code alone, is none.
func inDocument(err error) string {
	var status console.Status
	if err == nil || errors.As(err, &status) {
		return ""
	}
	return err.Error()
}

// words are a notice and what to do about it, on one line.
func words(n client.Notice) string {
	if n.Hint == "" {
		return n.Text
	}
	return n.Text + ": " + n.Hint
}

// notice is one in a JSON document.
type notice struct {
	Kind string `json:"kind"`
	Text string `json:"text"`
	Hint string `json:"hint,omitempty"`
}

func notices(noted []client.Notice) []notice {
	out := []notice{}
	for _, n := range noted {
		out = append(out, notice{Kind: n.Kind, Text: n.Text, Hint: n.Hint})
	}
	return out
}
