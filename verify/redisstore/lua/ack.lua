-- ids.
local heads = {}
for _, id in ipairs(ARGV) do
  local place = call('HGET', H, 'i' .. id)
  if place then
    local seq = place:sub(-16)
    local tenant = place:sub(place:find(':', 1, true) + 1, -18)
    if heads[tenant] == nil then
      heads[tenant] = first('u', tenant) or false
    end
    call('ZREM', X, 'u' .. place)
  end
end
for tenant, was in pairs(heads) do
  behead('u', 'U', tenant, was)
  collect(tenant)
end
return { 'ok' }
