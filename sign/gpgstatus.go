package sign

import (
	"cmp"
	"fmt"
	"strings"
)

// explainGPG makes an error of what gpg said: by its statuses (GnuPG's doc/DETAILS) where they tell enough, and by the text
// of libgpg-error's codes, which stands in its words.
func explainGPG(err error, statuses, words string) error {
	text := lastWords(words)
	e := fmt.Errorf("gpg failed (%w)", err)
	if text != "" {
		e = fmt.Errorf("gpg failed: %s (%w)", text, err)
	}
	if hint := cmp.Or(statusHint(statuses), wordsHint(words)); hint != "" {
		return fmt.Errorf("%w: %s", e, hint)
	}
	return e
}

const (
	hintNoSecret = "the secret key is not there: look with gpg --list-secret-keys, as the user and with the home that the program has; with a card: gpg --card-status"
	hintCard     = "put the card in, and look with gpg --card-status"
	hintPinentry = "gpg-agent could ask nobody for the passphrase: configure passphrase_file for this key, or sign by hand once so that gpg-agent remembers it (default-cache-ttl, max-cache-ttl in gpg-agent.conf)"
)

// statusHint goes by status keyword; INV_SGNR, SC_OP_FAILURE and CARDCTRL have a number that says more.
func statusHint(statuses string) string {
	for line := range strings.Lines(statuses) {
		f := strings.Fields(strings.TrimPrefix(line, "[GNUPG:] "))
		if len(f) == 0 {
			continue
		}
		detail := ""
		if len(f) > 1 {
			detail = f[1]
		}
		switch f[0] + " " + detail {
		case "INV_SGNR 4":
			return "the key is revoked"
		case "INV_SGNR 5":
			return "the key has ended: gpg --quick-set-expire, and a new trust version with its certificate"
		case "INV_SGNR 1", "INV_SGNR 9":
			return hintNoSecret
		case "SC_OP_FAILURE 1":
			return "somebody cancelled the question for the card's PIN"
		case "SC_OP_FAILURE 2":
			return "the card's PIN is wrong; after three wrong ones the card blocks: gpg --card-edit, then unblock"
		case "CARDCTRL 4", "CARDCTRL 6":
			return hintCard
		}
		if f[0] == "BAD_PASSPHRASE" || f[0] == "MISSING_PASSPHRASE" {
			return "the passphrase is wrong or missing: correct passphrase_file, or leave it out and let gpg-agent ask"
		}
	}
	return ""
}

func wordsHint(words string) string {
	for _, h := range []struct{ says, hint string }{
		{"No pinentry", hintPinentry},
		{"Inappropriate ioctl", hintPinentry},
		{"Operation cancelled", "somebody cancelled the question for the passphrase, or gpg-agent could ask nobody"},
		{"Bad passphrase", "correct passphrase_file, or leave it out and let gpg-agent ask"},
		{"Bad PIN", "correct the card's PIN; after three wrong ones the card blocks: gpg --card-edit, then unblock"},
		{"PIN blocked", "unblock the card: gpg --card-edit, then unblock"},
		{"Card not present", hintCard},
		{"Card removed", hintCard},
		{"No such device", hintCard},
		{"No SmartCard daemon", "install scdaemon: apt-get install scdaemon"},
		{"Not supported", "let gpg-agent take a passphrase from a file: allow-loopback-pinentry in gpg-agent.conf, then gpgconf --reload gpg-agent"},
		{"No secret key", hintNoSecret},
		{"No agent running", "gpg-agent does not start: look with gpg-connect-agent /bye; the path of its socket may have 107 bytes at most"},
		{"can't connect to the agent", "gpg-agent does not start: look with gpg-connect-agent /bye; the path of its socket may have 107 bytes at most"},
	} {
		if strings.Contains(words, h.says) {
			return h.hint
		}
	}
	return ""
}

// gpgWaitedFor says what gpg was doing when it was ended.
func gpgWaitedFor(statuses string) string {
	if strings.Contains(statuses, "PINENTRY_LAUNCHED") {
		return " (gpg-agent was asking somebody for a passphrase)"
	}
	return ""
}
