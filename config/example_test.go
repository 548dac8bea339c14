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
	// tidemark.yaml:8: validity: found 24 without a unit, expected a duration such as 10m, 24h or 7d (write 24s, 24m, 24h or 24d)
	// tidemark.yaml:21: trees.centos.qorum: unknown key (did you mean quorum?)
}

// A tree in the state directory, and a limit without a unit: rsync would take it for KiB.
func ExampleLoadMirror() {
	dir, err := os.MkdirTemp("", "example")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer os.RemoveAll(dir)
	text := `network: centos
id: ftp.funet.fi
url: https://mirrors.example.org/centos/
trust: trust.json
country: auto
state: state
trees:
  centos: {path: state/centos, bandwidth: 500}
`
	file := filepath.Join(dir, "mirror.yaml")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	_, err = config.LoadMirror(file, "Europe/Helsinki", config.RsyncRules{})
	fmt.Println(strings.ReplaceAll(err.Error(), dir+"/", ""))

	text = strings.Replace(text, "{path: state/centos, bandwidth: 500}", "{path: centos, bandwidth: 500K}", 1)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		fmt.Println(err)
		return
	}
	m, err := config.LoadMirror(file, "Europe/Helsinki", config.RsyncRules{})
	fmt.Println(m.Auto, m.Trees["centos"].Bandwidth, err)
	// Output:
	// mirror.yaml:8: trees.centos.bandwidth: found 500 without a unit, expected bytes a second such as 500K, 50M or 1G (write 500K or 500M)
	// mirror.yaml:8: trees.centos.path: state/centos and the state directory state lie in one another (choose a directory that holds the tree alone)
	// country FI, from the time zone Europe/Helsinki 512000 <nil>
}
