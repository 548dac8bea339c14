package lab

import (
	"bytes"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/url"
	"slices"
	"sync"
	"time"
)

// FaultProxy stands between a program and an HTTP server, an S3 store above all. It passes every request on unaltered
// (the Host header too, which S3 signatures cover), counts and remembers them, and does harm where it is told to:
//
//	p, err := lab.StartFaultProxy(lab.FaultProxyOptions{Upstream: "http://127.0.0.1:7070"})
//	defer p.Close()
//	p.Reset(lab.Fault{At: 7, Kind: lab.FaultStatus, Status: 503})   // counting begins anew
//	… run the program with endpoint p.URL …
//	p.Requests()                                                    // what it asked, in order
type FaultProxy struct {
	URL string // http://127.0.0.1:port, or https

	o         FaultProxyOptions
	upstream  *url.URL
	transport *http.Transport
	server    *http.Server
	closed    chan struct{}
	closing   sync.Once

	mu       sync.Mutex
	count    int
	faults   []Fault
	requests []ProxiedRequest
}

// FaultProxyOptions say where a FaultProxy passes requests to. The hooks see every request; n counts from 1 since the
// last Reset, retries included. While a hook runs, its request waits: the place to kill or stop the program.
type FaultProxyOptions struct {
	Upstream string           // base URL of the real server
	Roots    *x509.CertPool   // who signed its certificate, where it is https
	Cert     *tls.Certificate // serve TLS with it; nil: plain http

	Before func(n int, r *http.Request) (pass bool) // read in full, not yet passed on; false: nor will it be
	After  func(n int, r *http.Request, status int) // answered by the server, answer not yet passed back
}

// FaultKind is a way in which a request goes wrong.
type FaultKind string

// The kinds. Resets are TCP resets, not orderly ends.
const (
	FaultStatus      FaultKind = "status"       // answered with Fault.Status, not passed on
	FaultResetBefore FaultKind = "reset before" // reset before the request's body is read
	FaultResetAfter  FaultKind = "reset after"  // reset after the request's body, not passed on
	FaultTruncated   FaultKind = "truncated"    // half of the body arrives: of the request's, or where it has none of the answer's
	FaultHang        FaultKind = "hang"         // no answer until the client or the proxy goes away; not passed on
	FaultAnswerLost  FaultKind = "answer lost"  // passed on, the answer thrown away, reset
)

// Fault happens to request At, and to the Times-1 that follow it.
type Fault struct {
	At         int
	Times      int // 0: once; -1: always from there on
	Kind       FaultKind
	Status     int                        // for FaultStatus
	RetryAfter string                     // its header, e.g. "1"
	Body       string                     // its body; "": an S3 error of that status
	Only       func(r *http.Request) bool // nil: all; others count, but come to no harm
}

// ProxiedRequest is one that came in.
type ProxiedRequest struct {
	Method, Path string // the path with its query
	Status       int    // what the client was answered; 0: nothing
	Fault        FaultKind
}

// StartFaultProxy listens on a free port of 127.0.0.1.
func StartFaultProxy(o FaultProxyOptions) (*FaultProxy, error) {
	up, err := url.Parse(o.Upstream)
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("fault proxy: %w", err)
	}
	p := &FaultProxy{o: o, upstream: up, closed: make(chan struct{}), URL: "http://" + l.Addr().String(),
		transport: &http.Transport{DisableCompression: true, TLSClientConfig: &tls.Config{RootCAs: o.Roots}}}
	p.server = &http.Server{Handler: http.HandlerFunc(p.serve), ReadHeaderTimeout: 10 * time.Second,
		ErrorLog: log.New(io.Discard, "", 0), TLSNextProto: map[string]func(*http.Server, *tls.Conn, http.Handler){}} // hijacking needs HTTP/1
	if o.Cert != nil {
		p.URL = "https://" + l.Addr().String()
		l = tls.NewListener(l, &tls.Config{Certificates: []tls.Certificate{*o.Cert}})
	}
	go p.server.Serve(l)
	return p, nil
}

// Close ends all connections; hanging ones, too. It may be called again.
func (p *FaultProxy) Close() {
	p.closing.Do(func() { close(p.closed) })
	p.server.Close()
	p.transport.CloseIdleConnections()
}

// Reset counts anew, forgets the requests seen and arms these faults instead of the ones before.
func (p *FaultProxy) Reset(faults ...Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count, p.requests, p.faults = 0, nil, slices.Clone(faults)
}

// Requests gives what came in since the last Reset, in order.
func (p *FaultProxy) Requests() []ProxiedRequest {
	p.mu.Lock()
	defer p.mu.Unlock()
	return slices.Clone(p.requests)
}

// Count is the number of requests since the last Reset.
func (p *FaultProxy) Count() int {
	p.mu.Lock()
	defer p.mu.Unlock()
	return p.count
}

