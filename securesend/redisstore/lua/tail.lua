-- most events, tenant to begin with or '', number after which, tenants to leave out. Returns events, each behind its
-- tenant and number: those of each tenant in their order, the tenants with the oldest first one first.
local left, out, skip = tonumber(ARGV[1]), { 'ok' }, {}
for i = 4, #ARGV do
  skip[ARGV[i]] = true
end
local function take(tenant, u, after)
  local n, last = math.max(tonumber(u:sub(1, 16)), after + 1), tonumber(u:sub(17, 32))
  while n <= last and left > 0 do
    local names = {}
    for i = n, math.min(last, n + math.min(left, 100) - 1) do
      names[#names + 1] = 'v' .. tenant .. number(i)
    end
    for i, v in ipairs(call('HMGET', H, unpack(names))) do
      if v then
        out[#out + 1], out[#out + 2] = names[i]:sub(2), v
        left = left - 1
      end
    end
    n = n + #names
  end
  skip[tenant] = true
end
if ARGV[2] ~= '' then
  take(ARGV[2], call('HGET', H, 'u' .. ARGV[2]), tonumber(ARGV[3]))
end
local from = '[U'
while left > 0 do
  local members = call('ZRANGEBYLEX', X, from, '(U~', 'LIMIT', 0, 100)
  if #members == 0 then
    break
  end
  for _, m in ipairs(members) do
    local tenant = m:sub(22)
    if left > 0 and not skip[tenant] then
      local u = call('HGET', H, 'u' .. tenant)
      if u and u:sub(33) == m:sub(2, 21) then
        take(tenant, u, 0)
      else -- left over by a crash
        call('ZREM', X, m)
      end
    end
    from = '(' .. m
  end
end
return out
