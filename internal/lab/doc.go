// Package lab is a whole mirror network on loopback addresses: trees with metadata like a distribution's, real rsync
// daemons for nodes and mirrors, and every way in which a mirror can be wrong. The demo, tests and benchmarks use it; it
// is part of no product.
//
// # A network
//
//	n, err := lab.New(ctx, dir, lab.Options{Start: 1488372781, Servers: lab.DefaultServers()})
//	defer n.Close()
//	n.WriteInventory(filepath.Join(dir, "inventory.yaml"))
//	n.Move("centos", 1488376381)   // the master gets a package, new repodata and, last, a new TIME
//	n.Sync("eu-msync-1")           // one server catches up, in the way its role has it
//
// makes
//
//	dir/master/<tree>/             the masters: plain directories
//	dir/servers/<id>/<tree>/       what each server serves, hard-linked to the master's files where they are the same
//	dir/daemons/<id>/              rsyncd.conf, log and lock file of each daemon
//
// and starts one `rsync --daemon` for each server that is up, each on an address of its own in 127.0.0.0/8 and a free
// port. Nothing listens on, or connects to, anything but loopback, and no part needs root. Close stops every daemon.
//
// # Roles
//
//	follow       syncs when told to
//	behind       never syncs again after the start
//	maintenance  is down, and the inventory says so
//	dead         refuses every connection
//	liar         takes the fresh TIME and keeps altered content
//	busy         has `max connections = 1`, and a client that does not go away
//	partial      leaves out the ISOs, and the inventory says so
//	incomplete   lost a repository, and nobody says so
//	full         `max connections = -1`: nobody is let in
//	denying      refuses every client: access denied
//	locked       asks for a password
//	moduleless   does not have the module
//
// and every [Harm] is a role, too: lost-file, touched-file, resized-file, extra-file, lost-isos, lost-time, no-number. The
// first four leave time file and metadata true, so that only the file list tells. Harm is also done once:
//
//	n.Break("mirror.jp", "centos", lab.LostFile)       // until it syncs again
//
// # Trees
//
// A [Tree] is about 40 small files, the same for the same seed and timestamps: repositories of packages (pseudo-random
// bytes with real names) with primary, filelists and other metadata whose checksums in repomd.xml are true, ISO images
// with their sums, and TIME. Files are replaced by renaming, never written in place: hard-linked copies keep their
// content when the original moves on.
//
// # Storage and CDNs
//
//	g, err := lab.StartVersityGW(ctx, lab.S3Options{Dir: dir, TLS: true})     // a bucket that everybody may read
//	cmd.Env = append(os.Environ(), g.Env()...)                                // key and authority, for SDKs and aws(1)
//	cdn, err := lab.StartVarnish(ctx, dir, lab.VarnishCDN(g, 0))              // or StartNginx, NginxCDN
//	defer cdn.Stop()
//
// starts the real programs, each on a free port of 127.0.0.1. What they print is kept in their directory and is part of
// the error when they end too early.
//
// # Mirrors
//
// What a mirror's program needs around it, without the publisher's program and its rules:
//
//	p, err := lab.NewPublisher(dir, "centos", now)
//	m, err := n.Manifest(ctx, now)                    // the network as it is; or any document made by hand
//	err = p.Publish(m)                                // signed and laid below p.Site; p.TrustFile is what to pin
//	w, err := lab.StartSite(ctx, dir, p.Site, lab.WebOptions{})     // nginx: w.URL (https, authority in w.CA), w.Plain
//	w.Requests(ctx)                                   // what it was asked, with status and bytes
//
//	r, err := lab.StartRelay(ctx, s.Addr)             // before a daemon or a web server: r.URL("centos") in its place
//	r.Arm(lab.RelayFault{Down: 10_000, Cut: true})    // or Hang, or Hook: to change the source in mid-sync
//	r.Bytes(); r.FullLists()
//
//	f, err := lab.StartFake(ctx, lab.FakeChatter)      // what no real daemon does: silence, endless words, garbage
//
//	diffs, err := lab.DiffTrees(n.Master("centos"), mirror, lab.DiffOptions{})
//
// # Hundreds of servers
//
// Within the namespaces of [Isolate], where every port and the hosts file are free:
//
//	undo, err := lab.Hosts(dir, map[string][]netip.Addr{"two.lab": {a, b}})        // names, with several addresses if need be
//	front, err := lab.StartFront(ctx, 873, map[netip.Addr]lab.Door{a: lab.ToDaemon(s.Addr), b: lab.Loris(time.Second, time.Minute)})
//	front.Set(a, lab.Shut)
//
// answers at any number of addresses on rsync's port, at each in its own way. [NewFleet] makes a network of it: servers with
// real names, of which a third is wrong in one of 33 ways, and a story in five stages to look at them through. [ToList] sends
// a list of any length from no disk.
//
// # DNS
//
//	d, err := lab.StartDNS(ctx)                        // from within: counts questions and bytes, misbehaves when told to
//	text, err := p.Beacon(ctx)                         // the signed record of what the publisher published last
//	d.SetText("_tidemark.centos.example.org", text)
//	d.Counts()
//
//	named, err := lab.StartNamed(ctx, dir, lab.NamedOptions{…})              // the real ones: also StartKnot
//
// # Check-ins
//
//	r, err := lab.StartReceiver(ctx, lab.ReceiverOptions{Program: "bin/tidemark", Config: file, Text: text, Spool: dir})
//	r.URL()                                            // `tidemark checkin serve`, the real one
//
//	l, err := lab.PostByWrk(ctx, dir, r.URL(), body, 64, 5*time.Second)      // load by wrk(1)
//	lab.Drip(ctx, r.Addr, 200)                         // clients that send a byte a second
//	lab.Honest(ctx, now, r.URL(), bodies, 100*time.Millisecond)              // mirrors that come beside them
//
// # The closed loop
//
//	r, err := lab.RunLoop(ctx, lab.LoopOptions{Dir: dir, Publisher: "bin/tidemark", Mirror: "bin/tidemark-mirror", Now: time.Now, Log: print})
//
// lets one timestamp travel through three nodes and 40 mirrors that all run the real programs: mirrors follow from cron,
// serve what they have, and check in; the publisher runs whenever somebody has. Log gets a table row by row, [LoopResult]
// what was seen. Each node has `max connections` of as many as its slots; how many mirrors it really serves at a time is
// taken from its daemon's log, in which mirrors are told from the publisher by the address that they come from.
package lab
