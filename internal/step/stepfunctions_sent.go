package step

import (
	"errors"
	"net"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/service/sfn"
)

// departure is the HTTP client of one call of the API, and knows whether the call
// has left. What never left has no effect, whatever became of it.
type departure struct {
	http  sfn.HTTPClient
	tried bool // the call was addressed and signed, and a connection looked for
	sent  bool // a try of it may have reached the service
}

// watch puts the departure before the client's own HTTP client.
func (d *departure) watch(o *sfn.Options) { d.http, o.HTTPClient = o.HTTPClient, d }

// Do makes one try. net/http says when it looks for a connection and when it has
// one; of any other client only the error can tell that there was none.
func (d *departure) Do(r *http.Request) (*http.Response, error) {
	var f flight
	looked := false
	f.trace.GetConn = func(string) { looked = true }
	d.tried = true
	res, err := d.http.Do(r.WithContext(f.watch(r.Context())))
	if err == nil || f.sent() || !looked && !unreached(err) {
		d.sent = true
	}
	return res, err
}

// unreached tells of an error that no connection was made.
func unreached(err error) bool {
	var dial *net.OpError
	var name *net.DNSError
	return errors.As(err, &dial) && dial.Op == "dial" || errors.As(err, &name)
}
