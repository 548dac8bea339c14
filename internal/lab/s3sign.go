package lab

import (
	"bytes"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"io"
	"maps"
	"net/http"
	"strings"
	"time"
)

// request sends one signed request, for what a lab does before any program under test comes: the package links no SDK.
func (g *S3) request(ctx context.Context, method, path, query string, body []byte, header http.Header) error {
	req, err := http.NewRequestWithContext(ctx, method, g.Endpoint+path+"?"+query, bytes.NewReader(body))
	if err != nil {
		return err
	}
	maps.Copy(req.Header, header)
	now, err := g.clock(ctx)
	if err != nil {
		return err
	}
	g.sign(req, body, now)
	resp, err := g.client.Do(req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if resp.StatusCode/100 != 2 {
		answer, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<10))
		return fmt.Errorf("%s %s: found status %s: %s", method, path, resp.Status, answer)
	}
	return nil
}

// clock is the server's own time, which a signature is held against.
func (g *S3) clock(ctx context.Context) (time.Time, error) {
	req, err := http.NewRequestWithContext(ctx, http.MethodHead, g.Endpoint+"/", nil)
	if err != nil {
		return time.Time{}, err
	}
	resp, err := g.client.Do(req)
	if err != nil {
		return time.Time{}, err
	}
	resp.Body.Close()
	return http.ParseTime(resp.Header.Get("Date"))
}

// sign adds the headers of AWS Signature Version 4, for service s3.
func (g *S3) sign(req *http.Request, body []byte, now time.Time) {
	sum, stamp := sha256.Sum256(body), now.UTC().Format("20060102T150405Z")
	req.Header.Set("X-Amz-Content-Sha256", hex.EncodeToString(sum[:]))
	req.Header.Set("X-Amz-Date", stamp)
	const signed = "host;x-amz-content-sha256;x-amz-date"
	canonical := strings.Join([]string{req.Method, strings.ReplaceAll(req.URL.EscapedPath(), "+", "%2B"), req.URL.RawQuery,
		"host:" + req.URL.Host, "x-amz-content-sha256:" + hex.EncodeToString(sum[:]), "x-amz-date:" + stamp, "",
		signed, hex.EncodeToString(sum[:])}, "\n")
	digest := sha256.Sum256([]byte(canonical))
	scope := stamp[:8] + "/" + g.Region + "/s3/aws4_request"
	key := []byte("AWS4" + g.Secret)
	for _, part := range strings.Split(scope, "/") {
		key = mac(key, part)
	}
	signature := mac(key, "AWS4-HMAC-SHA256\n"+stamp+"\n"+scope+"\n"+hex.EncodeToString(digest[:]))
	req.Header.Set("Authorization", fmt.Sprintf("AWS4-HMAC-SHA256 Credential=%s/%s, SignedHeaders=%s, Signature=%x", g.Access, scope, signed, signature))
}

func mac(key []byte, text string) []byte {
	m := hmac.New(sha256.New, key)
	m.Write([]byte(text))
	return m.Sum(nil)
}
