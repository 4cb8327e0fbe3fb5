-- tenant, place after which, most events. Returns base and head of the chain and the events.
local t = keyed(ARGV[1])
local b = call('HGET', H, 'h' .. ARGV[1])
local chain = b and unpacked(b) or { '0', '', '0', '' }
local out = { 'ok', chain[1], chain[2], chain[3], chain[4] }
for _, m in ipairs(call('ZRANGEBYLEX', X, '(k' .. t .. ARGV[2] .. '~', '(k' .. t .. '~', 'LIMIT', 0, tonumber(ARGV[3]))) do
  out[#out + 1] = call('HGET', H, 'v' .. m:sub(-16))
end
return out
