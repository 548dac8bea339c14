package main

import (
	"context"
)

// keepHistory takes the run into the history. What goes wrong is trouble, never an end: the history decides nothing.
func (p *publisher) keepHistory(ctx context.Context, o *outcome, r round) []error { return nil }
