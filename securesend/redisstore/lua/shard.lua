-- What all scripts of a shard share. A shard is two keys: a hash of everything by name, and a sorted set of what is
-- looked for in order. All scores are 0, so the set is ordered by the bytes of its members. A letter begins each; tenant is
-- keyed, record is the keyed tenant and the id:
--
--   hash  r record     m half and MACs of a record    t inline of a record
--         v event by tenant and number    i event by id
--         u events of a tenant: number of the first and of the last, time of the first
--         c counter    o what is done once
--   set   e records that nobody opens, by expiry    l those that are being opened, by the end of the lease
--         b ended with blobs, by region and end     d other ended ones, by end
--         k records by the key of their half        la lt ls lk records by creation: all, of a sender, of a subject, of a ticket
--         U tenants by their first event            c counters by their end    o what is done once, by time
--
-- A crash in the middle of writing a script down may leave a beginning of its writes; see Durability in doc.go. So what
-- belongs together is one HSET; what it makes findable is added to the set before it, and what it replaces is removed
-- after it; what is found is checked; and no write is relative to what was there.
--
-- Times are 20 digits, numbers of events 16, so that both compare as text: Lua's numbers are not exact beyond 2^53. Two
-- texts are compared in constant time, because Lua keeps each text once and compares where it is.
local H, X = KEYS[1], KEYS[2]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
local NEVER = '00000000000000000000'

-- The places in a record, in what of it never changes, in an event, and in a stamp; codec.go has the same order.
local WHAT, KIND, VERSION, STATE, GATE, KEY, TRIES, MAXTRIES, CODEUNTIL, CODESENT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local CODESENDS, RENEWALS, PASSKEY, PASSTRIES, MAXPASSTRIES, UPLOAD, AUTH, HEADER, HALFKEY, SEALED = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
local SIZES, CHUNKS, FETCHED, VIEWS, MAXVIEWS, AFTER, CLAIM, LEASE, EXPIRES, READY = 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
local OPENED, REVEALED, ACKED, ENDED, REFUSALS, BLOBS, LAST = 31, 32, 33, 34, 35, 36, 37
local W_ID, W_REGION, W_SENDER, W_SUBJECT, W_SYSTEM, W_TICKET, W_CREATED = 2, 4, 7, 8, 9, 10, 13
local E_AT = 3
local S_ID, S_KIND, S_BY, S_REASON, S_FILES = 1, 2, 3, 4, 5

local function text(n) return string.format('%.0f', n) end
local function number(n) return string.format('%016.0f', n) end
