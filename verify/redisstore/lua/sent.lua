-- receipt, status
if before then
  return { 'ok', b }
end
if tonumber(ARGV[7]) > tonumber(r[DELIVERY]) then
  r[DELIVERY], r[RECEIPT] = ARGV[7], ARGV[6]
  done()
elseif r[RECEIPT] == '' and ARGV[6] ~= '' then
  r[RECEIPT] = ARGV[6]
  b = pack(r)
  call('HSET', H, 'r' .. name(r), b)
  changed(channel, r[TENANT], r[SUBJECT])
end
return { 'ok', b }
