-- tenant, subject, kind
local b = call('HGET', H, 'f' .. keyed(ARGV[1]) .. keyed(ARGV[2]) .. ARGV[3])
if not b then
  return { 'notfound' }
end
return { 'ok', b }
