local FINAL = { acknowledged = true, lapsed = true, expired = true, revoked = true }

-- keyed returns s so that nothing that follows can be taken for a part of it.
local function keyed(s) return #s .. ':' .. s .. ':' end

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
  local got = call('HMGET', H, 'r' .. name, 'u' .. tenant, 'm' .. name)
  if got[1] then
    local r = unpacked(got[1])
    return { name = name, tenant = tenant, r = r, packed = got[1], events = got[2], secrets = got[3], was = place(r, name) }
  end
end

-- store stores x with the events of stamps. more may have add, members of the set behind zeros, gone, members, fields, names
-- and values, and drop, names.
local function store(x, now, stamps, more)
  local r, add, fields, gone = x.r, more and more.add or {}, more and more.fields or {}, more and more.gone or {}
  local is = place(r, x.name)
  if is ~= x.was then
    add[#add + 1], add[#add + 2], gone[#gone + 1] = 0, is, x.was
  end
  x.packed = pack(r)
  fields[#fields + 1], fields[#fields + 2] = 'r' .. x.name, x.packed
  if #stamps > 0 then
    local first, last, since = x.events:sub(1, 16), x.events:sub(17, 32), x.events:sub(33)
    if last < first then
      first, since = number(tonumber(last) + 1), now
      add[#add + 1], add[#add + 2] = 0, 'U' .. now .. x.tenant
    end
    local n = #fields
    for _, st in ipairs(stamps) do
      last = number(tonumber(last) + 1)
      local at = x.tenant .. last
      fields[n + 1], fields[n + 2], fields[n + 3] = 'i' .. st[S_ID], at, 'v' .. at
      fields[n + 4] = pack({ st[S_ID], st[S_KIND], now, st[S_BY], st[S_REASON], st[S_FILES], r[STATE], r[VIEWS], r[REFUSALS], r[WHAT] })
      n = n + 4
    end
    x.events = first .. last .. since
    fields[n + 1], fields[n + 2] = 'u' .. x.tenant, x.events
  end
  if #add > 0 then
    call('ZADD', X, unpack(add))
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

-- count adds one to a place of a record.
local function count(r, i) r[i] = text(tonumber(r[i]) + 1) end
