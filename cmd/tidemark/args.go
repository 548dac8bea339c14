package main

import (
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
