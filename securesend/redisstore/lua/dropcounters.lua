-- now, most
local members = call('ZRANGEBYLEX', X, '[c', '(c' .. ARGV[1] .. '~', 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(members) do
  local v = call('HGET', H, 'c' .. m:sub(22))
  if v and v:sub(1, 20) == m:sub(2, 21) then
    call('HDEL', H, 'c' .. m:sub(22))
  end
  call('ZREM', X, m)
end
return { 'ok', text(#members) }
