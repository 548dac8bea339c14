package lab

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"net/http"
	"net/netip"
	"os"
	"os/exec"
	"path/filepath"
	"strings"

	"golang.org/x/sys/unix"
)

// S3Options say what an S3 gateway serves, and how.
type S3Options struct {
	Dir     string // objects, metadata, certificates and output go below it; made when missing
	Port    int    // 0: a free one
	Bucket  string // made, with a policy that lets everybody read; "": tidemark
	TLS     bool   // https, with a certificate of an authority that is made in Dir
	Private bool   // no policy: only who has the key may read
	Program string // versitygw; "": from PATH, or built as the module's tool
}

// S3 is a versitygw that answers.
type S3 struct {
	*Service
	Endpoint string // http(s)://127.0.0.1:port, without a final slash: for path-style requests
	Bucket   string
	Region   string
	Access   string // the root account's key
	Secret   string
	CA       string // file of the authority's certificate (PEM); "" without TLS
	Root     string // directory of buckets: what lies in Root/Bucket is what readers see

	client *http.Client
}

// StartVersityGW starts versitygw and returns when its bucket is there. Its objects are plain files, replaced by
// renaming, their metadata extended attributes where the file system has them.
func StartVersityGW(ctx context.Context, o S3Options) (*S3, error) {
	program, err := versityGW(ctx, o.Program)
	if err != nil {
		return nil, fmt.Errorf("starting versitygw: %w", err)
	}
	if o.Dir, err = filepath.Abs(o.Dir); err != nil {
		return nil, fmt.Errorf("starting versitygw: %w", err)
	}
	// The secret is the directory's: a gateway of another one that took the port in between does not accept it, and one
	// that is started again does.
	g := &S3{Bucket: o.Bucket, Region: "us-east-1", Access: "lab", Secret: fmt.Sprintf("%x", sha256.Sum256([]byte(o.Dir))),
		Root: filepath.Join(o.Dir, "objects"), client: &http.Client{}}
	if g.Bucket == "" {
		g.Bucket = "tidemark"
	}
	options, err := g.prepare(o)
	if err != nil {
		return nil, fmt.Errorf("starting versitygw: %w", err)
	}
	g.Service, err = serve(ctx, o.Dir, launch{name: "versitygw", port: o.Port,
		hint: "go tool -modfile=tools/go.mod versitygw",
		// Not in the arguments: anybody may read those.
		env: []string{"ROOT_ACCESS_KEY=" + g.Access, "ROOT_SECRET_KEY=" + g.Secret},
		command: func(at netip.AddrPort) ([]string, error) {
			return append([]string{program, "--port", at.String(), "--region", g.Region, "--keep-alive", "--quiet"}, options...), nil
		},
		check: func(ctx context.Context, at netip.AddrPort) error {
			g.Endpoint = "http://" + at.String()
			if o.TLS {
				g.Endpoint = "https://" + at.String()
			}
			return g.makeBucket(ctx, o.Private)
		}})
	if err != nil {
		return nil, err
	}
	return g, nil
}

// prepare makes what the gateway needs in its directory and returns the last of its arguments.
func (g *S3) prepare(o S3Options) (args []string, err error) {
	if err := os.MkdirAll(g.Root, 0o755); err != nil {
		return nil, err
	}
	if o.TLS {
		files, err := serverCertificate(filepath.Join(o.Dir, "tls"))
		if err != nil {
			return nil, fmt.Errorf("making its certificate: %w", err)
		}
		g.CA = files.ca
		if g.client, err = trusting(files.ca); err != nil {
			return nil, err
		}
		args = append(args, "--cert", files.cert, "--key", files.key)
	}
	args = append(args, "posix")
	if err := unix.Setxattr(g.Root, "user.lab", []byte("1"), 0); err != nil {
		// A replaced object and its metadata then change one after the other.
		side := filepath.Join(o.Dir, "metadata") // no prefix of, and not below, Root: versitygw refuses that
		if err := os.MkdirAll(side, 0o755); err != nil {
			return nil, err
		}
		args = append(args, "--sidecar", side)
	}
	return append(args, g.Root), nil
}

// versityGW finds the program; the module's tool is built when it was not yet, which takes a minute or two.
func versityGW(ctx context.Context, program string) (string, error) {
	if program == "" {
		program = "versitygw"
	}
	if path, err := exec.LookPath(program); err == nil {
		return path, nil
	} else if program != "versitygw" {
		return "", err
	}
	mod, err := output(ctx, "go", "env", "GOMOD")
	if err != nil {
		return "", err
	}
	return output(ctx, "go", "-C", filepath.Dir(mod), "tool", "-modfile="+filepath.Join(filepath.Dir(mod), "tools", "go.mod"), "-n", "versitygw")
}

// output runs a command for its one line.
func output(ctx context.Context, name string, args ...string) (string, error) {
	b, err := exec.CommandContext(ctx, name, args...).Output()
	if exit := (*exec.ExitError)(nil); errors.As(err, &exit) {
		return "", fmt.Errorf("%s %s: %w: %s", name, strings.Join(args, " "), err, strings.TrimSpace(string(exit.Stderr)))
	} else if err != nil {
		return "", fmt.Errorf("%s %s: %w", name, strings.Join(args, " "), err)
	}
	return strings.TrimSpace(string(b)), nil
}

// URL is where readers find the bucket, with a final slash.
func (g *S3) URL() string { return g.Endpoint + "/" + g.Bucket + "/" }

// Env is the environment in which the SDK's usual chain and aws(1) find the key and, with TLS, the authority.
func (g *S3) Env() []string {
	env := []string{"AWS_ACCESS_KEY_ID=" + g.Access, "AWS_SECRET_ACCESS_KEY=" + g.Secret, "AWS_REGION=" + g.Region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
	if g.CA != "" {
		env = append(env, "AWS_CA_BUNDLE="+g.CA)
	}
	return env
}

// makeBucket makes the bucket, or takes the one that is there from an earlier start.
func (g *S3) makeBucket(ctx context.Context, private bool) error {
	if err := g.request(ctx, http.MethodPut, "/"+g.Bucket, "", nil, nil); err != nil && !strings.Contains(err.Error(), "BucketAlready") {
		return fmt.Errorf("making bucket %s: %w", g.Bucket, err)
	}
	if private {
		return nil
	}
	policy := fmt.Sprintf(`{"Version": "2012-10-17", "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "s3:GetObject", "Resource": "arn:aws:s3:::%s/*"}]}`, g.Bucket)
	if err := g.request(ctx, http.MethodPut, "/"+g.Bucket, "policy=", []byte(policy), nil); err != nil {
		return fmt.Errorf("letting everybody read bucket %s: %w", g.Bucket, err)
	}
	return nil
}

// Put puts an object with the headers given, as another program would.
func (g *S3) Put(ctx context.Context, name string, data []byte, header http.Header) error {
	return g.request(ctx, http.MethodPut, "/"+g.Bucket+"/"+name, "", data, header)
}
