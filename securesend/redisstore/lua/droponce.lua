-- before, most
local members = call('ZRANGEBYLEX', X, '[o', '(o' .. ARGV[1], 'LIMIT', 0, tonumber(ARGV[2]))
for _, m in ipairs(members) do
  call('HDEL', H, 'o' .. m:sub(22))
  call('ZREM', X, m)
end
return { 'ok', text(#members) }
