package lab

import (
	"context"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"errors"
	"fmt"
	"net"
	"net/http"
	"path/filepath"
	"sync"
	"time"

	"golang.org/x/crypto/ed25519"
)

// KMSOptions say what keys a fake AWS KMS has, and how it is reached.
type KMSOptions struct {
	Keys map[string]string // alias ("alias/openpgp") to spec: RSA_3072, RSA_4096 or ECC_NIST_EDWARDS25519
	Port int               // 0: a free one
	Dir  string            // with TLS: its certificates lie below it
	TLS  bool              // https, with a certificate of an authority that is made in Dir
}

// KMS speaks the two calls of AWS KMS that a signer needs, GetPublicKey and Sign, in the AWS JSON 1.1 protocol. The keys are
// made when it starts and die with it.
//
//	k, err := lab.StartKMS(ctx, lab.KMSOptions{Keys: map[string]string{"alias/openpgp": "RSA_3072"}})
//	r, err := kms.Open(ctx, kms.Options{Key: "alias/openpgp", Region: k.Region, Endpoint: k.Endpoint})
//	k.Break(lab.KMSFault{Kind: lab.KMSDenied, From: 2}) // the second Sign from now on
type KMS struct {
	Endpoint string // http(s)://127.0.0.1:port
	Region   string
	Access   string // the one account's key
	Secret   string
	CA       string // file of the authority's certificate (PEM); "" without TLS

	server *http.Server
	ended  chan struct{}

	mu     sync.Mutex
	keys   []*kmsKey
	faults []KMSFault
	asked  map[string]int
}

// kmsKey is one key.
type kmsKey struct {
	alias, id, spec, usage string
	disabled               bool
	secret                 crypto.Signer
	public                 []byte // DER, SubjectPublicKeyInfo
}

func (k *kmsKey) arn(region string) string {
	return "arn:aws:kms:" + region + ":111122223333:key/" + k.id
}

// KMSFault is what goes wrong with the Sign requests that come.
type KMSFault struct {
	Kind  string // one of the KMS… constants
	From  int    // the first request that meets it, counted from when it was set; 0 and 1: the next
	Times int    // so many requests; 0: for ever. A client that tries again makes several
}

// The kinds of faults.
const (
	KMSBroken    = "KMSInternalException"  // 500
	KMSThrottled = "ThrottlingException"   // 400
	KMSDenied    = "AccessDeniedException" // 400
	KMSWrong     = "wrong"                 // a signature of the right length that verifies nothing
	KMSShort     = "short"                 // half a signature
	KMSHang      = "hang"                  // no answer, until the client goes
)

// StartKMS makes the keys and listens. It ends with ctx, or by Close.
func StartKMS(ctx context.Context, o KMSOptions) (*KMS, error) {
	k := &KMS{Region: "us-east-1", Access: "lab", Secret: "lab-secret", ended: make(chan struct{}), asked: map[string]int{}}
	for alias, spec := range o.Keys {
		if err := k.add(alias, spec); err != nil {
			return nil, fmt.Errorf("starting a KMS: %w", err)
		}
	}
	port, err := portFor(o.Port)
	if err != nil {
		return nil, fmt.Errorf("starting a KMS: %w", err)
	}
	l, err := (&net.ListenConfig{}).Listen(ctx, "tcp", loopback(port).String())
	if err != nil {
		return nil, fmt.Errorf("starting a KMS: %w", err)
	}
	k.Endpoint = "http://" + l.Addr().String()
	k.server = &http.Server{Handler: k, ReadHeaderTimeout: 10 * time.Second, BaseContext: func(net.Listener) context.Context { return ctx }}
	serve := func() error { return k.server.Serve(l) }
	if o.TLS {
		files, err := serverCertificate(filepath.Join(o.Dir, "kms-tls"))
		if err != nil {
			return nil, errors.Join(fmt.Errorf("starting a KMS: making its certificate: %w", err), l.Close())
		}
		k.Endpoint, k.CA = "https://"+l.Addr().String(), files.ca
		serve = func() error { return k.server.ServeTLS(l, files.cert, files.key) }
	}
	go func() {
		defer close(k.ended)
		serve()
	}()
	context.AfterFunc(ctx, func() { k.server.Close() })
	return k, nil
}

