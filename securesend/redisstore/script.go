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
	commitScript   = script("shard", "store", "record", "commit")
	admitScript    = script("shard", "store", "record", "try", "admit")
	statScript     = script("shard", "stat")
	openScript     = script("shard", "store", "record", "open")
	takeScript     = script("shard", "store", "record", "try", "unfetched", "served", "take")
	extendScript   = script("shard", "store", "record", "served", "extend")
	ackScript      = script("shard", "store", "record", "unfetched", "destroy", "ack")
	sendCodeScript = script("shard", "store", "record", "sendcode")
	renewScript    = script("shard", "store", "record", "renew")
	revokeScript   = script("shard", "store", "record", "destroy", "revoke")
	noteScript     = script("shard", "store", "record", "note")
	listScript     = script("shard", "list")

	countScript    = script("shard", "count")
	giveBackScript = script("shard", "giveback")

	expireScript       = script("shard", "store", "tenantof", "unfetched", "destroy", "expire")
	deadScript         = script("shard", "store", "dead")
	forgetScript       = script("shard", "store", "record", "forget")
	dropEndedScript    = script("shard", "store", "tenantof", "listed", "dropended")
	dropCountersScript = script("shard", "dropcounters")
	dropOnceScript     = script("shard", "droponce")
	staleScript        = script("shard", "store", "tenantof", "stale")
	rewrapScript       = script("shard", "store", "record", "rewrap")

	tailScript      = script("shard", "tail")
	ackEventsScript = script("shard", "tenantof", "advance", "ackevents")
)
