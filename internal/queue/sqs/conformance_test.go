//go:build aws

package sqs

import (
	"testing"

	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/queuetest"
	"github.com/seed-926d1ba8/stepline/internal/standintest"
)

// The suite runs as it stands, on ElasticMQ with the clock of each test's
// bubble.
func TestConformance(t *testing.T) {
	t.Parallel()
	queuetest.Run(t, func(t *testing.T) queuetest.Fixture {
		cfg, endpoint := standintest.VirtualQueues(t, queuetest.Visibility)
		q := New(Config{AWS: cfg, Endpoint: endpoint, URLs: standintest.NewQueues(t, cfg, endpoint, map[queue.Lane]standintest.Lane{
			queue.Normal: {Visibility: queuetest.Visibility, MaxReceives: queuetest.MaxReceives},
			queue.Low:    {Visibility: queuetest.Visibility},
			queue.Dead:   {Visibility: queuetest.Visibility},
		})})
		return queuetest.Fixture{
			Queue: q,
			Pump: func(l queue.Lane, batch int) queue.Pump {
				return q.Pump(l, PumpConfig{Batch: batch, OnError: func(err error) { t.Error(err) }})
			},
		}
	})
}
