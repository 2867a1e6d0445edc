package sample

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
)

//go:embed *.yaml
var documents embed.FS

// Demo is the workflow of which `make run` starts one execution.
const Demo = "sample-order"

// Documents are the sample documents in YAML, by name.
func Documents() (map[string][]byte, error) {
	found := map[string][]byte{}
	err := fs.WalkDir(documents, ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		src, err := documents.ReadFile(path)
		found[path[:len(path)-len(".yaml")]] = src
		return err
	})
	return found, err
}

// Input is the input of an execution of Demo that uses the shop at this
// address.
func Input(shop string) json.RawMessage {
	return json.RawMessage(fmt.Sprintf(`{"shop": %q, "order": "A-1001", "total": 129.9}`, shop))
}
