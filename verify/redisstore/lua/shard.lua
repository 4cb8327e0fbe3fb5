-- What the scripts of a shard share. A shard is two keys: a hash of everything by name, and a sorted set of what is
-- looked for in order. All scores are 0, so the set is ordered by the bytes of its members. A letter begins each:
--
--   hash  r record          m its MACs     k idempotency key  s subject   c counter  v event by number
--         i event by id     q delivery     h chain            f factor    o what is done once   seq last number
--   set   e pending, by expiry             d ended, by time of the decision
--         la lt ls lo  records by creation: all, of a technician, of a subject, open ones
--         u events not acknowledged        U tenants by their first one
--         n events not chained             N tenants by their first one
--         k chained events by their place  g tenants by the time of a first event that may go
--         c counters by their end          q deliveries by when they are due
--         z global counts to give back     o what is done once, by time
--
-- A crash in the middle of writing a script down may leave a beginning of its writes; see Durability in doc.go. So what belongs together is one HSET; what it makes findable is added to the set before it, and what it replaces is
-- removed from the set after it; what is found is checked; and no write is relative to what was there.
--
-- Times are 20 digits, numbers of events 16, so that both compare as text: Lua's numbers are not exact beyond 2^53.
local H, X = KEYS[1], KEYS[2]
local call, pack, unpacked = redis.call, cmsgpack.pack, cmsgpack.unpack
local NEVER = '00000000000000000000'

-- The places in a record and in an event; codec.go has the same order.
local TENANT, ID, VERSION, KIND, STATE, DELIVERY, METHOD, CHANNEL, SUBJECT, ACTION = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local TECHNICIAN, SYSTEM, TICKET, ASSURANCE, ANSWERER, KEY, SEALED, TRIES, MAXTRIES, SENDS = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
local MESSAGES, LOCKAFTER, HINTED, REFUND, RECEIPT, CREATED, EXPIRES, DECIDED, PROOF, NEEDSAPPROVAL = 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
local APPROVEDBY, APPROVEDAT, REDEEMEDBY, REDEEMEDAT, IDEMPOTENCY = 31, 32, 33, 34, 35
local E_ID, E_AT, E_TENANT, E_CHALLENGE, E_SUBJECT, E_TRIES, E_SENDS, E_LINK, E_VALUE = 2, 4, 5, 6, 8, 17, 18, 21, 22

local function text(n) return string.format('%.0f', n) end

-- keyed returns s so that nothing that follows can be taken for a part of it.
local function keyed(s) return #s .. ':' .. s .. ':' end

-- first returns the number of the first event of a tenant in an index, or nil.
local function first(index, tenant)
  local m = call('ZRANGEBYLEX', X, '[' .. index .. keyed(tenant), '(' .. index .. keyed(tenant) .. '~', 'LIMIT', 0, 1)[1]
  return m and m:sub(-16)
end

-- emit stores an event of a tenant, together with more fields: names and values.
local function emit(tenant, e, more)
  local n = tonumber(call('HGET', H, 'seq') or 0) + 1
  local seq = string.format('%016.0f', n)
  local add = { 0, 'u' .. keyed(tenant) .. seq, 0, 'n' .. keyed(tenant) .. seq }
  if n == 1 then -- the set never becomes empty, so that both keys always exist: a slot that moves needs that
    add[#add + 1], add[#add + 2] = 0, '~'
  end
  if not first('u', tenant) then
    add[#add + 1], add[#add + 2] = 0, 'U' .. seq .. tenant
  end
  if not first('n', tenant) then
    add[#add + 1], add[#add + 2] = 0, 'N' .. seq .. tenant
  end
  e[1] = seq
  call('ZADD', X, unpack(add))
  call('HSET', H, 'seq', text(n), 'v' .. seq, pack(e), 'i' .. e[E_ID], keyed(tenant) .. seq, unpack(more or {}))
end

-- tell stores the event of record r, together with more; st is a stamp: id, kind, by, reason.
local function tell(r, st, now, more)
  emit(r[TENANT], { '', st[1], st[2], now, r[TENANT], r[ID], r[KIND], r[SUBJECT], r[ACTION], r[TECHNICIAN], r[SYSTEM], r[TICKET],
    r[CHANNEL], r[METHOD], r[ASSURANCE], r[STATE], r[TRIES], r[SENDS], st[3], st[4], '0', '' }, more)
end

-- been returns the event that this very call has stored before, if it has: its answer was lost and the client sends it again.
local function been(st, tenant, challenge, who)
  local place = call('HGET', H, 'i' .. st[1])
  if place then
    local e = unpacked(call('HGET', H, 'v' .. place:sub(-16)))
    if e[E_TENANT] == tenant and e[E_CHALLENGE] == challenge and e[E_SUBJECT] == who then
      return e
    end
  end
end

-- subject returns the failures of a subject and until when it is frozen.
local function subject(tenant, name)
  local v = call('HGET', H, 's' .. keyed(tenant) .. name)
  if not v then
    return 0, NEVER
  end
  return tonumber(v:sub(21)), v:sub(1, 20)
end

local function keep(tenant, name, failures, frozen)
  if failures == 0 and frozen == NEVER then
    call('HDEL', H, 's' .. keyed(tenant) .. name)
  else
    call('HSET', H, 's' .. keyed(tenant) .. name, frozen .. text(failures))
  end
end

-- name returns the place of a record, and within the indexes.
local function name(r) return keyed(r[TENANT]) .. r[ID] end
local function listed(index, r)
  local t = keyed(r[TENANT])
  if index == 'lt' then
    t = t .. keyed(r[TECHNICIAN])
  elseif index == 'ls' then
    t = t .. keyed(r[SUBJECT])
  end
  return index .. t .. r[CREATED] .. r[ID]
end

-- changed tells those who wait for the subject of a record.
local function changed(channel, tenant, who) call('PUBLISH', channel, keyed(tenant) .. who) end

-- collect notes a tenant whose chain begins with an event that was acknowledged, so that it can go.
local function collect(tenant)
  local m = call('ZRANGEBYLEX', X, '[k' .. keyed(tenant), '(k' .. keyed(tenant) .. '~', 'LIMIT', 0, 1)[1]
  if not m then
    return
  end
  local seq = m:sub(-16)
  local v = call('HGET', H, 'v' .. seq)
  if v and not call('ZSCORE', X, 'u' .. keyed(tenant) .. seq) then
    call('ZADD', X, 0, 'g' .. unpacked(v)[E_AT] .. tenant)
  end
end

-- behead corrects the tenant's place among the tenants of an index whose first event was was.
local function behead(index, heads, tenant, was)
  local now = first(index, tenant)
  if was and was ~= now then
    call('ZREM', X, heads .. was .. tenant)
    if now then
      call('ZADD', X, 0, heads .. now .. tenant)
    end
  end
end
