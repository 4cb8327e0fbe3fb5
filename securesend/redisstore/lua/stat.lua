-- tenant, id
local b = call('HGET', H, 'r' .. ARGV[1] .. ARGV[2])
if not b then
  return { 'notfound' }
end
return { 'ok', b }
