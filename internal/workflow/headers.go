package workflow

import (
	"cmp"
	"maps"
	"slices"
	"strings"
)

const (
	connectionsOwn = "it belongs to the connection, not to the request"
	stepsOwn       = "it is set for every call"
)

// The headers, in lower case, that no document sets, and why. The step refuses
// most of them too, or replaces them; but what can be known here is told here,
// and a value that would be replaced must not look as if it counted.
var (
	// transportHeaders carry no text of a sender's own, not even of somebody who
	// sends to us.
	transportHeaders = map[string]string{
		"host":                "it comes from url",
		"content-length":      "it comes from body",
		"connection":          connectionsOwn,
		"keep-alive":          connectionsOwn,
		"proxy-connection":    connectionsOwn,
		"proxy-authorization": connectionsOwn,
		"proxy-authenticate":  connectionsOwn,
		"te":                  connectionsOwn,
		"trailer":             connectionsOwn,
		"transfer-encoding":   connectionsOwn,
		"upgrade":             connectionsOwn,
		"expect":              "a request is always sent whole",
	}
	stepHeaders = map[string]string{
		"idempotency-key": stepsOwn + ", to <execution>/<step>",
		"traceparent":     stepsOwn + ", so that the calls of an execution are found together",
	}
)

// headers checks names, which are never expressions, and the values that are
// none.
func (p *parser) headers(pointer string, o map[string]any) {
	given, _ := o["headers"].(map[string]any)
	seen := map[string]bool{}
	for _, name := range slices.Sorted(maps.Keys(given)) {
		at, lower := pointer+"/headers/"+escape(name), strings.ToLower(name)
		p.headerName(at, name)
		if seen[lower] {
			p.fault(at, "must be given once; it is there in another letter case too")
		}
		seen[lower] = true
		switch v := given[name].(type) {
		case []any:
			p.fault(at, "must be a string, a number or an expression, not a list")
		case string:
			if !dynamic(v) && strings.ContainsFunc(v, unprintable) {
				p.fault(at, "must be one line without control characters")
			}
		}
	}
}

func (p *parser) headerName(at, name string) {
	lower := strings.ToLower(name)
	switch why := cmp.Or(transportHeaders[lower], stepHeaders[lower]); {
	case !headerShape.MatchString(name):
		p.fault(at, "must be the name of a header, such as X-Api-Key")
	case why != "":
		p.fault(at, "must not be set: %s", why)
	}
}

func unprintable(r rune) bool { return r < ' ' && r != '\t' || r == 0x7f }
