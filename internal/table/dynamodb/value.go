package dynamodb

import (
	"fmt"
	"strconv"

	"github.com/aws/aws-sdk-go-v2/service/dynamodb/types"

	"github.com/seed-926d1ba8/stepline/internal/table"
)

// image is an item as DynamoDB has it.
type image = map[string]types.AttributeValue

func encode(v table.Value) types.AttributeValue {
	switch v.Kind() {
	case table.KindInt:
		return &types.AttributeValueMemberN{Value: strconv.FormatInt(v.Int(), 10)}
	case table.KindBytes:
		return &types.AttributeValueMemberB{Value: []byte(v.Raw())}
	}
	return &types.AttributeValueMemberS{Value: v.Str()}
}

func encodeKey(k table.Key) image {
	return image{pkName: encode(table.String(k.PK)), skName: encode(table.String(k.SK))}
}

func encodeItem(k table.Key, a table.Attrs) image {
	out := encodeKey(k)
	for name, v := range a {
		out[name] = encode(v)
	}
	return out
}

// decode is an item's attributes without its key; nil for an absent item.
func decode(it image) (table.Attrs, error) {
	if len(it) == 0 {
		return nil, nil
	}
	out := make(table.Attrs, len(it))
	for name, v := range it {
		if name == pkName || name == skName {
			continue
		}
		value, err := decodeValue(v)
		if err != nil {
			return nil, fmt.Errorf("table: attribute %q: %w", name, err)
		}
		out[name] = value
	}
	return out, nil
}

func decodeValue(v types.AttributeValue) (table.Value, error) {
	switch v := v.(type) {
	case *types.AttributeValueMemberS:
		return table.String(v.Value), nil
	case *types.AttributeValueMemberB:
		return table.Bytes(v.Value), nil
	case *types.AttributeValueMemberN:
		n, err := strconv.ParseInt(v.Value, 10, 64)
		if err != nil {
			return table.Value{}, fmt.Errorf("a whole number of 64 bits is expected, not %.40s", v.Value)
		}
		return table.Int(n), nil
	}
	return table.Value{}, fmt.Errorf("a string, number or binary is expected, not %T", v)
}

func decodeKey(it image) table.Key {
	pk, _ := it[pkName].(*types.AttributeValueMemberS)
	sk, _ := it[skName].(*types.AttributeValueMemberS)
	if pk == nil || sk == nil {
		return table.Key{}
	}
	return table.Key{PK: pk.Value, SK: sk.Value}
}

func decodeItem(it image) (table.Item, error) {
	a, err := decode(it)
	return table.Item{Key: decodeKey(it), Attrs: a}, err
}
