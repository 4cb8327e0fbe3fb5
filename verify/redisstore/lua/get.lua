-- tenant, id
local b = call('HGET', H, 'r' .. keyed(ARGV[1]) .. ARGV[2])
if not b then
  return { 'notfound' }
end
local failures, frozen = subject(ARGV[1], unpacked(b)[SUBJECT])
return { 'ok', b, text(failures), frozen }
