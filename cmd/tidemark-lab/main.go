// Tidemark-lab is a whole mirror network on loopback addresses: to see publisher and mirrors at work, to measure them, to try things.
// It is in no package.
//
//	tidemark-lab demo [--serve]   the main job, start to end, on real rsync daemons; everything lies in demo/
//	tidemark-lab bench            the figures of the design, measured side by side with other tools
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/urfave/cli/v2"
)

// commit is set by the linker (make build).
var commit = "unknown"

func main() {
	os.Exit(run(os.Args, os.Stdout, os.Stderr, time.Now))
}

func run(args []string, stdout, stderr io.Writer, now func() time.Time) int {
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGINT, syscall.SIGTERM)
	defer stop()
	app := &cli.App{
		Name: "tidemark-lab", Usage: "a mirror network on loopback: demo and benchmarks", Version: "0.1.0 (" + commit + ")",
		Writer: stdout, ErrWriter: stderr, HideHelpCommand: true, HideVersion: true,
		ExitErrHandler: func(*cli.Context, error) {},
		OnUsageError:   func(_ *cli.Context, err error, _ bool) error { return err },
		Commands: []*cli.Command{
			{Name: "demo", Usage: "run the main job on a network of 5 nodes and 12 mirrors, then follow it as three more mirrors", HideHelpCommand: true,
				Flags: []cli.Flag{
					&cli.StringFlag{Name: "dir", Usage: "where everything is put; removed first", Value: "demo"},
					&cli.BoolFlag{Name: "s3", Usage: "start versitygw and publish there, too"},
					&cli.BoolFlag{Name: "serve", Usage: "go on serving the site and the network until Ctrl-C"},
				},
				Action: func(c *cli.Context) error {
					d := &demo{dir: c.String("dir"), serve: c.Bool("serve"), s3: c.Bool("s3"), out: stdout, now: now}
					return d.tell(c.Context)
				}},
			{Name: "bench", Usage: "measure, side by side, and exit 1 when a target is missed", HideHelpCommand: true,
				Flags: []cli.Flag{
					&cli.BoolFlag{Name: "json", Usage: "print the figures as JSON"},
					&cli.StringFlag{Name: "only", Usage: "one `PART`: " + strings.Join(partNames(), ", ")},
				},
				Action: func(c *cli.Context) error {
					return bench(c.Context, stdout, c.Bool("json"), c.String("only"), now)
				}},
		},
	}
	if err := app.RunContext(ctx, args); err != nil {
		if !errors.Is(err, errSaid) {
			fmt.Fprintf(stderr, "tidemark-lab: error: %v\n", err)
		}
		return 1
	}
	return 0
}
