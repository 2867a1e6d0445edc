// Package local makes Stepline run on one machine: it opens the data folder,
// makes the services on the embedded drivers, and mounts each function's
// handler where template.yaml says, as AWS would: routes and the function URL
// as HTTP handlers, queues as pumps, schedules as tickers.
//
// Nothing is decided here that the template decides. What AWS does not say is
// said here: how many executions run at once (they share one budget, as
// invocations would share the account's concurrency) and how the process ends.
//
// # Ending
//
// When Run's context ends, nothing new is taken. What is in hand may finish
// for Config.Drain; then the runner hands every execution over (calls are cut,
// leases released), which takes a moment only; the messages left in the queue
// are found at the next start.
package local
