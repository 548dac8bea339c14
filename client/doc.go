// Package client is the reader's side: from bytes to a manifest, from a site to what is in force, and from there to what
// a mirror should do.
//
// # The one door
//
// [Open] is the only door from bytes to a manifest: size, envelope, signatures
// by the trust document, and only then the document itself: network, serial
// against what was seen, issued, expires. What comes out was verified; every
// refusal is a [*Refused] with a [Reason], which a program maps to exit code 4.
//
//	seen, err := client.LoadSeen(state)
//	opened, next, err := client.Open(bundle, client.Options{Network: "centos", Trust: trust, Seen: seen, Now: now})
//	if err != nil {
//		return err // *Refused: rollback, fork, expired, signature, …
//	}
//	err = client.SaveSeen(state, next) // after verifying, before acting
//
// Every signature in the bundle must be one that can be read, and the trusted comment of every minisign signature that counts
// must be the document's (manifest.Comment). [Opened.Files] gives the files that stock tools verify, of the accepted
// signatures only; [OpenFiles] opens them again by the same rules. [Unpack] is for one's own bundles: it verifies nothing.
//
// # Origins
//
// An [Origin] is a directory or an https URL. The latter is asked for the file's own bytes (Accept-Encoding: identity), on
// condition where its [Validator] is known (If-None-Match; If-Modified-Since where no ETag was given), through the proxy and
// by the authorities that the options name. What no sound site does is a *Refused: a redirect to another scheme, host or
// port, or the fourth one (redirect); an encoded body (encoded); one that is larger than asked for (too-large); one
// that goes on byte by byte, or, no length announced, beyond the time for a request (slow). A body that stalls, or that was
// announced and does not come whole in time, is a site that cannot be reached: that may be the line. 403, 404 and 410 are "not there" (a bare object store says
// 403); anything else is a site that cannot be reached. The host of a URL is a name or an address in full: 2130706433 and
// 0x7f.1 are refused, as is a user name.
//
// # Looking for news
//
// [Look] asks the origin, opens what comes, and gives a [View] to act on:
//
//	view, err := client.Look(ctx, client.LookOptions{Origin: origin, State: dir, Network: "centos", Trust: pinned, Now: time.Now})
//	if err != nil {
//		return err // *Refused: exit code 4; else the site cannot be reached, and nothing kept is in force: 1
//	}
//	for _, n := range view.Noted {
//		fmt.Fprintln(os.Stderr, n.Text)
//	}
//	for tree, held := range local {
//		d := client.Decide(view.Opened.Manifest, tree, "ftp.funet.fi", held, behind[tree], now)
//		…
//	}
//
// What was served, and what comes of it while the kept bundle is in force / without one:
//
//	the kept one (304), or a newer one   in force: View.Fresh
//	an older serial, for up to an hour   the kept one, notice stale-edge / Refused: rollback, or why the kept one is not in force
//	an older serial, for an hour         the kept one and View.Refused: rollback / Refused: rollback
//	a fork                               Refused: fork; both documents are kept
//	another refusal                      the kept one and View.Refused / Refused
//	nothing                              the kept one, notice unreachable / another error
//
// A program tells View.Refused, goes on with the kept bundle, and ends with exit code 4. The hour begins with the first
// older serial, and is over with the first that is not. A document that is both older and expired counts as older, and a
// fork that has expired as a fork. A 304 only says that the file is the same: the kept bundle is opened again in full, by
// the trust, the clock and what was seen of now; when it does not verify any more, the whole is fetched. The clock's floor
// is the newest issued time seen, so a clock set back brings nothing back to life.
//
// A [Notice] stops nothing; View.Noted has those whose kind was not told within a day, View.All all of them. What may pass
// by itself (unreachable, stale-edge) says since when it lasts, and is held back from View.Noted, not called told, until it
// has lasted for LookOptions.WarnAfter.
//
// # The trust chain
//
// The newest trust document held judges: the pinned one, or what follows from it by the steps kept, each of which is
// verified again (sign.NextTrust), so a pinned one that was replaced is obeyed at once. trust/<N+1>.json is asked for, one
// step at a time until it is not there, once a day; when a bundle's signatures do not verify; when the trust held has
// expired; and when a bundle names a higher version. Expiry is judged at the end of the chain alone. A step that does
// not follow ends the walk with a notice, as does a site that fails; what was accepted before stays so, and a walk that was
// killed goes on from there. Where two documents of one version were signed, the one that came first stays, and a site that
// goes by the other is told. Where nothing is in
// force, the error tells it instead. A named version comes before the serials, which it may start anew; when it is not to be
// had, the document is Refused: trust-too-old, or fork if it is one.
//
// What is revoked counts for nothing as soon as the version that says so is held, the kept bundle and beacons included. Until
// then, at most a day, or, where whoever has the site hides the next version for ever (404), until the one held expires, the
// key goes on: nobody can prove that there is none.
//
// A document with reset_serial makes the reader forget the
// serials seen, once, down to the min_serial of the newest version accepted, and drop the kept bundle, whose serial would
// else be remembered again. It is the document that is obeyed once, not its version: a network that lost its root keys begins
// another chain, at any version, and pinning that is enough. A document pinned by hand may leave out the one with the reset:
// when the serials of the site look like a rollback, the versions between the newest held before and the pinned one are fetched,
// and where they lead from the one to the other (which takes the signatures of both, as ever) their reset is obeyed; else all stays
// as it is. [UpdateTrust] walks at once; [HeldTrust] asks nobody. [TrustEnds] warns before the end: Look tells it once for each version
// from 90 days on, and once a day in the last 30.
//
// # The beacon
//
// [LookBeacon] asks DNS for the network's signed record (manifest.Beacon), and says whether a check may end with it:
//
//	look := client.LookBeacon(ctx, client.BeaconOptions{Name: "_tidemark.centos.example.org", Ask: ask, Held: held, …}, trees)
//	if look.Quiet {
//		return // nothing new: one packet
//	}
//	view, err := client.Look(ctx, …)
//	err = client.Answered(options, view)
//
// It ends nothing unless all of this holds: the one TXT record at the name is a beacon of the network, signed by a minisign
// key that the newest trust document held lets sign manifests, and that document has not ended; it has not expired (five
// minutes in its favour); its serial is not below the newest beacon's seen, nor below min_serial, and the newest seen has no
// other content; each tree asked for is in it and was announced by the last answer over HTTPS, and the mirror holds both
// timestamps or later (a tree that neither has is no news); and HTTPS is not due. Everything else, trouble with the state
// directory included, leads to HTTPS, and [BeaconLook].Why says what. So a false record makes a mirror look in vain, and a
// replayed one keeps it from looking until HTTPS is due.
//
// HTTPS is due at once when it has not answered yet, when the clock stands before the answer remembered, and when beacon.json
// is damaged; else 12 to 24 hours after the answer, drawn by [Answered], and up to an hour before the manifest's end where that
// comes first. A file that says otherwise is not believed: more than a day after the answer counts as due. An answer within
// an hour of the one remembered, that announces the same and ends no earlier than HTTPS is due, is not remembered: nothing is
// written at each look where the beacon ends none of them.
//
// A record that is not used is a [Notice] of kind beacon. What may pass by itself says since when no beacon was to be had:
// no answer, a refusal, no record, an older serial (a server that lags), a key that the trust document held does not name (the
// next one may, which HTTPS brings). That time is forgotten by a good beacon an hour or more later, so that servers that
// disagree cost two writes an hour at most. A wrong signature, a revoked or ended key, another network, several records, an
// expired one, another content of the serial seen and what is no beacon are to be told at once. Its text stays the same as
// long as the cause does. That the trust document ended is no fault of the record: the look over HTTPS tells it.
//
// The serials of beacons are remembered apart from the manifests', before anything acts on them. A reset_serial that is
// found in the trust chain for the first time makes all of beacon.json count for nothing, once.
//
// # The state directory
//
//	seen.json              the newest serial, its SHA-256 and time; the version of the reset_serial obeyed last, and the
//	                       SHA-256 of all documents so obeyed
//	manifest.bundle.json   the kept bundle
//	origin.json            its validator and SHA-256; when the trust chain was walked; since when the site serves nothing
//	                       newer, nothing usable, or what is genuine but out of its time, and nothing has been in force;
//	                       when each kind of notice was told; of which version it was told that it ends within 90 days
//	beacon.json            the newest beacon's serial and the SHA-256 of its content (all before " k="); when HTTPS
//	                       answered, to the hour, when it is due, and what it announced of each tree, with its time
//	                       file; since when no beacon was to be had
//	trust-<N>.json         the steps of the trust chain beyond the pinned one, and that one itself, once it was of use
//	fork-<serial>-<sha256, 8 digits>.bundle.json
//	                       documents of a fork, at most 20
//	<name>.damaged         a file that was of no use, set aside
//	look.lock              locked for moments by whoever reads or writes the above, never while the network is asked
//
// True ones, after one look:
//
//	{
//	  "serial": 4127,
//	  "sha256": "19f74f5671bb7061c43cdf546bb9bbf693dc43c33c1445fcdc5a858ad4d8dfbc",
//	  "issued": "2026-11-22T08:00:00Z"
//	}
//	{
//	  "validator": {
//	    "url": "https://mirrors.example.org/centos/manifest.bundle.json",
//	    "etag": "\"67402d80-8351\""
//	  },
//	  "bundle": "cdb2045ddf209a56352c1ed62127aa3af885541b25a7ca5a563f9c2aeddeaea4",
//	  "trust_checked": "2026-11-22T09:00:00Z"
//	}
//	{
//	  "serial": 4127,
//	  "sha256": "1cb55dd205309eb2162baf0965f7ae4d86cf429485bb8675c5f87cd73739afc8",
//	  "answered": "2026-11-22T09:00:00Z",
//	  "due": "2026-11-22T21:00:00Z",
//	  "trees": {
//	    "centos": {
//	      "announced": 1488372781,
//	      "time_file": "TIME"
//	    }
//	  }
//	}
//
// All are written atomically, with the directory synced. The order is: a step of the chain, then the serials it
// resets; the bundle, then what was seen, then the validator, and only then is it acted on. So a run that is killed leaves
// a kept bundle that is in force by what was seen, and a validator beside its own bundle or none. What was seen is read
// again under the lock before it is replaced: however many look at once, it never goes back. A damaged seen.json is an
// error, since it guards against old manifests; anything else that is damaged is set aside, said, and fetched again.
//
// # Deciding
//
// [Decide] compares a tree's time file with the manifest, and applies the admission test (manifest.MayStart); [Choose] ranks
// the sources; [FallbackDue] says when to sync without any manifest, given [NoManifestSince]: when this machine first found
// none in force, since a clock that jumps ahead puts the end of the last one long ago. While [OutOfTime] is not zero, the
// site answers with what is genuine, and expired or of the future: look at the clock first. The former three are pure.
package client
