package strictyaml_test

import (
	"fmt"

	"tidemark/internal/strictyaml"
)

func Example() {
	type tree struct {
		strictyaml.Pos `yaml:"-"`
		Master         string              `yaml:"master,required" want:"a directory"`
		Wait           strictyaml.Duration `yaml:"max_wait"`
	}
	var file struct {
		Trees map[string]tree `yaml:"trees"`
	}
	doc := strictyaml.Read("tidemark.yaml", []byte("trees:\n  centos: {master: srv, max_wiat: 2h}\n  vault: {max_wait: 12}\n"))
	doc.Decode(&file)
	if centos := file.Trees["centos"]; centos.Master[0] != '/' { // a check of meaning, with the line
		doc.Refuse(centos.At("master"), "", "found %q, expected an absolute path", centos.Master)
	}
	fmt.Println(doc.Problems())
	// Output:
	// tidemark.yaml:2: trees.centos.max_wiat: unknown key (did you mean max_wait?)
	// tidemark.yaml:2: trees.centos.master: found "srv", expected an absolute path
	// tidemark.yaml:3: trees.vault.max_wait: found 12 without a unit, expected a duration such as 10m, 24h or 7d (write 12s, 12m, 12h or 12d)
	// tidemark.yaml:3: trees.vault.master: missing, expected a directory
}
