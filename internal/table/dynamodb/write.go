package dynamodb

import (
	"context"
	"errors"
	"fmt"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// operations are the calls that writes become.
var operations = map[table.WriteKind]string{table.Put: "PutItem", table.Update: "UpdateItem", table.Delete: "DeleteItem"}

// Write implements table.Table.
func (t *Table) Write(ctx context.Context, w table.Write) (table.Attrs, error) {
	if err := w.Validate(); err != nil {
		return nil, err
	}
	if w.Kind == table.Check {
		return nil, t.check(ctx, w)
	}
	ctx, tries := watched(ctx)
	before, consumed, err := t.send(ctx, w)
	if err != nil {
		return nil, t.refused(ctx, w, tries.explain(err))
	}
	old, err := decode(before)
	if err != nil {
		return nil, fmt.Errorf("%w (%w)", table.ErrUnknown, err)
	}
	next, err := table.Apply(old, w)
	if err != nil { // the store has accepted what the rules do not
		return nil, fmt.Errorf("%w (%w)", table.ErrUnknown, err)
	}
	t.bill(ctx, operations[w.Kind], w.Key, one(consumed), func(ctx context.Context) { table.BillWrite(ctx, w.Key, old, next) })
	return next, nil
}

// send makes the call and returns the item's old image, which is empty for an
// absent item.
func (t *Table) send(ctx context.Context, w table.Write) (before image, consumed *types.ConsumedCapacity, err error) {
	var e expression
	condition := e.condition(w)
	switch w.Kind {
	case table.Put:
		out, err := t.client.PutItem(ctx, &dynamodb.PutItemInput{
			TableName: &t.name, Item: encodeItem(w.Key, w.Set), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
			ReturnValues: types.ReturnValueAllOld, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Attributes, out.ConsumedCapacity, nil
	case table.Delete:
		out, err := t.client.DeleteItem(ctx, &dynamodb.DeleteItemInput{
			TableName: &t.name, Key: encodeKey(w.Key), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
			ReturnValues: types.ReturnValueAllOld, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
			ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
		})
		if err != nil {
			return nil, nil, err
		}
		return out.Attributes, out.ConsumedCapacity, nil
	}
	update := e.update(w)
	out, err := t.client.UpdateItem(ctx, &dynamodb.UpdateItemInput{
		TableName: &t.name, Key: encodeKey(w.Key), UpdateExpression: update, ConditionExpression: condition,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValues: types.ReturnValueAllOld, ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	})
	if err != nil {
		return nil, nil, err
	}
	return out.Attributes, out.ConsumedCapacity, nil
}

// refused turns a write's error into the port's. The answer to a failed
// condition does not say what it consumed: the rules count alone.
func (t *Table) refused(ctx context.Context, w table.Write, err error) error {
	if errors.Is(err, table.ErrTooLarge) {
		return t.oversized(ctx, w)
	}
	old, failed := table.Failed(err)
	if !failed {
		return err
	}
	table.BillFailed(ctx, w, old)
	if len(w.Add) > 0 && w.If.Holds(old) { // then what was added to is no number
		if _, err := table.Apply(old, w); err != nil {
			return err
		}
	}
	return err
}

// oversized answers a write that would make its item too large. DynamoDB looks
// at a Put's size before its condition, the port the other way round.
func (t *Table) oversized(ctx context.Context, w table.Write) error {
	old, err := t.read(ctx, w.Key)
	if err != nil {
		return err
	}
	if !w.If.Holds(old) {
		return &table.ConditionFailed{Old: old}
	}
	return table.ErrTooLarge
}

// check is a lone Check: a strong read, judged here.
func (t *Table) check(ctx context.Context, w table.Write) error {
	old, err := t.read(ctx, w.Key)
	if err == nil && !w.If.Holds(old) {
		return &table.ConditionFailed{Old: old}
	}
	return err
}

// read is one item as it stands, nil when absent.
func (t *Table) read(ctx context.Context, k table.Key) (table.Attrs, error) {
	items, err := t.Get(ctx, []table.Key{k}, true)
	if err != nil || len(items) == 0 {
		return nil, err
	}
	return items[0].Attrs, nil
}
