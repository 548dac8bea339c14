// Package strictjson reads and writes JSON (RFC 8259) that is signed, where a document
// with two readings would be a hole.
//
// encoding/json takes the last of two members of one name, takes "SERIAL" and even a
// long s (U+017F) for "serial", turns invalid UTF-8 and lone surrogates into U+FFFD,
// takes null and a missing member for nothing, and -0 for 0. Unmarshal refuses all of
// these, each with its Kind and its place:
//
//   - the text is UTF-8 (looked at before anything else), without a byte order mark,
//     and nothing but white space follows the document;
//   - member names are unique in their object, after unescaping, and in exact case: a
//     name that case-folds onto a field of the destination without being it is refused;
//   - members that the destination has no field for are ignored, but must be sound;
//   - a field without omitempty or omitzero is required, and null is no value;
//   - numbers for integer fields are integers, digits only: no 1.0, 1e0 or -0;
//   - no lone surrogate, no raw control character, no NUL, and at most MaxDepth levels.
//
// Marshal is the one text of a value: members in the order of the struct, maps sorted
// by bytes, an indent of two spaces, ASCII only (\u escapes in lower case, surrogate
// pairs beyond U+FFFF), < > & as they are, one final line feed; a nil slice is [] and a
// nil map is {}. It is the text of Python's json.dumps(v, indent=2) and of jq -a:
//
//	{
//	  "network": "centos",
//	  "families": [
//	    4,
//	    6
//	  ]
//	}
//
// A Plainer reads its own values where they are spelled like that, for speed; every other spelling, and so every refusal, is
// left to the rules above.
//
// Time is an instant with exactly one text. What Marshal writes, Unmarshal reads.
package strictjson
