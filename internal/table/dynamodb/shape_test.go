package dynamodb

import (
	"errors"
	"net/http"
	"strings"
	"testing"
)

// right is what DynamoDB says about a table that is as it should be.
const right = `{"Table": {"TableStatus": "ACTIVE",
  "AttributeDefinitions": [{"AttributeName": "pk", "AttributeType": "S"}, {"AttributeName": "sk", "AttributeType": "S"},
    {"AttributeName": "hp", "AttributeType": "S"}, {"AttributeName": "qp", "AttributeType": "S"}, {"AttributeName": "qk", "AttributeType": "N"}],
  "KeySchema": [{"AttributeName": "pk", "KeyType": "HASH"}, {"AttributeName": "sk", "KeyType": "RANGE"}],
  "GlobalSecondaryIndexes": [
    {"IndexName": "hist", "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "INCLUDE", "NonKeyAttributes": ["wf"]},
     "KeySchema": [{"AttributeName": "hp", "KeyType": "HASH"}, {"AttributeName": "pk", "KeyType": "RANGE"}]},
    {"IndexName": "due", "IndexStatus": "ACTIVE", "Projection": {"ProjectionType": "KEYS_ONLY"},
     "KeySchema": [{"AttributeName": "qp", "KeyType": "HASH"}, {"AttributeName": "qk", "KeyType": "RANGE"}]}]}}`

// TestCheckLooksAtEverything changes one thing at a time in what DynamoDB says
// about a right table. What can be used passes, anything else is named.
func TestCheckLooksAtEverything(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct{ old, with, want string }{
		"as it should be":             {"", "", ""},
		"table being updated":         {`"TableStatus": "ACTIVE"`, `"TableStatus": "UPDATING"`, ""},
		"index being updated":         {`"hist", "IndexStatus": "ACTIVE"`, `"hist", "IndexStatus": "UPDATING"`, ""},
		"all projected":               {`"INCLUDE", "NonKeyAttributes": ["wf"]`, `"ALL"`, ""},
		"more projected":              {`["wf"]`, `["st", "wf"]`, ""},
		"table being made":            {`"TableStatus": "ACTIVE"`, `"TableStatus": "CREATING"`, `table "t" is CREATING; it can be used when it is ACTIVE`},
		"table being deleted":         {`"TableStatus": "ACTIVE"`, `"TableStatus": "DELETING"`, `table "t" is DELETING; `},
		"its key is gone":             {`"TableStatus": "ACTIVE"`, `"TableStatus": "INACCESSIBLE_ENCRYPTION_CREDENTIALS"`, `table "t" is INACCESSIBLE_ENCRYPTION_CREDENTIALS; `},
		"index being filled":          {`"hist", "IndexStatus": "ACTIVE"`, `"hist", "IndexStatus": "CREATING"`, `index "hist" is CREATING; it can be used when it is ACTIVE`},
		"index being deleted":         {`"due", "IndexStatus": "ACTIVE"`, `"due", "IndexStatus": "DELETING"`, `index "due" is DELETING; `},
		"partition is a number":       {`"pk", "AttributeType": "S"`, `"pk", "AttributeType": "N"`, `table "t" must have the keys pk (S) and sk (S)`},
		"index's partition a number":  {`"hp", "AttributeType": "S"`, `"hp", "AttributeType": "N"`, `index "hist" must have the keys hp (S) and pk (S)`},
		"index's sort key binary":     {`"qk", "AttributeType": "N"`, `"qk", "AttributeType": "B"`, `index "due" must have the keys qp (S) and qk (N)`},
		"index without sort key":      {`, {"AttributeName": "qk", "KeyType": "RANGE"}`, ``, `index "due" must have the keys qp (S) and qk (N)`},
		"index missing":               {`"IndexName": "due"`, `"IndexName": "later"`, `index "due" is missing; its keys are qp and qk`},
		"keys only":                   {`"INCLUDE", "NonKeyAttributes": ["wf"]`, `"KEYS_ONLY"`, `index "hist" must project wf, which is read from it`},
		"another attribute projected": {`["wf"]`, `["st"]`, `index "hist" must project wf`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if !strings.Contains(right, c.old) {
				t.Fatalf("the description does not contain %s any more", c.old)
			}
			s := &script{answers: []answer{says(http.StatusOK, strings.Replace(right, c.old, c.with, 1))}}
			err := s.table(t).Check(t.Context())
			switch {
			case c.want == "" && err != nil:
				t.Errorf("refused: %v", err)
			case c.want != "" && (err == nil || errors.Is(err, ErrUnchecked) || !strings.Contains(err.Error(), c.want)):
				t.Errorf("got %v, want %q", err, c.want)
			}
		})
	}
}
