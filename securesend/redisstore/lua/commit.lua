-- upload, auth, header, half, key of the half, inline, sizes, chunks, key of the passphrase, its MAC
if not same(r[UPLOAD], ARGV[8]) then
  return answer('auth')
elseif FINAL[effective()] then
  return answer('ended')
elseif r[STATE] ~= 'draft' then
  return answer((call('HGET', H, 't' .. x.name) or '') == ARGV[13] and 'ok' or 'conflict')
end
local half, mac = secrets()
local more = { add = {}, gone = {} }
if r[KIND] == 'send' then -- of a request both were there before it was asked
  local was, is = 'k' .. keyed(r[HALFKEY]) .. x.name, 'k' .. keyed(ARGV[12]) .. x.name
  if half ~= '' and (was ~= is or ARGV[11] == '') then
    more.gone[1] = was
  end
  if ARGV[11] ~= '' then
    more.add[1], more.add[2] = 0, is
  end
  r[AUTH], half, r[HALFKEY] = ARGV[9], ARGV[11], ARGV[12]
end
r[HEADER], r[SIZES], r[CHUNKS], r[PASSKEY] = ARGV[10], ARGV[14], ARGV[15], ARGV[16]
r[STATE], r[READY] = 'ready', now
count(r, VERSION)
more.fields = { 'm' .. x.name, pack({ half, mac, ARGV[17] }), 't' .. x.name, ARGV[13] }
if ARGV[13] == '' then
  more.drop = { 't' .. x.name }
end
store(x, now, { st }, more)
return answer('ok')
