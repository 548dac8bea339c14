// Package schema holds the JSON Schemas (draft 2020-12) of Tidemark's documents: the
// contract for programs in other languages.
//
// A schema's file is <name>.v<major>.json, and is that of the documents whose schema
// member says "tidemark/<name>/v<major>"; adding the file is all there is to do. Two
// documents carry no schema member: manifest.bundle.json and trust.json are envelopes
// (bundle.v1.json); the decoded payload of trust.json follows trust.v1.json.
//
//	manifest.v1.json   manifest.json
//	bundle.v1.json     manifest.bundle.json, trust.json, trust/<N>.json
//	trust.v1.json      the payload of trust.json
//	pointer.v1.json    latest.json
//
// By hand, with Debian's python3-jsonschema:
//
//	python3 -m jsonschema -i manifest.json schema/manifest.v1.json
//
// A schema says less than the program: that sources are sorted, that a source's
// timestamp is one of its tree's, or that a member occurs once, cannot be said in it.
// Package manifest lists all rules.
package schema
