-- tenant, subject
local failures, frozen = subject(ARGV[1], ARGV[2])
return { 'ok', text(failures), frozen }
