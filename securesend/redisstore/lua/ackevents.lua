-- ids.
local tenants = {}
for _, id in ipairs(ARGV) do
  local at = call('HGET', H, 'i' .. id)
  if at then
    tenants[tenantof(at)] = true
    call('HDEL', H, 'v' .. at, 'i' .. id)
  end
end
for tenant in pairs(tenants) do
  advance(tenant)
end
return { 'ok' }
