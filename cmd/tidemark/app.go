package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os/signal"
	"strings"
	"syscall"

	"github.com/urfave/cli/v2"
)

// commit is set by the linker (make build).
var commit = "unknown"

const version = "0.1.0"

// run is the whole program but for os.Exit.
func run(args []string, e *env) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	app := newApp(e)
	return report(e.stderr, app.RunContext(ctx, arrange(app, args)))
}

func newApp(e *env) *cli.App {
	app := &cli.App{
		Name:            "tidemark",
		Usage:           "tell mirrors what is new and where to get it: probe, decide, sign, publish",
		UsageText:       "tidemark COMMAND [--flags] [arguments]",
		Version:         version + " (" + commit + ")",
		HideVersion:     true,
		HideHelpCommand: true,
		Writer:          e.stdout,
		ErrWriter:       e.stderr,
		ExitErrHandler:  func(*cli.Context, error) {}, // cli would call os.Exit itself
		OnUsageError:    flagError,
		Commands: []*cli.Command{
			initCommand(e), runCommand(e), probeCommand(e), buildCommand(e), signCommand(e), publishCommand(e),
			verifyCommand(e), statusCommand(e), keysCommand(e), configCommand(e), beaconCommand(e),
		},
	}
	app.Flags = []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version and commit", DisableDefaultText: true}}
	app.Action = func(c *cli.Context) error {
		if c.Bool("version") {
			fmt.Fprintf(e.stdout, "tidemark %s\n", app.Version)
			return nil
		}
		return orHelp(c, "tidemark")
	}
	return app
}

// flagError is what cli calls for a flag it cannot place; without it, it would print the whole help.
func flagError(c *cli.Context, err error, _ bool) error {
	text := strings.Replace(err.Error(), "flag provided but not defined: -", "unknown flag --", 1)
	if c.Command == nil || c.Command.Name == "" || c.Command.Name == "tidemark" {
		return exit(exitUsage, errors.New(text), "flags belong behind the command: tidemark COMMAND --flag")
	}
	return exit(exitUsage, errors.New(text), "see: tidemark %s --help", path(c))
}

// path is the command as typed: "keys list".
func path(c *cli.Context) string {
	return strings.TrimPrefix(c.Command.HelpName, "tidemark ")
}

// group makes a command that only has subcommands.
func group(name, use string, subs ...*cli.Command) *cli.Command {
	return &cli.Command{Name: name, Usage: use, Subcommands: subs, HideHelpCommand: true, OnUsageError: flagError,
		Action: func(c *cli.Context) error { return orHelp(c, "tidemark "+name) }}
}

func orHelp(c *cli.Context, name string) error {
	if c.Args().Present() {
		return exit(exitUsage, fmt.Errorf("unknown command %q", c.Args().First()), "%s --help lists them", name)
	}
	return cli.ShowSubcommandHelp(c)
}

// call is one command being run: its flags, read once.
type call struct {
	*env
	*cli.Context
	json, quiet, dry bool
	log              *slog.Logger
}

// command makes a leaf: the flags that all share, the refusal of flags behind arguments, one place for every rule of the screen.
func command(e *env, name, use, args string, flags []cli.Flag, about string, do func(*call) error) *cli.Command {
	shared := []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: "the publisher's configuration", EnvVars: []string{"TIDEMARK_CONFIG"}, Value: "/etc/tidemark/tidemark.yaml"},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON document instead of words; its schema member names its description"},
		&cli.StringFlag{Name: "log-format", Usage: "how log lines on stderr look: text or json", Value: "text"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log what is being done, on stderr"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but errors"},
	}
	return &cli.Command{
		Name: name, Usage: use, ArgsUsage: args, Description: about, Flags: append(flags, shared...),
		HideHelpCommand: true, OnUsageError: flagError,
		Action: func(c *cli.Context) error {
			if err := checkArgs(c, args); err != nil {
				return err
			}
			l, err := logger(e.stderr, c.String("log-format"), c.Bool("verbose"))
			if err != nil {
				return err
			}
			return do(&call{env: e, Context: c, json: c.Bool("json"), quiet: c.Bool("quiet"), dry: c.Bool("dry-run"), log: l})
		},
	}
}

var dryRun = &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, change nothing"}

// checkArgs compares the arguments with their description ("DIR [FILE]"). An argument like a flag is one that cli would drop in silence.
func checkArgs(c *cli.Context, want string) error {
	for _, a := range c.Args().Slice() {
		if strings.HasPrefix(a, "-") {
			return exit(exitUsage, fmt.Errorf("%q stands behind an argument", a), "flags come first: tidemark %s %s … %s", path(c), a, want)
		}
	}
	most := len(strings.Fields(want))
	least := most - strings.Count(want, "[")
	if n := c.NArg(); n < least || n > most {
		if want == "" {
			want = "no arguments"
		}
		return exit(exitUsage, fmt.Errorf("%s: found %d arguments, expected %s", path(c), n, want), "see: tidemark %s --help", path(c))
	}
	return nil
}

// need refuses a call without the flags that the command cannot do without.
func (c *call) need(flags ...string) error {
	for _, f := range flags {
		if c.String(f) == "" {
			return exit(exitUsage, fmt.Errorf("%s: --%s is missing", path(c.Context), f), "see: tidemark %s --help", path(c.Context))
		}
	}
	return nil
}

func logger(w io.Writer, format string, verbose bool) (*slog.Logger, error) {
	o := &slog.HandlerOptions{Level: slog.LevelWarn}
	if verbose {
		o.Level = slog.LevelInfo
	}
	switch format {
	case "text":
		return slog.New(slog.NewTextHandler(w, o)), nil
	case "json":
		return slog.New(slog.NewJSONHandler(w, o)), nil
	}
	return nil, usage("--log-format %q: expected text or json", format)
}

// say prints a line for people; --json and --quiet silence it.
func (c *call) say(format string, args ...any) {
	if !c.json && !c.quiet {
		fmt.Fprintf(c.stdout, format+"\n", args...)
	}
}

// document prints v when --json asked for it.
func (c *call) document(v any) error {
	if !c.json {
		return nil
	}
	out := json.NewEncoder(c.stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// warn prints something that the operator should know and that stops nothing.
func (c *call) warn(format string, args ...any) {
	if c.String("log-format") == "json" {
		c.log.Warn(fmt.Sprintf(format, args...))
		return
	}
	fmt.Fprintf(c.stderr, "tidemark: warning: %s\n", fmt.Sprintf(format, args...))
}
