package route53

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/service/route53"
	"github.com/aws/aws-sdk-go-v2/service/route53/types"

	"tidemark/publish"
)

// Options name the hosted zone. Credentials come by the AWS SDK's usual chain.
type Options struct {
	Zone     string        // the hosted zone's id, e.g. Z0123456789EXAMPLE
	Endpoint string        // "": AWS
	Timeout  time.Duration // of a Get or Swap with its retries; 0: 30 s

	Credentials aws.CredentialsProvider // nil: the SDK's usual chain
	HTTPClient  *http.Client            // nil: the SDK's own
}

const (
	patience = 30 * time.Second
	region   = "us-east-1" // a global service: its signatures name this one
)

var hostedZone = regexp.MustCompile(`^Z[0-9A-Z]{1,31}$`)

// New is a publish.TXT there: a Swap deletes the old record set and creates the new one in one change. Nothing is asked yet.
func New(ctx context.Context, o Options) (publish.TXT, error) {
	if !hostedZone.MatchString(o.Zone) {
		return nil, &Error{Zone: o.Zone, text: "expected a hosted zone's id of capitals and digits, e.g. Z0123456789EXAMPLE"}
	}
	if o.Timeout <= 0 {
		o.Timeout = patience
	}
	load := []func(*config.LoadOptions) error{config.WithRegion(region)}
	if o.Credentials != nil {
		load = append(load, config.WithCredentialsProvider(o.Credentials))
	}
	if o.HTTPClient != nil {
		load = append(load, config.WithHTTPClient(o.HTTPClient))
	}
	cfg, err := config.LoadDefaultConfig(ctx, load...)
	if err != nil {
		return nil, o.explain(err)
	}
	return &zone{Options: o, client: route53.NewFromConfig(cfg, func(c *route53.Options) {
		if o.Endpoint != "" {
			c.BaseEndpoint = &o.Endpoint
		}
	})}, nil
}

type zone struct {
	Options
	client *route53.Client
}

// Get asks Route 53 itself, not its name servers.
func (z *zone) Get(ctx context.Context, name string) (publish.RRset, error) {
	ctx, cancel := context.WithTimeout(ctx, z.Timeout)
	defer cancel()
	_, set, err := z.read(ctx, name)
	return set, err
}

// Swap replaces the record set in one change; see publish.TXT.
func (z *zone) Swap(ctx context.Context, name string, old, next publish.RRset) error {
	ctx, cancel := context.WithTimeout(ctx, z.Timeout)
	defer cancel()
	there, found, err := z.read(ctx, name)
	if err != nil {
		return err
	}
	if !found.Same(old) {
		return z.conflict(name)
	}
	var changes []types.Change
	if there != nil {
		changes = append(changes, types.Change{Action: types.ChangeActionDelete, ResourceRecordSet: there})
	}
	if len(next.Records) > 0 {
		set, err := resourceRecordSet(name, next)
		if err != nil {
			return &Error{Zone: z.Zone, Err: err, text: err.Error()}
		}
		changes = append(changes, types.Change{Action: types.ChangeActionCreate, ResourceRecordSet: set})
	}
	if len(changes) == 0 {
		return nil
	}
	out, err := z.client.ChangeResourceRecordSets(ctx, &route53.ChangeResourceRecordSetsInput{
		HostedZoneId: &z.Zone, ChangeBatch: &types.ChangeBatch{Comment: aws.String("tidemark"), Changes: changes}})
	var invalid *types.InvalidChangeBatch
	if errors.As(err, &invalid) {
		return z.refused(ctx, name, old, next, err)
	}
	switch {
	case err != nil:
		return z.explain(err)
	case out.ChangeInfo == nil:
		return z.foreign()
	}
	return nil
}

// foreign is an answer without what the API always gives: a proxy's, for one.
func (z *zone) foreign() error {
	return &Error{Zone: z.Zone, text: "found an answer that is none of the API", Hint: "check the endpoint, and what lies between"}
}

// refused tells the reasons of a refused batch apart: somebody else's change; this one's own, whose answer was lost before it
// was tried again; a record that Route 53 does not want.
func (z *zone) refused(ctx context.Context, name string, old, next publish.RRset, cause error) error {
	_, found, err := z.read(ctx, name)
	switch {
	case err != nil:
		return fmt.Errorf("%w (after the change was refused: %w)", err, z.explain(cause))
	case found.Same(next) && found.TTL == next.TTL:
		return nil
	case !found.Same(old):
		return z.conflict(name)
	}
	return z.explain(cause)
}

func (z *zone) conflict(name string) error {
	return &Error{Zone: z.Zone, Err: publish.ErrConflict, text: fmt.Sprintf("the TXT record %s is not what it was: %v", name, publish.ErrConflict)}
}

// read returns the record set as Route 53 has it, for a DELETE, and as the product has it; nil and nothing when there is none.
func (z *zone) read(ctx context.Context, name string) (*types.ResourceRecordSet, publish.RRset, error) {
	out, err := z.client.ListResourceRecordSets(ctx, &route53.ListResourceRecordSetsInput{
		HostedZoneId: &z.Zone, StartRecordName: aws.String(fqdn(name)), StartRecordType: types.RRTypeTxt, MaxItems: aws.Int32(1)})
	if err != nil {
		return nil, publish.RRset{}, z.explain(err)
	}
	if out.MaxItems == nil {
		return nil, publish.RRset{}, z.foreign()
	}
	for _, set := range out.ResourceRecordSets { // from that name on: the first is perhaps another's
		if set.Type != types.RRTypeTxt || !sameName(aws.ToString(set.Name), name) {
			continue
		}
		if set.SetIdentifier != nil || set.AliasTarget != nil || set.TTL == nil {
			return nil, publish.RRset{}, &Error{Zone: z.Zone, text: "the TXT record " + name + " has a routing policy or is an alias",
				Hint: "make it a simple record, or delete it"}
		}
		found := publish.RRset{TTL: int(*set.TTL)}
		for _, r := range set.ResourceRecords {
			record, err := parseValue(aws.ToString(r.Value))
			if err != nil {
				return nil, publish.RRset{}, &Error{Zone: z.Zone, Err: err, text: fmt.Sprintf("the TXT record %s: %v", name, err)}
			}
			found.Records = append(found.Records, record)
		}
		return &set, found, nil
	}
	return nil, publish.RRset{}, nil
}

func resourceRecordSet(name string, s publish.RRset) (*types.ResourceRecordSet, error) {
	set := &types.ResourceRecordSet{Name: aws.String(fqdn(name)), Type: types.RRTypeTxt, TTL: aws.Int64(int64(s.TTL))}
	for _, record := range s.Records {
		value, err := formatValue(record)
		if err != nil {
			return nil, fmt.Errorf("the TXT record %s: %w", name, err)
		}
		set.ResourceRecords = append(set.ResourceRecords, types.ResourceRecord{Value: &value})
	}
	return set, nil
}

func fqdn(name string) string { return strings.TrimSuffix(name, ".") + "." }
