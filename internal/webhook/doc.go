// Package webhook takes the events that sources send: it verifies, dedupes,
// stores and starts.
//
//	raw body ─▶ source ─▶ secrets ─▶ signature, time ─▶ event id ─▶ runner.Start
//	                 └──── unknown: a decoy is verified ────▶ the one refusal
//
// An event is stored as the record of its id (the runner's IDEM), with the
// frozen list of what it starts, before anything starts. So a second delivery
// gets the same executions, and any delivery finishes what a dead one began. No
// worker is waited for.
//
// Who has no valid signature learns nothing: an unknown source, a source whose
// secret is missing, and a wrong signature are one answer, and a signature is
// computed for each. What is wrong with a genuine event is told to its sender. A
// store of secrets that does not answer is told too, unless a secret that could
// be read has made the signature: a refusal would have a genuine sender give up.
//
// Nothing of a refused request is logged but the source's name, and that only
// where the source exists: anybody can send to this address.
package webhook
