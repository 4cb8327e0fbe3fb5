// Package redisstore keeps challenges on Redis 5 or newer, alone, as a failover group or as a Redis Cluster; it is tested with
// Redis 7.0. The client is the host's:
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379"})
//	store, err := redisstore.New(ctx, client, nil)
//	svc, err := verify.New(store, ring, baseURL, settings, nil)
//
// Tenants are divided into a fixed number of shards ([Options].Shards). A shard is two keys: a hash of everything by name and
// a sorted set of what is looked for in order, both on one machine. Every verb is one script that declares both, so a
// slot may move while verbs go on. Limits over all tenants are counted in keys of their own by a script of their own. It runs first,
// and takes its count back where the next step refuses; who dies in between has counted once too often, never too
// seldom. So Begin and Renew take two round trips, three where they are refused; every other verb of one challenge takes one.
//
// Expire, DeleteExpired, Events, Unchained and Due ask every shard how much waits there, which is one command on one machine,
// and then those that have something, a few at a time, so that nobody else waits long. Each thing
// is done as a whole. List and Evidence read in steps of the same kind.
//
// # Security
//
// Whatever is asked for by an id is asked for with its tenant; values are passed as arguments and are never part of a script.
// Codes arrive here as MACs, names and addresses sealed. Ids of subjects, technicians and tickets are stored as they are, and
// those of tenants and subjects are published when something changes. The user of the client needs
//
//	~{mspkit:* ~mspkit:* &mspkit:changed +@read +@write +@scripting +@pubsub +config|get +info +hello
//
// where mspkit is [Options].Prefix; +cluster and +ping besides where the client needs them.
//
// # Durability
//
// A crash must not bring back what was before: a proof that was redeemed could be redeemed again, a code that was used up be tried
// again. Two ways of running Redis are safe. With appendonly yes and appendfsync always everything that was acknowledged is
// kept. With appendonly no and save "" everything is gone, and who was being verified begins anew. Between them, with
// appendfsync everysec or with snapshots, a crash keeps old states and loses young ones. [New] reads the settings and refuses
// these, and eviction, with [ErrUnsafe]; managed services that do not tell their settings are refused too. Options.AcceptLostWrites is for those who
// accept that. Settings that are changed later are not noticed, nor is a snapshot that somebody makes by hand and a restart loads.
//
// A crash in the middle of a write that nobody acknowledged can tear the end of the append-only file. Redis 7.0 repairs that by
// itself where aof-load-truncated is yes, but leaves the beginning of a script's writes in the file, which it loads at the
// restart after next: a step that was answered by an error may then stand there in part, a state without its event. What was
// acknowledged is not touched. Run BGREWRITEAOF after the restart that follows a crash, or set aof-load-truncated no and
// repair with redis-check-aof.
//
// Replication is a third way to lose what was acknowledged, and New cannot see it coming: Redis answers before its replicas
// know, so a failover to a replica that was behind brings back what was before. min-replicas-to-write keeps a master that is cut off from
// going on alone, and makes the time short; it does not close the gap, and neither does WAIT, which is not used. Proofs live nine minutes at most: after
// a failover, distrust those of the last nine, or keep challenges in PostgreSQL where that matters.
//
// Redis' own expiry tidies up counters of global limits, an hour after they are over, and decides nothing: every decision
// goes by the time that the verb is given. Times are kept in microseconds.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances may share a server. Scripts run one after the other, so the
// order of the events of a tenant is the order in which they happened. A client that hears no answer sends a script again; every script
// knows a call that has been there before by its stamp, and then returns what it returned before. New starts no goroutine: Watch
// shares one connection and one goroutine among all watchers, from the first to the last.
//
// # Errors
//
// The sentinels of package verify, as [verify.Store] says, and what the client reports, besides:
//
//	errors.Is            returned by       meaning
//	mspkit.ErrInvalid    New               the client or the options cannot be used
//	mspkit.ErrInvalid    Begin, Renew      the keys of the global limits of one call differ before their last slash
//	ErrUnsafe            New               a redeemed proof could come back after a crash
//	ErrShards            New               other instances have another number of shards
//
// A failure in the middle of Begin or Renew leaves open whether it happened: the challenge may exist.
package redisstore
