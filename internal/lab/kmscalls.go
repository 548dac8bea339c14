package lab

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"golang.org/x/crypto/ed25519"
)

// kmsError is an answer that refuses: its name stands in __type (AWS JSON 1.1).
type kmsError struct {
	status  int
	Type    string `json:"__type"`
	Message string `json:"message"`
}

func (e *kmsError) Error() string { return e.Type + ": " + e.Message }

func refuse(kind, format string, args ...any) error {
	status := http.StatusBadRequest
	if kind == KMSBroken {
		status = http.StatusInternalServerError
	}
	return &kmsError{status, kind, fmt.Sprintf(format, args...)}
}

const (
	maxKMSRequest = 64 << 10
	maxKMSMessage = 4096
)

// ServeHTTP answers one call.
func (k *KMS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	answer, err := k.answer(r)
	w.Header().Set("Content-Type", "application/x-amz-json-1.1")
	w.Header().Set("X-Amzn-Requestid", "00000000-0000-0000-0000-000000000000")
	if err != nil {
		e, ok := err.(*kmsError)
		if !ok {
			panic(http.ErrAbortHandler) // the client went
		}
		w.WriteHeader(e.status)
		answer = e
	}
	json.NewEncoder(w).Encode(answer)
}

func (k *KMS) answer(r *http.Request) (any, error) {
	call, ok := strings.CutPrefix(r.Header.Get("X-Amz-Target"), "TrentService.")
	if r.Method != http.MethodPost || r.URL.Path != "/" || !ok || r.Header.Get("Content-Type") != "application/x-amz-json-1.1" {
		return nil, refuse("UnknownOperationException", "%s %s, target %q", r.Method, r.URL.Path, r.Header.Get("X-Amz-Target"))
	}
	if err := k.authorized(r.Header); err != nil {
		return nil, err
	}
	body, err := io.ReadAll(io.LimitReader(r.Body, maxKMSRequest))
	if err != nil {
		return nil, err
	}
	fault := k.meets(call)
	switch fault {
	case KMSHang:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case KMSBroken, KMSThrottled:
		return nil, refuse(fault, "switched on")
	case KMSDenied:
		return nil, refuse(fault, "User: arn:aws:iam::111122223333:user/lab is not authorized to perform: kms:%s on this resource", call)
	}
	switch call {
	case "GetPublicKey":
		return k.getPublicKey(body)
	case "Sign":
		return k.sign(body, fault)
	}
	return nil, refuse("UnknownOperationException", "no call %s here", call)
}

// kmsAuthorization is AWS Signature Version 4's header. Whether the signature is right is not looked at: that is the SDK's
// own business, which versitygw checks elsewhere.
var kmsAuthorization = regexp.MustCompile(`^AWS4-HMAC-SHA256 Credential=([^/, ]+)/[0-9]{8}/([a-z0-9-]+)/kms/aws4_request, ?SignedHeaders=([a-z0-9;-]+), ?Signature=[0-9a-f]{64}$`)

func (k *KMS) authorized(h http.Header) error {
	m := kmsAuthorization.FindStringSubmatch(h.Get("Authorization"))
	if m == nil || h.Get("X-Amz-Date") == "" {
		return refuse("MissingAuthenticationTokenException", "Missing Authentication Token")
	}
	if m[1] != k.Access {
		return refuse("UnrecognizedClientException", "The security token included in the request is invalid.")
	}
	signed := strings.Split(m[3], ";")
	for _, name := range []string{"host", "x-amz-date", "x-amz-target"} {
		if !slices.Contains(signed, name) {
			return refuse("InvalidSignatureException", "header %s is not signed", name)
		}
	}
	if m[2] != k.Region {
		return refuse("InvalidSignatureException", "Credential should be scoped to a valid region.")
	}
	return nil
}

// find takes a key by its id, its ARN, its alias, or its alias' ARN.
func (k *KMS) find(name string) (kmsKey, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, key := range k.keys {
		alias := strings.TrimSuffix(key.arn(k.Region), "key/"+key.id) + key.alias
		if name != "" && slices.Contains([]string{key.id, key.alias, key.arn(k.Region), alias}, name) {
			if key.disabled {
				return *key, refuse("DisabledException", "%s is disabled.", key.arn(k.Region))
			}
			return *key, nil
		}
	}
	return kmsKey{}, refuse("NotFoundException", "Key '%s' does not exist", name)
}

