-- now, now less the margin, ids of events, of which there are as many as records may be swept
local now, swept, ids = ARGV[1], ARGV[2], unpacked(ARGV[3])
local members = call('ZRANGEBYLEX', X, '[e', '(e' .. now .. '~', 'LIMIT', 0, #ids)
for _, m in ipairs(call('ZRANGEBYLEX', X, '[l', '(l' .. swept .. '~', 'LIMIT', 0, #ids - #members)) do
  members[#members + 1] = m
end
for i, m in ipairs(members) do
  local name = m:sub(22)
  local tenant = tenantof(name)
  local x = read(tenant, name:sub(#tenant + 1))
  if not x or x.was ~= m then -- left over by a crash
    call('ZREM', X, m)
  elseif x.r[STATE] == 'opening' then
    local r, more = x.r, nil
    local st = { ids[i], 'lapsed', 'system', '', unfetched(r) }
    if tonumber(r[VIEWS]) < tonumber(r[MAXVIEWS]) and now < r[EXPIRES] then
      r[STATE], r[LEASE] = 'ready', NEVER
      count(r, VERSION)
    else
      more = destroy(x, 'lapsed', now)
    end
    store(x, now, { st }, more)
  else
    local more = destroy(x, 'expired', now)
    store(x, now, { { ids[i], 'expired', 'system', '', '' } }, more)
  end
end
return { 'ok', text(#members) }
