#!/bin/sh
# tidemark-mirror.sh - keeps one tree of a mirror in date by a Tidemark manifest, with stock tools alone: curl, gpgv, jq,
# sha256sum, flock, rsync (3.1 or newer), awk, sed. For every genuine manifest it takes the same decision, at the same
# moment, and the same sources in the same order, as the program tidemark-mirror. Runs in dash, bash, busybox ash, ksh93
# and yash; mksh has no 64-bit numbers.
#
#   tidemark-mirror.sh [/path/to/mirror.conf] [run|check|sources]
#
#   run      (default) sync, if there is something new and this mirror's turn has come     exit 0 done, or nothing to do
#   check    only look                               exit 0 in date, 100 sync needed, 101 sync needed, not yet admitted
#   sources  where it would sync from, best first: tier id url
#   decide MANIFEST   for tests and the curious: action, announced, held, behind since, parts per million admitted, own
#            place; then the sources: tier, near, score, id, timestamp, may-delete, family, url. MANIFEST is taken as
#            verified; NOW, HELD, SINCE in the environment stand for the clock and the state.
#
# Exit codes of all: 1 failed; 2 settings; 4 signature, rollback, fork or expiry refused; 5 another run holds the lock
# (on a terminal or with STRICT=yes, else 0 and silent); 6 no usable source.
#
# In the environment, for one run: ALLOW_DELETE=n allows n deletions, ADOPT=yes takes a DIR that is not known as the tree's.
#
# Install: put the network's binary keyring (keys/<network>.gpg of its site, compared with what the network says of its
# fingerprint elsewhere) at KEYRING, with no other key in it; make STATE and DIR, owned by the user that runs this; write
# the settings below, as shell assignments, into /etc/tidemark/mirror.conf. One file and one STATE a tree. Then, with a
# minute of your own (printf %s ftp.example.org | cksum | awk '{ print $1 % 60 }'), into crontab(5):
#
#   37 * * * *  /usr/local/bin/tidemark-mirror.sh          # it waits for its turn inside the hour, see WAIT
#
# When the network changes its key, it signs with both for a while: either keyring goes on (see docs/mirror.md for what to do). A
# key that was revoked counts as long as it is in KEYRING, which is why it has to be replaced by hand then.
#
# What it checks: the OpenPGP signature, made by a key of KEYRING over the whole document; schema and network; serial
# (never older than seen; equal with other content is a fork: both are kept); issued and expires (5 minutes of skew); all
# that it takes from the document, by strict patterns; that DIR is the tree's; the source's metadata before the tree is
# touched, and again before it is put in; not more is deleted than was counted, only after the metadata is proven in place.
#
# What it does NOT check, and the program does: a second kind of signature and thresholds; trust.json and its chain (a
# key that is replaced or revoked means a new KEYRING, serials that begin anew mean rm STATE/seen, both by hand);
# duplicate members and the other finer points of the document's form; the DNS beacon; free space before a sync. It has
# no fallback sources, no hooks and no check-in, reads time files in UTC only, and leaves a source that moves on in mid-sync
# for the next one. It deletes by number, not by name: what a source loses after the count may go in place of what was
# counted, until the next sync. It asks a source for two full lists, for a third where deletions are taken from it, for a
# fourth when there are any (the program: for one). A full directory in whose place the source has a file or a link is left
# to people: rsync says so.
#
# (The checker of shell scripts is told one thing: `A && B || C` is meant.)
# shellcheck disable=SC2015
#
# ---- settings -------------------------------------------------------------------------------------------------------
NETWORK=''                          # e.g. centos
ID=''                               # this mirror's id in the network's inventory, e.g. ftp.funet.fi
URL=''                              # the site: https://…/ or, for a copy at hand, file:///…/
KEYRING=''                          # e.g. /etc/tidemark/centos.gpg
TREE=''                             # the tree's name in the manifest
DIR=''                              # where it lies here
STATE=/var/lib/tidemark-mirror      # what was seen; also locked
COUNTRY='' CONTINENT=''             # e.g. FI EU. AF AN AS EU NA OC SA by the UN's M.49: RU is EU; TR CY GE AM AZ KZ are AS
ASN='' FAMILY=''                    # number of the own network; 4 or 6, if only that one is to be used
AVOID=''                            # ids of sources never to use, between spaces
EXCLUDES=''                         # a file for rsync's --exclude-from: what is not carried, and what is one's own
LATE='repodata/ dists/ Release* InRelease Packages* Sources* *.db *.files' # metadata: comes after what it names. A wildcard means files
MAX_DELETE=40000                    # more: nothing is deleted, exit 1
BANDWIDTH='' TIMEOUT=600 CONNECT=30 # rsync --bwlimit, --timeout, --contimeout
CACERT=''                           # a PEM file for curl, if not the system's
SPLAY=300 WAIT=3300                 # seconds: start spread by id; how long to wait for admission (0: leave it to cron)
WARN_AFTER=21600 STRICT=''          # seconds behind before soft failures are told without a terminal
# ---------------------------------------------------------------------------------------------------------------------
set -uf
export LC_ALL=C TZ=UTC
umask 022
tab=$(printf '\t')
say() { printf 'tidemark-mirror.sh: %s\n' "$*" >&2; }
die() { code=$1; shift; say "error: $*"; exit "$code"; } # die CODE WORDS
note() { [ ! -t 2 ] || say "$*"; }                       # for people who watch
soft() { if [ -t 2 ] || [ "$late" -ge "$WARN_AFTER" ]; then say "$*"; fi; } # may pass by itself
idle() { # idle WORDS: there is no going on now
	[ -t 2 ] || [ -n "$STRICT" ] || exit 0
	say "$*"
	exit 5
}
daily() { # daily KIND WORDS: told once a day, on a terminal always
	day=$(date +%Y-%m-%d)
	[ ! -t 2 ] && [ "$(cat "$STATE/told-$1" 2>/dev/null)" = "$day" ] && return
	printf '%s\n' "$day" >"$STATE/told-$1"
	shift
	say "$*"
}
# shellcheck disable=SC2317 # by the trap
stopped() { # a signal: rsync is to end as well, with its temporary files; but it may wait for the source to say goodbye
	trap '' HUP INT TERM
	[ -n "$child" ] || exit 1
	kill -s TERM "$child"
	(sleep 5; kill -s KILL -- "-$child") 8<&- 9<&- &
	killer=$!
	wait "$child"
	kill -s KILL "$killer"
	kill -s KILL -- "-$child"
	exit 1
} >/dev/null 2>&1
pause() { # pause SECONDS
	sleep "$1" &
	child=$!
	wait "$child"
	child=''
}
save() { printf '%s\n' "$2" >"$tmp/save" && mv -f "$tmp/save" "$STATE/$1" || die 1 "writing $STATE/$1"; } # save NAME TEXT