// algorithms are what a key of the spec signs with, and the hash of those over a digest.
func (k *kmsKey) algorithms() map[string]crypto.Hash {
	if k.spec == "ECC_NIST_EDWARDS25519" {
		return map[string]crypto.Hash{"ED25519_SHA_512": 0, "ED25519_PH_SHA_512": crypto.SHA512}
	}
	return map[string]crypto.Hash{"RSASSA_PKCS1_V1_5_SHA_256": crypto.SHA256, "RSASSA_PKCS1_V1_5_SHA_384": crypto.SHA384, "RSASSA_PKCS1_V1_5_SHA_512": crypto.SHA512,
		"RSASSA_PSS_SHA_256": crypto.SHA256, "RSASSA_PSS_SHA_384": crypto.SHA384, "RSASSA_PSS_SHA_512": crypto.SHA512}
}

func (k *KMS) getPublicKey(body []byte) (any, error) {
	var in struct{ KeyId string }
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refuse("SerializationException", "%v", err)
	}
	key, err := k.find(in.KeyId)
	if err != nil {
		return nil, err
	}
	answer := map[string]any{"KeyId": key.arn(k.Region), "KeySpec": key.spec, "CustomerMasterKeySpec": key.spec, "KeyUsage": key.usage, "PublicKey": key.public}
	if key.usage == "SIGN_VERIFY" {
		var names []string
		for name := range key.algorithms() {
			names = append(names, name)
		}
		slices.Sort(names)
		answer["SigningAlgorithms"] = names
	}
	return answer, nil
}

func (k *KMS) sign(body []byte, fault string) (any, error) {
	in := struct {
		KeyId, MessageType, SigningAlgorithm string
		Message                              []byte
	}{MessageType: "RAW"}
	if err := json.Unmarshal(body, &in); err != nil {
		return nil, refuse("SerializationException", "%v", err)
	}
	if len(in.Message) > maxKMSMessage {
		return nil, refuse("ValidationException", "1 validation error detected: Value at 'message' failed to satisfy constraint: Member must have length less than or equal to %d", maxKMSMessage)
	}
	key, err := k.find(in.KeyId)
	if err != nil {
		return nil, err
	}
	signature, err := key.sign(in.Message, in.MessageType, in.SigningAlgorithm)
	if err != nil {
		return nil, err
	}
	switch fault {
	case KMSWrong:
		signature[0] ^= 1
	case KMSShort:
		signature = signature[:len(signature)/2]
	}
	return map[string]any{"KeyId": key.arn(k.Region), "SigningAlgorithm": in.SigningAlgorithm, "Signature": signature}, nil
}

// sign knows which algorithm goes with which key and which type of message (API reference, Sign).
func (k *kmsKey) sign(message []byte, kind, algorithm string) ([]byte, error) {
	hash, known := k.algorithms()[algorithm]
	if k.usage != "SIGN_VERIFY" || !known {
		return nil, refuse("InvalidKeyUsageException", "Algorithm %s is incompatible with key spec %s and usage %s.", algorithm, k.spec, k.usage)
	}
	switch {
	case kind != "RAW" && kind != "DIGEST":
		return nil, refuse("ValidationException", "MessageType %q: expected RAW, DIGEST or EXTERNAL_MU", kind)
	case kind == "DIGEST" && hash == 0, kind == "RAW" && algorithm == "ED25519_PH_SHA_512":
		return nil, refuse("ValidationException", "MessageType %s is not supported for %s.", kind, algorithm)
	case kind == "DIGEST" && len(message) != hash.Size():
		return nil, refuse("ValidationException", "Digest is invalid length for algorithm %s.", algorithm)
	case hash != 0 && kind == "RAW", algorithm == "ED25519_PH_SHA_512": // the latter hashes a digest once more
		h := hash.New()
		h.Write(message)
		message = h.Sum(nil)
	}
	switch s := k.secret.(type) {
	case ed25519.PrivateKey:
		return s.Sign(rand.Reader, message, hash)
	case *rsa.PrivateKey:
		if strings.HasPrefix(algorithm, "RSASSA_PSS") {
			return rsa.SignPSS(rand.Reader, s, hash, message, &rsa.PSSOptions{SaltLength: rsa.PSSSaltLengthEqualsHash})
		}
		return rsa.SignPKCS1v15(nil, s, hash, message)
	}
	return nil, refuse(KMSBroken, "a key of no known type")
}
