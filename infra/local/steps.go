package main

import (
	"fmt"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/history"
)

// render shows an ended execution: its steps as a table, and how it ended.
func render(ex *history.Execution) string {
	var b strings.Builder
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "\n  STEP\tTYPE\tSTATUS\tATTEMPTS\tSTART\tTOOK\t")
	for _, s := range ex.Steps {
		fmt.Fprintf(t, "  %s\t%s\t%s\t%s\t%s\t%s\t\n", s.ID, s.Type, s.Status, attempts(s), begun(ex, s), took(s))
	}
	_ = t.Flush() // to memory
	fmt.Fprintf(&b, "\nSample execution %s %s", ex.ID, ex.Status)
	if ex.EndedAt != nil {
		fmt.Fprintf(&b, " in %s", ex.EndedAt.Sub(ex.CreatedAt).Round(time.Millisecond))
	}
	if ex.Error != nil {
		fmt.Fprintf(&b, ": %s", ex.Error.Message)
	}
	b.WriteString("\n")
	return b.String()
}

func attempts(s history.Step) string {
	failed := 0
	for _, a := range s.Attempts {
		if a.Outcome == "failed" {
			failed++
		}
	}
	switch {
	case len(s.Attempts) == 0:
		return "-"
	case failed > 0:
		return fmt.Sprintf("%d (%d failed)", len(s.Attempts), failed)
	}
	return fmt.Sprint(len(s.Attempts))
}

// begun is when the step started, counted from the execution's creation.
func begun(ex *history.Execution, s history.Step) string {
	if s.StartedAt == nil {
		return "-"
	}
	return "+" + s.StartedAt.Sub(ex.CreatedAt).Round(time.Millisecond).String()
}

// took is the step's time with all its attempts and the delays between them.
func took(s history.Step) string {
	if s.StartedAt == nil || s.EndedAt == nil {
		return "-"
	}
	return s.EndedAt.Sub(*s.StartedAt).Round(time.Millisecond).String()
}
