// Package cloudfront has a CloudFront distribution forget the fixed names of a site, after the swap.
//
//	err := cloudfront.Invalidate(ctx, cloudfront.Options{Distribution: "E2EXAMPLE", Serial: 12, SHA256: sum},
//		[]string{"/centos/latest.json", "/centos/manifest.bundle.json"})
//
// makes one call, CreateInvalidation (API version 2020-05-31), with
//
//	DistributionId   E2EXAMPLE
//	Paths            /centos/latest.json, /centos/manifest.bundle.json      sorted, each once, no wildcard
//	CallerReference  tidemark-12-<16 digits of SHA256>-<8 of the paths'>
//
// The reference makes a repetition idempotent: CloudFront answers an equal call with the invalidation that it has
// already, whether our first call's answer was lost, or a run heals what an earlier one left.
//
// An invalidation is under way when Invalidate returns; it takes CloudFront seconds to minutes. Objects of a site say
// max-age=60 in any case, so that it only shortens that minute. Amazon charges for each path above a monthly allowance:
// a site that changes every ten minutes has about 40,000 paths a month, so leave it out where a minute is soon enough.
//
// Credentials come by the SDK's usual chain and never appear in an error; they need cloudfront:CreateInvalidation on the
// distribution.
package cloudfront
