// Package rsync has two ways to an rsync daemon. The wire client ([Client]) speaks the part of the daemon protocol that a
// prober needs: it fetches small files and streams file lists. It starts no process, writes no file, and believes nothing
// that a server says beyond the caps of [Limits]. The runner ([Exec]) runs the real rsync, which brings a tree to a mirror.
//
//	c := &rsync.Client{}
//	f, err := c.FetchFile(ctx, addr, u, "TIME")             // one file, by its own name
//	m, err := c.Fetch(ctx, addr, u, []string{"a/Release"})  // several, in one session
//	err = c.List(ctx, addr, u, []string{"isos/"}, visit)    // the recursive list, entry by entry
//
//	x := &rsync.Exec{}
//	j := rsync.Job{Source: u, Dest: "/srv/mirror/centos", DryRun: true, Itemize: true, Delete: true, MaxDelete: -1}
//	res, err := x.Run(ctx, j, rsync.Watch{Item: visit})     // what would come, and what would go
//
// # The runner
//
// A [Job] is typed, and its argument list a pure function of it; nothing that was read from elsewhere becomes an option,
// a host, or a second argument. [Job.Command] is the same for a person's shell. The list is, in this order:
//
//	-rltpH                        -ltpH with a list of names: -r would take all that is below a listed directory
//	--safe-links --no-motd        no links out of the tree; no message of the day among the output
//	--no-human-readable --stats   figures without commas
//	--contimeout=N --timeout=N    never without
//	-n, --checksum, …             what the job asks for, then the connection, then options that [CheckOption] passes
//	--exclude=.~tmp~/ and rules   or --files-from=FILE --from0
//	-- URL DEST                   both rebuilt, with a final slash
//
// Owners, groups and devices (-o -g -D) are never taken over. Rules and a list of names exclude each other: rsync ends with
// code 4 when an exclude covers a listed name, be it .~tmp~/. (The same happens to a listed name that has both a backslash
// and a wildcard.) --rsh is not among the options, although it would look safe: with it, rsync speaks to a daemon through a
// shell. A URL of type rsyncurl.URL cannot become a shell's host. --no-inc-recursive is not needed: rsync reads the list in
// parts, but deletes at the end, and nothing in a directory that the server could not read.
//
// The environment is PATH, LC_ALL=C, TZ=UTC, an empty RSYNC_PASSWORD, so that it never prompts, and RSYNC_PROXY when given;
// no HOME, RSYNC_RSH or RSYNC_CONNECT_PROG. There is no input, and no terminal: it has a session of its own. The context
// bounds the whole run: when it ends, the group gets SIGTERM, on which rsync removes its temporary files, and five seconds
// later SIGKILL. Run returns when all processes of the group have ended or were killed. A run in which nothing was
// read for the job's Timeout ends with code 30 as well, since rsync's --timeout does not see all silence; but neither bounds a
// run: a server may send one byte a minute. When this process is killed, rsync gets SIGTERM, and it inherits [Exec].Hold: a
// flock is taken for as long as one of its processes lives. (So such a lock is given back by closing it, never by LOCK_UN,
// which would take it from rsync as well.)
//
// What rsync prints is not to be believed as it stands, since a server's messages reach the same output. The line of an
// item begins, and its parts end, with a token of 128 random bits that no server knows, so that none can forge an item, hide
// one, or choose a name that reads as two:
//
//	TOKEN <tab> >f+++++++++ <tab> 3735 <tab> 7/os/x86_64/repodata/repomd.xml <tab> TOKEN <tab> TOKEN
//
// Names come as rsync escapes them, \#ooo for a byte that the C locale does not print, which is exact in both versions that
// are tried (3.5.0 and 3.2.7): tabs, line feeds, " -> ", " => ", \#012 and broken UTF-8 come back as they are. What cannot be
// read, among it a name that is not below the source, is counted in [Result].Unreadable. Figures are those of the last whole
// block of --stats, which is rsync's own. A server can add to the names that go, since rsync shows its claims like its own
// deletions; but it can as well leave the files out of its list. Lines are cut at 64 KiB, all else is counted and dropped.
//
// rsync ends with one of the codes of [ExitMeaning]; 0 and 24 are no errors (24: files vanished on the source meanwhile).
// All others are an [*ExitError], whose Cause has the wire client's [Code] where the server or the way to it is the cause,
// and "" where this side is. A server that covers an option by "refuse options", many do so with checksum, is known by
// [ExitError.Refuses]. With MaxDelete rsync deletes as many and then ends with code 25, so it is a belt, and the
// dry run has to count. A name and what it links to of more than 5000 bytes together end an itemized run with code 13.
//
// [Pattern] matches as rsync's filter rules do, for what is to be known without asking rsync; both were compared name by
// name. [Literal] is the pattern for one path. A path is read once for all directories above it, so that no name a server
// makes costs more than its bytes times the pattern's pieces; a [Matcher] reads of the names of one directory the last part alone.
//
// # Promises of the wire client
//
// The context bounds the whole call, not the silence between two bytes; cancelling it ends a read at once. Every failure
// after the arguments were checked is an [*Error] with a [Code]. Memory does not grow with a list, nor with what a server
// announces, only with what it has sent, up to the caps. A fetched file has passed the transfer's checksum. A session that
// nothing broke off ends as the protocol wants, so that the server's log shows a normal end; one call is one connection
// (two where the server refuses the option that follows links).
//
// For an rsync+tls URL the session begins with a TLS handshake, of version 1.2 or newer and within the same time. The
// certificate must be valid for the URL's host, whatever the address, by an authority of [Client].TLS or of the system; it
// cannot be told not to look. Nothing is said before that, and what fails is [CodeTLS]. The runner refuses such a URL: rsync
// would take it for a host to reach by ssh. The certificate of a host that is an address must name that address.
//
//	u, err := rsyncurl.ParseAny("rsync+tls://mirror.example.org/centos/") // port 874
//	f, err := c.FetchFile(ctx, addr, u, "TIME")
//
// A URL names a directory: "rsync://host/module/dir" and ".../dir/" are the same. FetchFile and Fetch follow symbolic links
// on the server, List shows them as what they are.
//
// # Protocol
//
// This is the subset that is spoken, versions 27 to 31; integers are little-endian. It was written from what rsync 3.2.7
// and 3.5.0 do; there is no other specification. C is the client, S the server.
//
// Text. C sends its version, from 31 on with the digests that it knows for passwords, and the module, in one write:
//
//	C  @RSYNCD: 31.0 sha512 sha256 sha1 md5 md4
//	C  centos
//	S  @RSYNCD: 32.0 sha512 sha256 sha1 md5 md4
//	S  Welcome to mirror.example.org               (message of the day, any lines)
//	S  @RSYNCD: AUTHREQD 9Xy2K...                  (with auth users; C answers: user, space, base64 of the digest of password and challenge)
//	S  @RSYNCD: OK                                 (or @ERROR: and the reason, and the end)
//
// The lower version holds; a server below 27 is refused, and one above 40, as rsync itself refuses it. The password's digest
// is the first of C's that S has listed; MD5 where nothing was listed, and below 30 MD4 after four zero bytes.
//
// Arguments. Each ends with NUL (below 30: a line feed), the last is empty:
//
//	C  --server --sender -Le.fC . centos/TIME      (L: follow links; r instead: recurse; e.fC from 30 on only)
//
// In "-e.fC" f says that C knows how a list ends with an error, and C that it knows where the checksum's seed goes. Left
// out are v, which would negotiate digests, and i, which would send the list in parts. No other option is sent, since
// servers refuse some. S answers from 30 on with its flags (varint), and with a seed (int32). From here S sends frames: a
// header of three bytes of length and one of 7 plus a tag, then as many bytes. Tag 0 is data; 1 to 8 are messages for
// people; 22 an error of reading (int32, or'ed); 33 and 42 say nothing of use; 86 ends the session; 102 names a file that
// cannot be sent. C sends frames (tag 0) from 30 on.
//
// Rules. C sends filter rules, each an int32 of length and its text, and a length of zero:
//
//	C  "+ /a/"  "+ /a/Release"  "- *"               (a/Release and nothing else)
//
// List. S sends entries; each begins with flags, and zero flags end the list:
//
//	1 byte    flags; with bit 2 (from 28 on) a second byte follows as bits 8 to 15
//	1 byte    with bit 5: how many bytes of the last name are kept
//	length    of the rest of the name: 1 byte; with bit 6 varint (below 30 int32)
//	name      relative to the argument
//	size      varlong of 3 (below 30: int32, or -1 and 8 bytes)
//	mtime     unless bit 7: varlong of 4 (below 30: 4 bytes, unsigned)
//	nanos     with bit 13: varint (31)
//	mode      unless bit 1: int32
//
// Flags 0x1004 alone end the list with an error (varint), from 30 on; below 30 an int32 with the error always follows the
// end. An error other than zero means that the list is not whole: [CodeIncomplete].
//
// Nearly all entries of a long list are read out of the buffer at once, when they lie in it and in one frame as a whole; what is
// odd in any way is read again, byte by byte, and that alone gives the reasons.
//
// A varint is a byte whose leading ones count the bytes that follow, and whose rest is the number's highest bits. A varlong
// of n is the same with n-1 more bytes after the first.
//
// Files. Both sides sort the list and number it from 0: the top, then in each directory the files by name, then the
// directories by name and a slash, each followed by what is in it (below 29 all by their path). C asks by number, and S
// answers in the same order:
//
//	C  number, 0x8000 (2 bytes, from 29 on), 16 zero bytes (no blocks of an older file)
//	S  the same again; then pieces: int32 of length, and data; a length of 0; 16 bytes of checksum
//
// The checksum is MD5 of the data, and below 30 MD4 of the seed and the data. Numbers are int32; from 30 on one byte with
// the difference to the last (-1 at first), or 0xfe and two bytes, or 0xfe and four with the highest bit set; 0 is -1.
//
// End. C sends -1 for each phase: three (two below 29), one more for the end, and from 31 on another. S sends -1 for
// each phase, five statistics (three below 29) as varlong of 3, and from 31 on -1. All that C has to say goes out at once.
package rsync
