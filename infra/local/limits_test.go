package main

import (
	"math"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/api"
	"github.com/seed-926d1ba8/stepline/internal/app/local"
	"github.com/seed-926d1ba8/stepline/internal/expr"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/runner"
	"github.com/seed-926d1ba8/stepline/internal/sign"
	"github.com/seed-926d1ba8/stepline/internal/step"
	"github.com/seed-926d1ba8/stepline/internal/workflow"
)

// TestReadmesLimitsAreTheCodes compares each row of the table of limits with
// the constants that it tells of. A row that is new has none yet, and fails.
func TestReadmesLimitsAreTheCodes(t *testing.T) {
	t.Parallel()
	const day = 24 * time.Hour
	c := local.Config{}.WithDefaults()
	rows := map[string][2][]any{ // default and most, as numbers of the unit shown
		"`attemptTimeout`":         {{workflow.DefaultAttemptTimeout / time.Second}, {workflow.MaxAttemptTimeout / time.Minute}},
		"an execution's `timeout`": {{workflow.DefaultTimeout / day}, {workflow.MaxTimeout / day}},
		"kept after the end, counted from the deadline; idempotency key": {{runner.Retention / day, runner.KeyLife / time.Hour}, {}},
		"input of a start; answer of a call; value of a step":            {{}, {api.MaxInput >> 20, step.MaxResponse >> 20, record.MaxValue >> 20}},
		"steps; document":                                                                    {{}, {workflow.MaxSteps, workflow.MaxDocument >> 10}},
		"body of a webhook; the input made of it":                                            {{}, {api.MaxEvent >> 20, record.MaxValue >> 20}},
		"a webhook's timestamp; its event is known for one":                                  {{sign.DefaultTolerance / time.Minute, workflow.DefaultDedupe / day}, {sign.MaxTolerance / day, workflow.MaxDedupe / day}},
		"token of a task of Step Functions; its output":                                      {{}, {api.MaxTaskToken, step.MaxTaskOutput >> 10}},
		"heartbeat of such a task":                                                           {{}, {runner.MinHeartbeat / time.Minute, workflow.MaxTimeout / day}},
		"schemas in an `input` or `schema`, and applying to one place of a value; a pattern": {{}, {workflow.MaxSubschemas, workflow.MaxPattern}},
		"comparisons to check one value against its schema; faults told of it":               {{}, {workflow.MaxEffort, workflow.MaxViolations}},
		"an expression; the steps of a template's expressions together; its result":          {{}, {expr.MaxSource, expr.MaxWork / 1_000_000, expr.MaxResult >> 20}},
		"a whole number that is exact; those beyond are floating-point, and rounded":         {{}, {math.MaxInt}},
		"executions worked on at once, on one machine":                                       {{c.Workers}, {}},
	}
	_, table, _ := strings.Cut(readme(t), "**Limits and defaults**")
	table, _, _ = strings.Cut(table, "\n## ")
	seen := 0
	for line := range strings.SplitSeq(table, "\n") {
		cells := strings.Split(line, "|")
		if len(cells) != 5 || strings.Contains(line, "---") || strings.Contains(line, "| what |") {
			continue
		}
		cells = cells[1:4]
		for i := range cells {
			cells[i] = strings.TrimSpace(cells[i])
		}
		row, known := rows[cells[0]]
		if !known {
			t.Errorf("the row %q is compared with nothing", cells[0])
			continue
		}
		seen++
		for i, want := range row {
			if got := numbers(cells[1+i]); got != join(want) {
				t.Errorf("%s: README.md says %q, the code %s", cells[0], cells[1+i], join(want))
			}
		}
	}
	if seen != len(rows) {
		t.Errorf("%d of %d rows were found", seen, len(rows))
	}
}

// numbers are a cell's values without their units, as "30 24" of "30 d; 24 h".
func numbers(cell string) string {
	var out []string
	for _, word := range strings.Fields(cell) {
		if n, err := strconv.Atoi(strings.TrimSuffix(word, ";")); err == nil {
			out = append(out, strconv.Itoa(n))
		}
	}
	return strings.Join(out, " ")
}

func join(values []any) string {
	var out []string
	for _, v := range values {
		switch v := v.(type) {
		case time.Duration:
			out = append(out, strconv.FormatInt(int64(v), 10))
		case int:
			out = append(out, strconv.Itoa(v))
		}
	}
	return strings.Join(out, " ")
}