// enter counts r and tells what is to happen to it.
func (p *FaultProxy) enter(r *http.Request) (int, *Fault) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.count++
	p.requests = append(p.requests, ProxiedRequest{Method: r.Method, Path: r.URL.RequestURI()})
	for _, f := range p.faults {
		last := f.At + max(f.Times, 1) - 1
		if f.At <= p.count && (p.count <= last || f.Times < 0) && (f.Only == nil || f.Only(r)) {
			p.requests[p.count-1].Fault = f.Kind
			return p.count, &f
		}
	}
	return p.count, nil
}

func (p *FaultProxy) answered(n, status int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if n <= len(p.requests) { // else a Reset came between
		p.requests[n-1].Status = status
	}
}

func (p *FaultProxy) serve(w http.ResponseWriter, r *http.Request) {
	n, f := p.enter(r)
	if f != nil && f.Kind == FaultResetBefore {
		reset(w)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		reset(w)
		return
	}
	if f != nil && p.refuse(w, r, n, f) {
		return
	}
	if p.o.Before != nil && !p.o.Before(n, r) {
		reset(w)
		return
	}
	cut := f != nil && f.Kind == FaultTruncated
	resp, answer, err := p.pass(r, body, cut && len(body) > 0)
	if err != nil {
		reset(w)
		return
	}
	if p.o.After != nil {
		p.o.After(n, r, resp.StatusCode)
	}
	if f != nil && f.Kind == FaultAnswerLost {
		reset(w)
		return
	}
	for k, v := range resp.Header {
		w.Header()[k] = v
	}
	p.answered(n, resp.StatusCode)
	w.WriteHeader(resp.StatusCode)
	if !cut {
		w.Write(answer)
		return
	}
	w.Write(answer[:len(answer)/2])
	http.NewResponseController(w).Flush()
	reset(w)
}

// refuse does the faults of a request that is not passed on.
func (p *FaultProxy) refuse(w http.ResponseWriter, r *http.Request, n int, f *Fault) bool {
	switch f.Kind {
	case FaultStatus:
		p.answered(n, f.Status)
		f.answer(w, r)
	case FaultResetAfter:
		reset(w)
	case FaultHang:
		select {
		case <-r.Context().Done():
		case <-p.closed:
		}
		reset(w)
	default:
		return false
	}
	return true
}

// s3Code is what S3 says beside a status.
func s3Code(status int) string {
	switch status {
	case 403:
		return "AccessDenied"
	case 404:
		return "NoSuchKey"
	case 409:
		return "ConditionalRequestConflict"
	case 412:
		return "PreconditionFailed"
	case 429:
		return "TooManyRequests"
	case 501:
		return "NotImplemented"
	case 503:
		return "SlowDown"
	}
	return "InternalError"
}

func (f *Fault) answer(w http.ResponseWriter, r *http.Request) {
	body := f.Body
	if body == "" {
		body = fmt.Sprintf("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<Error><Code>%s</Code><Message>as the fault proxy was told</Message></Error>", s3Code(f.Status))
		w.Header().Set("Content-Type", "application/xml")
	}
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	w.WriteHeader(f.Status)
	if r.Method != http.MethodHead {
		io.WriteString(w, body)
	}
}

// pass asks the real server and reads its whole answer. Cut, the server gets half of the body and then the connection's end.
func (p *FaultProxy) pass(r *http.Request, body []byte, cut bool) (*http.Response, []byte, error) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(r.Context()), time.Minute) // what the client sent arrives, even when it dies now
	defer cancel()
	u := *r.URL
	u.Scheme, u.Host = p.upstream.Scheme, p.upstream.Host
	var send io.Reader = bytes.NewReader(body)
	if cut {
		send = io.MultiReader(bytes.NewReader(body[:len(body)/2]), failing{})
	}
	out, err := http.NewRequestWithContext(ctx, r.Method, u.String(), send)
	if err != nil {
		return nil, nil, err
	}
	out.Header, out.Host, out.ContentLength = r.Header.Clone(), r.Host, int64(len(body))
	if len(body) == 0 {
		out.Body = http.NoBody
	}
	out.Header.Del("Expect")
	resp, err := p.transport.RoundTrip(out)
	if err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	answer, err := io.ReadAll(resp.Body)
	return resp, answer, err
}

type failing struct{}

func (failing) Read([]byte) (int, error) { return 0, errors.New("cut by the fault proxy") }

// reset ends the client's connection with a TCP reset.
func reset(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return
	}
	if t, ok := conn.(*tls.Conn); ok {
		conn = t.NetConn()
	}
	if t, ok := conn.(*net.TCPConn); ok {
		t.SetLinger(0)
	}
	conn.Close()
}
