package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"tidemark/internal/console"
	"tidemark/internal/strictyaml"
	"tidemark/inventory"
)

// target is where an imported inventory goes.
type target struct {
	file   string           // "": it is printed
	now    inventory.Loaded // what file holds
	there  bool
	update bool
}

// openTarget reads what --output names, and refuses what would be in vain before any list is read.
func openTarget(c *console.Call) (target, error) {
	t := target{file: c.String("output"), update: c.Bool("update")}
	switch {
	case t.file == "" && (t.update || c.Bool("force") || c.Bool("shrink")):
		return t, console.Usage("--update, --force and --shrink are about a file: name it with --output FILE")
	case t.update && c.Bool("force"):
		return t, console.Usage("--update keeps what FILE alone says, --force overwrites it: give one of the two")
	case t.file == "":
		return t, nil
	}
	if _, err := os.Lstat(t.file); errors.Is(err, fs.ErrNotExist) {
		return t, nil
	}
	t.there = true
	if !t.update && !c.Bool("force") {
		return t, console.Hinted(fmt.Errorf("%s is there already, it is not overwritten", t.file),
			"put the list into it: --update; choose another name; or overwrite it: --force")
	}
	t.now = inventory.Read([]string{t.file}, "")
	if t.update && len(t.now.Found) > 0 {
		return t, console.Exit(console.Misuse, fmt.Errorf("%s: %s", t.file, counted(len(t.now.Found), "error")), "see and mend them: tidemark inventory check %s", t.file)
	}
	return t, nil
}

// Of the servers of a file, so many may go without --shrink: a list that was cut short would else take most sources away.
const (
	shrinkPercent = 30
	shrinkLeast   = 5
)

// write puts the servers into the file, or prints them; with --json, the document has them.
func (t target) write(c *console.Call, im *inventory.Imported, tree string) (inventory.Merged, error) {
	m := inventory.Merge(t.now.Servers, im.Servers, tree)
	if n := len(m.Gone); n >= shrinkLeast && n*100 > shrinkPercent*len(t.now.Servers) && !c.Bool("shrink") {
		return m, console.Hinted(fmt.Errorf("%d of the %d servers of %s are not in the list: %s; nothing was written", n, len(t.now.Servers), t.file, some(m.Gone)),
			"was the list downloaded whole? if it did shrink: --shrink")
	}
	servers := m.Servers
	if !t.update {
		if lost := inventory.Lost(t.now.Servers, im.Servers, tree); len(lost) > 0 {
			return m, console.Hinted(fmt.Errorf("%s has what the list has not, and would lose it: %s; nothing was written", t.file, some(lost)),
				"keep it: --update in place of --force; or move these servers into a file of their own; or remove %s", t.file)
		}
		servers, m = im.Servers, inventory.Merged{}
	}
	name := t.file
	if name == "" {
		name = "FILE"
	}
	text := append([]byte("# Imported. After a change: tidemark inventory check "+shellWord(name)+"\n"), inventory.Marshal(servers)...)
	switch {
	case len(text) > strictyaml.MaxSize && t.file != "":
		return m, console.Hinted(fmt.Errorf("the inventory would have %d bytes, and a file may have %d", len(text), strictyaml.MaxSize), "split the list, and import its parts into files of a directory")
	case len(text) > strictyaml.MaxSize && !c.JSON:
		c.Warn("the inventory has %d bytes, and a file may have %d: split it over files of a directory", len(text), strictyaml.MaxSize)
	}
	switch {
	case t.there && t.update && len(m.Added)+len(m.Changed)+len(m.Gone) == 0:
		return m, nil // its comments stay, too
	case t.file != "":
		return m, console.WriteFile(t.file, text, 0o644)
	case !c.JSON:
		_, err := c.Stdout.Write(text)
		return m, err
	}
	return m, nil
}

// say tells what became of the file, and what to type next.
func (t target) say(c *console.Call, m inventory.Merged) {
	if c.JSON || c.Quiet || t.file == "" {
		return
	}
	if t.there && t.update {
		if len(m.Added)+len(m.Changed)+len(m.Gone) == 0 {
			fmt.Fprintf(c.Stderr, "%s: nothing new, it was left alone\n", t.file)
			return
		}
		fmt.Fprintf(c.Stderr, "%s: %d added%s, %d changed%s, %d gone%s\n", t.file,
			len(m.Added), inBrackets(m.Added), len(m.Changed), inBrackets(m.Changed), len(m.Gone), inBrackets(m.Gone))
	}
	fmt.Fprintf(c.Stderr, "next: look %s through, then: %s\n", t.file, again(c, "inventory check", t.file))
}

func inBrackets(ids []string) string {
	if len(ids) == 0 {
		return ""
	}
	return " (" + some(ids) + ")"
}

// some are the first dozen of what may be thousands.
func some(list []string) string {
	const most = 12
	if len(list) <= most {
		return strings.Join(list, ", ")
	}
	return fmt.Sprintf("%s and %d more", strings.Join(list[:most], ", "), len(list)-most)
}

// again is a command with what was typed: the configuration, where it was named, and the arguments.
func again(c *console.Call, command string, args ...string) string {
	words := []string{c.Name, command}
	if c.IsSet("config") && c.String("config") != c.Getenv("TIDEMARK_CONFIG") {
		words = append(words, "--config", shellWord(c.String("config")))
	}
	for _, a := range args {
		words = append(words, shellWord(a))
	}
	return strings.Join(words, " ")
}

// shellWord quotes what a shell would take apart.
func shellWord(s string) string {
	plain := func(r rune) bool {
		return r >= 'a' && r <= 'z' || r >= 'A' && r <= 'Z' || r >= '0' && r <= '9' || strings.ContainsRune("/._-+=:@%,", r)
	}
	if s != "" && strings.TrimFunc(s, plain) == "" {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
