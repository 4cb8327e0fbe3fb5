-- most events, tenant to begin with or '', number and id of the event after which, tenants to leave out. Returns events, those of each
-- tenant in their order, the tenants with the oldest first one first.
local left, out, skip = tonumber(ARGV[1]), { 'ok' }, {}
for i = 4, #ARGV do
  skip[ARGV[i]] = true
end
local function take(tenant, after)
  local from = 'u' .. tenant
  local members = call('ZRANGEBYLEX', X, (after == '' and '[' or '(') .. from .. after, '(' .. from .. '~', 'LIMIT', 0, left)
  for _, m in ipairs(members) do
    local v = call('HGET', H, 'v' .. m:sub(#from + 17))
    if v and v:sub(1, #from + 15) == m:sub(2, #from + 16) then
      out[#out + 1] = v
      left = left - 1
    else -- left over by a crash
      call('ZREM', X, m)
      behead(tenant, call('HGET', H, 'u' .. tenant))
    end
  end
  skip[tenant] = true
  return #members > 0
end
if ARGV[2] ~= '' then
  take(ARGV[2], ARGV[3])
end
local from = '[U'
while left > 0 do
  local members = call('ZRANGEBYLEX', X, from, '(U~', 'LIMIT', 0, 100)
  if #members == 0 then
    break
  end
  for _, m in ipairs(members) do
    local tenant = m:sub(18)
    if left > 0 and not skip[tenant] and not take(tenant, '') then
      call('ZREM', X, m)
    end
    from = '(' .. m
  end
end
return out
