-- index, index of the tenants, most events, tenant to begin with or '', number after which, tenants to leave out. Returns
-- events, the tenants with the oldest first one first; before those of a tenant stands the head of its chain.
local index, heads, left = ARGV[1], ARGV[2], tonumber(ARGV[3])
local out, skip = { 'ok' }, {}
for i = 6, #ARGV do
  skip[ARGV[i]] = true
end
local function take(tenant, after)
  local t = keyed(tenant)
  local members = call('ZRANGEBYLEX', X, '(' .. index .. t .. after, '(' .. index .. t .. '~', 'LIMIT', 0, left)
  local events = {}
  for _, m in ipairs(members) do
    local v = call('HGET', H, 'v' .. m:sub(-16))
    if v and unpacked(v)[E_TENANT] == tenant then
      events[#events + 1] = v
    else -- left over by a crash
      local was = first(index, tenant)
      call('ZREM', X, m)
      behead(index, heads, tenant, was)
    end
  end
  if #events > 0 then
    local c = call('HGET', H, 'h' .. tenant)
    local head = c and unpacked(c) or { '0', '', '0', '' }
    out[#out + 1], out[#out + 2], out[#out + 3], out[#out + 4] = tenant, head[3], head[4], text(#events)
    for _, v in ipairs(events) do
      out[#out + 1] = v
    end
    left = left - #events
  end
  skip[tenant] = true
end
if ARGV[4] ~= '' then
  take(ARGV[4], ARGV[5])
end
local from = '[' .. heads
while left > 0 do
  local members = call('ZRANGEBYLEX', X, from, '(' .. heads .. '~', 'LIMIT', 0, 100)
  if #members == 0 then
    break
  end
  for _, m in ipairs(members) do
    local tenant = m:sub(18)
    if left > 0 and not skip[tenant] then
      take(tenant, '')
    end
    from = '(' .. m
  end
end
return out