// add makes a key for signing.
func (k *KMS) add(alias, spec string) error {
	key := &kmsKey{alias: alias, spec: spec, usage: "SIGN_VERIFY"}
	var err error
	switch spec {
	case "RSA_3072":
		key.secret, err = rsa.GenerateKey(rand.Reader, 3072)
	case "RSA_4096":
		key.secret, err = rsa.GenerateKey(rand.Reader, 4096)
	case "ECC_NIST_EDWARDS25519":
		_, key.secret, err = edKey()
	default:
		return fmt.Errorf("key %s: spec %q, expected RSA_3072, RSA_4096 or ECC_NIST_EDWARDS25519", alias, spec)
	}
	if err != nil {
		return fmt.Errorf("key %s: %w", alias, err)
	}
	if key.public, err = x509.MarshalPKIXPublicKey(key.secret.Public()); err != nil {
		return fmt.Errorf("key %s: %w", alias, err)
	}
	var id [16]byte
	rand.Read(id[:])
	key.id = fmt.Sprintf("%x-%x-%x-%x-%x", id[:4], id[4:6], id[6:8], id[8:10], id[10:])
	k.keys = append(k.keys, key)
	return nil
}

func edKey() (ed25519.PublicKey, crypto.Signer, error) {
	public, secret, err := ed25519.GenerateKey(rand.Reader)
	return public, secret, err
}

// Close ends it.
func (k *KMS) Close() error {
	err := k.server.Close()
	<-k.ended
	return err
}

// Env is the environment in which the SDK's usual chain finds the account's key and, with TLS, the authority.
func (k *KMS) Env() []string {
	env := []string{"AWS_ACCESS_KEY_ID=" + k.Access, "AWS_SECRET_ACCESS_KEY=" + k.Secret, "AWS_REGION=" + k.Region,
		"AWS_EC2_METADATA_DISABLED=true", "AWS_CONFIG_FILE=/dev/null", "AWS_SHARED_CREDENTIALS_FILE=/dev/null"}
	if k.CA != "" {
		env = append(env, "AWS_CA_BUNDLE="+k.CA)
	}
	return env
}

// Break sets the faults that Sign requests meet from now on, the first that fits; without arguments it mends all.
func (k *KMS) Break(faults ...KMSFault) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.faults = faults
	k.asked["Sign"] = 0
}

// Asked is how many requests of a call ("Sign", "GetPublicKey") came; those of Sign since Break was last called.
func (k *KMS) Asked(call string) int {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.asked[call]
}

// Disable lets a key sign no more, as aws kms disable-key does; Spoil gives it another usage ("ENCRYPT_DECRYPT").
func (k *KMS) Disable(alias string) { k.change(alias, func(key *kmsKey) { key.disabled = true }) }

// Spoil gives a key another usage, e.g. "ENCRYPT_DECRYPT", or another spec.
func (k *KMS) Spoil(alias, usage, spec string) {
	k.change(alias, func(key *kmsKey) { key.usage, key.spec = usage, spec })
}

func (k *KMS) change(alias string, f func(*kmsKey)) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		if key.alias == alias {
			f(key)
		}
	}
}

// meets counts a request and returns the fault that it meets, "" if none.
func (k *KMS) meets(call string) string {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked[call]++
	n := k.asked[call]
	if call != "Sign" {
		return ""
	}
	for _, f := range k.faults {
		if from := max(f.From, 1); n >= from && (f.Times == 0 || n < from+f.Times) {
			return f.Kind
		}
	}
	return ""
}
