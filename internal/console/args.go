package console

import (
	"fmt"
	"slices"
	"strings"

	"github.com/urfave/cli/v2"
)

// arrange moves flags that were typed behind arguments before them (`init DIR --network NAME`): cli would drop them in silence.
// What stands behind "--" is left alone, and refused later when it looks like a flag.
func arrange(app *cli.App, args []string) []string {
	if len(args) == 0 {
		return args
	}
	commands, n := app.Commands, 1
	var cmd *cli.Command
	for n < len(args) {
		next := find(commands, args[n])
		if next == nil {
			break
		}
		cmd, commands, n = next, next.Subcommands, n+1
	}
	if cmd == nil {
		return args
	}
	flags, rest := []string{}, []string{}
	for i := n; i < len(args); i++ {
		a := args[i]
		if a == "--" {
			rest = append(rest, args[i:]...)
			break
		}
		if !strings.HasPrefix(a, "-") || a == "-" {
			rest = append(rest, a)
			continue
		}
		flags = append(flags, a)
		if takesValue(cmd, a) && i+1 < len(args) {
			i++
			flags = append(flags, args[i])
		}
	}
	return slices.Concat(args[:n], flags, rest)
}

func find(commands []*cli.Command, name string) *cli.Command {
	for _, c := range commands {
		if c.Name == name {
			return c
		}
	}
	return nil
}

// takesValue reports whether the flag typed as a ("--config", "-o") is followed by its value.
func takesValue(cmd *cli.Command, a string) bool {
	name := strings.TrimLeft(a, "-")
	for _, f := range cmd.Flags {
		if slices.Contains(f.Names(), name) {
			_, isBool := f.(*cli.BoolFlag)
			return !isBool
		}
	}
	return false // unknown, or --name=value
}

// checkArgs compares the arguments with their description ("DIR [FILE]", "[TREE…]"). An argument like a flag is one that cli would drop in silence.
func (p *Program) checkArgs(c *cli.Context, want string) error {
	for _, a := range c.Args().Slice() {
		if strings.HasPrefix(a, "-") {
			return Exit(Misuse, fmt.Errorf("%q stands behind an argument", a), "flags come first: %s %s %s … %s", p.Name, p.path(c), a, want)
		}
	}
	most := len(strings.Fields(want))
	least := most - strings.Count(want, "[")
	if n := c.NArg(); n < least || n > most && !strings.Contains(want, "…") {
		if want == "" {
			want = "no arguments"
		}
		return Exit(Misuse, fmt.Errorf("%s: found %d arguments, expected %s", p.path(c), n, want), "see: %s %s --help", p.Name, p.path(c))
	}
	return nil
}
