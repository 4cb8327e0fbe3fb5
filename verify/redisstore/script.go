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
	beginScript   = script("shard", "limits", "begin")
	attemptScript = script("shard", "record", "attempt")
	finishScript  = script("shard", "record", "finish")
	renewScript   = script("shard", "limits", "record", "renew")
	sentScript    = script("shard", "record", "sent")
	hintScript    = script("shard", "record", "hint")
	approveScript = script("shard", "record", "approve")
	redeemScript  = script("shard", "record", "redeem")
	getScript     = script("shard", "get")
	listScript    = script("shard", "list")

	subjectScript       = script("shard", "subject")
	changeSubjectScript = script("shard", "changesubject")

	tailScript         = script("shard", "tail")
	ackScript          = script("shard", "ack")
	expireScript       = script("shard", "expire")
	dropEndedScript    = script("shard", "dropended")
	dropEventsScript   = script("shard", "dropevents")
	dropCountersScript = script("shard", "dropcounters")
	dropOnceScript     = script("shard", "droponce")
	popRefundsScript   = script("shard", "poprefunds")

	chainScript    = script("shard", "chain")
	evidenceScript = script("shard", "evidence")

	enqueueScript = script("shard", "limits", "enqueue")
	dueScript     = script("shard", "due")
	doneScript    = script("shard", "done")

	factorScript     = script("shard", "factor")
	putFactorScript  = script("shard", "putfactor")
	dropFactorScript = script("shard", "dropfactor")

	countGlobalScript = script("countglobal")
	giveBackScript    = script("giveback")
)
