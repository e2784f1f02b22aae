--- McNemar's exact test: two classifiers on the same samples. Only the samples that one of them has right and the
--- other wrong tell them apart; if neither is better, each of these falls to either side with probability 1/2.
local distributions = require "perilune.stats.distributions"

local M = {}

--- The two-sided p-value for `b` samples that only the first has right and `c` that only the second has.
--   p = min(1, 2 P(X <= min(b, c))), X binomial with b + c trials at 1/2
function M.p_value(b, c)
  if b == c then return 1.0 end
  return math.min(1.0, 2 * distributions.binomial_half_cdf(math.min(b, c), b + c))
end

return M
