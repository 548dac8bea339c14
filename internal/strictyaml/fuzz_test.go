package strictyaml

import (
	"bytes"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"go.yaml.in/yaml/v4"
)

// plainSample is sample as the YAML library can decode it by itself.
type plainSample struct {
	Name  string            `yaml:"name"`
	Count *int              `yaml:"count"`
	Small int8              `yaml:"small"`
	On    bool              `yaml:"on"`
	Wait  *Duration         `yaml:"wait"`
	List  []string          `yaml:"list"`
	Map   map[string]string `yaml:"map"`
	Subs  map[string]struct {
		Title string `yaml:"title"`
		Speed int    `yaml:"speed"`
	} `yaml:"subs"`
}

// FuzzDecode: nothing panics, every problem names a line of the file, and what is accepted the YAML library accepts too,
// with known fields only, and reads the same values in it.
func FuzzDecode(f *testing.F) {
	for _, s := range []string{
		"name: x\n", "name: 017\ncount: 3\nwait: 1d2h\nlist: [a, b]\nmap: {a.b: c}\nsubs: {one: {title: t, speed: 2}}\non: true\n",
		"name: &a x\nlist: [*a]\n", "? [a]\n: b\n", "---\nname: |\n  text\n  more\n", "name: 'x'\n...\n---\n", "a:\n\tb", "{", "- a\n- b: [", "name: !!str 1",
		"<<: {name: x}", "name: x\n# \u00e4\n", "\"na\\x6de\": y", "name: x\rcount: 1\r",
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		var got struct {
			Name  string            `yaml:"name"`
			Count *int              `yaml:"count"`
			Small int8              `yaml:"small"`
			On    bool              `yaml:"on"`
			Wait  *Duration         `yaml:"wait"`
			List  []string          `yaml:"list"`
			Map   map[string]string `yaml:"map"`
			Subs  map[string]sub    `yaml:"subs"`
		}
		problems := Decode("f", data, &got)
		for _, p := range problems {
			if p.Text == "" || p.Line < 0 || p.Line > len(data)+1 {
				t.Errorf("odd problem %+v", p)
			}
		}
		if problems != nil {
			return
		}
		var want plainSample
		dec := yaml.NewDecoder(bytes.NewReader(data))
		dec.KnownFields(true)
		if err := dec.Decode(&want); err != nil {
			t.Fatalf("accepted what the library refuses: %v", err)
		}
		subs := map[string]sub{}
		for k, v := range want.Subs {
			subs[k] = sub{Title: v.Title, Speed: v.Speed}
		}
		opts := []cmp.Option{cmpopts.IgnoreTypes(Pos{}), cmpopts.EquateEmpty()}
		if diff := cmp.Diff(subs, got.Subs, opts...); diff != "" {
			t.Errorf("subs (-library +strict):\n%s", diff)
		}
		mine := plainSample{Name: got.Name, Count: got.Count, Small: got.Small, On: got.On, Wait: got.Wait, List: got.List, Map: got.Map, Subs: want.Subs}
		if diff := cmp.Diff(want, mine, opts...); diff != "" {
			t.Errorf("(-library +strict):\n%s", diff)
		}
	})
}
