-- by
if before then
  return { 'ok', b }
end
local by = ARGV[6]
if r[STATE] ~= 'confirmed' or r[KIND] ~= 'caller' then
  return { 'proof' }
elseif frozen > now then
  return { 'frozen' }
elseif now >= r[PROOF] then
  return { 'proofexpired' }
elseif r[NEEDSAPPROVAL] ~= '' and r[APPROVEDBY] == '' then
  return { 'unapproved' }
elseif r[REDEEMEDBY] == by then
  return { 'ok', b }
elseif r[REDEEMEDBY] ~= '' then
  return { 'redeemed' }
end
r[REDEEMEDBY], r[REDEEMEDAT] = by, now
r[VERSION] = text(tonumber(r[VERSION]) + 1)
done()
return { 'ok', b }
