package tabletest

import "time"

// MaxLag is how far behind the table an index may be.
const MaxLag = 2 * time.Minute
