// Package arch enforces the rule of the house: which package may import which,
// and the few habits that keep the packages usable apart from each other.
//
// The rule is a table of floors (in arch_test.go). Imports go to lower floors
// only; equal floors never import each other, except that a leaf adapter (a
// package below another one's path that links a large library) imports its
// parent. A package that stands on no floor is refused: whoever adds one decides
// where it lives.
//
//	floor 5   cmd/*
//	floor 4   config
//	floor 3   probe publish client history site, leaf adapters
//	floor 2   quorum rsync checkin
//	floor 1   manifest sign inventory
//	floor 0   keys schema
//	cellar    internal/strictjson strictyaml rsyncurl ident geo timefile: leaves, which import nothing of the house
//	free      internal/lab internal/arch publish/storetest (for tests)
//
// Check also refuses, outside tests:
//
//   - an import of config outside cmd/*, of internal/lab outside
//     cmd/tidemark-lab, of a leaf adapter outside cmd/tidemark, of a package
//     that is there for tests anywhere;
//   - any mention of time.Now, time.Since, time.Until, os.Exit or log.Fatal
//     outside cmd/*: time is an argument, and only main ends the program;
//   - the AWS SDK outside leaf adapters, or anywhere that cmd/tidemark-mirror
//     reaches, and there also any module that the table does not name;
//   - package-level state (see state.go for what counts);
//   - a package without a doc, or with a drawer's name (util, common, core);
//   - files over 400 and functions over 60 lines.
//
// The files are read with go/parser, not through the go command: its answers
// are cached by go test without the files that they depend on, while every file
// read here is one that the test cache knows.
package arch
