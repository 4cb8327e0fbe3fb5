package redisstore

import (
	"embed"

	"github.com/redis/go-redis/v9"

	"github.com/mspkit/mspkit/internal/redisx"
)

//go:embed lua
var sources embed.FS

func script(parts ...string) *redis.Script { return redisx.Script(sources, parts...) }

// The scripts. Each is one atomic step, and harmless when a client that heard no answer sends it again.
var (
	putScript      = script("shard", "put")
	commitScript   = script("shard", "record", "commit")
	admitScript    = script("shard", "record", "try", "admit")
	statScript     = script("shard", "stat")
	openScript     = script("shard", "record", "open")
	takeScript     = script("shard", "record", "try", "take")
	extendScript   = script("shard", "record", "extend")
	ackScript      = script("shard", "record", "ack")
	sendCodeScript = script("shard", "record", "sendcode")
	renewScript    = script("shard", "record", "renew")
	revokeScript   = script("shard", "record", "revoke")
	noteScript     = script("shard", "record", "note")
	listScript     = script("shard", "list")

	countScript    = script("shard", "count")
	giveBackScript = script("shard", "giveback")

	expireScript       = script("shard", "expire")
	deadScript         = script("shard", "dead")
	forgetScript       = script("shard", "record", "forget")
	dropEndedScript    = script("shard", "dropended")
	dropCountersScript = script("shard", "dropcounters")
	dropOnceScript     = script("shard", "droponce")
	staleScript        = script("shard", "stale")
	rewrapScript       = script("shard", "record", "rewrap")

	tailScript      = script("shard", "tail")
	ackEventsScript = script("shard", "ackevents")
)
