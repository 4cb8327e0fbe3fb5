return done('ok', { st })
