package checkin

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
)

const (
	defaultTries  = 3
	defaultPause  = time.Second
	maxPause      = time.Minute      // nobody waits longer for a receiver that has no time
	eachTry       = 20 * time.Second // a sync that is done waits no longer for a receiver that says nothing
	maxWords      = 1 << 10
	maxWordsShown = 300
)

// SendOptions say how to send.
type SendOptions struct {
	Client *http.Client
	URL    string
	Tries  int           // 0: 3
	Pause  time.Duration // before the second try, doubled before each further one; 0: 1 s
}

// NotAccepted is the answer of a receiver that did not take the check-in.
type NotAccepted struct {
	Status int    // of HTTP
	Words  string // the receiver's, in one line of printable characters; "" where it sent no plain text
}

// Passing says that the receiver has judged nothing: it has no time, or a web server answers in its place.
func (n *NotAccepted) Passing() bool {
	return n.Status >= 500 || n.Status == http.StatusRequestTimeout || n.Status == http.StatusTooManyRequests
}

func (n *NotAccepted) Error() string {
	who := "the receiver refused the check-in"
	switch {
	case n.Passing() && n.Words == "":
		who = "the receiver is down"
	case n.Passing():
		who = "the receiver has no time for the check-in"
	}
	words := strings.TrimPrefix(strings.TrimPrefix(n.Words, "not accepted now: "), "not accepted: ")
	return strings.TrimSuffix(fmt.Sprintf("%s: %d %s: %s", who, n.Status, http.StatusText(n.Status), words), ": ")
}

// Send posts a body until it is answered with 202. A receiver that refuses (4xx other than 408 and 429) or sends elsewhere
// is not asked again: the error is a *NotAccepted with the status and the receiver's words. One that has no time (408, 429,
// 5xx) or is not reached is asked again, after Pause or what its Retry-After says; one that asks for more than a minute is
// left in peace as well, and the error is its answer. The very same body is sent each time: a receiver knows it again.
func Send(ctx context.Context, o SendOptions, body []byte) error {
	if o.Tries <= 0 {
		o.Tries = defaultTries
	}
	if o.Pause <= 0 {
		o.Pause = defaultPause
	}
	if o.Client == nil {
		o.Client = http.DefaultClient
	}
	client := *o.Client
	client.CheckRedirect = func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }
	var err error
	for try := range o.Tries {
		var retry time.Duration
		if retry, err = post(ctx, &client, o.URL, body); err == nil || retry < 0 || retry > maxPause || try == o.Tries-1 {
			break
		}
		if !sleep(ctx, min(max(retry, o.Pause<<try), max(maxPause, o.Pause))) {
			break
		}
	}
	if err == nil || ctx.Err() == nil {
		return err
	}
	return errors.Join(fmt.Errorf("check in at %s: %w", o.URL, context.Cause(ctx)), err)
}

// post tries once. retry is how long to wait at least before the next try; negative: there is no use in one.
func post(ctx context.Context, client *http.Client, url string, body []byte) (retry time.Duration, err error) {
	ctx, cancel := context.WithTimeout(ctx, eachTry)
	defer cancel()
	req, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return -1, fmt.Errorf("check in: %w", err)
	}
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("User-Agent", "tidemark-checkin")
	res, err := client.Do(req)
	if err != nil {
		return 0, fmt.Errorf("check in: %w", err)
	}
	defer res.Body.Close()
	if res.StatusCode == http.StatusAccepted {
		return 0, nil
	}
	no := &NotAccepted{Status: res.StatusCode, Words: wordsOf(res)}
	if no.Passing() {
		return retryAfter(res.Header), no
	}
	return -1, no
}

// wordsOf are the receiver's own: it speaks plain text. A page in another form is a web server's that stands before it.
func wordsOf(res *http.Response) string {
	if form, _, err := mime.ParseMediaType(res.Header.Get("Content-Type")); err != nil || form != "text/plain" {
		return ""
	}
	words, _ := io.ReadAll(io.LimitReader(res.Body, maxWords)) // what came is enough
	return plain(words)
}

// retryAfter reads both forms of the header (RFC 9110, 10.2.3); a date is held against the receiver's own clock.
func retryAfter(h http.Header) time.Duration {
	text := h.Get("Retry-After")
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second
	}
	until, err := http.ParseTime(text)
	now, also := http.ParseTime(h.Get("Date"))
	if err != nil || also != nil {
		return 0
	}
	return max(until.Sub(now), 0)
}

// plain is foreign text in one line that no terminal obeys.
func plain(words []byte) string {
	text := strings.Map(func(r rune) rune {
		switch {
		case r == '\n' || r == '\t' || r == '\r':
			return ' '
		case r < ' ' || r > '~':
			return -1
		}
		return r
	}, string(words))
	text = strings.Join(strings.Fields(text), " ")
	return text[:min(len(text), maxWordsShown)]
}

// sleep reports false when ctx ended before.
func sleep(ctx context.Context, d time.Duration) bool {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-ctx.Done():
		return false
	case <-t.C:
		return true
	}
}