settings() { # reads the file and refuses what cannot be meant
	# shellcheck source=/dev/null
	[ ! -e "$conf" ] || . "$conf" || die 2 "reading $conf"
	for name in "$NETWORK" "$ID" "$TREE" $AVOID; do
		case $name in
		'' | [!a-z0-9]* | *[!a-z0-9._-]*) die 2 "NETWORK, ID, TREE, AVOID: \"$name\" is not a name of a-z 0-9 . _ -: see $conf" ;;
		esac
	done
	for number in "$MAX_DELETE" "$TIMEOUT" "$CONNECT" "$SPLAY" "$WAIT" "$WARN_AFTER" "${ASN:-0}" "${ALLOW_DELETE:-0}"; do
		case $number in '' | *[!0-9]* | ?????????????*) die 2 "\"$number\" is not a number: see $conf" ;; esac
	done
	case $URL in https://*/) proto='=https' ;; file:///*/) proto='=file' ;; *) die 2 "URL: \"$URL\" is not https://…/: see $conf" ;; esac
	case ${COUNTRY:-AA}/${CONTINENT:-EU}/${FAMILY:-4} in
	[A-Z][A-Z]/A[FNS]/[46] | [A-Z][A-Z]/EU/[46] | [A-Z][A-Z]/NA/[46] | [A-Z][A-Z]/OC/[46] | [A-Z][A-Z]/SA/[46]) ;;
	*) die 2 "COUNTRY, CONTINENT, FAMILY: found \"$COUNTRY\", \"$CONTINENT\", \"$FAMILY\", expected such as FI, EU, 4: see $conf" ;;
	esac
	[ -z "$COUNTRY" ] || [ -n "$CONTINENT" ] || die 2 "CONTINENT: nothing, but COUNTRY is $COUNTRY: see $conf"
	for path in "$STATE" "$DIR" "$KEYRING" "${EXCLUDES:-/}"; do
		case $path in /*) ;; *) die 2 "STATE, DIR, KEYRING, EXCLUDES: \"$path\" is not an absolute path: see $conf" ;; esac
	done
	for path in "$DIR" "$(cd "$DIR" 2>/dev/null && pwd -P || printf %s "$DIR")"; do
		while [ "$path" != "${path%/}" ]; do path=${path%/}; done
		case $path in
		'' | /bin | /boot | /dev | /etc | /home | /lib | /lib32 | /lib64 | /libx32 | /opt | /proc | /root | /run | /sbin | /srv | /sys | /tmp | /usr | /usr/bin | /usr/lib | /usr/lib64 | /usr/sbin | /var)
			die 2 "DIR: $DIR is the system's: give the tree a directory of its own" ;;
		esac
		case $STATE/ in "$path"/*) die 2 "STATE: $STATE lies in DIR, $DIR, of which a sync deletes what is not the tree's" ;; esac
	done
	[ $((0xffffffff * 1000000)) = 4294967295000000 ] || die 2 "this shell has no 64-bit numbers; use dash, bash or busybox sh"
}

# ---- from the site to a verified document ----------------------------------------------------------------------------
get() { # get NAME FILE MOST: one file of the site, of at most MOST bytes, into FILE; no redirects
	status=$( # curl before 8.4 heeds --max-filesize only when the server says the size: the shell's limit (in 512 bytes) does always
		ulimit -f $(($3 / 512 + 1))
		exec curl -q -sS --proto "$proto" --max-filesize "$3" --connect-timeout 20 --max-time 120 ${CACERT:+--cacert "$CACERT"} \
			-o "$2" -w '%{http_code}' -- "$URL$1" 2>"$tmp/why"
	) || { why="$URL$1: $(cut -c1-300 "$tmp/why")"; return 1; }
	case $proto$status in =https200 | =file*) return 0 ;; esac
	why="$URL$1: the answer is $status, expected 200"
	return 1
}
signed() { # signed ASC DOCUMENT: one good signature of KEYRING over the bytes. That it expired is judged by the document
	gpgv -q --status-fd 1 --keyring "$KEYRING" "$1" "$2" >"$tmp/status" 2>"$tmp/why"
	awk '$1 != "[GNUPG:]" { next }
		$2 == "GOODSIG" || $2 == "EXPSIG" { good++ }
		$2 == "VALIDSIG" && $11 == "00" && ($10 == 8 || $10 == 10) { valid++ }
		$2 ~ /^(BADSIG|ERRSIG|EXPKEYSIG|REVKEYSIG|NODATA|UNEXPECTED)$/ { bad++ }
		END { exit !(good == 1 && valid == 1 && !bad) }' "$tmp/status"
}
# another: the signature beside the document is by a key that KEYRING has not, as when the network changes its key. The bundle
# has all of them: the first by a key of KEYRING takes its place.
another() {
	unknown=$(awk '$1 == "[GNUPG:]" && $2 == "NO_PUBKEY" { print $3; exit }' "$tmp/status" | tr -cd 0-9A-F)
	[ -n "$unknown" ] && get "${path}manifest.bundle.json" "$tmp/bundle" 12582912 && mv -f "$tmp/new.asc" "$tmp/first.asc" || return
	for n in 0 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15; do
		jq -j --argjson n $n '[.signatures[] | select(.kind == "openpgp") | .value][$n] // empty' "$tmp/bundle" >"$tmp/new.asc" 2>/dev/null && [ -s "$tmp/new.asc" ] || break
		signed "$tmp/new.asc" "$tmp/new.json" && return
	done
	return 1
}
# facts DOCUMENT: all that is used of it, one fact a line, into $tmp/facts. Then every line is checked: what is not listed
# here reaches neither this shell nor rsync. Absent fields are written "-".
facts() {
	jq -r --arg tree "$TREE" --arg me "$ID" --arg country "$COUNTRY" --arg continent "$CONTINENT" \
		--arg asn "${ASN:-0}" --arg family "$FAMILY" --arg avoid " $AVOID " '
	if .schema == "tidemark/manifest/v1" then . else error("schema \(.schema), expected tidemark/manifest/v1") end
	| (.policy.nearby[$country] // []) as $near
	| ["head", .network, .serial, (.issued | fromdateiso8601), (.expires | fromdateiso8601), .policy.check_interval, .policy.max_hold],
	(.trees[$tree] // empty
		| ["tree", .timestamp, .time_file, .admit, .files, .bytes],
			(.anchors[] | ["anchor", 0, .size, .sha256, .path]),
			(.later // [] | .[] | .timestamp as $at | ["later", $at], (.anchors[] | ["anchor", $at, .size, .sha256, .path]))),
	(.sources[] | . as $s | .trees[$tree] // empty
		| select($s.slots > 0 and $s.id != $me and (" \($s.id) " | inside($avoid) | not))
		| select($family == "" or any(.families[]; tostring == $family))
		| ($continent != "" and $s.continent == $continent) as $same
		| (if $s.kind == "node" then (if $same then 5 else 6 end)
			elif $asn != "0" and ($s.asn | tostring) == $asn then 1
			elif $country != "" and $s.country == $country then 2
			elif any($near[]; . == $s.country) then 3
			elif $same then 4 else 7 end) as $tier
		| ["source", $tier, (if $tier == 3 then ($near | index($s.country)) + 1 else 0 end), $s.slots, $s.id, .timestamp,
			(if $s.kind == "node" or .depth == "listing" then "yes" else "no" end),
			(if $family != "" then $family elif .families == [4] then 4 elif .families == [6] then 6 else "-" end), .url])
	| @tsv' "$1" >"$tmp/raw" 2>"$tmp/why" && tr '\000' '\001' <"$tmp/raw" >"$tmp/facts" || return
	awk -F '\t' '
	function name(s) { return length(s) <= 100 && s ~ /^[a-z0-9][a-z0-9._-]*$/ }
	function number(s, most) { return length(s) <= 16 && s ~ /^[0-9]+$/ && s + 0 <= most }
	function path(s) { return length(s) <= 4096 && s !~ /^-|[[:cntrl:]\\*?[]|\]/ && ("/" s "/") !~ /\/\.?\.?\// }
	function host(s, label, n, i) { # no decimal or hex number, which the system takes for an address
		if (s ~ /^\[[0-9a-f]*:[0-9a-f]*:[0-9a-f:]*\]$/) return 1
		n = split(s, label, ".")
		if (n == 4 && s ~ /^[0-9.]+$/) {
			for (i = 1; i <= 4; i++) if (label[i] !~ /^(0|[1-9][0-9]*)$/ || label[i] + 0 > 255) return 0
			return 1
		}
		for (i = 1; i <= n; i++) if (length(label[i]) > 63 || label[i] !~ /^[a-z0-9]([a-z0-9-]*[a-z0-9])?$/) return 0
		return n > 0 && length(s) <= 253 && label[n] !~ /^([0-9]+|0x[0-9a-f]*)$/
	}
	function url(s, at, server, dir, port) { # what rsync takes for a daemon and a module, and for nothing else
		if (length(s) > 1024 || s !~ /^rsync:\/\/[^\/]+\/[!-~]+$/) return 0
		s = substr(s, 9); at = index(s, "/"); server = substr(s, 1, at - 1); dir = substr(s, at + 1)
		port = 873
		if (match(server, /:[0-9]+$/)) { port = substr(server, RSTART + 1); server = substr(server, 1, RSTART - 1) }
		return port !~ /^0/ && number(port, 65535) && host(server) &&
			dir !~ /[*?[\\"<>\047]|\]|\.\.|^[#-]|(^|\/)\.?\/|(^|\/)\.$/
	}
	$1 == "head" && NF == 7 && name($2) && number($3, 9007199254740991) && number($4, 253402300799) && number($5, 253402300799) &&
		number($6, 31622400) && number($7, 31622400) { head++; next }
	$1 == "tree" && NF == 6 && number($2, 253402300799) && path($3) && number($4, 1000000) && number($5, 9007199254740991) && number($6, 9007199254740991) { next }
	$1 == "anchor" && NF == 5 && number($2, 253402300799) && number($3, 9007199254740991) && length($4) == 64 && $4 ~ /^[0-9a-f]+$/ && path($5) { next }
	$1 == "later" && NF == 2 && number($2, 253402300799) { next }
	$1 == "source" && NF == 9 && $2 ~ /^[1-7]$/ && number($3, 300) && $4 ~ /^[1-8]$/ && name($5) && number($6, 253402300799) &&
		$8 ~ /^[46-]$/ && url($9) { next }
	{ print "refused: " substr($0, 1, 200); bad = 1; exit }
	END { if (!bad && head != 1) print "no manifest" }' "$tmp/facts" | tr -cd ' -~\n' >"$tmp/why"
	[ ! -s "$tmp/why" ]
}
# order: "tier near score id timestamp may-delete family url", best first. The score is the largest of the first `slots`
# eight-digit words of the SHA-256 of "<own id> <source id>": the texts go into files, so that one sha256sum reads them all.
order() {
	rm -rf "$tmp/texts" && mkdir "$tmp/texts"
	awk -F '\t' -v me="$ID" -v dir="$tmp/texts/" '$1 == "source" { printf "%s %s", me, $5 >(dir $5); close(dir $5) }' "$tmp/facts"
	(cd "$tmp/texts" && find . -type f -exec sha256sum {} +) >"$tmp/sums"
	awk -F '\t' -v OFS='\t' '
		NR == FNR { sum[substr($0, 69)] = substr($0, 1, 64); next }
		$1 == "source" {
			best = ""
			for (i = 0; i < $4; i++) if ("" substr(sum[$5], 8 * i + 1, 8) > best) best = "" substr(sum[$5], 8 * i + 1, 8)
			print $2, $3, best, $5, $6, $7, $8, $9
		}' "$tmp/sums" "$tmp/facts" | sort -t "$tab" -k1,1n -k2,2n -k3,3r -k4,4 >"$tmp/order"
}
seconds() { # seconds FILE: the Unix seconds that a time file holds, or failure
	[ -f "$1" ] && [ "$(wc -c <"$1")" -le 4096 ] || return 1
	word=$(sed -n '1{s/^[ \t\r]*//;s/[ \t\r].*//;p;}' "$1")
	case $word in
	*[!0-9]* | '') # RFC 3339, the forms of date(1) in UTC, a Debian trace by its Date line
		word=$(jq -Rrs 'def date: gsub("^\\s+|\\s+$"; "") | gsub("GMT"; "UTC") | [. as $text
				| ("%Y-%m-%dT%H:%M:%SZ", "%a %b %d %H:%M:%S UTC %Y", "%a, %d %b %Y %H:%M:%S UTC", "%a, %d %b %Y %H:%M:%S +0000") as $form
				| try ($text | strptime($form) | mktime) catch empty] | first;
			split("\n") as $all | ($all[0] | ltrimstr("Date:") | date) as $first
			| if $first == null then empty else first($all[1:][] | select(startswith("Date:")) | ltrimstr("Date:") | date) // $first end' "$1" 2>/dev/null) ;;
	esac
	word=${word#"${word%%[!0]*}"}
	case $word in '' | *[!0-9]* | ?????????????*) return 1 ;; esac
	[ "$word" -le 253402300799 ] && printf '%s\n' "$word"
}
use() { # use NAME: the document $STATE/NAME.json, verified anew, becomes the one in force
	signed "$STATE/$1.asc" "$STATE/$1.json" || die 4 "$STATE/$1.json, which is kept, is not signed by a key of $KEYRING any more: $(tail -n 1 "$tmp/why")"
	facts "$STATE/$1.json" || die 4 "$STATE/$1.json: $(tail -n 1 "$tmp/why")"
	IFS=$tab read -r _ network serial issued expires interval hold <"$tmp/facts"
	[ "$network" = "$NETWORK" ] || die 4 "$STATE/$1.json is of network $network, expected $NETWORK"
}
# look: asks the site for news, remembers it before anything acts on it, and leaves the document in force in $tmp/facts.
# latest.txt names an immutable directory: signature and document in it cannot be of two publications.
look() {
	exec 7>>"$STATE/look.lock" && flock 7 7>&7 || die 1 "locking $STATE/look.lock"
	seen='' served='' refused='' why=''
	read -r seen sum 2>/dev/null <"$STATE/seen"
	if get latest.txt "$tmp/latest" 64 && path=$(sed -n '1s|^\(m/[0-9]\{1,16\}/\)$|\1|p' "$tmp/latest") && [ -n "$path" ] &&
		get "${path}manifest.json.asc" "$tmp/new.asc" 65536; then
		if [ -n "$seen" ] && { cmp -s "$tmp/new.asc" "$STATE/$seen.asc" || cmp -s "$tmp/new.asc" "$STATE/$seen.first"; } && signed "$STATE/$seen.asc" "$STATE/$seen.json"; then
			served=same
			rm -f "$STATE/older" "$STATE/told-refused"
		elif get "${path}manifest.json" "$tmp/new.json" 8388608; then
			judge
		fi
	fi
	[ -n "$served$refused" ] || why=${why:-"${URL}latest.txt: found \"$(cut -c1-60 "$tmp/latest" | tr -cd ' -~')\", expected such as m/12/"}
	now=$(date +%s)
	[ -n "$seen" ] || [ -z "$refused" ] || die 4 "$refused"
	[ -n "$seen" ] || die 1 "nothing is to be had: $why"
	[ -z "$refused" ] || { trouble=4; daily refused "error: $refused; serial $seen stays in force"; }
	use "$seen"
	flock -u 7 7>&7
	if [ "$issued" -gt $((now + 300)) ]; then die 4 "serial $serial is from the future; is this machine's clock right?"; fi
	if [ "$now" -gt $((expires + 300)) ]; then
		daily expired "error: the newest manifest that was served, serial $serial, has expired. ${why:-$refused}"
		[ -n "$served$refused" ] && exit 4
		exit 1
	fi
	[ $((now - issued)) -le $(((expires - issued) / 2 + 3600)) ] || daily old "warning: serial $serial is $(((now - issued) / 3600)) hours old: does the network still publish?"
	[ -z "$why" ] || note "serial $serial stays in force: $why"
}
judge() { # is $tmp/new a document to go on with? Sets seen, or refused
	served=new unknown=''
	rm -f "$tmp/first.asc"
	if ! signed "$tmp/new.asc" "$tmp/new.json" && ! another; then
		refused="what $URL$path serves is not signed by a key of $KEYRING: $(tail -n 1 "$tmp/why")"
		[ -z "$unknown" ] || refused="$refused; the key $unknown is not in it: if the network has changed its key, get keys/$NETWORK.gpg from its site, compare the fingerprints (keys/$NETWORK.txt has them in words) with what the network says elsewhere, and put it at $KEYRING"
	elif ! facts "$tmp/new.json"; then
		refused="what $URL$path serves is signed, but: $(tail -n 1 "$tmp/why")"
	else
		IFS=$tab read -r _ network serial issued expires interval hold <"$tmp/facts"
		now=$(date +%s) new=$(sha256sum <"$tmp/new.json" | cut -c1-64)
		if [ "$network" != "$NETWORK" ]; then
			refused="what $URL serves is of network $network, expected $NETWORK"
		elif [ -n "$seen" ] && [ "$serial" -lt "$seen" ]; then # an edge that lags; for an hour that is no more than that
			[ -s "$STATE/older" ] || save older "$now"
			since=$(cat "$STATE/older")
			[ $((now - since)) -lt 3600 ] && why="$URL serves the older serial $serial" && return
			refused="$URL serves serial $serial, and has served nothing newer for $((now - since)) s; seen was $seen: a rollback"
		elif [ "$serial" = "$seen" ] && [ "$new" != "$sum" ]; then
			for kind in json asc; do
				cp "$STATE/$seen.$kind" "$STATE/fork-$serial-kept.$kind" && cp "$tmp/new.$kind" "$STATE/fork-$serial-served.$kind"
			done
			die 4 "a fork: two different manifests have serial $serial; both are in $STATE, named fork-$serial-…; tell the network"
		elif [ "$issued" -gt $((now + 300)) ]; then
			refused="serial $serial is from the future; is this machine's clock right?"
		elif [ "$now" -gt $((expires + 300)) ]; then
			refused="what $URL serves has expired: serial $serial"
		else # the name in `seen` is what counts: the files come before it
			rm -f "$STATE/$serial.first"
			[ ! -e "$tmp/first.asc" ] || mv -f "$tmp/first.asc" "$STATE/$serial.first" || die 1 "writing in $STATE"
			mv -f "$tmp/new.json" "$STATE/$serial.json" && mv -f "$tmp/new.asc" "$STATE/$serial.asc" && save seen "$serial $new" || die 1 "writing in $STATE"
			[ -z "$seen" ] || [ "$seen" = "$serial" ] || rm -f "$STATE/$seen.json" "$STATE/$seen.asc" "$STATE/$seen.first"
			rm -f "$STATE/older" "$STATE/told-refused" "$STATE/told-expired"
			seen=$serial
		fi
	fi
}

