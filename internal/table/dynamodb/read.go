package dynamodb

import (
	"context"
	"math/rand/v2"
	"strconv"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb"
	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// Get implements table.Table.
func (t *Table) Get(ctx context.Context, keys []table.Key, strong bool) ([]table.Item, error) {
	keys, err := table.UniqueKeys(keys)
	if err != nil || len(keys) == 0 {
		return nil, err
	}
	get := t.getBatch
	if len(keys) == 1 {
		get = t.getOne
	}
	found, consumed, err := get(ctx, keys, strong)
	if err != nil {
		return nil, unread(err)
	}
	items := make([]table.Item, len(found))
	for i, it := range found {
		if items[i], err = decodeItem(it); err != nil {
			return nil, err
		}
	}
	t.bill(ctx, "Get", keys[0], consumed, func(ctx context.Context) { table.BillGet(ctx, len(keys), items, strong) })
	return items, nil
}

func (t *Table) getOne(ctx context.Context, keys []table.Key, strong bool) ([]image, []types.ConsumedCapacity, error) {
	ctx, _ = watched(ctx)
	out, err := t.client.GetItem(ctx, &dynamodb.GetItemInput{
		TableName: &t.name, Key: encodeKey(keys[0]), ConsistentRead: &strong,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	})
	if err != nil || len(out.Item) == 0 {
		if err == nil {
			return nil, one(out.ConsumedCapacity), nil
		}
		return nil, nil, err
	}
	return []image{out.Item}, one(out.ConsumedCapacity), nil
}

// Rounds of a batch that DynamoDB answers in parts, before it counts as busy.
const (
	idleRounds = 6 // in which it answered nothing
	roundPause = 10 * time.Millisecond
)

// getBatch asks again for what DynamoDB left out: at once while it makes
// progress (an answer holds 16 MB), after a growing pause when it does not.
func (t *Table) getBatch(ctx context.Context, keys []table.Key, strong bool) (found []image, consumed []types.ConsumedCapacity, err error) {
	ask := types.KeysAndAttributes{ConsistentRead: &strong}
	for _, k := range keys {
		ask.Keys = append(ask.Keys, encodeKey(k))
	}
	for idle := 0; len(ask.Keys) > 0; {
		tctx, _ := watched(ctx)
		out, err := t.client.BatchGetItem(tctx, &dynamodb.BatchGetItemInput{
			RequestItems:           map[string]types.KeysAndAttributes{t.name: ask},
			ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
		})
		if err != nil {
			return nil, nil, err
		}
		found, consumed = append(found, out.Responses[t.name]...), append(consumed, out.ConsumedCapacity...)
		left := out.UnprocessedKeys[t.name].Keys
		if len(left) == len(ask.Keys) {
			if idle++; idle == idleRounds {
				return nil, nil, table.ErrBusy
			}
			if err := pause(ctx, roundPause<<idle); err != nil {
				return nil, nil, err
			}
		}
		ask.Keys = left
	}
	return found, consumed, nil
}

// pause sleeps about d, unless ctx ends first.
func pause(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d/2 + rand.N(d/2))
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}

// Query implements table.Table.
func (t *Table) Query(ctx context.Context, q table.Query) (table.Page, error) {
	if err := q.Validate(); err != nil {
		return table.Page{}, err
	}
	in := &dynamodb.QueryInput{
		TableName: &t.name, ScanIndexForward: aws.Bool(!q.Desc), ConsistentRead: &q.Strong,
		ReturnConsumedCapacity: types.ReturnConsumedCapacityTotal,
	}
	if q.Index != "" {
		in.IndexName = &q.Index
	}
	if q.Limit > 0 {
		in.Limit = aws.Int32(int32(min(q.Limit, 1<<30)))
	}
	if empty := span(q, in); empty {
		return table.Page{}, nil
	}
	if at, ok, _ := q.Position(); ok { // Validate has read the cursor
		in.ExclusiveStartKey = startKey(q, at)
	}
	ctx, _ = watched(ctx)
	out, err := t.client.Query(ctx, in)
	if err != nil {
		return table.Page{}, unread(err)
	}
	return t.page(ctx, q, out)
}

func (t *Table) page(ctx context.Context, q table.Query, out *dynamodb.QueryOutput) (p table.Page, err error) {
	p.Items = make([]table.Item, len(out.Items))
	for i, it := range out.Items {
		if p.Items[i], err = decodeItem(it); err != nil {
			return table.Page{}, err
		}
	}
	if len(out.LastEvaluatedKey) > 0 {
		last, err := decodeItem(out.LastEvaluatedKey)
		if err != nil {
			return table.Page{}, err
		}
		p.Next = q.CursorAfter(last)
	}
	t.bill(ctx, "Query", table.Key{PK: q.PK}, one(out.ConsumedCapacity), func(ctx context.Context) {
		table.BillQuery(ctx, p.Items, q.Strong)
	})
	return p, nil
}

// keyNames are the partition and the sort attribute that a query reads by.
func keyNames(q table.Query) (partition, sort string) {
	switch q.Index {
	case table.Hist:
		return table.HistPK, pkName
	case table.Due:
		return table.DuePK, table.DueSK
	}
	return pkName, skName
}

// span sets the range of keys; empty tells that nothing can lie in it, which
// DynamoDB would refuse.
func span(q table.Query, in *dynamodb.QueryInput) (empty bool) {
	var e expression
	partition, sort := keyNames(q)
	text := e.name(partition) + " = " + e.value(table.String(q.PK))
	bound := func(s string) table.Value {
		if q.Index == table.Due {
			n, _ := strconv.ParseInt(s, 10, 64) // Validate has read it
			return table.Int(n)
		}
		return table.String(s)
	}
	from, to := bound(q.From), bound(q.To)
	switch {
	case q.From != "" && q.To != "":
		if from.Int() > to.Int() || from.Raw() > to.Raw() {
			return true
		}
		text += " AND " + e.name(sort) + " BETWEEN " + e.value(from) + " AND " + e.value(to)
	case q.From != "":
		text += " AND " + e.name(sort) + " >= " + e.value(from)
	case q.To != "":
		text += " AND " + e.name(sort) + " <= " + e.value(to)
	}
	in.KeyConditionExpression, in.ExpressionAttributeNames, in.ExpressionAttributeValues = &text, e.names, e.values
	return false
}

func startKey(q table.Query, at table.Position) image {
	key := encodeKey(at.Key)
	switch q.Index {
	case table.Hist:
		key[table.HistPK] = encode(table.String(q.PK))
	case table.Due:
		key[table.DuePK], key[table.DueSK] = encode(table.String(q.PK)), encode(table.Int(at.Due))
	}
	return key
}
