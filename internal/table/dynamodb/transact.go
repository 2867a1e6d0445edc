package dynamodb

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"errors"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Transact implements table.Table. The condition that failed first, in the
// order of ws, gives the *ConditionFailed.
func (t *Table) Transact(ctx context.Context, token string, ws []table.Write) error {
	if err := table.ValidateTransact(ws); err != nil {
		return err
	}
	in := &dynamodb.TransactWriteItemsInput{ReturnConsumedCapacity: types.ReturnConsumedCapacityIndexes}
	if token != "" { // the SDK makes one up for the tries of this one call
		in.ClientRequestToken = aws.String(t.clientToken(token))
	}
	for _, w := range ws {
		in.TransactItems = append(in.TransactItems, t.transactItem(w))
	}
	tctx, tries := watched(ctx)
	out, err := t.client.TransactWriteItems(tctx, in)
	if err != nil {
		return t.cancelled(ctx, ws, err, tries)
	}
	for i := range out.ConsumedCapacity {
		c := &out.ConsumedCapacity[i]
		write, read := aws.ToFloat64(c.WriteCapacityUnits), aws.ToFloat64(c.ReadCapacityUnits)
		if write+read == 0 {
			write = aws.ToFloat64(c.CapacityUnits)
		}
		table.Bill(ctx, write, read)
	}
	return nil
}

// tokenSize is the longest token DynamoDB takes.
const tokenSize = 36

// clientToken is a token as DynamoDB takes it. There all tables of an account
// share their tokens, so the table's name is in it.
func (t *Table) clientToken(token string) string {
	sum := sha256.Sum256([]byte(t.name + "\x00" + token))
	return base64.RawURLEncoding.EncodeToString(sum[:])[:tokenSize]
}

func (t *Table) transactItem(w table.Write) types.TransactWriteItem {
	var e expression
	condition := e.condition(w)
	const allOld = types.ReturnValuesOnConditionCheckFailureAllOld
	switch w.Kind {
	case table.Put:
		return types.TransactWriteItem{Put: &types.Put{
			TableName: &t.name, Item: encodeItem(w.Key, w.Set), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	case table.Delete:
		return types.TransactWriteItem{Delete: &types.Delete{
			TableName: &t.name, Key: encodeKey(w.Key), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	case table.Check:
		if condition == nil { // a check that always holds still needs words
			condition = aws.String("attribute_exists(" + e.name(skName) + ") OR attribute_not_exists(" + e.name(skName) + ")")
		}
		return types.TransactWriteItem{ConditionCheck: &types.ConditionCheck{
			TableName: &t.name, Key: encodeKey(w.Key), ConditionExpression: condition,
			ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values, ReturnValuesOnConditionCheckFailure: allOld,
		}}
	}
	return t.transactUpdate(w, &e, condition)
}

// transactUpdate is an Update in a transaction, where DynamoDB refuses one
// without an update expression: removing what no item has changes nothing.
func (t *Table) transactUpdate(w table.Write, e *expression, condition *string) types.TransactWriteItem {
	update := e.update(w)
	if update == nil {
		update = aws.String("REMOVE " + e.name("~"))
	}
	return types.TransactWriteItem{Update: &types.Update{
		TableName: &t.name, Key: encodeKey(w.Key), UpdateExpression: update, ConditionExpression: condition,
		ExpressionAttributeNames: e.names, ExpressionAttributeValues: e.values,
		ReturnValuesOnConditionCheckFailure: types.ReturnValuesOnConditionCheckFailureAllOld,
	}}
}

// cancelled turns a transaction's error into the port's. Each write has its
// own reason, "None" for those that would have been made.
func (t *Table) cancelled(ctx context.Context, ws []table.Write, err error, tries *tries) error {
	var c *types.TransactionCanceledException
	var mismatch *types.IdempotentParameterMismatchException
	switch {
	case errors.As(err, &mismatch):
		return invalid("the token was used for other writes")
	case !errors.As(err, &c) || len(c.CancellationReasons) != len(ws):
		return tries.explain(err)
	}
	seen := make(map[table.Key]table.Attrs)
	var first error
	for i, r := range c.CancellationReasons {
		reason := t.reason(ws[i], r, seen)
		if _, failed := table.Failed(first); reason != nil && !failed {
			if _, fails := table.Failed(reason); first == nil || fails {
				first = reason
			}
		}
	}
	t.billCancelled(ctx, ws, seen)
	if first == nil {
		return tries.explain(err)
	}
	return first
}

// reason is one write's reason as the port's error, nil for none. It notes the
// old image in seen where it is known.
func (t *Table) reason(w table.Write, r types.CancellationReason, seen map[table.Key]table.Attrs) error {
	switch code := aws.ToString(r.Code); {
	case code == "ConditionalCheckFailed":
		old, err := decode(r.Item)
		if err != nil {
			return err
		}
		seen[w.Key] = old
		if len(w.Add) > 0 && w.If.Holds(old) {
			if _, err := table.Apply(old, w); err != nil {
				return err
			}
		}
		return &table.ConditionFailed{Old: old}
	case code == "ValidationError" && tooLarge(aws.ToString(r.Message)), code == "ItemCollectionSizeLimitExceeded":
		return table.ErrTooLarge
	case code == "ValidationError":
		return invalid("%s", aws.ToString(r.Message))
	case busy[code]:
		return table.ErrBusy
	}
	return nil
}

// billCancelled counts a cancelled transaction by the rules; DynamoDB does not
// say what it consumed. The images it does not name are read, where somebody
// counts.
func (t *Table) billCancelled(ctx context.Context, ws []table.Write, seen map[table.Key]table.Attrs) {
	if table.MeterFrom(ctx) == nil || len(seen) == 0 {
		return
	}
	var unseen []table.Key
	for _, w := range ws {
		if _, known := seen[w.Key]; !known {
			unseen = append(unseen, w.Key)
		}
	}
	items, _ := t.Get(ctx, unseen, true) // a count without them is low, no worse
	for _, it := range items {
		seen[it.Key] = it.Attrs
	}
	before := make([]table.Attrs, len(ws))
	for i, w := range ws {
		before[i] = seen[w.Key]
	}
	table.BillTransactFailed(ctx, ws, before)
}
