package rsync

import (
	"crypto/tls"
	"errors"
	"net"
)

// tlsAlert begins an alert of TLS (RFC 8446, 5.1), which is how some TLS servers answer a client that speaks plain rsync; others close.
const tlsAlert = "\x15\x03"

// secure puts TLS on the connection. The certificate must be valid for host, the URL's, and never for the address that was
// found for it: whoever answers for the name in DNS could have one for an address.
func (s *session) secure(host string) error {
	config := new(tls.Config)
	if s.client.TLS != nil {
		config = s.client.TLS.Clone()
	}
	config.ServerName, config.InsecureSkipVerify = host, false
	config.MinVersion = max(config.MinVersion, tls.VersionTLS12)
	conn := tls.Client(s.raw, config)
	s.op, s.conn = "tls", conn
	if err := conn.HandshakeContext(s.ctx); err != nil {
		return s.wrap(s.handshakeError(err))
	}
	s.op = "greeting"
	return nil
}

// handshakeError types what only a handshake can meet, and leaves the rest to typed.
func (s *session) handshakeError(err error) error {
	switch {
	case s.ctx.Err() != nil || isTimeout(s.ctx, err):
		return err
	case isLost(err):
		return failf(CodeRefused, "closed before the end of the TLS handshake: %w", noEOF(err))
	}
	return tlsError(err)
}

// isTLS reports an alert of either side, in the middle of a session.
func isTLS(err error) bool {
	op, ok := errors.AsType[*net.OpError](err)
	return ok && (op.Op == "remote error" || op.Op == "local error")
}

// tlsError says of a certificate what is wrong with it, and of anything else that TLS was not agreed on. The names in a
// certificate are foreign text.
func tlsError(err error) *Error {
	var bad *tls.CertificateVerificationError
	var record tls.RecordHeaderError
	switch {
	case errors.As(err, &bad):
		return failf(CodeTLS, "the certificate cannot be trusted: %s", clean(bad.Err.Error()))
	case errors.As(err, &record):
		return failf(CodeTLS, "the server does not speak TLS, expected rsync over TLS at this port")
	}
	return failf(CodeTLS, "%s", clean(err.Error()))
}
