package console

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"

	"github.com/urfave/cli/v2"
)

// Call is one command being run: its program, and its flags, read once.
type Call struct {
	*Program
	*cli.Context
	JSON, Quiet, Dry bool
	Log              *slog.Logger // to stderr; Info is shown under --verbose
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
	return nil, Usage("--log-format %q: expected text or json", format)
}

// Need refuses a call without the flags that the command cannot do without.
func (c *Call) Need(flags ...string) error {
	for _, f := range flags {
		if c.String(f) == "" {
			return Exit(Misuse, fmt.Errorf("%s: --%s is missing", c.path(c.Context), f), "see: %s %s --help", c.Name, c.path(c.Context))
		}
	}
	return nil
}

// Say prints a line for people; --json and --quiet silence it.
func (c *Call) Say(format string, args ...any) {
	if !c.JSON && !c.Quiet {
		fmt.Fprintf(c.Stdout, format+"\n", args...)
	}
}

// Document prints v when --json asked for it.
func (c *Call) Document(v any) error {
	if !c.JSON {
		return nil
	}
	out := json.NewEncoder(c.Stdout)
	out.SetIndent("", "  ")
	return out.Encode(v)
}

// Warn prints something that the operator should know and that stops nothing.
func (c *Call) Warn(format string, args ...any) {
	if c.String("log-format") == "json" {
		c.Log.Warn(fmt.Sprintf(format, args...))
		return
	}
	fmt.Fprintf(c.Stderr, "%s: warning: %s\n", c.Name, fmt.Sprintf(format, args...))
}
