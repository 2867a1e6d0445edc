// Command worker works on executions as Lambda would have the functions do it:
// it feeds the lanes it is given to their handlers, batch by batch, and calls
// the sweeper. Its environment is a function's, with STEPLINE_QUEUE_DEAD for
// the lane that only SQS sends to.
package main

import (
	"context"
	"flag"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	"github.com/seed-926d1ba8/stepline/internal/app/aws"
	"github.com/seed-926d1ba8/stepline/internal/queue"
	"github.com/seed-926d1ba8/stepline/internal/queue/sqs"
	"github.com/seed-926d1ba8/stepline/internal/telemetry"
)

func main() {
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	err := run(ctx, os.Args[1:])
	stop()
	if err != nil {
		fmt.Fprintln(os.Stderr, "worker:", err)
		os.Exit(1)
	}
}

func run(ctx context.Context, args []string) error {
	f := flag.NewFlagSet("worker", flag.ContinueOnError)
	lanes := f.String("lanes", "high,normal,low,solo,dead", "`lanes` to feed, separated by commas")
	batch := f.Int("batch", queue.MaxBatch, "deliveries of one invocation; on solo always 1")
	invocations := f.Int("invocations", 8, "invocations of each lane at once")
	timeout := f.Duration("timeout", 6*time.Second, "of one invocation; on solo fifteen times as long")
	sweep := f.Duration("sweep", 0, "how often to sweep; 0: never")
	ahead := f.Duration("ahead", 0, "how far the clock is ahead; negative: it all happens in the past")
	if err := f.Parse(args); err != nil {
		return err
	}
	aws.LimitMemory(os.Getenv)
	c, err := aws.FromEnv("worker", os.Getenv)
	if err != nil {
		return err
	}
	c.Queues[queue.Dead] = os.Getenv("STEPLINE_QUEUE_DEAD")
	log := telemetry.NewLogger(os.Stderr, c.LogLevel)
	cloud, err := aws.Open(ctx, c, func() time.Time { return time.Now().Add(*ahead) }, log)
	if err != nil {
		return err
	}
	var work sync.WaitGroup
	for lane := range strings.SplitSeq(*lanes, ",") {
		l, p := queue.Lane(lane), sqs.PumpConfig{Batch: *batch, Timeout: *timeout, Poll: time.Second}
		handler := cloud.Runner.Handle
		switch l {
		case queue.Solo:
			p.Batch, p.Timeout = 1, 15**timeout
		case queue.Dead:
			handler = cloud.Runner.DeadLetter
		}
		p.Concurrency = p.Batch * *invocations
		p.OnError = func(err error) { log.Warn("queue", slog.String("lane", lane), slog.Any("error", err)) }
		p.OnPanic = func(value any, _ []byte) { panic(value) } // as in Lambda, the process ends
		pump := cloud.Queue.Pump(l, p)
		work.Go(func() {
			if err := pump.Run(ctx, handler); err != nil {
				log.Error("pump", slog.String("lane", lane), slog.Any("error", err))
			}
		})
	}
	if *sweep > 0 {
		work.Go(func() { every(ctx, *sweep, cloud, log) })
	}
	fmt.Println("ready")
	work.Wait()
	return nil
}

func every(ctx context.Context, d time.Duration, cloud *aws.Cloud, log *slog.Logger) {
	tick := time.NewTicker(d)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-tick.C:
			if err := cloud.Runner.Sweep(ctx); err != nil && ctx.Err() == nil {
				log.Warn("sweep", slog.Any("error", err))
			}
		}
	}
}
