// Package threats keeps docs/threats.md true. It has tests only:
//
//   - every row of the page names tests, and each of them exists;
//   - every row has an entry in the table of defences: a change of one line that
//     takes the defence out, for each test that the row names;
//   - and, where it is asked for (make defences), each such change is made in a
//     copy, and the test named must then fail. The work tree is not touched: the
//     go command is handed the changed file in the other's place (-overlay).
//
// A row, and its entry:
//
//	| B2 | Serve an older manifest. | The serial never goes back (6). | Nothing. | `client.TestOpen_Rollback` |
//
//	{"B2", "client.TestOpen_Rollback", "client/open.go",
//		"if next.Serial < o.Seen.Serial {", "if false {"},
//
// When an entry's old text is found no more, since the code has changed, say in
// its place what takes the defence out now, and run make defences.
package threats
