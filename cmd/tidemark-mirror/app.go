package main

import (
	"crypto/tls"
	"errors"
	"io"
	"net/url"
	"strings"

	"tidemark/client"
	"tidemark/internal/console"
	"tidemark/sign"
	"tidemark/treesync"
)

// commit is set by the linker (make build).
var commit = "unknown"

const version = "0.1.0"

// world is what the program is given: tests hand in another one.
type world struct {
	console.Env
	stdin io.Reader
	asks  bool // stdin is a terminal: init may ask
}

// run is the whole program but for os.Exit.
func run(args []string, w world) int {
	e := &console.Program{
		Env:     w.Env,
		Name:    "tidemark-mirror",
		Usage:   "sync a mirror when there is something new, from a near source that was verified, and prove it",
		Version: version + " (" + commit + ")",
		Config:  "/etc/tidemark/mirror.yaml",
		Whose:   "the mirror's",
		Judge:   judge,
	}
	return e.Run(args,
		initCommand(e, w), runCommand(e), checkCommand(e), sourcesCommand(e), syncCommand(e), checkinCommand(e), verifyCommand(e), statusCommand(e), trustCommand(e))
}

// judge maps the errors of the mirror's packages to exit codes and hints.
func judge(err error) (code int, hint string) {
	var refused *client.Refused
	var trust *client.TrustRefused
	var examined *client.NotVerified
	var votes *sign.Refusal
	var locked *treesync.Locked
	var none *treesync.NoSource
	var pin *client.PinRefused
	switch {
	case errors.As(err, &pin):
		return console.Misuse, ""
	case errors.As(err, &examined) && !examined.Reached:
		return console.Failed, ""
	case errors.As(err, &refused):
		return console.Refused, refusedHint(refused)
	case errors.As(err, &trust), errors.As(err, &examined), errors.As(err, &votes):
		return console.Refused, ""
	case errors.As(err, &locked):
		return console.Locked, "wait for it to end (a dead process holds no lock), or look who it is: tidemark-mirror status"
	case errors.As(err, &none):
		return console.NoSource, "the tree is as it was; see what there is: tidemark-mirror sources; the next run tries again"
	}
	return 0, siteHint(err)
}

// siteHint is what an admin can do about a site that cannot be asked.
func siteHint(err error) string {
	var cert *tls.CertificateVerificationError
	var asked *url.Error
	var gone *client.NotThere
	switch {
	case errors.As(err, &cert):
		return "ca: FILE in mirror.yaml if the site has an authority of its own"
	case errors.As(err, &asked):
		return "url: in mirror.yaml; look with: curl -I " + shellWord(asked.URL)
	case errors.As(err, &gone):
		return "url: in mirror.yaml; look with: curl -I " + shellWord(gone.URL)
	}
	return ""
}

// refusedHint is what a mirror's admin can do about a manifest that is not used.
func refusedHint(r *client.Refused) string {
	if step := r; r.What == "" && errors.As(r.Err, &step) { // why the newer trust document could not be had
		r = step
	}
	if r.Reason == client.Signature && strings.HasPrefix(r.What, "trust/") {
		return "the tree is untouched; no mirror takes another chain by itself: ask the network's operators, by a way that is not their site, whether they began a new one; if so, compare its root keys with what they tell you (tidemark-mirror trust show trust.json), put it where trust: in mirror.yaml says, and: tidemark-mirror trust update"
	}
	switch r.Reason {
	case client.Fork, client.Signature:
		return "the tree is untouched; tell the network's operators, and send them what is kept in the state directory"
	case client.Rollback:
		return "the tree is untouched; an old copy is being served: tell the network's operators"
	case client.Expired:
		return "the tree is untouched; check this machine's clock (timedatectl); if it is right, nothing newer is published: tell the network's operators"
	case client.FutureDated:
		return "set the clock right (timedatectl), then run again"
	case client.TrustExpired:
		return "ask for the next one: tidemark-mirror trust update; if there is none, ask the network's operators for their newest trust.json, compare its root keys with what they tell you elsewhere (tidemark-mirror trust show trust.json), and put it where trust: in mirror.yaml says"
	case client.TrustTooOld:
		return "the tree is untouched; ask for it again: tidemark-mirror trust update; if it is refused, or not there, tell the network's operators"
	case client.WrongNetwork:
		return "check network:, url: and trust: in the configuration"
	case client.Redirect:
		return "the tree is untouched; if the network has moved, set url: to its new address"
	case client.Malformed, client.TooLarge, client.Encoded, client.Slow:
		return "the tree is untouched; this is no manifest of the network's: look what the site serves (a portal, a proxy), or tell its operators"
	}
	return ""
}
