// Package route53 keeps TXT records in a hosted zone of Amazon Route 53.
package route53

import (
	"context"

	"tidemark/publish"
)

// Options name the hosted zone. Credentials come by the AWS SDK's usual chain.
type Options struct {
	Zone     string // the hosted zone's id, e.g. Z0123456789EXAMPLE
	Endpoint string // "": AWS
}

// New is a publish.TXT there: a Swap deletes the old record set and creates the new one in one change.
func New(ctx context.Context, o Options) (publish.TXT, error) { panic("stub") }
