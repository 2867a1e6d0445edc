package workflow

import (
	"regexp"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/sign"
)

// AuthKind is how a call authenticates.
type AuthKind string

// The kinds: a bearer token (RFC 6750), user and password (RFC 7617), or a
// header of the destination's own.
const (
	Bearer AuthKind = "bearer"
	Basic  AuthKind = "basic"
	Header AuthKind = "header"
)

// Auth says how a call authenticates. The secret is named; its value is found
// when the call is made.
type Auth struct {
	Kind   AuthKind
	User   string // of Basic
	Header string // of Header
	Secret string // the name of the token, password or value
}

// HeaderName is the header that the secret goes into.
func (a *Auth) HeaderName() string {
	if a.Kind == Header {
		return a.Header
	}
	return "Authorization"
}

// Signature says how an outgoing webhook is signed. The secret is named.
type Signature struct {
	Scheme *sign.Scheme
	Secret string
}

// Schemes of signatures.
const (
	schemeStandard = "standard-webhooks"
	schemeHMAC     = "hmac"
)

// aSecret is the name of a secret.
var aSecret = map[string]any{"type": "string", "pattern": namePattern, "description": "the name of a secret, never the secret itself"}

var headerShape = regexp.MustCompile(headerPattern)

const (
	headerPattern = "^[A-Za-z0-9!#$%&'*+.^_`|~-]+$"
	userPattern   = "^[^:\\x00-\\x1f\\x7f]+$"
)

var (
	authFields       = fields{"bearer": {aSecret, false}, "basic": {anyObject, false}, "header": {anyObject, false}}
	basicFields      = fields{"user": {map[string]any{"type": "string", "pattern": userPattern}, true}, "password": {aSecret, true}}
	authHeaderFields = fields{"name": {map[string]any{"type": "string", "pattern": headerPattern}, true}, "secret": {aSecret, true}}

	aHeader    = map[string]any{"type": "string", "pattern": `^[A-Za-z0-9_.-]+$`}
	hmacFields = fields{
		"header":          {aHeader, true},
		"idHeader":        {aHeader, false},
		"timestampHeader": {aHeader, false},
		"algorithm":       {map[string]any{"type": "string", "enum": []any{"sha1", "sha256", "sha512"}, "default": "sha256"}, false},
		"encoding":        {map[string]any{"type": "string", "enum": []any{"hex", "base64"}, "default": "hex"}, false},
		"prefix":          {map[string]any{"type": "string", "pattern": "^[!-~]*$"}, false},
		"signed":          {map[string]any{"type": "string", "default": sign.Body, "description": "a pattern of {id}, {timestamp} and {body}"}, false},
	}
	// headerFields are those of a scheme that name a header.
	headerFields = []string{"header", "idHeader", "timestampHeader"}
	// documentNames are the fields as a document has them.
	documentNames = map[string]string{
		"Signature": "header", "ID": "idHeader", "Timestamp": "timestampHeader", "Tolerance": "tolerance",
		"Algorithm": "algorithm", "Encoding": "encoding", "Prefix": "prefix", "Signed": "signed",
	}
)

func authSchema() map[string]any {
	one := func(name string, schema map[string]any) map[string]any {
		return objectSchema(fields{name: {schema, true}})
	}
	return map[string]any{"oneOf": []any{
		one("bearer", aSecret), one("basic", objectSchema(basicFields)), one("header", objectSchema(authHeaderFields)),
	}}
}

// schemeSchema is that of a signature; more are the fields beside it.
func schemeSchema(more fields) map[string]any {
	scheme := func(name string, required bool) fields {
		return fields{"scheme": {map[string]any{"const": name}, required}}
	}
	return map[string]any{"oneOf": []any{
		objectSchema(merged(more, scheme(schemeStandard, false))), objectSchema(merged(more, hmacFields, scheme(schemeHMAC, true))),
	}}
}

