-- now, channel, tenant, subject, stamp, end of the freeze or '', '1' to unlock
local st = unpacked(ARGV[5])
if been(st, ARGV[3], '', ARGV[4]) then
  return { 'ok' }
end
local failures, frozen = subject(ARGV[3], ARGV[4])
if ARGV[6] ~= '' and (ARGV[6] == NEVER or ARGV[6] > frozen) then
  frozen = ARGV[6]
end
if ARGV[7] == '1' then
  failures = 0
end
emit(ARGV[3], { '', st[1], st[2], ARGV[1], ARGV[3], '', '', ARGV[4], '', '', '', '', '', '', '0', '', '0', '0', st[3], st[4], '0', '' },
  { 's' .. keyed(ARGV[3]) .. ARGV[4], frozen .. text(failures) })
keep(ARGV[3], ARGV[4], failures, frozen)
changed(ARGV[2], ARGV[3], ARGV[4])
return { 'ok' }
