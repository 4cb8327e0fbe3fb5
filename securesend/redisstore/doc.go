// Package redisstore keeps sends on Redis 5 or newer, alone, as a failover group or as a Redis Cluster; it is tested with
// Redis 7.0. The client is the host's:
//
//	client := redis.NewClient(&redis.Options{Addr: "redis.internal:6379"})
//	store, err := redisstore.New(ctx, client, nil)
//	svc, err := securesend.New(store, ring, "https://help.example/send", settings, nil)
//
// Tenants are divided into a fixed number of shards ([Options].Shards). A shard is two keys: a hash of everything by name and
// a sorted set of what is looked for in order, both on one machine. Every verb is one script that declares both, so a
// slot may move while verbs go on, and every verb of one send is one round trip. Counters are divided by their keys. On one machine
// Count is one script. On a cluster it is one for each shard of a call, one after the other, and takes back what it counted
// where a later one refuses; who dies in between has counted once too often, never too seldom.
//
// Expire, DeleteExpired, Dead, Rewrap and Events ask every shard how much waits there, which is one command on one machine,
// and then those that have something, a few at a time, so that nobody else waits long. Each thing is done as a whole. List
// reads in steps of the same kind.
//
// # Security
//
// Whatever is asked for by an id is asked for with its tenant; values are passed as arguments and are never part of a script.
// Halves, numbers and addresses arrive here sealed or as MACs. Ids of technicians, recipients and tickets are stored as they are.
// A send that ends is written over and dropped in the step that ends it: its half, sealed text, MACs and header are in no
// key any more. The user of the client needs
//
//	~{mspkit:send:* ~mspkit:send:* +@read +@write +@scripting +config|get +info +hello
//
// where mspkit is [Options].Prefix; +cluster and +ping besides where the client needs them.
//
// # Durability
//
// A crash must not bring back what was before: a send that was burnt could be opened a second time. Two ways of running
// Redis are safe. With appendonly yes and appendfsync always everything that was acknowledged is kept. With appendonly no
// and save "" everything is gone: nothing is opened twice, but what nobody has read yet is lost, also within a lease, and
// has to be sent again. Between them, with appendfsync everysec or with snapshots, a crash undoes the Acks, revocations and tries of the last
// second, or of the time since the snapshot: who has the link can then open again what was burnt. [New] reads the settings and
// refuses these, and eviction, with [ErrUnsafe]; managed services that do not tell their settings are refused too.
// Options.AcceptLostWrites is for those who accept that. Settings that are changed later are not noticed, nor is a snapshot
// that somebody makes by hand and a restart loads.
//
//	appendonly  appendfsync      save    a burnt send can come back       an unread send can be lost
//	yes         always           any     no                               no
//	no                           ""      no                               all of them, with every crash
//	yes         everysec or no   any     those of the last seconds        those of the last seconds
//	no                           others  those since the last snapshot    those since the last snapshot
//
// Deleting is not erasing. The append-only file keeps what was deleted, sealed halves and texts among it, until it is rewritten
// (BGREWRITEAOF, or by itself as it grows), a snapshot until the next one replaces it, and a copy of either as long as the copy
// is kept. A half is of no use without the link and the key ring that sealed it. Who wants backups to lose it soon rewrites
// the file daily and keeps copies no longer than sends may live.
//
// A crash in the middle of a write that nobody acknowledged can tear the end of the append-only file. Redis 7.0 repairs that by
// itself where aof-load-truncated is yes, but leaves the beginning of a script's writes in the file, which it loads at the
// restart after next. What was acknowledged is not touched, and a step is in one write with its event and with what it
// destroys. Run BGREWRITEAOF after the restart that follows a crash, or set aof-load-truncated no and repair with redis-check-aof.
//
// Replication is a third way to lose what was acknowledged, and New cannot see it coming: Redis answers before its replicas
// know, so a failover to a replica that was behind brings back what was before. min-replicas-to-write keeps a master that is cut off from
// going on alone, and makes the time short; it does not close the gap, and neither does WAIT, which is not used. Where no send may ever be opened
// twice, use one server, or keep sends in PostgreSQL.
//
// Redis' own expiry is not used and its clock not asked: every decision goes by the time that the verb is given. Times are
// kept in microseconds.
//
// # Concurrency
//
// A [Store] is safe for concurrent use, and any number of instances may share a server. Scripts run one after the other, so the
// order of the events of a tenant is the order in which they happened. A client that hears no answer sends a script again;
// every script knows a call that has been there before, or does no harm the second time. New starts no goroutine.
//
// Except on a cluster, calls that wait at the same moment share a round trip: two are on their way at once, each with up to 16
// calls, and a context that ends before its call is sent ends the call.
//
// # Errors
//
// The sentinels of package securesend, as [securesend.SecretStore] says, and what the client reports, besides:
//
//	errors.Is            returned by   meaning
//	mspkit.ErrInvalid    New           the client or the options cannot be used
//	ErrUnsafe            New           a burnt send could come back after a crash
//	ErrShards            New           other instances have another number of shards
//
// A failure in the middle of a verb leaves open whether it happened.
package redisstore