// auth reads how a request authenticates. Nothing of it can be an expression:
// what comes in with an input must not choose a secret.
func (p *parser) auth(pointer string, v any) *Auth {
	o, ok := p.object(pointer, v, authFields, nil)
	if !ok {
		return nil
	}
	if len(o) != 1 {
		p.fault(pointer, "must be one of bearer, basic and header")
		return nil
	}
	before := len(p.faults)
	a := &Auth{}
	if _, there := o["bearer"]; there {
		a.Kind, a.Secret = Bearer, p.secret(pointer, o, "bearer")
	}
	if raw, there := o["basic"]; there {
		in, _ := p.object(pointer+"/basic", raw, basicFields, nil)
		user, given := p.text(pointer+"/basic", in, "user")
		if a.User = user; given && !userShape.MatchString(user) {
			p.fault(pointer+"/basic/user", "must be a name without a colon or control characters")
		}
		a.Kind, a.Secret = Basic, p.secret(pointer+"/basic", in, "password")
	}
	if raw, there := o["header"]; there {
		in, _ := p.object(pointer+"/header", raw, authHeaderFields, nil)
		name, given := p.text(pointer+"/header", in, "name")
		if a.Header = name; given {
			p.headerName(pointer+"/header/name", name)
		}
		a.Kind, a.Secret = Header, p.secret(pointer+"/header", in, "secret")
	}
	if len(p.faults) > before {
		return nil
	}
	return a
}

// keyOnly is a text that could stand in a step's idempotency key, which is the id
// of the message that the step sends.
var keyOnly = regexp.MustCompile(`^[A-Za-z0-9_/~-]+$`)

var userShape = regexp.MustCompile(userPattern)

// secret reads the name of a secret. What is not one is not quoted: it may be
// the secret itself.
func (p *parser) secret(pointer string, o map[string]any, field string) string {
	name, ok := p.text(pointer, o, field)
	if ok && !nameShape.MatchString(name) {
		p.fault(pointer+"/"+field, "must be the name of a secret, 1 to 63 of a-z, 0-9, - and _, and never the secret itself")
	}
	return name
}

func (p *parser) signature(pointer string, v any) *Signature {
	o, s := p.scheme(pointer, v, fields{"secret": {aSecret, true}})
	for _, field := range headerFields {
		if name, _ := o[field].(string); name != "" && s != nil {
			p.headerName(pointer+"/"+field, name)
		}
	}
	if s != nil && s.Separator() != "" && keyOnly.MatchString(s.Separator()) {
		p.fault(pointer+"/signed", "must keep {id} from {body} by a text that no id holds, as in {id}.{timestamp}.{body}: letters, digits and - _ / ~ may be a part of it")
	}
	if name := p.secret(pointer, o, "secret"); s != nil {
		return &Signature{Scheme: s, Secret: name}
	}
	return nil
}

// scheme reads a scheme of signatures with more fields beside it; o is the
// object, nil for none.
func (p *parser) scheme(pointer string, v any, more fields) (o map[string]any, s *sign.Scheme) {
	raw, _ := v.(map[string]any)
	name := schemeStandard
	if hasKey(raw, "scheme") {
		var ok bool
		if name, ok = p.choice(pointer, raw, "scheme", laterScheme, schemeStandard, schemeHMAC); !ok {
			return nil, nil // its fields cannot be judged
		}
	}
	known := merged(more, fields{"scheme": {text, false}})
	if name == schemeHMAC {
		known = merged(known, hmacFields)
	}
	if o, _ = p.object(pointer, v, known, nil); o == nil {
		return nil, nil
	}
	before := len(p.faults)
	tolerance := sign.DefaultTolerance
	if _, there := more["tolerance"]; there {
		if d, ok := p.duration(pointer, o, "tolerance", sign.MaxTolerance); ok {
			tolerance = d
		}
	}
	if name == schemeStandard {
		return o, sign.Standard(tolerance)
	}
	return o, p.hmac(pointer, o, tolerance, before)
}

func (p *parser) hmac(pointer string, o map[string]any, tolerance time.Duration, before int) *sign.Scheme {
	get := func(field string) string {
		s, _ := p.text(pointer, o, field)
		return s
	}
	c := sign.Config{
		Signature: get("header"), ID: get("idHeader"), Timestamp: get("timestampHeader"), Tolerance: tolerance,
		Algorithm: sign.Algorithm(get("algorithm")), Encoding: sign.Encoding(get("encoding")), Prefix: get("prefix"), Signed: get("signed"),
	}
	if len(p.faults) > before || !hasKey(o, "header") {
		return nil
	}
	s, faults := sign.New(c)
	for _, f := range faults {
		p.fault(pointer+"/"+documentNames[f.Field], "%s", f.Detail)
	}
	return s
}