# ---- what to do ------------------------------------------------------------------------------------------------------
decide() { # decide HELD NOW SINCE: sets action, announced, since, admitted, place (parts per million)
	held=$1 since=${3:-$2} late=0 admitted=0 place=0 announced=0
	grep '^tree' "$tmp/facts" >"$tmp/tree" || { action=gone; return; }
	[ "$since" -le "$2" ] || since=$2
	IFS=$tab read -r _ announced time_file admit files bytes <"$tmp/tree"
	action=in-date
	[ "$held" -lt "$announced" ] || { since=0; return; }
	late=$(($2 - since))
	[ "$late" -lt "$hold" ] && admitted=$((1000000 * late / hold)) || admitted=1000000
	[ "$admitted" -gt "$admit" ] || admitted=$admit
	place=$((0x$(printf '%s %s %s' "$ID" "$TREE" "$announced" | sha256sum | cut -c1-8) * 1000000 / 4294967296))
	action=hold
	[ "$held" != 0 ] && [ "$place" -ge "$admitted" ] || action=sync
}
consider() { # decides by the clock, the tree and the state, and remembers since when the tree is behind
	now=$(date +%s) remembered=''
	time_file=$(awk -F '\t' '$1 == "tree" { print $3 }' "$tmp/facts")
	held=$(seconds "$DIR/$time_file") || held=0
	[ "$held" -le $((now + 300)) ] || { daily future "$DIR/$time_file is from the future, $held: it does not count"; held=0; }
	read -r remembered 2>/dev/null <"$STATE/behind"
	decide "$held" "$now" "$remembered"
	case $action in
	in-date) rm -f "$STATE/behind" ;;
	gone) daily gone "the manifest, serial $serial, has no tree $TREE (any more): no news" ;;
	*) [ "$since" = "$remembered" ] || save behind "$since" ;;
	esac
	note "$action: holds $held, announced is $announced; admitted are $admitted of 1000000, this mirror is at $place"
}

