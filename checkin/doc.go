// Package checkin is a mirror's "I have it now, please check": the message, its signature and checks, the spool, the
// receiver and the sender. A check-in marks nobody good: it is a hint to probe now.
//
// # The message
//
// It is an envelope (package sign) of at most MaxBody bytes: a payload, and one minisign signature over it by the mirror's own
// key, whose public half stands in the publisher's inventory. The payload, schema/checkin.v1.json:
//
//	{
//	  "schema": "tidemark/checkin/v1",
//	  "network": "centos",
//	  "mirror": "ftp.funet.fi",
//	  "at": "2026-11-22T08:00:00Z",
//	  "nonce": "00112233445566778899aabbccddeeff",
//	  "trees": {
//	    "centos": 1488372781
//	  }
//	}
//
// at is the mirror's clock, nonce are 32 hex digits in lower case, by chance, and trees are 1 to 64 of those that the
// inventory gives that mirror, with what their time files say. Members that are not listed here are signed and ignored.
//
// No program of ours is needed to make one. With the text above in MESSAGE and a key made by "minisign -GW":
//
//	printf '%s\n' "$MESSAGE" > m.json
//	minisign -S -s mirror.key -m m.json
//	jq -n --arg p "$(base64 -w0 m.json)" --arg k "$(printf %016X 0x"$(sed -n 's/.* key //p' mirror.pub)")" --rawfile s m.json.minisig \
//	  '{payload: $p, signatures: [{kind: "minisign", key: $k, value: $s}]}'
//
// and the output sent by: curl --data-binary @- https://checkin.example.org/
//
// # What a receiver answers
//
// A POST at any path, of any content type, is answered with a sentence in plain text:
//
//	202  accepted: it lies in the spool, lastingly. The very same message again within Window: 202, and nothing is written
//	400  not a message in its strict form; 405 not a POST; 413 longer than MaxBody
//	403  another network; an unknown sender or a wrong signature, which are not told apart; a tree that the inventory does
//	     not give the mirror; a time outside of Window (the answer says the receiver's)
//	429  over the limit of that mirror or of all: again after Retry-After. Or sent before the last one that was accepted of
//	     that mirror, which is a replay, or a clock that was set back: a new one is heard after Retry-After
//	503  it cannot be kept now: again after Retry-After
//
// What is cheap is judged first, and limits count nothing but verified messages: whoever has no key cannot use up what is
// there for those who have one. A connection carries one request, so that nobody keeps the place of others.
//
// No message is accepted that was sent before the mirror's last one, whoever sends it: what was recorded on the wire and is
// not remembered any more, or was never accepted, could otherwise take the place of a newer one in the spool. A mirror whose
// clock was set back by less than Window is heard again as soon as that clock has passed the last message's time, so the
// refusal is not a final one; and a recorded message gains nothing by it, as its time never changes.
//
// A receiver that was started anew knows no message of before: a replay within Window is then spooled once more, and a
// server is probed that has asked for it.
//
// # The spool
//
// It is a directory with three others, on one file system, like a maildir: tmp, new, taken. A file in new is whole, and
// survives a power cut from before its 202 was sent. Take moves what is new to taken, Done removes it from there: killed in
// between, the next Take gives it again. Take reads files that have the name of a mirror in the inventory, and removes all
// else. What it can neither read nor remove, it tells of, and goes on with the rest. A check-in that comes during a run lies in new, where Done does not look.
//
// The receiver should be another user than run's, one that cannot read the signing keys. The two share a group:
//
//	groupadd --system tidemark-checkin
//	useradd --system --gid tidemark-checkin --no-create-home tidemark-checkin
//	usermod --append --groups tidemark-checkin tidemark                          # who calls tidemark run
//	install -d -o tidemark -g tidemark-checkin -m 2750 /var/spool/tidemark
//	install -d -o tidemark -g tidemark-checkin -m 2770 /var/spool/tidemark/tmp /var/spool/tidemark/new /var/spool/tidemark/taken
//
// Directories are made with these modes where they are missing, files with 0640 in the group of their directory.
package checkin
