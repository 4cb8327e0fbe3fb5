-- ids.
local heads = {}
for _, id in ipairs(ARGV) do
  local v = call('HGET', H, 'v' .. id)
  if v then
    local tenant = tenantof(v)
    if heads[tenant] == nil then
      heads[tenant] = call('HGET', H, 'u' .. tenant)
    end
    call('HDEL', H, 'v' .. id)
    call('ZREM', X, 'u' .. v:sub(1, #tenant + 16) .. id)
  end
end
for tenant, was in pairs(heads) do
  behead(tenant, was)
end
return { 'ok' }
