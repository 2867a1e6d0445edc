package workflow

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"regexp"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"github.com/seed-926d1ba8/stepline/internal/expr"
)

// maxNodes bounds a YAML document with its aliases expanded, as MaxDocument does
// the texts in it.
const maxNodes = 100_000

// read makes a value of a document in JSON (it begins with a brace) or YAML.
func read(data []byte) (any, error) {
	if len(data) > MaxDocument {
		return nil, Faults{{"", fmt.Sprintf("the document must be at most %d bytes; this one has %d", MaxDocument, len(data))}}
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // a byte order mark, which editors put there
	if head := bytes.TrimLeft(data, " \t\r\n"); len(head) > 0 && head[0] == '{' {
		return readJSON(data)
	}
	return readYAML(data)
}

func readJSON(data []byte) (any, error) {
	if err := twice(data); err != nil {
		return nil, Faults{{"", err.Error()}}
	}
	v, err := expr.Decode(data)
	if err == nil {
		return v, nil
	}
	var syntax *json.SyntaxError
	switch {
	case errors.As(err, &syntax):
		line, column := position(data, syntax.Offset)
		return nil, &SyntaxError{fmt.Sprintf("the document is not JSON: %s at line %d, column %d", syntax, line, column)}
	case errors.Is(err, io.ErrUnexpectedEOF), errors.Is(err, io.EOF):
		line, column := position(data, int64(len(data)))
		return nil, &SyntaxError{fmt.Sprintf("the document is not JSON: it ends too early, at line %d, column %d", line, column)}
	}
	return nil, &SyntaxError{"the document cannot be used: " + err.Error()}
}

// position is the line and column, from 1, of the last byte read.
func position(data []byte, offset int64) (line, column int) {
	before := data[:min(int(offset), len(data))]
	line = 1 + bytes.Count(before, []byte("\n"))
	column = len(before) - bytes.LastIndexByte(before, '\n') - 1
	return line, max(column, 1)
}

// twice reports a key that an object has twice. Malformed JSON is left to the
// decoder.
func twice(data []byte) error {
	d := json.NewDecoder(bytes.NewReader(data))
	type level struct {
		keys  map[string]bool // nil in a list
		value bool            // a key was read, its value comes next
	}
	var stack []level
	for {
		tok, err := d.Token()
		if err != nil {
			return nil //nolint:nilerr // the decoder reports malformed JSON, or it is the end
		}
		top := len(stack) - 1
		if key, ok := tok.(string); ok && top >= 0 && stack[top].keys != nil && !stack[top].value {
			if stack[top].keys[key] {
				line, column := position(data, d.InputOffset())
				return fmt.Errorf("the key %q is there twice, again at line %d, column %d", key, line, column)
			}
			stack[top].keys[key], stack[top].value = true, true
			continue
		}
		if top >= 0 {
			stack[top].value = false
		}
		switch tok {
		case json.Delim('{'):
			stack = append(stack, level{keys: map[string]bool{}})
		case json.Delim('['):
			stack = append(stack, level{})
		case json.Delim('}'), json.Delim(']'):
			stack = stack[:top]
		}
	}
}

// version12 is what a document may begin with to say that it is YAML 1.2, which
// it is read as; the library knows the directive of 1.1 only.
var version12 = regexp.MustCompile(`\A((?:[ \t]*(?:#[^\n]*)?\r?\n)*%YAML[ \t]+1\.)2([ \t\r\n])`)

var yamlLine = regexp.MustCompile(`^yaml: (line (\d+): )?(.*)$`)

func readYAML(data []byte) (any, error) {
	d := yaml.NewDecoder(bytes.NewReader(version12.ReplaceAll(data, []byte("${1}1${2}"))))
	var root yaml.Node
	if err := d.Decode(&root); err != nil {
		if errors.Is(err, io.EOF) {
			return nil, &SyntaxError{"the document is empty; an object with name and steps is expected"}
		}
		msg := strings.SplitN(err.Error(), "\n", 2)[0]
		if m := yamlLine.FindStringSubmatch(msg); m != nil {
			msg = m[3]
			if m[2] != "" {
				msg += " at line " + m[2]
			}
		}
		return nil, &SyntaxError{"the document is not YAML: " + msg}
	}
	if err := d.Decode(new(yaml.Node)); !errors.Is(err, io.EOF) {
		return nil, &SyntaxError{"there must be one YAML document; a second one follows"}
	}
	y := &yamlReader{}
	v := y.value("", &root, 0)
	if len(y.faults) > 0 {
		return nil, y.faults
	}
	return v, nil
}

// ambiguous are numbers with a zero in front, which YAML 1.1 and the library
// read as octal and YAML 1.2 as decimal, and those with a sign before the base,
// which YAML 1.2 does not take for numbers.
var ambiguous = regexp.MustCompile(`^([-+]?0[0-9_]+|[-+]0[box].*)$`)

type yamlReader struct {
	nodes  int
	size   int  // of the keys and scalars
	over   bool // told already
	faults Faults
}

func (y *yamlReader) fault(pointer string, n *yaml.Node, detail string) any {
	y.faults = append(y.faults, Fault{pointer, fmt.Sprintf("%s (line %d, column %d)", detail, n.Line, n.Column)})
	return nil
}

// value converts a node; aliases count each time they are used, so that a small
// document cannot grow without bound.
func (y *yamlReader) value(pointer string, n *yaml.Node, depth int) any {
	y.nodes++
	if n.Kind == yaml.ScalarNode {
		y.size += len(n.Value)
	}
	if y.over {
		return nil
	}
	if y.over = y.nodes > maxNodes || y.size > MaxDocument || depth > 100; y.over {
		return y.fault(pointer, n, "the document is too large or nests too deep once its aliases are expanded")
	}
	switch n.Kind {
	case yaml.DocumentNode:
		return y.value(pointer, n.Content[0], depth)
	case yaml.AliasNode:
		return y.value(pointer, n.Alias, depth+1)
	case yaml.SequenceNode:
		list := make([]any, len(n.Content))
		for i, c := range n.Content {
			list[i] = y.value(pointer+"/"+strconv.Itoa(i), c, depth+1)
		}
		return list
	case yaml.MappingNode:
		return y.mapping(pointer, n, depth)
	}
	return y.scalar(pointer, n)
}

func (y *yamlReader) mapping(pointer string, n *yaml.Node, depth int) any {
	obj := make(map[string]any, len(n.Content)/2)
	for i := 0; i+1 < len(n.Content); i += 2 {
		k := n.Content[i]
		if k.Kind != yaml.ScalarNode || k.Tag == "!!merge" {
			y.fault(pointer, k, "a key must be a string; merge keys are not supported")
			continue
		}
		if _, there := obj[k.Value]; there {
			y.fault(pointer+"/"+escape(k.Value), k, fmt.Sprintf("the key %q is there twice", k.Value))
			continue
		}
		y.size += len(k.Value)
		obj[k.Value] = y.value(pointer+"/"+escape(k.Value), n.Content[i+1], depth+1)
	}
	return obj
}

func (y *yamlReader) scalar(pointer string, n *yaml.Node) any {
	switch n.Tag {
	case "!!str", "!!timestamp":
		return n.Value
	case "!!null":
		return nil
	case "!!bool", "!!int", "!!float":
		if ambiguous.MatchString(n.Value) {
			return y.fault(pointer, n, fmt.Sprintf("the number %s means another one in each version of YAML; write it without a zero in front, or in quotes if it is a string", n.Value))
		}
		var v any
		if err := n.Decode(&v); err != nil {
			return y.fault(pointer, n, "the value cannot be read; put it in quotes if it is a string")
		}
		return y.plain(pointer, n, v)
	}
	return y.fault(pointer, n, fmt.Sprintf("the tag %s is not supported; use plain values", n.Tag))
}

func (y *yamlReader) plain(pointer string, n *yaml.Node, v any) any {
	b, err := expr.Encode(v)
	if err != nil {
		return y.fault(pointer, n, "the number is none that JSON can hold")
	}
	v, err = expr.Decode(b)
	if err != nil {
		return y.fault(pointer, n, "the number is none that JSON can hold")
	}
	return v
}

// escape is a key as a JSON pointer has it (RFC 6901).
func escape(key string) string { return strings.NewReplacer("~", "~0", "/", "~1").Replace(key) }
