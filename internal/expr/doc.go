// Package expr is the one expression language of workflow documents: templates
// with {{ … }} and bare conditions, on expr-lang/expr.
//
// Expressions are compiled and checked when a document is registered. They
// read input, vars, execution and the results of steps upstream, by name; any
// other name, and any way round the name (steps[x], $env), is refused then.
//
// They are free of side effects and deterministic, because steps that only
// compute are evaluated anew after a crash and must give the same bytes: there
// is no clock and no randomness, and whatever goes over a map does so in the
// order of its keys.
//
// They are bounded: length and nodes of the source at compile time; what an
// evaluation does by a count of steps, MaxWork; the size of any string or list
// built; the size of the result. Exceeding a bound is an *Error, never a hang.
//
// The library bounds some of what it allocates and no time at all. So a tree is
// changed once it is checked (patch.go): whatever takes longer for larger values
// becomes a call of a function of ours, which pays from the evaluation's meter
// before it works, and a loop pays for all its turns before the first. Steps are
// counted and not timed, because an evaluation anew must end as the first did.
package expr
