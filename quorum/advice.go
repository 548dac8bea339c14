package quorum

import "tidemark/manifest"

// Advice is one sentence on what the server's operator, or the publisher's, may do about a verdict; "" when nothing is to be done.
func Advice(v Verdict) string {
	switch v.State {
	case Verified, Ahead:
		return settled(v)
	case Behind:
		return "nothing is wrong: it comes with its next sync; if it stays behind, look at its sync job and at the source it syncs from"
	case Moving:
		return moving(v.Cause)
	case Mixed:
		return mixed(v.Cause)
	case Wrong:
		return wrong(v.Cause)
	case Incomplete:
		return incomplete(v)
	case Busy:
		return "raise `max connections` in its rsyncd.conf, or except the publisher's address from the limit; if it is by design, declare max_connections in the inventory, so that no more are used at a time"
	case Unreachable:
		if v.Cause == CauseList {
			return listless(v)
		}
		return "look whether the host is up and its rsync daemon answers from outside: `rsync " + v.URL.String() + "`; mind the firewall and each address of the name, and declare maintenance while it is down"
	case Refused:
		return refused(v)
	case Unknown:
		return unknown(v.Cause)
	case Maintenance:
		return "take `maintenance: true` out of the inventory when it is back"
	}
	return ""
}

// settled is about a server whose content is in order.
func settled(v Verdict) string {
	switch {
	case v.URL.TLS():
		return "mirrors cannot sync from an rsync+tls URL: declare its plain rsync:// URL to make it a source"
	case !v.Unread.IsZero():
		return listless(v)
	case v.List != nil && v.List.State == "" && v.List.Doubt == "" && v.List.Extra > 0 && v.Depth != manifest.DepthListing:
		return "it keeps files that the master does not have: sync with --delete, so that deletions can be taken from it"
	}
	return ""
}

// listless is about a server whose whole list could not be read.
func listless(v Verdict) string {
	return "look why it does not give its whole file list (`rsync -r --list-only " + v.URL.String() + "`): a limit, a timeout of its daemon, a slow disk; where it is only slow, raise probe.list_timeout here"
}

func moving(c Cause) string {
	switch c {
	case CauseUnrecorded:
		return "wait for the next rounds: it is newer than what is recorded; if that does not end, compare its time file with the master's"
	}
	return "wait for the next rounds: master or server is being synced"
}

func mixed(c Cause) string {
	if c == CauseAddresses {
		return "its addresses lead to machines with different content: sync them all before any gets the new time file, or take the odd one out of DNS"
	}
	return "if it is being synced now, wait; else its sync was cut short, or it fetches the time file first: run it again, and let the time file come last"
}

func wrong(c Cause) string {
	switch c {
	case CauseRegression:
		return "look at what it syncs from: it went back to an older state; sync it again from a listed source"
	case CauseFuture:
		return "correct its clock, and let the time file be the master's, not one of its own making"
	case CauseNotNumber:
		return "its time file is not the master's (an error page, an empty or a local file?): sync it again"
	case CauseUnrecorded:
		return "the master never showed that timestamp: let it sync from the master or a listed source, and write no time file of its own"
	case CauseMTime:
		return "only times of last change differ: sync with -t (or -a), which sets them once and transfers little"
	}
	return "its content is not the master's: sync it again with --checksum from a listed source, and look for disk errors, or for who changed it"
}

func incomplete(v Verdict) string {
	switch v.Cause {
	case CauseTimeFile:
		return "let it carry the tree's time file at the root of its URL (" + v.URL.String() + "); or correct the URL"
	case CauseList:
		return "sync it again without excludes; if it leaves something out on purpose, declare that with exclude in the inventory, or partial: true"
	}
	return "sync it again; if it leaves something out on purpose, declare that with exclude in the inventory, or partial: true"
}

func refused(v Verdict) string {
	if v.Cause == CauseForbidden && v.Address == "" { // the name itself
		return "give its URL a name with fewer addresses"
	}
	if v.Cause == CauseForbidden {
		return "correct its name in DNS: nobody outside reaches such an address; for a test network set probe.allow_private: true"
	}
	switch v.Cause {
	case CauseModule:
		return "correct the module in its URL, the first part of the path: `rsync rsync://" + v.URL.HostPort() + "/` lists those it has"
	case CauseDenied:
		return "let the publisher's address in: `hosts allow` and `hosts deny` in its rsyncd.conf"
	case CausePassword:
		return "let the publisher in without a password: `auth users` in its rsyncd.conf; or correct the URL, if it is another module that is public"
	}
	return "correct its URL (`rsync rsync://" + v.URL.HostPort() + "/` lists its modules), or let the publisher's address in: `hosts allow` and `auth users` in its rsyncd.conf"
}

func unknown(c Cause) string {
	switch c {
	case CauseNoURL:
		return "declare an rsync URL for this tree: others cannot be checked"
	case CauseNoRecord:
		return "wait until the master has been seen at rest: the next run or the one after it"
	case CauseVoid:
		return "wait for the next round: it was being synced while we looked; if that does not end, its time file changes all the time"
	case CauseUnproven:
		return "wait for the next round, which looks at its content; if that does not end, let it carry at least one of the tree's anchors"
	}
	return "wait for the next round"
}
