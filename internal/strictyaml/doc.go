// Package strictyaml reads an operator's YAML file and says everything that is wrong with it at once.
//
// A typo in a configuration must never mean "the default". So an unknown key, a missing one, a wrong type, a duplicate
// key, a second document, an anchor, an alias, a tag, a byte-order mark or a tab in the indentation is a [Problem] with the file, the line, the
// field's path, what was found, what was expected, and, where there is one, the nearest known key:
//
//	tidemark.yaml:12: trees.centos.qorum: unknown key (did you mean quorum?)
//
// Structs are described by tags:
//
//	type tree struct {
//		Pos    strictyaml.Pos      `yaml:"-"`                                            // filled in: where the mapping stands
//		Master string              `yaml:"master,required" want:"a directory or an rsync:// URL"`
//		Globs  []string            `yaml:"anchors" want:"a list of patterns" each:"a pattern"`
//		Wait   strictyaml.Duration `yaml:"max_wait"`
//		Near   *place              `yaml:"near"`
//	}
//	type place struct {
//		URL string  `yaml:"url,short"` // required, too; "near: URL" is short for "near: {url: URL}"
//		Via *string `yaml:"via"`
//	}
//
// Fields may be strings, whole numbers (decimal), true or false, structs, maps with string keys, slices, pointers to
// these (nil when the key is absent), [OneOrMany] and anything that implements encoding.TextUnmarshaler. A number where text is
// expected is taken as it was written; a key without a value is refused.
//
// A [Document] keeps the lines, so that checks of meaning made after decoding can report theirs in the same list.
//
// Limits: 1 MiB a file, 32 levels, keys of 200 bytes.
package strictyaml
