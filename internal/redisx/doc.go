// Package redisx is what the stores on Redis share: records divided into shards, scripts that are run in one round trip, the form
// of what is stored, and the look at a server's settings.
//
//	db, err := redisx.Open(ctx, client, redisx.Options{Prefix: "mspkit", Part: "send", Store: "redisstore", Risk: "what it may do", Log: log})
//	answer, err := db.Run(ctx, db.In("contoso", script, args...))
//
// # Security
//
// Values are passed to scripts as arguments and are never part of a script's text. What is read is checked before it is used.
//
// # Concurrency
//
// [Shards] and [Handed] are safe for concurrent use. Nothing starts a goroutine: calls of [Shards.Join] that wait at the same moment are
// sent by one of them.
//
// # Errors
//
//	errors.Is            returned by          meaning
//	mspkit.ErrInvalid    Open                 the client or the options cannot be used
//	ErrUnsafe            Open                 a crash could bring back what was before
//	ErrShards            Open                 other instances have another number of shards
//	ErrPacked            Unpack and readers   a stored value is damaged
package redisx
