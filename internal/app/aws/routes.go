package aws

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"github.com/seed-926d1ba8/stepline/internal/api"
)

// RoutesFile lies beside a function's binary and says where the template puts
// the calls of the HTTP API: a list of api.Mount, made by infra/routes.
const RoutesFile = "routes.json"

// routes reads the file in the folder where Lambda has unpacked the function,
// nil without one or outside of Lambda, where dir is "". The error is one line.
func routes(dir string) ([]api.Route, error) {
	if dir == "" {
		return nil, nil
	}
	b, err := os.ReadFile(filepath.Join(dir, RoutesFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	var mounts []api.Mount
	d := json.NewDecoder(bytes.NewReader(b))
	d.DisallowUnknownFields()
	err = d.Decode(&mounts)
	if err == nil && d.More() {
		err = errors.New("something follows it")
	}
	if err != nil {
		return nil, fmt.Errorf("%s is no list of routes, build the function anew: %w", RoutesFile, err)
	}
	routes, err := api.Mounted(mounts)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", RoutesFile, err)
	}
	return routes, nil
}
