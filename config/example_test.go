package config_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"tidemark/config"
	"tidemark/inventory"
)

// Two mistakes, two lines: nothing is reported one at a time.
func Example() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	text := string(config.Template(config.TemplateValues{Network: "centos"}))
	text = strings.Replace(text, "validity: 24h", "validity: 24", 1)
	text = strings.Replace(text, "quorum:", "qorum:", 1)
	for name, data := range map[string][]byte{"tidemark.yaml": []byte(text), "inventory.yaml": inventory.Template("centos")} {
		if err := os.WriteFile(filepath.Join(dir, name), data, 0o644); err != nil {
			fmt.Println(err)
			return
		}
	}
	_, err = config.LoadPublisher(filepath.Join(dir, "tidemark.yaml"))
	fmt.Println(strings.ReplaceAll(err.Error(), dir+"/", ""))
	// Output:
	// tidemark.yaml:7: validity: found 24 without a unit, expected a duration such as 10m, 24h or 7d (write 24s, 24m, 24h or 24d)
	// tidemark.yaml:19: trees.centos.qorum: unknown key (did you mean quorum?)
}
