package console

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"

	"tidemark/internal/strictyaml"
)

// Env is the world that a command may touch: tests hand in another one.
type Env struct {
	Stdout, Stderr io.Writer
	Getenv         func(string) string
	Now            func() time.Time
	Terminal       bool // stderr is a terminal: progress may be drawn
}

// Program is one of the programs.
type Program struct {
	Env
	Name    string // as it is typed
	Usage   string // in one line
	Version string // with the commit
	Config  string // the default of --config, unless TIDEMARK_CONFIG names another
	Whose   string // whose configuration that is, for the help: "the mirror's"

	// Judge gives the exit code and the hint of the errors that the program alone knows; 0 and "" where it knows nothing.
	Judge func(error) (code int, hint string)

	log *slog.Logger // errors go there instead, once --log-format json was read
}

// Run is the whole program but for os.Exit: it runs one of the commands and returns the exit code.
func (p *Program) Run(args []string, commands ...*cli.Command) int {
	ctx, stop := signal.NotifyContext(context.Background(), endings()...)
	defer stop()
	context.AfterFunc(ctx, stop) // the first one asks; a second one ends the program at once
	app := p.app(commands)
	return p.Report(app.RunContext(ctx, arrange(app, args)))
}

// endings are the signals that ask for an end: of a terminal that is closed, too, unless nohup(1) has it ignored.
func endings() []os.Signal {
	all := []os.Signal{syscall.SIGINT, syscall.SIGTERM}
	if !signal.Ignored(syscall.SIGHUP) {
		all = append(all, syscall.SIGHUP)
	}
	return all
}

func (p *Program) app(commands []*cli.Command) *cli.App {
	return &cli.App{
		Name:            p.Name,
		Usage:           p.Usage,
		UsageText:       p.Name + " COMMAND [--flags] [arguments]",
		Version:         p.Version,
		HideVersion:     true,
		HideHelpCommand: true,
		Writer:          p.Stdout,
		ErrWriter:       p.Stderr,
		ExitErrHandler:  func(*cli.Context, error) {}, // cli would call os.Exit itself
		OnUsageError:    p.flagError,
		Commands:        commands,
		Flags:           []cli.Flag{&cli.BoolFlag{Name: "version", Usage: "print the version and commit", DisableDefaultText: true}},
		Action: func(c *cli.Context) error {
			if c.Bool("version") {
				fmt.Fprintf(p.Stdout, "%s %s\n", p.Name, p.Version)
				return nil
			}
			return p.orHelp(c, p.Name, c.App.Commands)
		},
	}
}

// flagError is what cli calls for a flag it cannot place; without it, it would print the whole help.
func (p *Program) flagError(c *cli.Context, err error, _ bool) error {
	text := strings.Replace(err.Error(), "flag provided but not defined: -", "unknown flag --", 1)
	if c.Command == nil || c.Command.Name == "" || c.Command.Name == p.Name {
		return Exit(Misuse, errors.New(text), "flags belong behind the command: %s COMMAND --flag", p.Name)
	}
	if typed, unknown := strings.CutPrefix(text, "unknown flag --"); unknown {
		if near := strictyaml.Nearest(strings.TrimLeft(typed, "-"), flagNames(c.Command)); near != "" {
			return Exit(Misuse, errors.New(text), "did you mean --%s? see: %s %s --help", near, p.Name, p.path(c))
		}
	}
	return Exit(Misuse, errors.New(text), "see: %s %s --help", p.Name, p.path(c))
}

func flagNames(c *cli.Command) (names []string) {
	for _, f := range c.Flags {
		names = append(names, f.Names()[0])
	}
	return names
}

// path is the command as typed: "keys list".
func (p *Program) path(c *cli.Context) string {
	return strings.TrimPrefix(c.Command.HelpName, p.Name+" ")
}

func (p *Program) orHelp(c *cli.Context, name string, known []*cli.Command) error {
	if c.Args().Present() {
		typed, names := c.Args().First(), []string{}
		for _, k := range known {
			names = append(names, k.Name)
		}
		err := fmt.Errorf("unknown command %q", typed)
		if near := strictyaml.Nearest(typed, names); near != "" {
			return Exit(Misuse, err, "did you mean %s %s? %s --help lists all", name, near, name)
		}
		return Exit(Misuse, err, "%s --help lists them", name)
	}
	return cli.ShowSubcommandHelp(c)
}

// Group makes a command that only has subcommands.
func (p *Program) Group(name, use string, subs ...*cli.Command) *cli.Command {
	return &cli.Command{Name: name, Usage: use, Subcommands: subs, HideHelpCommand: true, OnUsageError: p.flagError,
		Action: func(c *cli.Context) error { return p.orHelp(c, p.Name+" "+name, subs) }}
}

// Command makes a leaf: the flags that all share, the refusal of flags behind arguments, one place for every rule of the
// screen. args describes the arguments: "DIR [FILE]"; about is the long text of the help, with examples.
func (p *Program) Command(name, use, args string, flags []cli.Flag, about string, do func(*Call) error) *cli.Command {
	shared := []cli.Flag{
		&cli.StringFlag{Name: "config", Usage: p.Whose + " configuration", EnvVars: []string{"TIDEMARK_CONFIG"}, Value: p.Config},
		&cli.BoolFlag{Name: "json", Usage: "print one JSON document instead of words; its schema member names its description"},
		&cli.StringFlag{Name: "log-format", Usage: "how log lines on stderr look: text or json", Value: "text"},
		&cli.BoolFlag{Name: "verbose", Aliases: []string{"v"}, Usage: "log what is being done, on stderr"},
		&cli.BoolFlag{Name: "quiet", Aliases: []string{"q"}, Usage: "print nothing but errors"},
	}
	return &cli.Command{
		Name: name, Usage: use, ArgsUsage: args, Description: about, Flags: append(flags, shared...),
		HideHelpCommand: true, OnUsageError: p.flagError,
		Action: func(c *cli.Context) error {
			if err := p.checkArgs(c, args); err != nil {
				return err
			}
			l, err := logger(p.Stderr, c.String("log-format"), c.Bool("verbose"))
			if err != nil {
				return err
			}
			if c.String("log-format") == "json" {
				p.log = l
			}
			return do(&Call{Program: p, Context: c, JSON: c.Bool("json"), Quiet: c.Bool("quiet"), Dry: c.Bool("dry-run"), Log: l})
		},
	}
}

// DryRun is the flag of every command that changes something; Call.Dry has its value.
func DryRun() cli.Flag {
	return &cli.BoolFlag{Name: "dry-run", Usage: "say what would be done, change nothing"}
}