allowed() { [ -n "${ALLOW_DELETE:-}" ] && [ -e "$STATE/owed" ]; } # deletions are owed, and typed: now

# ---- sync ------------------------------------------------------------------------------------------------------------
# lock: flock on the state directory and on the tree's own, which cannot be renamed away under it. rsync inherits both, so
# that an orphan keeps them; `flock -n DIR rsync …` in an old cron line and the program lock the same.
lock() {
	cd "$DIR" || die 1 "DIR: no such directory, or not mounted: $DIR"
	exec 8<"$STATE" 9<. || die 1 "opening $STATE and $DIR"
	if ! flock -n 8 8<&8 || ! flock -n 9 9<&9; then
		: >"$STATE/again" # whoever has it looks once more afterwards
		idle "another run holds the lock: $(cat "$STATE/holder" 2>/dev/null || echo 'not one of ours')"
	fi
	find "$STATE/." ! -name . -prune -name 'tmp.*' -mtime +2 -exec rm -rf {} + # of killed runs
	save holder "process $$ since $(date)"
}
# visible: the paths of all anchors, less those that EXCLUDES hides, into $tmp/visible. rsync itself says which: it knows
# its patterns best.
visible() {
	awk -F '\t' '$1 == "anchor" { print $5 }' "$tmp/facts" >"$tmp/paths" && sort -u "$tmp/paths" >"$tmp/visible" || die 1 "listing the metadata"
	[ -n "$EXCLUDES" ] && [ -s "$tmp/visible" ] || return 0
	rm -rf "$tmp/all" "$tmp/shown" && mkdir "$tmp/all" "$tmp/shown" || die 1 "writing in $STATE"
	sed -n 's|/[^/]*$||p' "$tmp/visible" | tr '\n' '\0' | (cd "$tmp/all" && xargs -0 mkdir -p --) || die 1 "writing in $STATE"
	tr '\n' '\0' <"$tmp/visible" | (cd "$tmp/all" && xargs -0 touch --) || die 1 "writing in $STATE"
	rsync -r --exclude-from="$EXCLUDES" "$tmp/all/" "$tmp/shown/" || die 2 "EXCLUDES: rsync does not take $EXCLUDES"
	(cd "$tmp/shown" && find . -type f) >"$tmp/paths" && sed 's|^\./||' "$tmp/paths" >"$tmp/visible" || die 1 "listing the metadata"
}
# ours: refuses a directory that is not the tree's, since a sync deletes what the tree has not. It is the tree's when one of
# its anchors is there; when the inode is the remembered one and the time file is there; when a first sync began there; when
# it is empty. ADOPT=yes takes any.
ours() {
	here="$(find . -prune -exec ls -di {} + | awk '{ print $1 }') $DIR" timed='' mine=''
	known=$(cat "$STATE/inode" 2>/dev/null)
	[ ! -f "./$time_file" ] || timed=yes
	while IFS= read -r path; do [ ! -f "./$path" ] || [ -L "./$path" ] || mine=yes; done <"$tmp/visible"
	if [ "$known" = "$here" ] || [ ! -s "$tmp/visible" ]; then mine=$mine$timed; fi
	if [ "${ADOPT:-}" != yes ] && [ -z "$mine" ] && [ "$(cat "$STATE/first" 2>/dev/null)" != "$here" ]; then
		[ -z "$known" ] || [ "$known" = "$here" ] || [ -n "$timed" ] ||
			die 1 "$DIR is another directory than it was, with no $time_file: is the file system mounted? If it is right so: ADOPT=yes $0 $conf"
		other=$(find . ! -name . -prune ! -name lost+found -print | head -n 1 | tr -cd ' -~')
		[ -z "$other" ] ||
			die 1 "$DIR: found ${other#./}, but nothing by which to know $TREE, such as $(head -n 1 "$tmp/visible"): a sync deletes what is not the tree's. If it is right so: ADOPT=yes $0 $conf"
	fi
	save inode "$here"
	if [ -z "$timed" ] || [ "${ADOPT:-}" = yes ]; then save first "$here"; fi # so that the next run may go on with it
}
# pull DEST RSYNC-OPTION...: from $url, with nothing of this environment; what it says, at most 100 MB, is in $tmp/said.
# 0: good; 1: the next source, for $why. It runs beside this shell, so that the traps below need not wait for its end.
pull() {
	dest=$1
	shift
	head -c 100000000 <"$tmp/pipe" >"$tmp/said" 8<&- 9<&- &
	reader=$!
	{
		[ -z "$largest" ] || ulimit -f $((largest / 512 + 1)) # a server may send more than it said
		exec setsid env -i PATH="$PATH" LC_ALL=C TZ=UTC RSYNC_PASSWORD= rsync -rltpH --safe-links --no-motd '--exclude=.~tmp~/' '--exclude=.tidemark-*' \
			--contimeout="$CONNECT" --timeout="$TIMEOUT" ${only:+"-$only"} ${BANDWIDTH:+"--bwlimit=$BANDWIDTH"} "$@" -- "${url%/}/" "$dest"
	} </dev/null >"$tmp/pipe" 2>&1 8<&8 9<&9 &
	child=$!
	wait "$child"
	code=$?
	wait "$reader"
	child='' reader=''
	why="rsync: exit code $code: $(grep -E '^(rsync|@?ERROR|cannot|could)' "$tmp/said" | tail -n 2 | tr '\n' ' ' | tr -cd ' -~' | cut -c1-300)"
	case $code in
	0 | 24) return 0 ;;
	2 | 5 | 10 | 12 | 13 | 23 | 25 | 30 | 35)
		grep -Eq '^rsync: \[(receiver|generator)\].*(Permission denied|No space left|Read-only file system|Disk quota)' "$tmp/said" || return 1 ;;
	*) ! tail -n 2 "$tmp/said" | grep -Eq '\[sender=|File too large' || return 1 ;;
	esac
	doubt
}
doubt() { # $why seems to be the fault of this machine. As a server can say such words too, the second source decides
	[ -z "$doubted" ] || die 1 "$source, $url: $why"
	doubted=$why
	return 1
}
fetch() { # fetch DIRECTORY: the source's time file and anchors into a new directory
	rm -rf "$1" && mkdir "$1" || die 1 "writing in $STATE"
	largest=$biggest
	pull "$1/" --no-links --max-size="$biggest" --include-from="$tmp/asked" --exclude='*'
	set -- $?
	largest=''
	return "$1"
}
wanted() { # wanted TIMESTAMP: the visible anchors as they are then into $tmp/set, for sha256sum; their number and bytes
	: >"$tmp/set"
	numbers=$(awk -F '\t' -v at="$1" -v set="$tmp/set" 'NR == FNR { visible[$0]; next }
		$1 == "anchor" && ($2 == 0 || $2 == at) && $5 in visible { sum[$5] = $4; size[$5] = $3 }
		END { for (p in sum) { print sum[p] "  " p >set; n++; bytes += size[p] } printf "%d %.0f", n, bytes }' "$tmp/visible" "$tmp/facts") &&
		cut -c67- "$tmp/set" >"$tmp/paths" && sed 's|^|/|' "$tmp/paths" >"$tmp/proved" || die 1 "listing the metadata"
	anchors=${numbers% *} weight=${numbers#* }
	[ "$(grep -c . "$tmp/proved")" = "$anchors" ] || die 1 "listing the metadata: $anchors expected"
}
proven() { # proven DIRECTORY: every file of the set is there, and right
	[ "$anchors" != 0 ] || return 0
	(cd "$1" && sha256sum -c "$tmp/set" >"$tmp/sums" 2>"$tmp/bad") && [ "$(grep -c ': OK$' "$tmp/sums")" = "$anchors" ]
}
# put FILE PATH: puts it into the tree in one rename, under a name that nobody can know before, and follows no link on the
# way, since the source may have made one. The directory keeps its time.
put() (
	from=$1 IFS=/
	# shellcheck disable=SC2086 # the parts of the path
	set -- $2
	while [ $# -gt 1 ]; do
		[ ! -L "./$1" ] && { [ -d "./$1" ] || mkdir "./$1"; } && cd "./$1" || exit
		shift
	done
	find . ! -name . -prune -name '.tidemark-*' -type f -exec rm -f {} + # of killed runs
	[ ! -L "./$1" ] || rm -f "./$1"
	touch -r . "$tmp/when"
	new=$(mktemp ./.tidemark-XXXXXXXXXX) && cp -p "$from" "$new" && [ ! -d "./$1" ] && mv -f "$new" "./$1" && cmp -s "$from" "./$1" && touch -r "$tmp/when" . ||
		{ rm -f "$new"; exit 1; }
)
# preflight: the source's time file and anchors must be one set of the document: the announced one or a later one. Nothing
# in the tree is touched before.
preflight() {
	fetch "$tmp/stage" || return
	found=$(seconds "$tmp/stage/$time_file") || { why="no time in its $time_file"; return 1; }
	[ "$found" -le "$newest" ] || { why="has moved on, to $found"; moved=$((moved + 1)); return 1; }
	[ "$found" = "$announced" ] || grep -qx "later$tab$found" "$tmp/facts" || { why="is at $found, announced is $announced"; return 1; }
	wanted "$found"
	proven "$tmp/stage" || { why="its metadata is not that of $found: $(head -n 1 "$tmp/bad")"; return 1; }
}
whole() { # whole FILES BYTES: by the statistics of a run that left out so much: has the source all that the master has?
	[ -z "$EXCLUDES" ] && [ "$found" = "$announced" ] || return 0
	tr -d , <"$tmp/said" | awk -v files="$files" -v bytes="$bytes" -v n="$1" -v size="$2" '
		/^Number of files:/ { if (match($0, /reg: [0-9]+/)) n += substr($0, RSTART + 5, RLENGTH - 5) }
		/^Total file size:/ { size += $4 }
		END { exit !(n + 1 >= files && size + 4096 >= bytes) }' || { why="incomplete: the tree has $files files and $bytes bytes"; return 1; }
}
# stages: content; how much is to be deleted; metadata, less the anchors; the anchors, fetched once more, proven, put in and
# proven there; deletions; the time file.
stages() { # stages MAY-DELETE
	paid='' count='' may=$1
	set -- "--exclude=/$time_file" ${EXCLUDES:+"--exclude-from=$EXCLUDES"}
	[ -n "$begun" ] || pull ./ "$@" --exclude-from="$tmp/late" || return
	begun=yes
	if [ "$may" = yes ]; then
		pull ./ "$@" -n --delete --info=del,stats2 && whole 0 0 || return
		count=$(grep -c '^deleting ' "$tmp/said")
	fi
	pull ./ "$@" --delay-updates --stats --exclude-from="$tmp/proved" && whole "$anchors" "$weight" || return
	fetch "$tmp/again" || return
	cmp -s "$tmp/stage/$time_file" "$tmp/again/$time_file" || { why='moved on during the sync'; moved=$((moved + 1)); return 1; }
	proven "$tmp/again" || { why="not proven: $(head -n 1 "$tmp/bad")"; return 1; }
	while IFS= read -r path; do
		[ ! -L "./$path" ] && cmp -s "$tmp/again/$path" "./$path" && touch -r "$tmp/again/$path" "./$path" || put "$tmp/again/$path" "$path" 2>"$tmp/bad" || { why="cannot write $DIR/$path: $(head -n 1 "$tmp/bad")"; doubt; return; }
	done <"$tmp/paths"
	proven . || { why="not proven: $(head -n 1 "$tmp/bad")"; return 1; }
	deletions "$@"
	sync -f . 2>/dev/null || sync # all else is on the disk before
	put "$tmp/again/$time_file" "$time_file" || die 1 "writing $DIR/$time_file"
}
# deletions: at most as many as were counted, and not more than allowed, in a run that does nothing else. What fails is owed.
deletions() {
	if [ -z "$count" ]; then
		return
	elif [ "$count" -gt "$most" ]; then
		trouble=1
		say "error: $url would delete $count files, more than $most: nothing is deleted. To allow it once: ALLOW_DELETE=$count $0 $conf"
	elif [ "$count" = 0 ] || pull ./ "$@" --exclude-from="$tmp/proved" --delete-delay --existing --ignore-existing --max-delete="$count"; then
		paid=yes
	else
		say "warning: $url has changed since $count deletions were counted there: those that are left are owed. $why"
	fi
}
# update: source by source. Deletions that were left out are owed; after 7 days only sources that pay them are used.
update() {
	begun='' moved=0 tried=0 owed='' doubted='' largest='' most=${ALLOW_DELETE:-$MAX_DELETE}
	read -r owed 2>/dev/null <"$STATE/owed"
	newest=$(awk -F '\t' -v n="$announced" '$1 == "later" && $2 > n { n = $2 } END { printf "%.0f", n }' "$tmp/facts")
	biggest=$(awk -F '\t' '$1 == "anchor" && $3 > most { most = $3 } END { printf "%d", most < 4096 ? 4096 : most }' "$tmp/facts")
	{ printf '%s\n' "$time_file" && cat "$tmp/visible"; } | awk '{ # rules that let these through, with their parents
		n = split($0, part, "/"); path = ""
		for (i = 1; i <= n; i++) { path = path "/" part[i] (i < n ? "/" : ""); if (!seen[path]++) print "+ " path; sub(/\/$/, "", path) } }' >"$tmp/asked"
	for pattern in $LATE; do # one with a wildcard means files: a directory Packages/ is content
		case $pattern in */) ;; *[*?[]*) printf '+ %s/\n' "$pattern" ;; esac
		printf '%s\n' "$pattern"
	done >"$tmp/late"
	awk -F '\t' '$1 == "anchor" { print "/" $5 }' "$tmp/facts" >>"$tmp/late"
	while IFS=$tab read -r _ _ _ source _ may only url; do
		if [ "$may" != yes ] && [ -n "$owed" ] && [ $((now - owed)) -gt 604800 ]; then continue; fi
		[ "$only" != - ] || only=$FAMILY
		tried=$((tried + 1))
		note "syncing from $source, $url"
		if preflight && stages "$may"; then
			note "in date: $found from $source"
			if [ -n "$paid" ]; then rm -f "$STATE/owed"; elif [ -z "$owed" ]; then save owed "$now"; fi
			[ "$found" -lt "$announced" ] || rm -f "$STATE/behind"
			rm -f "$STATE/first"
			return
		fi
		soft "$source, $url: $why; the next source"
	done <"$tmp/order"
	[ -z "$doubted" ] || die 1 "$doubted"
	[ "$tried" -gt 0 ] && [ "$moved" = "$tried" ] && { note 'all sources have moved on: a newer manifest will come'; return; }
	soft "error: no usable source for $TREE, $tried tried"
	exit 6
}
run() {
	until=$(($(date +%s) + WAIT)) waiting=''
	[ -t 2 ] || pause $((0x$(printf %s "$ID" | sha256sum | cut -c1-8) % (SPLAY + 1)))
	while :; do
		look
		consider
		[ "$action" = gone ] || ! allowed || action=sync
		case $action in
		sync)
			exec 6>&- && waiting=''
			order
			lock
			rm -f "$STATE/again"
			consider # another run may have been faster
			[ "$action" = in-date ] && ! allowed || { visible && ours && update; }
			[ -e "$STATE/again" ] || return
			rm -f "$STATE/again"
			exec 8<&- 9<&- ;;
		hold)
			[ -n "$waiting" ] || exec 6>>"$STATE/wait.lock" # one waits; kept while it does
			[ $(($(date +%s) + interval)) -le "$until" ] && flock -n 6 6>&6 || idle "not admitted yet: place $place of 1000000, admitted are $admitted"
			waiting=yes
			pause "$interval" ;;
		*) return ;;
		esac
	done
}
# ---- main ------------------------------------------------------------------------------------------------------------
conf=/etc/tidemark/mirror.conf
case ${1:-} in */*) conf=$1 && shift ;; esac
settings
mode=${1:-run} trouble=0 late=0
[ -d "$STATE" ] && [ -w "$STATE" ] || die 2 "STATE: $STATE is no directory, or not writable: install -d -o $(id -un) $STATE"
tmp=$(mktemp -d "$STATE/tmp.XXXXXX") || die 1 "making a directory in $STATE"
child='' reader=''
trap 'rm -rf "$tmp"' EXIT
trap stopped HUP INT TERM
mkfifo "$tmp/pipe" || die 1 "making a pipe in $STATE"
case $mode in
run) run ;;
check)
	look
	consider
	case $trouble$action in 0sync) exit 100 ;; 0hold) exit 101 ;; esac ;;
sources)
	look
	order
	cut -f 1,4,8 "$tmp/order" ;;
decide)
	facts "$2" || die 4 "$2: $(tail -n 1 "$tmp/why")"
	IFS=$tab read -r _ network serial issued expires interval hold <"$tmp/facts"
	decide "${HELD:-0}" "${NOW:-$(date +%s)}" "${SINCE:-}"
	echo "$action $announced $held $since $admitted $place"
	order
	cat "$tmp/order" ;;
*) die 2 "found \"$mode\", expected run, check or sources" ;;
esac
exit "$trouble"
