//go:build aws

package awsproof

import (
	"testing"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/infra/calledtest"
	"github.com/seed-926d1ba8/stepline/internal/record"
	"github.com/seed-926d1ba8/stepline/internal/standintest"
)

// A table restored from a backup, with empty queues, continues every execution
// that was not over: those whose message is gone, those whose worker is gone,
// and those that wait.
func TestRestoredTable(t *testing.T) {
	t.Parallel()
	const past = -10 * time.Minute // all of it happened then, so that nobody waits for it
	old := newWorld(t)
	var err error
	if old.Cloud, err = reopen(old, past); err != nil {
		t.Fatal(err)
	}
	called := calledtest.New(t, 300*time.Millisecond)
	old.register(calledtest.Five("five", called.URL, brief))
	old.register("name: patient\nsteps:\n  - {id: pause, type: wait, duration: 25s}\n" +
		"  - {id: call, type: http, request: {method: POST, url: \"" + called.URL + "/call\"}}\n")
	bin := build(t, tree)
	waiting := old.start(20, "patient")
	first := old.worker(bin, "-invocations", "2", "-ahead", past.String())
	running := old.start(100, "five")
	called.Until(t, 100) // in the middle
	first.kill()
	queued := old.start(20, "five")

	restored := onTable(t, copyTable(t, old.env["STEPLINE_TABLE"]))
	before := restored.checkpoints(running)
	calls := called.Snapshot()
	// Three minutes after the backup a sweep finds what has no message and has
	// it due in five; by now that is two minutes ago.
	sweeper, err := reopen(restored, past+3*time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	if err := sweeper.Runner.Sweep(t.Context()); err != nil {
		t.Fatal(err)
	}
	restored.worker(bin, "-invocations", "4", "-sweep", "6s")
	all := append(append(waiting, running...), queued...)
	if ends := restored.ends(all, 5*time.Minute); ends[record.Succeeded] != len(all) {
		t.Errorf("on the restored table: %v of %d", ends, len(all))
	}
	for key, n := range called.Snapshot() {
		if before[key] && n != calls[key] {
			t.Errorf("%s was checkpointed in the backup and called again", key)
		}
	}
	if open := len(running)*5 - len(before); len(before) == 0 || open == 0 {
		t.Errorf("the backup holds %d of %d outcomes, so it was not in the middle", len(before), len(running)*5)
	}
	restored.wantNoDeadLetters()
}

// copyTable copies all items to a fresh table, as restoring a backup does.
func copyTable(t *testing.T, from string) (to string) {
	t.Helper()
	cfg := standintest.AWS()
	to = standintest.NewTable(t, cfg)
	client := dynamodb.NewFromConfig(cfg, func(o *dynamodb.Options) {
		o.BaseEndpoint = aws.String(standintest.Tables(t))
		o.DisableValidateResponseChecksum = true
	})
	for pages := dynamodb.NewScanPaginator(client, &dynamodb.ScanInput{TableName: &from, ConsistentRead: aws.Bool(true)}); pages.HasMorePages(); {
		page, err := pages.NextPage(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(page.Items); i += 25 {
			var writes []types.WriteRequest
			for _, item := range page.Items[i:min(i+25, len(page.Items))] {
				writes = append(writes, types.WriteRequest{PutRequest: &types.PutRequest{Item: item}})
			}
			out, err := client.BatchWriteItem(t.Context(), &dynamodb.BatchWriteItemInput{RequestItems: map[string][]types.WriteRequest{to: writes}})
			if err != nil || len(out.UnprocessedItems) > 0 {
				t.Fatalf("%v, %d left", err, len(out.UnprocessedItems))
			}
		}
	}
	return to
}
