-- claim, auth, number, passphrase, '1' where the gate let this claim pass, regions.
-- Returns the half and the inline besides.
if not same(r[AUTH], ARGV[9]) then
  return unauthorized()
end
local state = effective()
local mine = state == 'opening' and now < r[LEASE] and same(r[CLAIM], ARGV[8])
if FINAL[state] then
  return answer('ended')
elseif state == 'draft' then
  return answer('draft')
elseif state == 'opening' and not mine then
  return answer('opening')
elseif not served(ARGV[13]) then
  return answer('region')
end
local half, mac, passmac = secrets()
if not mine and r[KIND] == 'send' then
  if r[GATE] == 'proof' then
    if ARGV[12] == '' then
      return answer('gate')
    end
  elseif r[GATE] == 'code' and ARGV[10] ~= '' and tonumber(r[TRIES]) < tonumber(r[MAXTRIES]) and now >= r[CODEUNTIL] then
    return answer('number') -- the code is over: that is no guess
  else
    local refused = trynumber(ARGV[10], mac)
    if refused then
      return refused
    end
  end
end
if passmac ~= '' then
  local refused = try(ARGV[11], passmac, PASSKEY, PASSTRIES, MAXPASSTRIES, 'passphrase', 'passphrase')
  if refused then
    return refused
  end
end
local stamps = {}
if not mine then
  if r[STATE] == 'opening' then -- the lease of the view before has ended, and nobody has swept
    stamps[1] = { st[S_ID] .. '-lapsed', 'lapsed', 'system', '', unfetched(r) }
  end
  if r[REVEALED] == NEVER then
    r[REVEALED] = now
    if r[AFTER] ~= '' then
      local sum = tonumber(now:sub(9)) + tonumber(r[AFTER]) -- exact below 2^53
      local ends = string.format('%08.0f%012.0f', tonumber(now:sub(1, 8)) + math.floor(sum / 1e12), sum % 1e12)
      if ends < r[EXPIRES] then
        r[EXPIRES] = ends
      end
    end
  end
  if r[KIND] == 'send' and r[GATE] == 'code' then -- a code opens one view; the next has codes of its own
    r[CODEUNTIL], r[CODESENDS] = NEVER, '0'
  end
  r[CLAIM], r[FETCHED], r[STATE] = ARGV[8], r[CHUNKS]:gsub('%d+', '0'), 'opening'
  count(r, VIEWS)
  count(r, VERSION)
  stamps[#stamps + 1] = { st[S_ID], 'revealed', st[S_BY], '', st[S_FILES] }
end
extend()
store(x, now, stamps)
return { 'ok', x.packed, half, call('HGET', H, 't' .. x.name) or '' }
