// Package expr evaluates the templates and conditions of workflow documents,
// on the language of github.com/expr-lang/expr.
//
// # Templates
//
// A template is a JSON value in which strings may hold {{ expressions }},
// nested anywhere; keys of objects are literal. A string that is one
// {{ expression }} and nothing else takes the expression's value with its type;
// any other text becomes a string, in which null is nothing and lists and
// objects are compact JSON. Braces and strings with braces may stand inside an
// expression; a literal {{ is written {{ "{{" }}.
//
// # What an expression reads
//
// The roots are input, vars, steps, execution and, where a callback announces
// itself, callback. Everything is checked at registration: names, types, and
// that only results of upstream steps are read. For that, a step is named by a
// literal, steps.charge or steps["charge-card"]; steps[input.x] is refused,
// because nobody could say what it waits for.
//
// # The same bytes, always
//
// Pure steps are not stored but evaluated again, by another worker after a
// crash or by the reader of a finished execution, so an expression depends on
// what it reads and on nothing else. There is no clock, no time zone, no random
// number and no method call; builtins that would show the order of a Go map
// are ours, and sort. Numbers that are integers within 64 bits are int, others
// float64, however they were computed or written (10/2, 5.0 and 5 are one
// value), so that a value is the same before and after it went through JSON.
//
// # Bounds
//
// A template may do MaxWork units of work and answer MaxOutput bytes. The
// virtual machine cannot count, so every operation whose cost grows with its
// operands is replaced, after the type check, by a function of ours that is
// given the meter and pays before it works; a loop pays for all its rounds when
// it begins. Work is counted instead of timed: the same evaluation fails
// everywhere or nowhere.
//
// Messages name what is wrong and quote the expression, never a value.
package expr
