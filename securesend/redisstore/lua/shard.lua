-- What the scripts of a shard share. A shard is two keys: a hash of everything by name, and a sorted set of what is
-- looked for in order. All scores are 0, so the set is ordered by the bytes of its members. A letter begins each; tenant is
-- keyed, record is the keyed tenant and the id:
--
--   hash  r record     m half and MACs of a record    t inline of a record
--         v event by id: keyed tenant, number, values    u number of the first event of a tenant
--         c counter    o what is done once    seq last number of an event
--   set   e records that nobody opens, by expiry    l those that are being opened, by the end of the lease
--         b ended with blobs, by region and end     d other ended ones, by end
--         k records by the key of their half        la lt ls lk records by creation: all, of a sender, of a subject, of a ticket
--         u events    U tenants by their first event    c counters by their end    o what is done once, by time
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

-- The places in a record, in what of it never changes, and in a stamp; codec.go has the same order.
local WHAT, KIND, VERSION, STATE, GATE, KEY, TRIES, MAXTRIES, CODEUNTIL, CODESENT = 1, 2, 3, 4, 5, 6, 7, 8, 9, 10
local CODESENDS, RENEWALS, PASSKEY, PASSTRIES, MAXPASSTRIES, UPLOAD, AUTH, HEADER, HALFKEY, SEALED = 11, 12, 13, 14, 15, 16, 17, 18, 19, 20
local SIZES, CHUNKS, FETCHED, VIEWS, MAXVIEWS, AFTER, CLAIM, LEASE, EXPIRES, READY = 21, 22, 23, 24, 25, 26, 27, 28, 29, 30
local OPENED, REVEALED, ACKED, ENDED, REFUSALS, BLOBS, LAST = 31, 32, 33, 34, 35, 36, 37
local W_ID, W_REGION, W_SENDER, W_SUBJECT, W_SYSTEM, W_TICKET, W_CREATED = 2, 4, 7, 8, 9, 10, 13
local S_ID, S_KIND, S_BY, S_REASON, S_FILES = 1, 2, 3, 4, 5

local FINAL = { acknowledged = true, lapsed = true, expired = true, revoked = true }

local function text(n) return string.format('%.0f', n) end

-- keyed returns s so that nothing that follows can be taken for a part of it, tenantof the keyed tenant that s begins with.
local function keyed(s) return #s .. ':' .. s .. ':' end
local function tenantof(s)
  local size = s:match('^%d+')
  return s:sub(1, #size + 2 + tonumber(size))
end

-- place returns where a record is found by what happens to it next.
local function place(r, name)
  if FINAL[r[STATE]] then
    if r[BLOBS] ~= '' then
      return 'b' .. keyed(unpacked(r[WHAT])[W_REGION]) .. r[ENDED] .. name
    end
    return 'd' .. r[ENDED] .. name
  elseif r[STATE] == 'opening' then
    return 'l' .. r[LEASE] .. name
  end
  return 'e' .. r[EXPIRES] .. name
end

-- read returns a record with what storing it needs, or nil.
local function read(tenant, id)
  local name = tenant .. id
  local got = call('HMGET', H, 'r' .. name, 'm' .. name, 'seq', 'u' .. tenant)
  if got[1] then
    local r = unpacked(got[1])
    return { name = name, tenant = tenant, r = r, packed = got[1], secrets = got[2], seq = got[3], head = got[4], was = place(r, name) }
  end
end

-- store stores x with the events of stamps. more may have add and gone, members of the set, fields, names and values, and drop, names.
local function store(x, now, stamps, more)
  local r, add, fields, gone = x.r, more and more.add or {}, more and more.fields or {}, more and more.gone or {}
  local is = place(r, x.name)
  if is ~= x.was then
    add[#add + 1], gone[#gone + 1] = is, x.was
  end
  x.packed = pack(r)
  fields[#fields + 1], fields[#fields + 2] = 'r' .. x.name, x.packed
  for i, st in ipairs(stamps) do
    x.seq = string.format('%016.0f', tonumber(x.seq) + 1)
    local at = x.tenant .. x.seq
    add[#add + 1] = 'u' .. at .. st[S_ID]
    if not x.head then
      x.head = x.seq
      add[#add + 1] = 'U' .. at:sub(-16) .. x.tenant
      fields[#fields + 1], fields[#fields + 2] = 'u' .. x.tenant, x.seq
    end
    fields[#fields + 1], fields[#fields + 2] = 'v' .. st[S_ID], at .. pack({
      st[S_ID], st[S_KIND], now, st[S_BY], st[S_REASON], st[S_FILES], r[STATE], r[VIEWS], r[REFUSALS], r[WHAT],
    })
    if i == #stamps then
      fields[#fields + 1], fields[#fields + 2] = 'seq', x.seq
    end
  end
  if #add > 0 then
    local members = {}
    for i, m in ipairs(add) do
      members[2 * i - 1], members[2 * i] = 0, m
    end
    call('ZADD', X, unpack(members))
  end
  call('HSET', H, unpack(fields))
  if more and more.drop then
    call('HDEL', H, unpack(more.drop))
  end
  if #gone > 0 then
    call('ZREM', X, unpack(gone))
  end
  x.was = is
end

local function count(r, i) r[i] = text(tonumber(r[i]) + 1) end

-- unfetched returns the numbers of files that were not handed over completely in the present view.
local function unfetched(r)
  local next, out, n = r[FETCHED]:gmatch('%d+'), {}, 0
  for chunks in r[CHUNKS]:gmatch('%d+') do
    n = n + 1
    if tonumber(next() or 0) < tonumber(chunks) then
      out[#out + 1] = text(n)
    end
  end
  return table.concat(out, ',')
end

-- destroy ends x and returns what store needs to drop what opens it. It is written over first, in the one HSET.
local function destroy(x, state, now)
  local r, name = x.r, x.name
  local gone = { 'k' .. keyed(r[HALFKEY]) .. name }
  r[STATE], r[ENDED] = state, now
  r[HALFKEY], r[SEALED], r[HEADER], r[KEY], r[PASSKEY] = '', '', '', '', ''
  count(r, VERSION)
  return { fields = { 'm' .. name, '', 't' .. name, '' }, drop = { 'm' .. name, 't' .. name }, gone = gone }
end

-- listed returns the members under which a record is listed, as codec.go does.
local function listed(r, name)
  local w, tenant = unpacked(r[WHAT]), tenantof(name)
  local at = w[W_CREATED] .. w[W_ID]
  return 'la' .. tenant .. at, 'lt' .. tenant .. keyed(w[W_SENDER]) .. at, 'ls' .. tenant .. keyed(w[W_SUBJECT]) .. at,
    'lk' .. tenant .. keyed(w[W_SYSTEM]) .. keyed(w[W_TICKET]) .. at
end

-- behead corrects the place of a tenant whose first event was was.
local function behead(tenant, was)
  local from = 'u' .. tenant
  local m = call('ZRANGEBYLEX', X, '[' .. from, '(' .. from .. '~', 'LIMIT', 0, 1)[1]
  local now = m and m:sub(#from + 1, #from + 16)
  if was == now then
    return
  end
  if now then
    call('ZADD', X, 0, 'U' .. now .. tenant)
    call('HSET', H, 'u' .. tenant, now)
  else
    call('HDEL', H, 'u' .. tenant)
  end
  if was then
    call('ZREM', X, 'U' .. was .. tenant)
  end
end
