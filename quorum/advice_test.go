package quorum

import (
	"strings"
	"testing"
)

// Every verdict that is not good has a next step, and says which, by state and cause.
func TestAdvice(t *testing.T) {
	url := mustURL(t, "rsync://ftp.example.org/centos/")
	tests := []struct {
		state State
		cause Cause
		says  string // "": nothing is to be done
	}{
		{Verified, "", ""},
		{Ahead, "", ""},
		{Behind, "", "next sync"},
		{Moving, "", "wait"},
		{Moving, CauseUnrecorded, "compare its time file"},
		{Moving, CauseAnchors, "being synced"},
		{Mixed, CauseAddresses, "out of DNS"},
		{Mixed, CauseAnchors, "time file come last"},
		{Mixed, CauseList, "time file come last"},
		{Wrong, CauseRegression, "older state"},
		{Wrong, CauseFuture, "clock"},
		{Wrong, CauseNotNumber, "not the master's"},
		{Wrong, CauseUnrecorded, "never showed"},
		{Wrong, CauseMTime, "sync with -t"},
		{Wrong, CauseList, "--checksum"},
		{Wrong, CauseAnchors, "--checksum"},
		{Incomplete, CauseTimeFile, "rsync://ftp.example.org/centos/"},
		{Incomplete, CauseList, "exclude in the inventory"},
		{Incomplete, CauseAnchors, "exclude in the inventory"},
		{Busy, "", "max connections"},
		{Unreachable, "", "rsync rsync://ftp.example.org/centos/"},
		{Refused, "", "rsync rsync://ftp.example.org:873/"},
		{Refused, CauseForbidden, "allow_private"},
		{Refused, CauseModule, "correct the module"},
		{Refused, CauseDenied, "hosts allow"},
		{Refused, CausePassword, "auth users"},
		{Unreachable, CauseList, "list_timeout"},
		{Unknown, "", "next round"},
		{Unknown, CauseNoURL, "declare an rsync URL"},
		{Unknown, CauseNoRecord, "master has been seen"},
		{Unknown, CauseVoid, "being synced"},
		{Unknown, CauseUnproven, "anchors"},
		{Maintenance, "", "inventory"},
	}
	seen := map[State]bool{}
	for _, tt := range tests {
		seen[tt.state] = true
		got := Advice(Verdict{State: tt.state, Cause: tt.cause, URL: url, Address: "192.0.2.7"})
		if !strings.Contains(got, tt.says) || (tt.says == "") != (got == "") {
			t.Errorf("%s (%s): %q", tt.state, tt.cause, got)
		}
		if strings.HasSuffix(got, ".") || strings.Contains(got, "\n") {
			t.Errorf("%s (%s): one sentence without a full stop: %q", tt.state, tt.cause, got)
		}
	}
	for _, state := range States() {
		if !seen[state] {
			t.Errorf("%s is not tested", state)
		}
	}
	if got := Advice(Verdict{State: Refused, Cause: CauseForbidden, URL: url}); !strings.Contains(got, "fewer addresses") {
		t.Errorf("a name with too many addresses: %q", got)
	}
	v := Verdict{State: Verified, Depth: "anchors", List: &ListLook{Extra: 3}, URL: url}
	if got := Advice(v); !strings.Contains(got, "--delete") {
		t.Errorf("extra files: %q", got)
	}
}

// A refusal's cause is in the words of rsync's daemon.
func TestRefusal(t *testing.T) {
	for text, want := range map[string]Cause{
		`its daemon says: @ERROR: Unknown module 'nu6'`:              CauseModule,
		"@ERROR: access denied to centos from x.example (192.0.2.9)": CauseDenied,
		"@ERROR: auth failed on module centos":                       CausePassword,
		"it asks for a password":                                     CausePassword,
		"@ERROR: chroot failed":                                      "",
	} {
		w := atRest(t)
		w.servers["m1"] = []holding{{fail: FailRefused}}
		r := w.ask()
		for i := range r.Servers {
			if r.Servers[i].Server == "m1" {
				r.Servers[i].Failure.Text = text
			}
		}
		if v := verdictOf(t, Decide(r, w.policy, w.published, w.memory, w.now), "m1"); v.State != Refused || v.Cause != want {
			t.Errorf("%s: %s (%s)", text, v.State, v.Cause)
		}
	}
}
