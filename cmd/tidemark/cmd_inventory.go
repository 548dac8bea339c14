package main

import (
	"github.com/urfave/cli/v2"

	"tidemark/internal/console"
)

func inventoryCommand(e *console.Program) *cli.Command {
	return e.Group("inventory", "servers: import foreign lists, check the own one")
}
