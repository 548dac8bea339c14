package s3

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/s3"

	"tidemark/publish"
)

// Store is a bucket, or what lies below a prefix of it.
type Store struct {
	bucket, prefix   string // the prefix ends in a slash, or is empty
	region, endpoint string
	timeout          time.Duration
	checksum         bool
	credentials      aws.CredentialsProvider
	api              *s3.Client
}

// String is "s3://bucket/prefix".
func (s *Store) String() string {
	return strings.TrimSuffix("s3://"+s.bucket+"/"+s.prefix, "/")
}

// Where tells the same bucket at another server apart.
func (s *Store) Where() string {
	if s.endpoint == "" {
		return s.String()
	}
	return s.String() + " at " + s.endpoint
}

// Get reads one object.
func (s *Store) Get(ctx context.Context, name string, max int64) (publish.Object, error) {
	if err := publish.CheckName(name); err != nil {
		return publish.Object{}, err
	}
	o := publish.NewObject(name, nil)
	err := s.try(ctx, request{verb: "get", key: s.prefix + name}, func(ctx context.Context) error {
		out, err := s.api.GetObject(ctx, &s3.GetObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + name)})
		if err != nil {
			return err
		}
		defer out.Body.Close()
		if aws.ToInt64(out.ContentLength) > max {
			return fmt.Errorf("%w: %d bytes, at most %d", publish.ErrTooLarge, aws.ToInt64(out.ContentLength), max)
		}
		if o.Data, err = io.ReadAll(io.LimitReader(out.Body, max+1)); err != nil {
			return fmt.Errorf("read the body: %w", err)
		}
		if int64(len(o.Data)) > max {
			return fmt.Errorf("%w: more than %d bytes", publish.ErrTooLarge, max)
		}
		o.Tag, o.Type, o.Cache = aws.ToString(out.ETag), aws.ToString(out.ContentType), aws.ToString(out.CacheControl)
		o.Age = ageOf(out.ResultMetadata, aws.ToTime(out.LastModified))
		return nil
	})
	if err != nil {
		return publish.Object{}, err
	}
	return o, nil
}

// Tag is the object's ETag, without its body.
func (s *Store) Tag(ctx context.Context, name string) (tag string, err error) {
	if err := publish.CheckName(name); err != nil {
		return "", err
	}
	r := request{verb: "get", key: s.prefix + name}
	err = s.try(ctx, r, func(ctx context.Context) error {
		out, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &r.key})
		if err == nil {
			tag = aws.ToString(out.ETag)
		}
		return err
	})
	return tag, err
}

// Put writes one object. Refused after a try whose answer was lost, it compares before it believes the refusal.
func (s *Store) Put(ctx context.Context, o publish.Object, c publish.Condition) (string, error) {
	if err := publish.CheckName(o.Name); err != nil {
		return "", err
	}
	if c.Absent && c.Match != "" {
		return "", fmt.Errorf("put %s: both Absent and Match are asked for", o.Name)
	}
	r := request{verb: "put", key: s.prefix + o.Name, absent: c.Absent, match: c.Match != ""}
	var tag string
	err := s.try(ctx, r, func(ctx context.Context) error {
		out, err := s.api.PutObject(ctx, s.putInput(o, c))
		if err == nil {
			tag = aws.ToString(out.ETag)
		}
		return err
	})
	var e *Error
	if errors.Is(err, publish.ErrConflict) && errors.As(err, &e) && e.answerLost {
		if there, getErr := s.Get(ctx, o.Name, int64(len(o.Data))); getErr == nil && bytes.Equal(there.Data, o.Data) {
			return there.Tag, nil
		}
	}
	return tag, err
}

func (s *Store) putInput(o publish.Object, c publish.Condition) *s3.PutObjectInput {
	in := &s3.PutObjectInput{Bucket: &s.bucket, Key: aws.String(s.prefix + o.Name), Body: bytes.NewReader(o.Data),
		ContentLength: aws.Int64(int64(len(o.Data)))}
	if o.Type != "" {
		in.ContentType = &o.Type
	}
	if o.Cache != "" {
		in.CacheControl = &o.Cache
	}
	if s.checksum {
		sum := sha256.Sum256(o.Data)
		in.ChecksumSHA256 = aws.String(base64.StdEncoding.EncodeToString(sum[:]))
	}
	if c.Absent {
		in.IfNoneMatch = aws.String("*")
	}
	if c.Match != "" {
		in.IfMatch = &c.Match
	}
	return in
}

// List gives all objects whose name begins with prefix; "" gives all.
func (s *Store) List(ctx context.Context, prefix string) ([]publish.Listed, error) {
	return s.list(ctx, prefix, 0)
}

// Peek gives the names of at most max objects.
func (s *Store) Peek(ctx context.Context, max int) ([]string, error) {
	all, err := s.list(ctx, "", max)
	var names []string
	for _, l := range all {
		names = append(names, l.Name)
	}
	return names, err
}

// list gives at most max objects, all when max is 0. Listings are paged: 1000 objects a request.
func (s *Store) list(ctx context.Context, prefix string, max int) ([]publish.Listed, error) {
	in := &s3.ListObjectsV2Input{Bucket: &s.bucket, Prefix: aws.String(s.prefix + prefix)}
	if max > 0 {
		in.MaxKeys = aws.Int32(int32(max))
	}
	var all []publish.Listed
	for {
		var out *s3.ListObjectsV2Output
		err := s.try(ctx, request{verb: "list", key: s.prefix + prefix}, func(ctx context.Context) (err error) {
			out, err = s.api.ListObjectsV2(ctx, in)
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, o := range out.Contents {
			all = append(all, publish.Listed{Name: strings.TrimPrefix(aws.ToString(o.Key), s.prefix), Tag: aws.ToString(o.ETag),
				Modified: aws.ToTime(o.LastModified)})
		}
		if !aws.ToBool(out.IsTruncated) || aws.ToString(out.NextContinuationToken) == "" || max > 0 && len(all) >= max {
			return all, nil
		}
		in.ContinuationToken = out.NextContinuationToken
	}
}

// Delete removes one object that still has this tag. The server is asked first, since a delete of what is not there
// succeeds, and not every server minds If-Match here.
func (s *Store) Delete(ctx context.Context, name, tag string) error {
	if err := publish.CheckName(name); err != nil {
		return err
	}
	r := request{verb: "delete", key: s.prefix + name, match: true}
	err := s.try(ctx, r, func(ctx context.Context) error {
		out, err := s.api.HeadObject(ctx, &s3.HeadObjectInput{Bucket: &s.bucket, Key: &r.key})
		if status(err) == 404 {
			return publish.ErrNotFound
		} else if err != nil {
			return err
		}
		if aws.ToString(out.ETag) != tag {
			return fmt.Errorf("changed meanwhile: %w", publish.ErrConflict)
		}
		_, err = s.api.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: &s.bucket, Key: &r.key, IfMatch: &tag})
		return err
	})
	return err
}
