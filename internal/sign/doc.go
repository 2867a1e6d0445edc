// Package sign signs messages and verifies signatures, the same way for the
// webhooks that come in and for those that go out. It is pure: headers, secrets
// and the time are passed in.
//
// A scheme says what is signed and where the signature stands. The text that is
// signed follows a pattern of {id}, {timestamp} and {body}; a header's text goes
// in exactly as it was sent, never as a number or a time that was read from it,
// so whatever is changed on the way changes the signature.
//
// Two rules keep one signed text from having two meanings: placeholders are kept
// apart by a text, and an id must not hold the one between it and the body, not
// even together with it.
//
// Signatures are compared as texts, in constant time. Decoding them first would
// accept several spellings of one signature (upper and lower case of
// hexadecimal, unused bits of base64). Every secret is tried on every signature,
// whether or not one has matched, and also when the timestamp is too old: how
// long a refusal takes does not tell what was wrong.
package sign
