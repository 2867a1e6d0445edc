package aws

import (
	"context"
)

// Check looks whether the table is what the services need: its keys and both
// indexes. The error is one line that names what is missing. A table that
// cannot be asked, because the function may not or the network is slow, is
// taken to be right: the first call that needs it will say.
func (c *Cloud) Check(ctx context.Context) error { return c.Table.Check(ctx) }
