-- tenant, head, token of the call, number, id, place and value of each event
local tenant, t = ARGV[1], keyed(ARGV[1])
local b = call('HGET', H, 'h' .. tenant)
local chain = b and unpacked(b) or { '0', '', '0', '', '' }
if chain[5] == ARGV[3] then -- this very call has been here
  return { 'ok' }
end
if chain[3] ~= ARGV[2] then
  return { 'conflict' }
end
local events, args = {}, unpacked(ARGV[4])
for i = 1, #args, 4 do
  local v = call('HGET', H, 'v' .. args[i])
  local e = v and unpacked(v)
  if not e or e[E_ID] ~= args[i + 1] or e[E_TENANT] ~= tenant or e[E_LINK] ~= '0' then
    return { 'conflict' }
  end
  e[E_LINK], e[E_VALUE] = text(tonumber(args[i + 2])), args[i + 3]
  events[#events + 1] = e
end
local was = first('n', tenant)
local fields = {}
for i, e in ipairs(events) do
  call('ZADD', X, 0, 'k' .. t .. string.format('%016.0f', tonumber(e[E_LINK])) .. e[1])
  fields[2 * i - 1], fields[2 * i] = 'v' .. e[1], pack(e)
  chain[3], chain[4] = e[E_LINK], e[E_VALUE]
end
chain[5] = ARGV[3]
fields[#fields + 1], fields[#fields + 2] = 'h' .. tenant, pack(chain)
call('HSET', H, unpack(fields))
for _, e in ipairs(events) do
  call('ZREM', X, 'n' .. t .. e[1])
end
behead('n', 'N', tenant, was)
collect(tenant)
return { 'ok' }
