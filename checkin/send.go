package checkin

import (
	"context"
	"net/http"
	"time"
)

// SendOptions say how to send.
type SendOptions struct {
	Client *http.Client
	URL    string
	Tries  int           // 0: 3
	Pause  time.Duration // before the second try, doubled before each further one; 0: 1 s
}

// Send posts a body until it is answered with 202. A receiver that refuses (4xx other than 429) is not asked again: the
// error is a *NotAccepted with the status and the receiver's words.
func Send(ctx context.Context, o SendOptions, body []byte) error { panic("stub") }
