-- tenant, place after which, most events. Returns base and head of the chain and the events.
local t = keyed(ARGV[1])
local b = call('HGET', H, 'h' .. ARGV[1])
local chain = b and unpacked(b) or { '0', '', '0', '' }
local out = { 'ok', chain[1], chain[2], chain[3], chain[4] }
for _, m in ipairs(call('ZRANGEBYLEX', X, '(k' .. t .. ARGV[2] .. '~', '(k' .. t .. '~', 'LIMIT', 0, tonumber(ARGV[3]))) do
  local v = call('HGET', H, 'v' .. m:sub(-16))
  local e = v and unpacked(v)
  if e and e[E_TENANT] == ARGV[1] and tonumber(e[E_LINK]) == tonumber(m:sub(-32, -17)) then -- else left over by a crash
    out[#out + 1] = v
  end
end
return out
