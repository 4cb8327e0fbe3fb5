-- claim, auth
if not same(r[AUTH], ARGV[9]) then
  return unauthorized()
elseif not same(r[CLAIM], ARGV[8]) then
  return answer(FINAL[r[STATE]] and 'ended' or 'opening')
elseif r[STATE] == 'acknowledged' or r[STATE] == 'ready' then
  return answer('ok')
elseif FINAL[r[STATE]] then
  return answer('ended')
end
st[S_FILES] = unfetched(r)
r[ACKED] = now
local more
if tonumber(r[VIEWS]) >= tonumber(r[MAXVIEWS]) then
  more = destroy(x, 'acknowledged', now)
else
  r[STATE], r[LEASE] = 'ready', NEVER
  count(r, VERSION)
end
store(x, now, { st }, more)
return answer('ok')
