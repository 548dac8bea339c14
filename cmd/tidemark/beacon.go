package main

import (
	"context"

	"tidemark/manifest"
)

// keepBeacon is the last step of a run (DESIGN 4.5, 7): the records say what m, which is published, says, at every
// authoritative server. What goes wrong is told and stops nothing: mirrors that cannot go by DNS ask HTTPS.
func (p *publisher) keepBeacon(ctx context.Context, m *manifest.Manifest) (trouble []error) {
	return nil
}
