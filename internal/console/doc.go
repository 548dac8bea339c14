// Package console is what the programs' commands have in common: flags, words on the screen, exit codes, and errors with the
// next command to type (DESIGN 7). Only cmd/* imports it.
//
//	p := &console.Program{Name: "tidemark-mirror", Config: "/etc/tidemark/mirror.yaml", Judge: judge, Env: …}
//	os.Exit(p.Run(os.Args, p.Command("check", "is there something new?", "", nil, "Asks the origin.", check)))
//
//	func check(c *console.Call) error {
//		c.Say("%-10s in date", "centos")           // silent under --json and --quiet
//		c.Warn("trust version 3 ends in 20 days")  // "tidemark-mirror: warning: …", stops nothing
//		return c.Document(found)                   // printed under --json alone
//	}
//
// What goes wrong is printed in one form, on stderr:
//
//	tidemark-mirror: error: no configuration: open /etc/tidemark/mirror.yaml: no such file or directory
//	tidemark-mirror: hint: make one with: tidemark-mirror init
//
// and with --log-format json as one line of JSON with level ERROR, msg and hint; what is wrong with the flags themselves
// stays text. The first SIGINT, SIGTERM or SIGHUP ends the Call's context, a second one ends the program.
//
// The exit code of an error is found in this order: the error's own ([Exit], [Usage], [Status]); 2 for the problems of a
// configuration; what the program's Judge says; 1.
package console
